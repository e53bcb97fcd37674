'use strict';
// What goes into a native store comes out again.
const assert = require('node:assert/strict');
const { createRequire } = require('node:module');
const { test } = require('node:test');
const { eventstore, open } = require('../support/stage.cjs');
const { largest, literal, natives } = require('../support/subjects.cjs');

// npm eventstore reads what is in Redis with it.
const jsondate = createRequire(require.resolve('eventstore'))('jsondate');

const payloads = {
  'plain values': { text: 'a', number: 1.5, yes: true, none: null, list: [1, [2]], object: { a: {} }, '': 'empty key' },
  dates: { at: new Date('2020-02-29T12:00:00.250Z'), nested: [{ at: new Date(0) }] },
  binary: { bytes: Buffer.from([0, 1, 255]), nested: { more: Buffer.from('é') } },
  'texts that look like dates': { at: '2020-02-29T12:00:00.250Z', list: ['2020-02-29T12:00:00Z', '2020-02-29'] },
  'keys with a dollar': {
    $date: 'mine',
    $binary: { base64: 'bWluZQ==' },
    $literal: { $date: '2020-02-29T12:00:00.250Z' },
    a: { $x: new Date(1) },
  },
  'odd characters': { 'a.b': '\u0000\u2028"\\\n😀', __proto_: 1, key: '\ud83d\ude00' },
  'numbers at the edge': { big: Number.MAX_SAFE_INTEGER, small: 5e-324, negative: -0.1, large: 1.7976931348623157e308 },
  'a megabyte': { text: 'x'.repeat(1 << 20) },
};

for (const [name, options] of Object.entries(natives)) {
  const isLikeTheirs = name === 'redis' || literal.includes(name);
  for (const [what, payload] of Object.entries(payloads)) {
    test(`${name}: ${what} come back as they ${isLikeTheirs ? 'do with npm eventstore' : 'were'}`, async () => {
      const es = await open(options());
      const stream = await es.getEventStream('x');
      stream.addEvent(structuredClone(payload));
      const text = JSON.stringify(structuredClone(payload));
      if (text.length > largest[name]) {
        await assert.rejects(stream.commit(), { code: 'TOO_LARGE' });
        return;
      }
      await stream.commit();
      const [event] = await es.getEvents('x');
      if (isLikeTheirs) {
        assert.deepEqual(event.payload, (name === 'redis' ? jsondate : JSON).parse(text));
        return;
      }
      const asIs = (value) =>
        JSON.parse(JSON.stringify(value, (key, v) => (v?.type === 'Buffer' ? `bytes ${v.data}` : v)));
      assert.deepEqual(asIs(event.payload), asIs(payload));
      if (payload.at instanceof Date)
        assert.ok(event.payload.at instanceof Date && event.payload.nested[0].at instanceof Date);
      if (typeof payload.at === 'string') assert.equal(typeof event.payload.at, 'string');
      if (payload.bytes) assert.ok(Buffer.isBuffer(event.payload.bytes) && Buffer.isBuffer(event.payload.nested.more));
      if (payload.a) assert.ok(event.payload.a.$x instanceof Date);
    });
  }

  test(`${name}: what has no JSON form is refused, and nothing is lost`, async () => {
    const es = await open(options());
    const circle = {};
    circle.self = circle;
    for (const [bad, expected] of [
      // MongoDB has those of 64 bits.
      [{ n: 2n ** 64n }, /BigInt/],
      [circle, /refers to itself/],
    ]) {
      const stream = await es.getEventStream('x');
      stream.addEvents([{ fine: true }, bad]);
      await assert.rejects(stream.commit(), expected);
      assert.equal(stream.uncommittedEvents.length, 2);
    }
    assert.equal((await es.getEvents()).length, 0);
  });

  test(`${name}: snapshots keep their values`, async () => {
    const es = await open(options());
    const data = { at: new Date(5), list: [1], text: 'é' };
    await es.createSnapshot({ aggregateId: 'x', data, revision: 0, version: '1.2' });
    const [snapshot] = await es.getFromSnapshot('x');
    assert.deepEqual(snapshot.data, literal.includes(name) ? JSON.parse(JSON.stringify(data)) : data);
    assert.equal(snapshot.version, '1.2');
    assert.ok(snapshot.commitStamp instanceof Date);
  });

  test(`${name}: odd ids are told apart`, async () => {
    const es = await open(options());
    const ids = [
      'a',
      'A',
      'é',
      'e\u0301',
      'a:b',
      'a/b',
      '%',
      "'",
      '"',
      '\\',
      '\u0000',
      '\n',
      '__proto__',
      '_general',
      'x'.repeat(1000),
      '😀',
    ];
    for (const id of ids) {
      for (const query of [
        { aggregateId: id },
        { aggregateId: 'x', aggregate: id },
        { aggregateId: 'x', context: id },
      ]) {
        const stream = await es.getEventStream(query);
        stream.addEvent(query);
        await stream.commit();
      }
    }
    assert.equal((await es.getEvents()).length, ids.length * 3);
    for (const id of ids) {
      assert.deepEqual(
        (await es.getEvents({ aggregateId: id })).map((e) => e.payload.aggregateId),
        [id],
      );
      assert.deepEqual(
        (await es.getEvents({ aggregate: id })).map((e) => e.payload.aggregate),
        [id],
      );
      assert.deepEqual(
        (await es.getEvents({ context: id })).map((e) => e.payload.context),
        [id],
      );
    }
  });
}

test('inmemory: ISO texts in snapshots become dates, as in node-eventstore', async () => {
  const es = await open({});
  await es.createSnapshot({ aggregateId: 'x', data: { list: ['2020-02-29T12:00:00.250Z'] }, revision: 0 });
  const [snapshot] = await es.getFromSnapshot('x');
  assert.deepEqual(snapshot.data, { list: [new Date('2020-02-29T12:00:00.250Z')] });
});

test('inmemory: a query may ask for any field', async () => {
  const es = await open({});
  const stream = await es.getEventStream('x');
  stream.addEvents([
    { kind: 'a', tags: [{ name: 't' }] },
    { kind: 'b', tags: [] },
    { kind: 'a', tags: [] },
  ]);
  await stream.commit();
  const count = async (query, ...rest) => (await es.getEvents(query, ...rest)).length;
  assert.equal(await count({ 'payload.kind': 'a' }), 2);
  assert.equal(await count({ 'payload.kind': 'a', aggregateId: 'y' }), 0);
  assert.equal(await count({ 'payload.tags.name': 't' }), 1);
  assert.equal(await count({ 'payload.kind': 'a' }, 1, 5), 1);
  assert.equal(await count({ streamRevision: 1 }), 1);
  assert.equal(eventstore.createStore({}).assignsPositions, true);
});
