'use strict';
// What crosses between JavaScript and the stores: rows, large pages, streams, and connecting in turn.
const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { join } = require('node:path');
const { test } = require('node:test');
const { promisify } = require('node:util');
const { addon } = require('../../lib/native/addon.js');
const { eventstore, folder } = require('../support/stage.cjs');
const { largest, natives, unpositioned } = require('../support/subjects.cjs');

const call = (store, name, ...args) => promisify(store[name]).call(store, ...args);
const connected = (options) => {
  const store = eventstore.createStore(options);
  return call(store, 'connect').then(() => store);
};
/** An operation’s answer as it crosses. */
const across = (store, operation, args) =>
  promisify(store.crossing.call).call(store.crossing, operation, JSON.stringify(args));
const event = (over = {}) => ({ aggregateId: 'x', commitId: 'c', payload: {}, ...over });

for (const [name, options] of Object.entries(natives)) {
  test(`${name}: whatever stands beside it, an event comes back with its own envelope`, async () => {
    const hasPositions = !unpositioned.includes(name);
    const store = await connected({ ...options(), ...(hasPositions && { trackPosition: true }) });
    const of = (commitId, aggregateId, first, over) =>
      over.map((given, index) => ({
        aggregateId,
        aggregate: 'a',
        context: undefined,
        streamRevision: first + index,
        commitId,
        commitSequence: index,
        restInCommitStream: over.length - 1 - index,
        commitStamp: new Date(1000 + first),
        id: commitId + String(index),
        payload: { commitId, index },
        ...given,
      }));
    const commits = [
      of('c', 'x', 0, [{}, {}, {}]),
      of('d', 'x', 3, [{}, { id: 'mine' }, {}]),
      of('e', 'x', 6, [{}, { id: 'e01' }, { id: 'e+2' }]),
      of('f', 'x', 9, [{}, { commitStamp: new Date(1009.0) }, { commitStamp: new Date(2000) }, {}]),
      of('g', 'x', 13, [{}, { commitSequence: 7, id: 'g7' }, { commitSequence: 8, id: 'g8' }]),
      of('h', 'x', 16, [{}, { restInCommitStream: 9 }, { restInCommitStream: 8 }]),
      of('i', 'x', 19, [{}, { position: 500 }, { position: 501 }, { position: 503 }]),
      of('j', 'y', 23, [{}, {}]),
      of('k', 'x', 25, [{}, {}]).map((e) => ({ ...e, context: 'other' })),
      of('l', 'x', 27, Array(15).fill({})),
    ];
    const given = commits.flat();
    for (const commit of commits)
      await call(
        store,
        'addEvents',
        commit.map((e) => ({ ...e })),
      );
    const found = await call(store, 'getEvents', {}, 0, -1);
    assert.equal(found.length, given.length);
    const byPayload = (e) => `${e.payload.commitId} ${e.payload.index}`;
    for (const expected of given) {
      const { position, streamId, ...rest } = found.find((e) => byPayload(e) === byPayload(expected));
      const { position: asked, ...asGiven } = expected;
      assert.deepEqual(rest, asGiven);
      assert.equal(streamId, expected.aggregateId);
      // As npm eventstore, it has no place for them there.
      if (asked !== undefined) assert.equal(position, name === 'azuretable' ? null : asked);
      else assert.ok(hasPositions ? Number.isInteger(position) : position === null);
    }
    const positions = new Set(found.map((e) => e.position));
    if (hasPositions) assert.equal(positions.size, given.length, 'each has a position of its own');
  });

  test(`${name}: parts that are falsy are absent, numbers are texts`, async () => {
    const store = await connected(options());
    await call(store, 'addEvents', [event({ aggregateId: 7, aggregate: 0, context: '', id: 70 })]);
    const [found] = await call(store, 'getEvents', { aggregateId: 7, aggregate: null, context: false }, 0, -1);
    assert.deepEqual([found.aggregateId, found.aggregate, found.context, found.id], ['7', undefined, undefined, '70']);
    await call(store, 'setEventToDispatched', 70);
    assert.equal((await call(store, 'getUndispatchedEvents', null)).length, 0);
    await assert.rejects(call(store, 'setEventToDispatched', undefined), /id of the event/);
    await assert.rejects(call(store, 'addEvents', [event({ streamRevision: 0.5 })]), /whole number/);
  });

  test(`${name}: no limit means all, however it is left out`, async () => {
    const store = await connected(options());
    for (const commitId of ['c', 'd'])
      await call(
        store,
        'addEvents',
        Array.from({ length: 750 }, () => event({ commitId })),
      );
    for (const limit of [-1, undefined, null, NaN, Infinity])
      assert.equal((await call(store, 'getEvents', null, 0, limit)).length, 1500, String(limit));
    assert.equal((await call(store, 'getEvents', null, 1499, 2)).length, 1);
  });

  // Of small payloads it takes too many; how pages cross is no matter of the store.
  if (!(largest[name] < 1 << 20)) {
    test(`${name}: large pages cross in parts`, async () => {
      const store = await connected(options());
      const big = 'x'.repeat(1 << 20);
      const count = 20;
      for (let n = 0; n < count; n++)
        await call(store, 'addEvents', [event({ commitId: `c${n}`, payload: { n, big } })]);
      const part = await across(store, 'read', { limit: count });
      assert.ok(part.length > 15 << 20 && part.length < 18 << 20, `${part.length} characters`);
      const all = await call(store, 'getEvents', {}, 0, count);
      const numbers = (events) => events.map((e) => e.payload.n);
      const expected = [...Array(count).keys()];
      assert.deepEqual(numbers(all), expected);
      const skipped = await call(store, 'getEvents', {}, 3, count);
      assert.deepEqual(numbers(skipped), expected.slice(3), 'what is skipped is skipped once');
      assert.deepEqual(numbers(await call(store, 'getEvents', {}, count - 10, -1)), expected.slice(count - 10));
      assert.deepEqual(numbers([await call(store, 'getLastEvent', {})]), [count - 1]);
    });
  }

  test(`${name}: an event larger than a page is a page`, async () => {
    const store = await connected(options());
    const huge = 'x'.repeat(17 << 20);
    if (huge.length > largest[name]) {
      await assert.rejects(call(store, 'addEvents', [event({ payload: { huge } })]), { code: 'TOO_LARGE' });
      assert.equal((await call(store, 'getEvents', {}, 0, -1)).length, 0, 'nothing is written');
      return;
    }
    for (let n = 0; n < 3; n++) await call(store, 'addEvents', [event({ commitId: `c${n}`, payload: { n, huge } })]);
    const [events, cursor] = JSON.parse(await across(store, 'read', { skip: 1, limit: 3 }));
    assert.deepEqual([events.length, typeof cursor], [1, 'string']);
    const all = await call(store, 'getEvents', {}, 1, -1);
    assert.deepEqual(
      all.map((e) => [e.payload.n, e.payload.huge.length]),
      [
        [1, huge.length],
        [2, huge.length],
      ],
    );
  });

  test(`${name}: positions are set aside in sensible numbers`, async () => {
    if (unpositioned.includes(name)) {
      assert.equal(await call(await connected(options()), 'getNextPositions', 2), undefined, 'there are none');
      return;
    }
    const store = await connected({ ...options(), trackPosition: true });
    assert.deepEqual(await call(store, 'getNextPositions', 2), [1, 2]);
    for (const count of [-1, 1.5, 'x', NaN, Number.MAX_SAFE_INTEGER])
      await assert.rejects(call(store, 'getNextPositions', count), /whole number/);
    assert.deepEqual(await call(store, 'getNextPositions', 1), [3], 'what is refused sets nothing aside');
  });

  test(`${name}: the store itself streams, past one batch and up to a limit`, async () => {
    const store = await connected(options());
    const many = Array.from({ length: 250 }, (_, n) => event({ payload: { n }, commitStamp: new Date(1000) }));
    await call(store, 'addEvents', many);
    const numbers = async (stream) => (await stream.toArray()).map((e) => e.payload.n);
    const expected = [...Array(250).keys()];
    assert.deepEqual(await numbers(store.streamEvents()), expected);
    assert.deepEqual(await numbers(store.streamEvents({ aggregateId: 'x' }, 10, 120)), expected.slice(10, 130));
    assert.deepEqual(await numbers(store.streamEventsSince(new Date(1000), 5)), expected.slice(5));
    assert.deepEqual(await numbers(store.streamEventsSince(new Date(1001))), []);
    assert.deepEqual(await numbers(store.streamEventsByRevision({ aggregateId: 'x' }, 7, 230)), expected.slice(7, 230));
    assert.deepEqual(await numbers(store.streamEventsByRevision({ aggregateId: 'x' })), expected);
    await assert.rejects(numbers(store.streamEventsByRevision({})), { message: 'aggregateId not defined!' });
  });
}

test('the addon opens no type that it doesn’t know', async () => {
  await assert.rejects(addon().open('nope', '{}'), /^Error: !.*INVALID_ARGUMENT.*no store of type 'nope'/);
});

test('sqlite: a file is opened once, however often it is connected to', async () => {
  const store = eventstore.createStore({ type: 'sqlite', filename: ':memory:' });
  const first = call(store, 'connect').then(() => call(store, 'addEvents', [event()]));
  const again = call(store, 'connect');
  assert.equal(await again, store);
  await first;
  assert.equal((await call(store, 'getEvents', {}, 0, -1)).length, 1);
});

test('sqlite: connect and disconnect take effect in the order they were called', async () => {
  const filename = join(folder, 'turns.db');
  const store = eventstore.createStore({ type: 'sqlite', filename });
  const told = [];
  for (const name of ['connect', 'disconnect']) store.on(name, () => told.push(name));
  await Promise.all(['connect', 'disconnect'].map((name) => call(store, name)));
  await assert.rejects(call(store, 'getEvents', {}, 0, -1), { code: 'CONNECTION' });
  await Promise.all(['connect', 'disconnect', 'disconnect', 'connect'].map((name) => call(store, name)));
  assert.deepEqual(await call(store, 'getEvents', {}, 0, -1), []);
  assert.deepEqual(told, ['connect', 'disconnect', 'connect', 'disconnect', 'disconnect', 'connect']);
});

test('sqlite: where connecting fails the next call to it is tried anew', async () => {
  const store = eventstore.createStore({ type: 'sqlite', filename: join(folder, 'not', 'there.db') });
  const outcomes = await Promise.allSettled([
    call(store, 'connect'),
    call(store, 'connect'),
    call(store, 'disconnect'),
  ]);
  assert.deepEqual(
    outcomes.map((o) => o.reason?.code),
    ['CONNECTION', 'CONNECTION', undefined],
  );
});

test('sqlite: of two stores in one process that race for a revision one gets it', async () => {
  const filename = join(folder, 'race.db');
  const stores = await Promise.all([connected({ type: 'sqlite', filename }), connected({ type: 'sqlite', filename })]);
  for (let streamRevision = 0; streamRevision < 50; streamRevision++) {
    const outcomes = await Promise.allSettled(
      stores.map((store, by) =>
        call(store, 'addEvents', [event({ commitId: `${by}-${streamRevision}`, streamRevision, payload: { by } })]),
      ),
    );
    const lost = outcomes.filter((o) => o.status === 'rejected');
    assert.deepEqual(
      lost.map((o) => [o.reason.name, o.reason.expectedRevision, o.reason.actualRevision]),
      [['ConcurrencyError', streamRevision - 1, streamRevision]],
    );
    const [kept] = await call(stores[0], 'getEventsByRevision', { aggregateId: 'x' }, streamRevision, -1);
    assert.equal(outcomes[kept.payload.by].status, 'fulfilled');
  }
  assert.equal((await call(stores[1], 'getEvents', {}, 0, -1)).length, 50);
});

test('a process stays while answers are awaited, and ends when there are none', () => {
  const script = `
    const es = require(${JSON.stringify(join(__dirname, '../..'))})({ type: 'sqlite', filename: ':memory:' });
    es.init(() => {
      const commits = [1, 2, 3].map((n) => new Promise((resolve, reject) => {
        es.getEventStream('s' + n, (error, stream) => {
          stream.addEvent({ n });
          stream.commit((failed) => (failed ? reject(failed) : resolve(n)));
        });
      }));
      Promise.all(commits).then((all) => console.log('committed ' + all));
    });`;
  const { stdout, status, signal } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', timeout: 20_000 });
  assert.deepEqual({ stdout, status, signal }, { stdout: 'committed 1,2,3\n', status: 0, signal: null });
});

test('a store that nobody holds any more is let go', () => {
  const script = `
    const { createStore } = require(${JSON.stringify(join(__dirname, '../..'))});
    const gone = new Set();
    const registry = new FinalizationRegistry((name) => gone.add(name));
    const use = (type, done) => {
      const store = createStore({ type, filename: ':memory:' });
      store.connect(() => {
        registry.register(store.crossing, type);
        store.getEvents({}, 0, -1, () => store.disconnect(done));
      });
    };
    use('inmemory', () => use('sqlite', () => {
      const look = (left) => {
        gc();
        if (gone.size === 2 || left === 0) console.log([...gone].sort().join());
        else setTimeout(look, 10, left - 1);
      };
      setTimeout(look, 10, 200);
    }));`;
  const { stdout } = spawnSync(process.execPath, ['--expose-gc', '-e', script], { encoding: 'utf8', timeout: 20_000 });
  assert.equal(stdout, 'inmemory,sqlite\n');
});
