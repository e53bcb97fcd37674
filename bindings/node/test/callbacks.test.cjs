'use strict';
const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { join } = require('node:path');
const { test } = require('node:test');
const { local } = require('./support/local.cjs');
const { eventstore, folder, open, placesOn } = require('./support/stage.cjs');

const onRedis = placesOn('redis');

/** Runs a script in a process of its own: what it threw that nobody caught, line by line. */
function uncaught(options, body) {
  const script = `
    const eventstore = require(${JSON.stringify(join(__dirname, '../lib/index.js'))});
    const { Inheriting, Extending } = require(${JSON.stringify(join(__dirname, 'support/stores.cjs'))})(eventstore.Store);
    class Promising extends Extending {
      getEvents(...args) { Promise.resolve().then(() => super.getEvents(...args)); }
      getNewId(done) { Promise.resolve().then(() => done(null, 'id')); }
    }
    process.on('uncaughtException', (error) => console.log('uncaught ' + error.message));
    process.on('unhandledRejection', (error) => console.log('rejected ' + error.message));
    const es = eventstore(${options});
    let calls = 0;
    const boom = () => { calls++; throw new Error('boom ' + calls); };
    es.init((error) => {
      if (error) throw error;
      ${body}
    });
    process.on('exit', () => console.log('calls ' + calls));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  return (stdout + stderr).trim().split('\n');
}

let files = 0;
const kinds = {
  inmemory: () => `{ type: 'inmemory' }`,
  sqlite: () => `{ type: 'sqlite', filename: ${JSON.stringify(join(folder, `thrown-${++files}.db`))} }`,
  redis: () => JSON.stringify(onRedis()),
  'a store that calls back at once': () => '{ type: Inheriting }',
  'a store that calls back inside promises': () => '{ type: Promising }',
  'a store with store events': () => '{ type: Promising, emitStoreEvents: true }',
};

for (const [name, options] of Object.entries(kinds)) {
  test(`${name}: what a callback throws is an uncaught exception, and it is called once`, () => {
    assert.deepEqual(uncaught(options(), 'es.getEvents(boom);'), ['uncaught boom 1', 'calls 1']);
    assert.deepEqual(uncaught(options(), `es.getEventStream('x', boom);`), ['uncaught boom 1', 'calls 1']);
    const commit = `es.getEventStream('x', (error, stream) => { stream.addEvent({}); stream.commit(boom); });`;
    assert.deepEqual(uncaught(options(), commit), ['uncaught boom 1', 'calls 1']);
    assert.deepEqual(uncaught(options(), 'es.getNewId(boom);'), ['uncaught boom 1', 'calls 1']);
  });
}

test('a rejection that nobody handles is not swallowed either', () => {
  assert.deepEqual(uncaught(kinds.inmemory(), 'es.getEventsByRevision({});'), [
    'rejected An aggregateId should be passed!',
    'calls 0',
  ]);
});

test('a store that calls back twice calls its user back once', async () => {
  const es = await open(local['a store that extends']());
  es.store.getEvents = (query, skip, limit, done) => {
    done(null, []);
    done(new Error('again'));
  };
  const calls = [];
  es.getEvents((...args) => calls.push(args[0]));
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(calls, [null]);
});

test('there is one argument where there is no result, so that async.waterfall counts on', async () => {
  const es = eventstore(local['a store that extends']());
  const count = (call) => new Promise((resolve) => call((...args) => resolve(args.length)));
  assert.equal(await count((done) => es.init(done)), 1);
  const stream = await es.getEventStream('x');
  stream.addEvent({ n: 0 });
  await stream.commit();
  assert.equal(await count((done) => es.setEventToDispatched(stream.eventsToDispatch[0], done)), 1);
  assert.equal(await count((done) => es.createSnapshot({ aggregateId: 'x', revision: 0, data: { n: 0 } }, done)), 1);
});

test('events that are none, from a custom store, are an error and no crash', async () => {
  const es = await open(local['a store that extends']());
  const wrong = /^Error: The events passed should all have a streamRevision!$/;
  es.store.getEventsByRevision = (query, revMin, revMax, done) => done(null, [{}]);
  es.store.getLastEvent = (query, done) => done(null, {});
  await assert.rejects(es.getEventStream('x'), wrong);
  await assert.rejects(es.getFromSnapshot('x'), wrong);
  await assert.rejects(es.getLastEventAsStream('x'), wrong);
});

test('callbacks are called later, never before the call has returned', async () => {
  const es = await open(local['a store that extends']());
  let hasReturned = false;
  const seen = new Promise((resolve) => es.getEvents(() => resolve(hasReturned)));
  hasReturned = true;
  assert.equal(await seen, true);
});

test('arguments that are wrong throw or call back at once with a callback, and reject without', async () => {
  const es = await open(local.inmemory());
  const never = () => assert.fail('called back');
  assert.throws(() => es.getEventsSince(null, never), /^Error: Please pass in a date object!$/);
  await assert.rejects(es.getEventsSince(), /^Error: Please pass in a date object!$/);
  for (const call of ['getEventsByRevision', 'getEventStream', 'getFromSnapshot', 'createSnapshot']) {
    let given;
    es[call]({}, (error) => (given = error));
    assert.equal(given.message, 'An aggregateId should be passed!', call);
    await assert.rejects(es[call]({}), /^Error: An aggregateId should be passed!$/, call);
  }
});

for (const base of ['a store that inherits', 'a store that extends']) {
  test(`${base}: what it does not implement says so`, () => {
    const store = new eventstore.Store();
    const calls = {
      connect: [],
      disconnect: [],
      clear: [],
      getEvents: [{}, 0, -1],
      getEventsSince: [new Date(), 0, -1],
      getEventsByRevision: [{}, 0, -1],
      getSnapshot: [{}, -1],
      addSnapshot: [{}],
      addEvents: [[]],
      getLastEvent: [{}],
      getUndispatchedEvents: [{}],
      setEventToDispatched: ['id'],
    };
    for (const [call, args] of Object.entries(calls)) {
      let given;
      assert.throws(
        () => store[call](...args, (error) => (given = error)),
        /^Error: Please implement this function!$/,
        call,
      );
      assert.equal(given.message, 'Please implement this function!', call);
      assert.throws(() => store[call](...args), /^Error: Please implement this function!$/, call);
    }
    const { type: Custom } = local[base]();
    assert.ok(new Custom({}) instanceof eventstore.Store);
    assert.equal(new Custom({}).setMaxListeners(3).getMaxListeners(), 3);
  });
}

test('a store has ids, no positions, no cleaning, and finds modules', async (t) => {
  const store = new eventstore.Store();
  const ask = (call, ...args) => new Promise((resolve) => store[call](...args, (...given) => resolve(given)));
  const [error, id] = await ask('getNewId');
  assert.equal(error, null);
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.notEqual((await ask('getNewId'))[1], id);
  assert.equal((await ask('getNextPositions', 3))[1], undefined);
  const warn = t.mock.method(console, 'warn', () => {});
  await ask('cleanSnapshots', {});
  assert.deepEqual(warn.mock.calls[0].arguments, ['Snapshot cleaning is not implemented for this kind of store']);
  assert.equal(eventstore.Store.use('debug'), require('debug'));
  assert.throws(() => eventstore.Store.use('there-is-no-such-module'), { code: 'MODULE_NOT_FOUND' });
});

test('a store that does not connect in time fails init; one that recovers in time does not', async () => {
  const { type: Custom } = local['a store that extends']();
  class Silent extends Custom {
    connect() {}
  }
  const begun = Date.now();
  await assert.rejects(eventstore({ type: Silent, timeout: 30 }).init(), /30 ms/);
  assert.ok(Date.now() - begun < 1000, 'it gave up in time');
  let tries = 0;
  class Late extends Custom {
    connect(done) {
      if (++tries < 3) return done(new Error('refused'));
      super.connect(done);
    }
  }
  await assert.rejects(eventstore({ type: Late }).init(), /refused/);
  tries = 0;
  await eventstore({ type: Late, timeout: 1000 }).init();
  assert.equal(tries, 3);
  tries = -1000;
  await assert.rejects(eventstore({ type: Late, timeout: 50 }).init(), /refused/);
  class Slow extends Custom {
    connect(done) {
      if (++tries === 1) done(new Error('refused'));
    }
  }
  tries = 0;
  const error = await eventstore({ type: Slow, timeout: 50 })
    .init()
    .catch((e) => e);
  assert.match(error.message, /not connected within 50 ms: refused$/);
  assert.equal(error.cause.message, 'refused');
});

test('the type is found in any case, and one that is not there is refused', () => {
  assert.equal(eventstore({ type: 'InMemory' }).options.type, 'inmemory');
  assert.equal(eventstore().options.type, 'inmemory');
  const wrong = /^Error: Implementation for db "mysql" does not exist!$/;
  assert.throws(() => eventstore({ type: 'MySQL' }), wrong);
  assert.throws(() => eventstore.createStore({ type: 'mysql' }), wrong);
  assert.throws(
    () => eventstore({ type: 'constructor' }),
    /^Error: Implementation for db "constructor" does not exist!$/,
  );
  assert.throws(
    () => eventstore({ type: 'mysql' }),
    ({ cause }) => /inmemory.*sqlite/.test(cause),
  );
});

test('options that are none are refused, and not told: they may hold a secret', () => {
  for (const none of [undefined, null, {}, { type: null }, { type: '' }])
    assert.equal(eventstore(none).options.type, 'inmemory');
  for (const wrong of ['redis://:secret@host', 5, true])
    assert.throws(
      () => eventstore(wrong),
      ({ name, message }) => name === 'TypeError' && /must be an object/.test(message) && !/secret/.test(message),
    );
  for (const type of [5, {}, true, () => ({})]) {
    for (const make of [eventstore, eventstore.createStore])
      assert.throws(() => make({ type }), /^TypeError: the option type must be the name of a store, or a class/);
  }
});

test('a custom store is given the very options that were given', () => {
  const given = { type: local['a store that extends']().type, mine: {} };
  assert.equal(eventstore(given).store.options, given);
  assert.equal(eventstore.createStore(given).options, given);
});

test('DEBUG=eventstore* tells what happens', () => {
  const script = `
    const es = require(${JSON.stringify(join(__dirname, '../lib/index.js'))})({ type: 'sqlite', filename: ':memory:' });
    es.useEventPublisher((event, done) => done());
    (async () => {
      await es.getEvents().catch(() => undefined);
      await es.init();
      const [one, two] = [await es.getEventStream('x'), await es.getEventStream('x')];
      for (const stream of [one, two]) stream.addEvent({ n: 0 });
      await one.commit();
      await two.commit().catch(() => undefined);
      es.store.disconnect();
    })();`;
  const { stderr } = spawnSync(process.execPath, ['-e', script], {
    env: { ...process.env, DEBUG: 'eventstore*' },
    encoding: 'utf8',
  });
  const told = [
    'store read: the store is not connected',
    'store sqlite is open',
    'eventstore init event dispatcher',
    'store commit: .*revision',
    'eventdispatcher set event to dispatched',
    'store sqlite is closed',
  ];
  for (const line of told) assert.match(stderr, new RegExp(line));
});
