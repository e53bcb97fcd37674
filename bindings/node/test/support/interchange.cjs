'use strict';
// What npm eventstore and annals must read alike in one database, whoever wrote it.
const assert = require('node:assert/strict');
const { isDeepStrictEqual, promisify } = require('node:util');
const { test } = require('node:test');
const theirs = require('eventstore');
const { eventstore } = require('./stage.cjs');
const { afterIndexes } = require('./theirs.cjs');

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

/** A value with what only a driver has a class for under one name: theirs are other classes than ours. */
function neutral(value) {
  if (Buffer.isBuffer(value)) return { bytes: value.toString('hex') };
  if (value?._bsontype === 'Binary') return neutral(Buffer.from(value.value(true)));
  if (typeof value?.toHexString === 'function') return { id: value.toHexString() };
  if (value instanceof Date || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(neutral);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, neutral(item)]));
}

/** Events in an order that does not depend on who read them, with what is absent, or in `without`, left out. */
const plain = (events, without = []) =>
  events
    .map((event) => {
      const names = NAMES.filter((name) => event[name] != null && !without.includes(name));
      return Object.fromEntries(names.map((name) => [name, neutral(event[name])]));
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1));

const SNAPSHOT = { list: ['2020-02-29T12:00:00.250Z', { deep: [new Date(7)] }] };
const IDS = ['a', 'b', 'ünïcode 😀', 'with:colon'];
const streamsOf = (ids) =>
  ids.flatMap((aggregateId) => [
    { aggregateId },
    { aggregateId, aggregate: 'order' },
    { aggregateId, aggregate: 'order', context: 'sales' },
  ]);

const commit = async (es, query, ...events) => {
  const stream = await es.getEventStream(query);
  stream.addEvents(events);
  return stream.commit();
};
/** npm eventstore sorts by time only: two commits in one millisecond would have no order of their own. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 2));

/** What stays of a value that is stored as JSON. */
const asJson = (value) => JSON.parse(JSON.stringify(value));

/** Calls npm eventstore as annals is called. */
function asOurs(es) {
  const call = (object, name, ...args) => promisify(object[name]).call(object, ...args);
  const names = ['createSnapshot', 'setEventToDispatched', 'getNewId'];
  return {
    es,
    store: es.store,
    ...Object.fromEntries(names.map((name) => [name, (...args) => call(es, name, ...args)])),
    // Elasticsearch refuses what it asks there for every event.
    getEvents: () =>
      es.options.type === 'elasticsearch'
        ? call(es, 'getEventsSince', new Date(0), 0, -1)
        : call(es, 'getEvents', {}, 0, -1),
    getUndispatchedEvents: () => call(es, 'getUndispatchedEvents', null),
    async getEventStream(query) {
      const stream = await call(es, 'getEventStream', query);
      const commit = stream.commit.bind(stream);
      stream.commit = () => promisify(commit)();
      return stream;
    },
    getFromSnapshot: (...args) =>
      new Promise((resolve, reject) => {
        es.getFromSnapshot(...args, (error, ...both) => (error ? reject(error) : resolve(both)));
      }),
  };
}

/** Everything that can be read, without the names in `lost`: events, streams, what is undispatched. */
async function everything(es, lost, streams) {
  const loaded = [];
  for (const query of streams.filter((query) => query.context)) {
    const { events } = await es.getEventStream(query);
    assert.ok(events.length > 0 && events.every((event, n) => event.streamRevision === n));
    loaded.push(plain(events, lost));
  }
  const read = [await es.getEvents(), await es.getUndispatchedEvents()];
  const [all, undispatched] = read.map((events) => plain(events, lost));
  return { all, undispatched, loaded };
}

/**
 * Shows that npm eventstore and annals share a kind of database. `place()` makes one: `ours(use)` and `theirs(use)` open it
 * and hand an event store to `use`. `values(n)` are payloads; `turns` says how often both write in turn; `asRead(value)` is
 * what both read of one; `lost` are names of an event that theirs does not keep there; `ids` are streams that it finds there;
 * `snapshot` is of what a snapshot's data have, `later` the version of the second one.
 */
function sharing(
  kind,
  place,
  { values, turns, asRead = (value) => value, lost = [], ids = IDS, snapshot = SNAPSHOT, later = 'eight' },
) {
  const streams = streamsOf(ids);
  const all = (es) => everything(es, lost, streams);
  test(`${kind}: what npm eventstore wrote is read, every event with every value`, async () => {
    const { ours, theirs } = await place();
    await theirs(async (es) => {
      for (const [n, query] of streams.entries())
        for (const twice of [0, 50]) await commit(es, query, ...values(n + twice, es)).then(pause);
    });
    const expected = await theirs(all);
    assert.equal(expected.all.length, streams.length * 2 * values(0).length);
    assert.deepEqual(await ours(all), expected);
  });

  test(`${kind}: what annals wrote is read by npm eventstore, every event with every value`, async () => {
    const { ours, theirs } = await place();
    await ours(async (es) => {
      for (const [n, query] of streams.entries())
        for (const twice of [0, 50]) await commit(es, query, ...values(n + twice)).then(pause);
    });
    const expected = await ours(all);
    assert.equal(expected.all.length, streams.length * 2 * values(0).length);
    assert.ok(expected.all.every(({ payload }) => !isDeepStrictEqual(payload, {})));
    assert.deepEqual(await theirs(all), expected);
  });

  test(`${kind}: a stream that both write in turn`, async () => {
    const { ours, theirs } = await place();
    const query = { aggregateId: 'shared', aggregate: 'order', context: 'sales' };
    const expected = [];
    for (let turn = 0; turn < turns; turn++) {
      const events = Array.from({ length: 1 + (turn % 3) }, (_, n) => ({ turn, n, at: new Date(turn) }));
      const committed = await (turn % 2 ? ours : theirs)((es) => commit(es, query, ...events));
      expected.push(...events);
      assert.equal(committed.lastRevision, expected.length - 1);
      await pause();
    }
    const read = async (es) => (await es.getEventStream(query)).events;
    const events = await ours(read);
    assert.deepEqual(
      events.map((event) => [event.streamRevision, event.payload]),
      expected.map((payload, n) => [n, asRead(payload)]),
    );
    assert.deepEqual(plain(await theirs(read), lost), plain(events, lost));
    assert.equal((await ours((es) => es.getEvents())).length, expected.length);
  });

  test(`${kind}: snapshots, both ways`, async () => {
    const { ours, theirs } = await place();
    const of = { aggregateId: 'x', aggregate: 'order', context: 'sales' };
    const data = (by) => ({ by, at: new Date(5), ...snapshot });
    const newest = async (es, ...revision) => {
      const [snapshot, stream] = await es.getFromSnapshot(of, ...revision);
      return snapshot && [snapshot.data, snapshot.revision, snapshot.version ?? null, stream.events.length];
    };
    await theirs(async (es) => {
      await commit(es, of, { n: 0 }, { n: 1 }, { n: 2 });
      await es.createSnapshot({ ...of, data: data('theirs'), revision: 0, version: 7 });
    });
    assert.deepEqual(await ours(newest), [asRead(data('theirs')), 0, 7, 2]);
    await pause();
    await ours((es) => es.createSnapshot({ ...of, data: data('ours'), revision: 1, version: later }));
    for (const by of [ours, theirs]) {
      assert.deepEqual(await by(newest), [asRead(data('ours')), 1, later, 1]);
      assert.deepEqual(await by((es) => newest(es, 0)), [asRead(data('theirs')), 0, 7, 0]);
    }
    await pause();
    await ours((es) => es.createSnapshot({ ...of, data: data('ours'), revision: 2 }), { maxSnapshotsCount: 2 });
    for (const by of [ours, theirs])
      assert.equal((await by((es) => newest(es, 0))) ?? null, null, 'of three the oldest, which is theirs, is deleted');
    assert.deepEqual(await theirs(newest), [asRead(data('ours')), 2, null, 0]);
  });

  test(`${kind}: what one dispatched the other does not dispatch again`, async () => {
    const { ours, theirs } = await place();
    for (const by of [ours, theirs])
      await by((es) => commit(es, by.name, ...Array.from({ length: 10 }, (_, n) => ({ by: by.name, n }))));
    const open = async () => {
      const [one, other] = [await ours(everyOpen), await theirs(everyOpen)];
      assert.deepEqual(one, other);
      return one;
    };
    const everyOpen = async (es) => plain(await es.getUndispatchedEvents(), lost);
    const found = await open();
    assert.equal(found.length, 20);
    // Each marks half of what each wrote.
    for (const [half, by] of [ours, theirs].entries()) {
      await by(async (es) => {
        for (const event of found.filter((_, n) => n % 2 === half)) await es.setEventToDispatched(event.id);
      });
      assert.equal((await open()).length, half === 0 ? 10 : 0);
    }
    await theirs((es) => commit(es, 'theirs', { late: true }));
    const published = [];
    await ours(async (es) => {
      es.useEventPublisher((event) => void published.push(event));
      await es.init();
      for (let tries = 0; tries < 300 && (await es.getUndispatchedEvents()).length > 0; tries++) await pause();
    });
    assert.deepEqual(published, [{ late: true }]);
    assert.deepEqual(await open(), []);
  });
}

/** Opens npm eventstore, uses it, and closes it. */
async function useTheirs(options, use) {
  const opened = theirs(options);
  const es = options.type === 'mongodb' ? afterIndexes(opened) : opened;
  await promisify(es.init).call(es);
  try {
    return await use(asOurs(es));
  } finally {
    await promisify(es.store.disconnect).call(es.store);
  }
}

/** Opens annals, uses it, and closes it. */
async function useOurs(options, use) {
  const es = eventstore(options);
  await es.init();
  try {
    return await use(es);
  } finally {
    await promisify(es.store.disconnect).call(es.store);
  }
}

module.exports = { asJson, commit, neutral, pause, plain, sharing, useOurs, useTheirs };
