'use strict';
const assert = require('node:assert/strict');
const { Readable } = require('node:stream');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { eventstore, open, until } = require('./support/stage.cjs');
const { subjects } = require('./support/subjects.cjs');

async function filled(options, streams, count) {
  const es = await open(options);
  for (const query of streams) {
    const stream = await es.getEventStream({ aggregateId: 'x', ...query });
    stream.events = [];
    stream.lastRevision = -1;
    stream.addEvents([...Array(count).keys()].map((n) => ({ n, ...query })));
    await stream.commit();
  }
  return es;
}

for (const [name, options] of Object.entries(subjects)) {
  test(`${name}: by revision a query that matches two streams streams both whole`, async () => {
    const es = await filled(options(), [{ context: 'one' }, { context: 'two' }], 250);
    const found = { one: [], two: [] };
    for await (const { context, streamRevision } of es.streamEventsByRevision('x', 10))
      found[context].push(streamRevision);
    const expected = [...Array(250).keys()].slice(10);
    assert.deepEqual(found.one, expected);
    assert.deepEqual(found.two, expected);
  });

  test(`${name}: a signal ends a stream that is being read`, async () => {
    const es = await filled(options(), [{}], 250);
    const controller = new AbortController();
    const seen = [];
    await assert.rejects(
      async () => {
        for await (const event of es.streamEvents('x', { signal: controller.signal })) {
          seen.push(event.payload.n);
          if (seen.length === 5) controller.abort();
          await sleep(0);
        }
      },
      { name: 'AbortError' },
    );
    assert.ok(seen.length < 250, `${seen.length} read`);
  });
}

test('a stream that nobody reads on reads no further ahead than it must', async () => {
  const es = await filled(subjects['a store that extends'](), [{}], 1000);
  let calls = 0;
  const read = es.store.getEvents;
  es.store.getEvents = function (...args) {
    calls++;
    read.apply(this, args);
  };
  const iterator = es.streamEvents()[Symbol.asyncIterator]();
  assert.equal((await iterator.next()).value.payload.n, 0);
  await sleep(30);
  assert.ok(calls <= 2, `${calls} pages`);
  await iterator.return();
  await sleep(10);
  assert.ok(calls <= 2, `${calls} pages`);
});

test('destroying a stream ends it', async () => {
  const es = await filled(subjects.inmemory(), [{}], 300);
  const stream = es.streamEvents();
  assert.ok(stream instanceof Readable);
  assert.equal(stream.readableObjectMode, true);
  const seen = [];
  stream.on('data', (event) => {
    seen.push(event.payload.n);
    if (seen.length === 3) stream.destroy();
  });
  await until(() => stream.closed);
  assert.deepEqual(seen, [0, 1, 2]);
});

test('an error of the store becomes an error of the stream', async () => {
  const es = await open(subjects['a store that extends']());
  es.store.getEventsSince = (since, skip, limit, done) => done(new Error('unreadable'));
  es.store.getEvents = () => {
    throw new Error('broken');
  };
  const [since, all] = [es.streamEventsSince(new Date(0)), es.streamEvents()];
  await assert.rejects(since.toArray(), /unreadable/);
  await assert.rejects(all.toArray(), /broken/);
});

test('a store that streams by itself is asked for its own streams', async () => {
  class Streaming extends eventstore.Store {
    connect(done) {
      done(null);
    }
    streamEvents(...args) {
      return Readable.from(['events', ...args]);
    }
    streamEventsSince(...args) {
      return Readable.from(['since', ...args]);
    }
    streamEventsByRevision(...args) {
      return Readable.from(['revisions', ...args]);
    }
  }
  const es = await open({ type: Streaming });
  assert.deepEqual(await es.streamEvents('x', 1, 2).toArray(), ['events', { aggregateId: 'x' }, 1, 2]);
  assert.deepEqual(await es.streamEventsSince(0 + 1, 1, 2).toArray(), ['since', new Date(1), 1, 2]);
  assert.deepEqual(await es.streamEventsByRevision('x', 1, 2).toArray(), ['revisions', { aggregateId: 'x' }, 1, 2]);
  const aborted = es.streamEvents('x', 1, 2, { signal: AbortSignal.abort() });
  await assert.rejects(aborted.toArray(), { name: 'AbortError' });
});

test('arguments that cannot be streamed are refused at once', async () => {
  const es = await open(subjects.inmemory());
  assert.throws(() => es.streamEventsSince(), /^Error: Please pass in a date object!$/);
  assert.throws(() => es.streamEventsByRevision({}), /^Error: An aggregateId should be passed!$/);
});

for (const name of ['inmemory', 'sqlite']) {
  test(`${name}: pages and streams go on from a cursor instead of skipping from the start again`, async () => {
    const es = await filled(subjects[name](), [{}], 250);
    const skips = [];
    for (const call of ['getEvents', 'getEventsSince']) {
      const read = es.store[call];
      es.store[call] = function (query, skip, limit, done) {
        skips.push(skip);
        read.call(this, query, skip, limit, done);
      };
    }
    for (const read of [() => es.streamEvents(5), () => es.streamEventsSince(new Date(0), 5)]) {
      assert.equal((await read().toArray()).length, 245);
    }
    for (const first of [es.getEvents(5, 100), es.getEventsSince(new Date(0), 5, 100)]) {
      const sizes = [];
      let page = await first;
      for (let n = 0; n < 4; n++) {
        sizes.push(page.length);
        page = await page.next();
      }
      assert.deepEqual(sizes, [100, 100, 45, 0]);
    }
    assert.deepEqual(skips, [5, 5, 5, 5]);
  });
}

for (const [name, options] of Object.entries(subjects)) {
  test(`${name}: numbers may be given as text, and left out`, async () => {
    const es = await filled(options(), [{}], 5);
    const numbers = async (stream) => (await stream.toArray()).map((event) => event.streamRevision);
    assert.deepEqual(await numbers(es.streamEvents('x', '1', '3')), [1, 2, 3]);
    assert.deepEqual(await numbers(es.streamEvents(3)), [3, 4]);
    assert.deepEqual(await numbers(es.streamEvents({}, null, null)), [0, 1, 2, 3, 4]);
    assert.deepEqual(await numbers(es.streamEventsSince(new Date(0), undefined, '2')), [0, 1]);
    assert.deepEqual(await numbers(es.streamEventsByRevision('x', '1', '3')), [1, 2]);
    assert.deepEqual(await numbers(es.streamEventsByRevision('x', null, null)), [0, 1, 2, 3, 4]);
  });
}
