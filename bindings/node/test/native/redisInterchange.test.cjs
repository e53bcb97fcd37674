'use strict';
// npm eventstore and annals on one Redis: each opens what the other wrote, and both may write in turn.
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { eventstore, open, placesOn } = require('../support/stage.cjs');
const { openTheirs } = require('../support/theirs.cjs');

const onRedis = placesOn('redis');

const NAMES = [
  'streamId',
  'aggregateId',
  'aggregate',
  'context',
  'streamRevision',
  'commitId',
  'commitSequence',
  'commitStamp',
  'payload',
  'position',
  'id',
  'restInCommitStream',
];
/** Events in an order that does not depend on who read them, with what is absent left out. */
const plain = (events) =>
  events
    .map((event) => Object.fromEntries(NAMES.flatMap((name) => (event[name] == null ? [] : [[name, event[name]]]))))
    .sort((a, b) => (a.id < b.id ? -1 : 1));

const streams = ['a', 'b', 'ünïcode 😀', 'with:colon'].flatMap((aggregateId) => [
  { aggregateId },
  { aggregateId, aggregate: 'order' },
  { aggregateId, aggregate: 'order', context: 'sales' },
]);
const payloads = (n) => [
  { n, at: new Date(1e12 + n), deep: [{ at: new Date(n), bytes: Buffer.from([n]) }] },
  {
    n,
    text: '2020-02-29T12:00:00.250Z',
    almost: '2020-02-29 12:00',
    odd: '2020-99-99',
    none: null,
    '': { $date: 'x' },
  },
];
const commit = async (es, query, ...events) => {
  const stream = await es.getEventStream(query);
  stream.addEvents(events);
  return stream.commit();
};

async function both() {
  const options = onRedis();
  return { options, theirs: await openTheirs({ ...options }), ours: () => open({ ...options }) };
}

/** Whether both read the same: everything, each stream, and what is undispatched. */
async function assertSame(theirs, ours, count) {
  const all = plain(await ours.getEvents());
  assert.equal(all.length, count);
  assert.deepEqual(all, plain(await theirs.call('getEvents', {}, 0, -1)));
  assert.deepEqual(plain(await ours.getUndispatchedEvents()), plain(await theirs.call('getUndispatchedEvents')));
  for (const query of streams.filter((query) => query.context && !query.aggregateId.includes(':'))) {
    const loaded = await ours.getEventStream(query);
    assert.ok(loaded.events.length > 0 && loaded.events.every((event, n) => event.streamRevision === n));
    assert.deepEqual(plain(loaded.events), plain((await theirs.call('getEventStream', query)).events));
  }
}

test('what npm eventstore wrote is read, every event with every value', async () => {
  const { theirs, ours } = await both();
  for (const [n, query] of streams.entries())
    for (const twice of [0, 50]) await theirs.commit(query, ...payloads(n + twice));
  await assertSame(theirs, await ours(), streams.length * 4);
});

test('what annals wrote is read by npm eventstore, every event with every value', async () => {
  const { theirs, ours } = await both();
  const es = await ours();
  for (const [n, query] of streams.entries())
    for (const twice of [0, 50]) await commit(es, query, ...payloads(n + twice));
  await assertSame(theirs, es, streams.length * 4);
});

test('a stream that both write in turn, a hundred times', async () => {
  const { theirs, ours } = await both();
  const es = await ours();
  const query = { aggregateId: 'shared', aggregate: 'order', context: 'sales' };
  const expected = [];
  for (let turn = 0; turn < 100; turn++) {
    const events = Array.from({ length: 1 + (turn % 3) }, (_, n) => ({ turn, n, at: new Date(turn) }));
    const committed = turn % 2 ? await commit(es, query, ...events) : await theirs.commit(query, ...events);
    expected.push(...events);
    assert.equal(committed.lastRevision, expected.length - 1);
  }
  const { events } = await es.getEventStream(query);
  assert.equal(events.length, 199);
  assert.deepEqual(
    events.map((event) => event.streamRevision),
    [...Array(199).keys()],
  );
  assert.deepEqual(
    events.map((event) => event.payload),
    expected,
  );
  assert.deepEqual(plain(events), plain((await theirs.call('getEventStream', query)).events));
  assert.equal((await es.getEvents()).length, 199);
});

test('where npm eventstore was faster the commit is refused, and loading again helps', async () => {
  const { theirs, ours } = await both();
  const es = await ours();
  const stream = await es.getEventStream('x');
  stream.addEvent({ by: 'annals' });
  await theirs.commit('x', { by: 'npm eventstore' }, { by: 'npm eventstore' });
  await assert.rejects(stream.commit(), (error) => {
    assert.ok(error instanceof eventstore.ConcurrencyError);
    assert.deepEqual([error.expectedRevision, error.actualRevision], [-1, 1]);
    return true;
  });
  await commit(es, 'x', { by: 'annals' });
  const found = (await es.getEventStream('x')).events;
  assert.deepEqual(
    found.map((event) => [event.streamRevision, event.payload.by]),
    [
      [0, 'npm eventstore'],
      [1, 'npm eventstore'],
      [2, 'annals'],
    ],
  );
});

test('snapshots, both ways', async () => {
  const { options, theirs } = await both();
  const es = await open({ ...options, maxSnapshotsCount: 2 });
  const of = { aggregateId: 'x', aggregate: 'order', context: 'sales' };
  await theirs.commit(of, { n: 0 }, { n: 1 }, { n: 2 });
  const pause = () => new Promise((resolve) => setTimeout(resolve, 3));
  const data = (by) => ({ by, at: new Date(5), list: ['2020-02-29T12:00:00.250Z'], bytes: Buffer.from([1]) });
  const revived = (by) => ({
    ...data(by),
    list: [new Date('2020-02-29T12:00:00.250Z')],
    bytes: { type: 'Buffer', data: [1] },
  });
  await theirs.call('createSnapshot', { ...of, data: data('theirs'), revision: 0, version: 7 });
  const [old, behind] = await es.getFromSnapshot(of);
  assert.deepEqual([old.data, old.revision, old.version, behind.events.length], [revived('theirs'), 0, 7, 2]);
  await pause();
  await es.createSnapshot({ ...of, data: data('ours'), revision: 1, version: 8 });
  const [newer, rest] = await theirs.fromSnapshot(of);
  assert.deepEqual([newer.data, newer.revision, newer.version, rest.events.length], [revived('ours'), 1, 8, 1]);
  assert.deepEqual((await es.getFromSnapshot(of))[0].data, revived('ours'));
  assert.deepEqual((await es.getFromSnapshot(of, 0))[0].data, revived('theirs'));
  await pause();
  await es.createSnapshot({ ...of, data: data('ours'), revision: 2 });
  assert.equal((await es.getFromSnapshot(of, 0))[0], null, 'of three the oldest, which is theirs, is deleted');
  const [gone] = await theirs.fromSnapshot(of, 0);
  assert.equal(gone, null);
});

test('what one dispatched the other does not dispatch again', async () => {
  const { theirs, ours } = await both();
  const es = await ours();
  for (const by of ['theirs', 'ours']) {
    const events = Array.from({ length: 10 }, (_, n) => ({ by, n }));
    await (by === 'ours' ? commit(es, by, ...events) : theirs.commit(by, ...events));
  }
  const open = async () => [await es.getUndispatchedEvents(), await theirs.call('getUndispatchedEvents')].map(plain);
  let [found, same] = await open();
  assert.equal(found.length, 20);
  assert.deepEqual(found, same);
  // Each marks half of what each wrote.
  for (const [n, event] of found.entries())
    await (n % 2 ? es.setEventToDispatched(event.id) : theirs.call('setEventToDispatched', event.id));
  [found, same] = await open();
  assert.deepEqual([found, same], [[], []]);
  await theirs.commit('theirs', { late: true });
  const published = [];
  es.useEventPublisher((event) => void published.push(event));
  await es.init();
  for (let tries = 0; tries < 300 && (await open())[1].length > 0; tries++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(published, [{ late: true }]);
});

test('ids are numbers that nobody gets twice', async () => {
  const { theirs, ours } = await both();
  const [one, two] = [await ours(), await ours()];
  const ids = [];
  for (let n = 0; n < 250; n++) ids.push(await one.getNewId(), await theirs.call('getNewId'), await two.getNewId());
  assert.ok(ids.every((id) => /^[1-9]\d*$/.test(id)));
  assert.equal(new Set(ids).size, 750);
});

test('twenty thousand old events are opened, and go on', async () => {
  const { theirs, ours } = await both();
  const names = Array.from({ length: 100 }, (_, n) => ({
    aggregateId: `s${n}`,
    aggregate: 'order',
    context: `c${n % 4}`,
  }));
  const opened = names.map((query) => theirs.call('getEventStream', query));
  for (let round = 0; round < 10; round++) {
    for (const loading of opened) {
      const stream = await loading;
      stream.addEvents(Array.from({ length: 20 }, (_, n) => ({ n: round * 20 + n, at: new Date(n) })));
      await new Promise((resolve, reject) => stream.commit((error) => (error ? reject(error) : resolve())));
    }
  }
  const es = await ours();
  const counts = new Map();
  for await (const event of es.streamEvents()) {
    assert.ok(event.payload.at instanceof Date);
    counts.set(event.aggregateId, (counts.get(event.aggregateId) ?? 0) + 1);
  }
  assert.deepEqual([...counts.values()], Array(100).fill(200));
  assert.equal((await es.getUndispatchedEvents()).length, 20_000);
  assert.equal((await es.getEvents({ context: 'c1' })).length, 5000);
  for (const query of names.slice(0, 10)) {
    const { events } = await es.getEventStream(query);
    assert.deepEqual(
      events.map((event) => [event.streamRevision, event.payload.n]),
      Array.from({ length: 200 }, (_, n) => [n, n]),
    );
  }
  assert.equal((await commit(es, names[0], { n: 200 })).lastRevision, 200);
  assert.equal((await es.getEvents()).length, 20_001);
});
