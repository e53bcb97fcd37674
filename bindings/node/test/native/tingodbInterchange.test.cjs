'use strict';
// npm eventstore and annals on one TingoDB: each opens what the other wrote, and both may write in turn.
const assert = require('node:assert/strict');
const { cpSync, readdirSync, readFileSync, statSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const tingodb = require('tingodb')();
const { onTingo } = require('../support/stage.cjs');
const { commit, neutral, plain, sharing, useOurs, useTheirs } = require('../support/interchange.cjs');

const fixtures = join(__dirname, '../../../../fixtures/tingodb');

function place(fixture) {
  const options = onTingo();
  if (fixture) cpSync(join(fixtures, fixture), options.dbPath, { recursive: true });
  return {
    options,
    ours: (use, more) => useOurs({ ...options, ...more }, use),
    theirs: (use) => useTheirs({ ...options }, use),
  };
}

const values = (n) => [
  { n, at: new Date(1e12 + n), deep: [{ at: new Date(-n), bytes: new tingodb.Binary(Buffer.from([0, n, 255])) }] },
  { n, text: '2020-02-29T12:00:00.250Z', odd: '\u0000\u2028"\\\n😀', none: null, '': 'empty', big: 2 ** 53, part: 0.1 },
];
sharing('tingodb', place, { values, turns: 30 });

test('a Buffer is stored as binary, and an object id as one', async () => {
  const { ours, theirs } = place();
  await theirs((es) => commit(es, 'x', { id: new tingodb.ObjectID() }));
  const { id } = (await ours((es) => es.getEvents()))[0].payload;
  assert.equal(typeof id.id, 'number');
  await ours((es) => commit(es, 'x', { id, bytes: Buffer.from([1, 2]) }));
  const [first, second] = await theirs((es) => es.getEvents());
  assert.ok(second.payload.id instanceof tingodb.ObjectID && first.payload.id.equals(second.payload.id));
  assert.ok(second.payload.bytes instanceof tingodb.Binary);
  assert.deepEqual(second.payload.bytes.value(true), Buffer.from([1, 2]));
});

/** The value that the Extended JSON of the fixtures stands for, as `neutral` has it. */
function told(value) {
  if (Array.isArray(value)) return value.map(told);
  if (typeof value !== 'object' || value === null) return value;
  if (value.$date) return new Date(value.$date);
  if (value.$oid) return { id: String(value.$oid).padStart(24, '0') };
  if (value.$binary) return { bytes: Buffer.from(value.$binary.base64, 'base64').toString('hex') };
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, told(item)]));
}
const expected = (fixture) => told(JSON.parse(readFileSync(join(fixtures, `${fixture}.json`), 'utf8')));

test('databases of npm eventstore hold for annals what they hold for it', async () => {
  for (const name of ['everyday', 'emptied']) {
    const { events, undispatched, snapshots } = expected(name);
    const { ours, theirs } = place(name);
    await ours(async (es) => {
      assert.deepEqual(plain(await es.getEvents()), plain(events));
      assert.deepEqual((await es.getUndispatchedEvents()).map((event) => event.id).sort(), undispatched.sort());
      for (const snapshot of snapshots) {
        const { aggregateId, aggregate, context, revision } = snapshot;
        const [found] = await es.getFromSnapshot({ aggregateId, aggregate, context }, revision);
        assert.deepEqual(neutral(found.data), snapshot.data);
        assert.deepEqual(
          [found.id, found.version, found.commitStamp],
          [snapshot.id, snapshot.version, snapshot.commitStamp],
        );
      }
      await commit(es, 'new', { n: 0 });
    });
    assert.equal((await theirs((es) => es.getEvents())).length, events.length + 1);
  }
});

test('half-finished commits of npm eventstore are completed, and never shown half', async () => {
  const { ours, theirs } = place('half');
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

test('events of before 1.0.0 are found by their streamId', async () => {
  const { ours } = place('old');
  await ours(async (es) => {
    const stream = await es.getEventStream('old-1');
    assert.deepEqual(
      stream.events.map((event) => [event.aggregateId, event.streamId, event.streamRevision, event.payload.n]),
      [0, 1, 2, 3, 4].map((n) => ['old-1', 'old-1', n, n]),
    );
    const [snapshot, behind] = await es.getFromSnapshot('old-1');
    assert.deepEqual([snapshot.data, snapshot.revision, behind.events.length], [{ n: 2 }, 2, 2]);
    assert.equal((await es.getUndispatchedEvents()).length, 4);
    stream.addEvent({ type: 'new' });
    assert.equal((await stream.commit()).lastRevision, 5);
  });
});

test('what was cut while it was written is opened: all that was whole is there', async () => {
  const torn = place('torn');
  const { events } = expected('everyday');
  assert.equal((await torn.ours((es) => es.getEvents())).length, events.length);
  const { ours, theirs } = place('torn-commit');
  const query = { aggregateId: 'order-1', aggregate: 'order', context: 'sales' };
  const read = async (es) => (await es.getEventStream(query)).events.map((event) => event.payload.n);
  const found = await ours(read);
  assert.deepEqual(found, [0, 1, 2, 3], 'the record told the rest of the commit');
  await ours((es) => commit(es, query, { n: 4 }));
  assert.deepEqual(await theirs(read), [0, 1, 2, 3, 4]);
});

test('of TingoDB’s files only npm eventstore’s hold anything', async () => {
  const { options, ours } = place();
  await ours((es) => commit(es, 'x', { n: 0 }, { n: 1 }));
  const names = readdirSync(options.dbPath).filter(
    (name) => name.endsWith('.tingo') && statSync(join(options.dbPath, name)).size > 0,
  );
  for (const name of names) assert.ok(['events.tingo', 'snapshots.tingo', 'transactions.tingo'].includes(name), name);
});
