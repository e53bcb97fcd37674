'use strict';
// The store-level calls of node-eventstore, on native stores.
const assert = require('node:assert/strict');
const { fork } = require('node:child_process');
const { writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const { promisify } = require('node:util');
const { eventstore, folder } = require('../support/stage.cjs');
const { literal, natives } = require('../support/subjects.cjs');

/** A connected store whose calls return promises. */
async function connected(options) {
  const store = eventstore.createStore(options);
  const calls = {};
  for (const name of [
    'connect',
    'disconnect',
    'clear',
    'getNewId',
    'getNextPositions',
    'addEvents',
    'getEvents',
    'getEventsSince',
  ]) {
    calls[name] = promisify(store[name]).bind(store);
  }
  for (const name of [
    'getEventsByRevision',
    'getLastEvent',
    'getUndispatchedEvents',
    'setEventToDispatched',
    'addSnapshot',
  ]) {
    calls[name] = promisify(store[name]).bind(store);
  }
  for (const name of ['getSnapshot', 'cleanSnapshots']) calls[name] = promisify(store[name]).bind(store);
  await calls.connect();
  return calls;
}

const event = (over = {}) => ({
  aggregateId: 'x',
  streamRevision: 0,
  commitId: 'c',
  commitSequence: 0,
  commitStamp: new Date(1000),
  id: 'c0',
  payload: { n: 0 },
  ...over,
});

for (const [name, options] of Object.entries(natives)) {
  test(`${name}: events keep the envelope they came with`, async () => {
    const store = await connected(options());
    const given = [
      event({ id: 'mine', commitStamp: new Date(2000), restInCommitStream: 7, position: 42 }),
      event({ id: 'c9', streamRevision: 1, commitSequence: 9, payload: { n: 1 } }),
    ];
    await store.addEvents(given.map((e) => ({ ...e })));
    const [first, second] = await store.getEventsByRevision({ aggregateId: 'x' }, 0, -1);
    const { id, commitStamp, restInCommitStream, streamRevision, commitSequence } = first;
    assert.deepEqual(
      [id, commitStamp, restInCommitStream, streamRevision, commitSequence],
      ['mine', new Date(2000), 7, 0, 0],
    );
    assert.deepEqual([second.id, second.commitSequence, second.commitStamp], ['c9', 9, new Date(1000)]);
    await store.setEventToDispatched('mine');
    assert.deepEqual(
      (await store.getUndispatchedEvents(null)).map((e) => e.id),
      ['c9'],
    );
    await store.setEventToDispatched('c9');
    await store.setEventToDispatched('nobody');
    assert.equal((await store.getUndispatchedEvents({})).length, 0);
  });

  test(`${name}: order is by commitStamp, whatever the order of arrival`, async () => {
    const store = await connected(options());
    for (const [n, stamp] of [3000, 1000, 2000].entries()) {
      await store.addEvents([
        event({
          aggregateId: `s${n}`,
          commitId: `c${n}`,
          id: undefined,
          commitStamp: new Date(stamp),
          payload: { stamp },
        }),
      ]);
    }
    assert.deepEqual(
      (await store.getEvents({}, 0, -1)).map((e) => e.payload.stamp),
      [1000, 2000, 3000],
    );
    assert.deepEqual(
      (await store.getEvents({}, 1, 1)).map((e) => e.payload.stamp),
      [2000],
    );
    assert.deepEqual((await store.getEvents({}, 5, 1)).length, 0);
    assert.deepEqual((await store.getEvents({}, 0, 0)).length, 0);
    assert.deepEqual(
      (await store.getEvents({}, '1', '1')).map((e) => e.payload.stamp),
      [2000],
    );
    for (const [skip, limit] of [
      [undefined, undefined],
      [null, null],
      [-1, -1],
      [NaN, NaN],
      [0, Infinity],
    ])
      assert.equal((await store.getEvents({}, skip, limit)).length, 3);
    assert.equal((await store.getEvents({}, Infinity, 1)).length, 0);
    assert.equal((await store.getEvents({}, 0.5, 1.5)).length, 2);
    assert.deepEqual(
      (await store.getEventsSince(new Date(2000), 0, -1)).map((e) => e.payload.stamp),
      [2000, 3000],
    );
    assert.equal((await store.getLastEvent({})).payload.stamp, 3000);
    await store.clear();
    assert.equal((await store.getEvents({}, 0, -1)).length, 0);
  });

  test(`${name}: what makes no sense is refused and changes nothing`, async () => {
    const store = await connected(options());
    for (const [events, message] of [
      [[event({ aggregateId: undefined })], 'aggregateId not defined!'],
      [[event(), event({ aggregateId: undefined })], 'aggregateId not defined!'],
      [[event({ aggregateId: undefined, streamId: 'x' })], 'aggregateId not defined!'],
      [[event({ commitId: undefined })], 'commitId not defined or different!'],
      [[event(), event({ commitId: 'd', streamRevision: 1 })], 'commitId not defined or different!'],
      [[event(), event({ aggregateId: 'y', streamRevision: 1 })], /one stream/],
      [[event(), event({ streamRevision: 5 })], /consecutive/],
      [[event({ aggregateId: { a: 1 } })], /must be a string/],
      [[event({ commitStamp: 'nonsense' })], /not a date/],
      [[event({ streamRevision: -1 })], /whole number/],
    ]) {
      await assert.rejects(store.addEvents(events), typeof message === 'string' ? { message } : message);
    }
    await store.addEvents([]);
    await store.addEvents(null);
    assert.equal((await store.getEvents({}, 0, -1)).length, 0);
    await assert.rejects(store.getEventsByRevision({}, 0, -1), { message: 'aggregateId not defined!' });
    await assert.rejects(store.getSnapshot({}, -1), { message: 'aggregateId not defined!' });
    await assert.rejects(store.cleanSnapshots({}), { message: 'aggregateId not defined!' });
    await assert.rejects(store.addSnapshot({ data: 1 }), { message: 'aggregateId not defined!' });
    for (const revision of [-1, 1.5, '1,2', '0', {}])
      await assert.rejects(
        store.addSnapshot({ id: 's', aggregateId: 'x', data: 1, revision }),
        /revision.*whole number/,
      );
    await assert.rejects(store.getEventsSince(new Date('nonsense'), 0, -1), {
      message: 'Please pass in a date object!',
    });
    assert.equal(await store.getSnapshot({ aggregateId: 'x' }, -1), null);
  });

  test(`${name}: a revision is taken once; where none is asked for the next is taken`, async () => {
    const store = await connected(options());
    await store.addEvents([event()]);
    const error = await store.addEvents([event({ commitId: 'd', id: 'd0' })]).catch((e) => e);
    assert.deepEqual([error.name, error.expectedRevision, error.actualRevision], ['ConcurrencyError', -1, 0]);
    const next = event({ commitId: 'e', id: 'e0', streamRevision: undefined });
    await store.addEvents([next]);
    assert.equal(next.streamRevision, 1);
    await store.addEvents([event({ commitId: 'f', id: 'f0', streamRevision: 10 })]);
    assert.deepEqual(
      (await store.getEventsByRevision({ aggregateId: 'x' }, 0, -1)).map((e) => e.streamRevision),
      [0, 1, 10],
    );
    await store.addEvents([event()]);
    assert.equal((await store.getEvents({}, 0, -1)).length, 3, 'the same commit again is answered, not stored');
  });

  // More than cross at once; where each is several requests, no more than it takes.
  const each = literal.includes(name) ? 120 : 1000;
  test(`${name}: more than a thousand events are read back in order`, async () => {
    const store = await connected(options());
    const count = 10 * each;
    for (let commit = 0; commit < 10; commit++) {
      const events = [...Array(each).keys()].map((n) =>
        event({
          commitId: `c${commit}`,
          id: undefined,
          commitSequence: n,
          streamRevision: commit * each + n,
          commitStamp: new Date(1000 + commit),
        }),
      );
      await store.addEvents(events);
    }
    for (const events of [
      await store.getEvents({}, 0, -1),
      await store.getEventsByRevision({ aggregateId: 'x' }, 0, -1),
    ]) {
      assert.equal(events.length, count);
      assert.ok(events.every((e, n) => e.streamRevision === n));
    }
    assert.equal((await store.getEvents({}, 100, 1050)).length, 1050);
    assert.equal((await store.getEvents({}, count - 1, 3000)).length, 1);
  });
}

test('inmemory: data outlive disconnect and connect', async () => {
  const store = await connected({});
  await store.addEvents([event()]);
  await store.disconnect();
  await store.connect();
  assert.equal((await store.getEvents({}, 0, -1)).length, 1);
});

test('sqlite: data outlive the store; a store that is not connected says so', async () => {
  const filename = join(folder, 'again.db');
  const store = eventstore.createStore({ type: 'sqlite', filename });
  await assert.rejects(promisify(store.getEvents).bind(store)({}, 0, -1), { code: 'CONNECTION' });
  const first = await connected({ type: 'sqlite', filename });
  await first.addEvents([event()]);
  await first.disconnect();
  await assert.rejects(first.addEvents([event({ streamRevision: 1 })]), { code: 'CONNECTION' });
  await first.disconnect();
  await first.connect();
  assert.equal((await first.getEvents({}, 0, -1)).length, 1);
  const second = await connected({ type: 'sqlite', url: `sqlite:${filename}` });
  assert.equal((await second.getEvents({}, 0, -1)).length, 1);
});

test('sqlite: two stores on one file, in two processes, never both get a revision', async () => {
  const filename = join(folder, 'shared.db');
  const script = join(folder, 'writer.cjs');
  writeFileSync(
    script,
    `const es = require(${JSON.stringify(join(__dirname, '../../lib/index.js'))})({ type: 'sqlite', filename: ${JSON.stringify(filename)} });
     (async () => {
       await es.init();
       let won = 0, lost = 0;
       while (won < 40) {
         const stream = await es.getEventStream('shared');
         stream.addEvents([{ by: process.pid }, { by: process.pid }]);
         await stream.commit().then(() => won++, (e) => { if (e.name !== 'ConcurrencyError') throw e; lost++; });
       }
       process.send({ won, lost });
       process.disconnect();
     })();`,
  );
  const run = () => new Promise((resolve, reject) => fork(script).on('message', resolve).on('error', reject));
  await (await connected({ type: 'sqlite', filename })).disconnect();
  const outcomes = await Promise.all([run(), run()]);
  const store = await connected({ type: 'sqlite', filename });
  const events = await store.getEventsByRevision({ aggregateId: 'shared' }, 0, -1);
  assert.deepEqual(
    events.map((e) => e.streamRevision),
    [...Array(160).keys()],
  );
  for (const [n, e] of events.entries())
    assert.equal(e.payload.by, events[n - (n % 2)].payload.by, 'no commit is torn');
  assert.equal(outcomes[0].won + outcomes[1].won, 80);
});

test('sqlite: options that make no sense are named', async () => {
  const sqlite = (options) => eventstore.createStore({ type: 'sqlite', ...options });
  assert.throws(() => sqlite({ filename: 5 }), /filename.*string/);
  assert.throws(() => sqlite({ trackPosition: 'yes' }), /trackPosition.*'sqlite'.*true or false/);
  for (const busyTimeout of [-1, 0.5, '', 'soon', true, NaN, '1e3', 2 ** 40])
    assert.throws(() => sqlite({ busyTimeout }), /busyTimeout.*whole number/);
  assert.throws(() => sqlite({ maxSnapshotsCount: -1 }), /maxSnapshotsCount.*whole number/);
  assert.throws(
    () => sqlite({ url: ['secret'] }),
    (error) => !error.message.includes('secret'),
  );
  const opening = (options) => promisify((done) => sqlite(options).connect(done))();
  await assert.rejects(opening({ filename: '' }), { code: 'INVALID_ARGUMENT' });
  await assert.rejects(opening({ synchronous: 'sometimes' }), /full.*normal/);
  for (const none of [undefined, null])
    await opening({ path: ':memory:', busyTimeout: '50', filename: none, url: none, trackPosition: none });
  await assert.rejects(opening({ url: 'sqlite:a.db?nonsense=1' }), /nonsense/);
  await assert.rejects(opening({ filename: join(folder, 'no', 'such', 'folder.db') }), { code: 'CONNECTION' });
  const text = join(folder, 'text.db');
  writeFileSync(text, 'this is not a database, but it is long enough to be looked at as one'.repeat(20));
  await assert.rejects(opening({ filename: text }), { code: 'CORRUPT' });
});
