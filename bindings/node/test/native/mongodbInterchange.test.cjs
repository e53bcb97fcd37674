'use strict';
// npm eventstore and annals on one MongoDB: each opens what the other wrote, and both may write in turn, or at once.
const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { after, test } = require('node:test');
const driver = require('mongodb');
const { load } = require('../../../../fixtures/mongodb/load.cjs');
const { eventstore, placesOn } = require('../support/stage.cjs');
const { commit, neutral, plain, sharing, useOurs, useTheirs } = require('../support/interchange.cjs');

const onMongo = placesOn('mongodb');

const fixtures = join(__dirname, '../../../../fixtures/mongodb');

const clients = [];
after(() => Promise.all(clients.map((client) => client.close())));

/** A database; the driver's own access to it is `db`. */
async function place(fixture) {
  const options = onMongo();
  const url = `mongodb://${options.host}:${options.port}`;
  const client = await driver.MongoClient.connect(url, { useUnifiedTopology: true });
  clients.push(client);
  if (fixture) await load(driver, fixture, url, options.dbName);
  return {
    options,
    db: client.db(options.dbName),
    ours: (use, more) => useOurs({ ...options, ...more }, use),
    theirs: (use, more) => useTheirs({ ...options, ...more }, use),
  };
}

const id = new driver.ObjectID();
const values = (n) => [
  { n, at: new Date(1e12 + n), deep: [{ at: new Date(-n), bytes: Buffer.from([0, n, 255]), id, none: NaN }] },
  { n, text: '2020-02-29T12:00:00.250Z', odd: '\u0000\u2028"\\\n😀', none: null, '': 'empty', big: 2 ** 53, part: 0.1 },
];
sharing('mongodb', place, { values, turns: 60 });

test('values are of the same types in the database, whoever wrote them', async () => {
  const { db, ours, theirs } = await place();
  const payload = {
    whole: 1,
    negative: -(2 ** 31),
    big: 2 ** 40,
    part: 0.5,
    at: new Date(5),
    bytes: Buffer.from([1]),
    id,
    long: driver.Long.fromString('9007199254740993'),
    decimal: driver.Decimal128.fromString('1.10'),
    like: /a.*/i,
    nan: NaN,
    list: [null, true, 'x', {}],
  };
  for (const by of [ours, theirs]) await by((es) => commit(es, by.name, payload));
  const asItIs = { promoteValues: false, promoteLongs: false, bsonRegExp: true };
  const [one, other] = await db.collection('events').find({}, asItIs).sort({ aggregateId: 1 }).toArray();
  assert.deepEqual(one.payload, other.payload);
  for (const name of [
    'streamRevision',
    'commitSequence',
    'restInCommitStream',
    'commitStamp',
    'dispatched',
    'position',
  ])
    assert.equal(one[name]?._bsontype ?? typeof one[name], other[name]?._bsontype ?? typeof other[name], name);
  assert.deepEqual(Object.keys(one).sort(), Object.keys(other).sort());
});

test('where npm eventstore was faster the commit is refused, and loading again helps', async () => {
  const { ours, theirs } = await place();
  await ours(async (es) => {
    const stream = await es.getEventStream('x');
    stream.addEvent({ by: 'annals' });
    await theirs((other) => commit(other, 'x', { by: 'npm eventstore' }, { by: 'npm eventstore' }));
    await assert.rejects(stream.commit(), (error) => {
      assert.ok(error instanceof eventstore.ConcurrencyError);
      assert.deepEqual([error.expectedRevision, error.actualRevision], [-1, 1]);
      return true;
    });
    assert.equal((await commit(es, 'x', { by: 'annals' })).lastRevision, 2);
  });
});

test('positions are counted with one counter', async () => {
  const { ours, theirs } = await place();
  const positions = { positionsCollectionName: 'positions' };
  for (let turn = 0; turn < 6; turn++) {
    await (turn % 2 ? ours : theirs)((es) => commit(es, 'x', { turn }, { turn }), positions);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  for (const by of [ours, theirs])
    assert.deepEqual(
      (await by((es) => es.getEvents(), positions)).map((event) => event.position),
      Array.from({ length: 12 }, (_, n) => n + 1),
    );
});

test('ids are object ids that nobody gets twice', async () => {
  const { ours, theirs } = await place();
  const ids = [];
  for (const by of [ours, theirs, ours])
    await by(async (es) => {
      for (let n = 0; n < 100; n++) ids.push(await es.getNewId());
    });
  assert.ok(ids.every((one) => /^[\da-f]{24}$/.test(one)));
  assert.equal(new Set(ids).size, 300);
});

const lines = (fixture, name) =>
  readFileSync(join(fixtures, fixture, `${name}.jsonl`), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

test('databases of npm eventstore hold for annals what they hold for it', async () => {
  for (const fixture of ['everyday', 'positions']) {
    const { db, ours, theirs } = await place(fixture);
    const more = fixture === 'positions' ? { positionsCollectionName: 'positions' } : {};
    const all = await theirs((es) => es.getEvents());
    assert.equal(all.length, lines(fixture, 'events').length);
    await ours(async (es) => {
      assert.deepEqual(plain(await es.getEvents()), plain(all));
      const open = await db.collection('events').find({ dispatched: false }).toArray();
      assert.deepEqual(plain(await es.getUndispatchedEvents()), plain(open));
      for (const snapshot of await db.collection('snapshots').find({}).toArray()) {
        const { aggregateId, aggregate, context, revision } = snapshot;
        const [found] = await es.getFromSnapshot({ aggregateId, aggregate, context }, revision);
        assert.deepEqual(neutral(found.data), neutral(snapshot.data));
        assert.deepEqual(
          [found.id, found.version, found.commitStamp],
          [snapshot.id, snapshot.version, snapshot.commitStamp],
        );
      }
      const { lastRevision } = await es.getEventStream({
        aggregateId: 'order-1',
        aggregate: 'order',
        context: 'sales',
      });
      assert.equal(lastRevision, 4);
      await commit(es, 'new', { n: 0 });
      if (fixture === 'positions') assert.equal((await es.getEvents('new'))[0].position, 51);
    }, more);
    assert.equal((await theirs((es) => es.getEvents())).length, all.length + 1);
  }
});

test('half-finished commits of npm eventstore are completed, and never shown half', async () => {
  const { ours, theirs } = await place('half');
  const isOfThree = (event) => event.payload.type === 'of three';
  const of = (written) => ({ aggregateId: `half-${written}`, aggregate: 'order', context: 'sales' });
  await ours(async (es) => {
    const parts = (await es.getEvents({ context: 'sales' })).filter(isOfThree).map((event) => event.commitId);
    for (const commitId of parts) assert.equal(parts.filter((id) => id === commitId).length, 3, 'none is shown half');
    for (const written of [1, 2, 3])
      assert.deepEqual(
        (await es.getEventStream(of(written))).events.map((event) => event.streamRevision),
        [0, 1, 2, 3],
      );
    assert.equal((await es.getEventStream(of(0))).lastRevision, 0);
  });
  await theirs(async (es) => {
    for (const written of [1, 2, 3]) assert.equal((await es.getEventStream(of(written))).events.length, 4);
  });
});

test('both write at once, each a stream of its own, and nothing is lost', async () => {
  const { ours, theirs } = await place();
  await ours((mine) =>
    theirs(async (yours) => {
      const write = async (es, by) => {
        for (let n = 0; n < 25; n++) await commit(es, by, { n }, { n: n + 0.5 });
      };
      await Promise.all([write(mine, 'annals'), write(yours, 'npm eventstore')]);
      for (const by of ['annals', 'npm eventstore'])
        assert.deepEqual(
          (await mine.getEventStream(by)).events.map((event) => event.payload.n),
          Array.from({ length: 50 }, (_, n) => n / 2),
        );
      assert.equal((await yours.getEvents()).length, 100);
    }),
  );
});
