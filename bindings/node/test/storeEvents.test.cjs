'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { eventstore } = require('./support/stage.cjs');
const { subjects } = require('./support/subjects.cjs');

/** An event store, and everything it tells around its calls: `[name, arguments]`. */
async function telling(options) {
  const es = eventstore({ ...options, emitStoreEvents: true });
  const told = [];
  const emit = es.emit;
  es.emit = function (name, detail) {
    if (/^(before|after)-/.test(name)) {
      assert.ok(Math.abs(Date.now() - detail.milliseconds) < 1000);
      told.push([name, detail.arguments]);
    }
    return emit.apply(this, [name, detail]);
  };
  await es.init();
  const stream = await es.getEventStream({ aggregateId: 'x' });
  stream.addEvent({ n: 0 });
  await stream.commit();
  told.length = 0;
  return { es, told };
}

const since = new Date(5);
const query = { aggregateId: 'x' };
const calls = {
  getEvents: ['get-events', [[], [query], [query, 1], [query, 1, 2], [0, 1]]],
  getEventsSince: ['get-events-since', [[since], [since, 1], [since, 1, 2]]],
  getEventsByRevision: ['get-events-by-revision', [[query], ['x', 1], ['x', 1, 2]]],
  getLastEvent: ['get-last-event', [[query]]],
  getUndispatchedEvents: ['get-undispatched-events', [[], [query]]],
  setEventToDispatched: ['set-event-to-dispatched', [['x0']]],
  getLastEventAsStream: ['get-last-event-as-stream', [[query]]],
  getEventStream: ['get-event-stream', [[query, 0, -1]]],
  getFromSnapshot: ['get-from-snapshot', [[query], [query, 3]]],
  createSnapshot: ['create-snapshot', [[{ aggregateId: 'x', data: { at: 0 }, revision: 0 }]]],
};

for (const [name, options] of Object.entries(subjects)) {
  for (const [call, [event, forms]] of Object.entries(calls)) {
    test(`${name}: ${call} tells of itself, with a callback and with a promise`, async () => {
      const { es, told } = await telling(options());
      for (const args of forms) {
        await new Promise((resolve, reject) => {
          es[call](...args, (error) => (error ? reject(error) : resolve()));
        });
        const [first, last] = [told.at(0), told.at(-1)];
        assert.deepEqual(
          [first, last],
          [
            [`before-${event}`, args],
            [`after-${event}`, args],
          ],
        );
        told.length = 0;
        await es[call](...args);
        assert.deepEqual([told.at(0), told.at(-1)], [first, last]);
        told.length = 0;
      }
    });
  }

  test(`${name}: streams tell when they begin and when they end`, async () => {
    const { es, told } = await telling(options());
    for (const [call, event, args] of [
      ['streamEvents', 'stream-events', [query, 0, 5]],
      ['streamEventsSince', 'stream-events-since', [since, 0, 5]],
      ['streamEventsByRevision', 'stream-events-by-revision', [query, 0, 5]],
    ]) {
      assert.equal((await es[call](...args).toArray()).length, 1);
      await new Promise(setImmediate);
      assert.deepEqual(told, [
        [`before-${event}`, args],
        [`after-${event}`, args],
      ]);
      told.length = 0;
    }
  });

  test(`${name}: a failed call tells of its end too`, async () => {
    const { es, told } = await telling(options());
    await assert.rejects(es.getEventsByRevision({}));
    assert.deepEqual(
      told.map(([event]) => event),
      ['before-get-events-by-revision', 'after-get-events-by-revision'],
    );
  });
}

test('the calls of the store tell of themselves, optional ones where there are any', async () => {
  const optional = ['removeTransactions', 'getPendingTransactions', 'repairFailedTransaction', 'removeTables'];
  const { type: Custom } = subjects['a store that extends']();
  class Full extends Custom {}
  for (const call of optional) Full.prototype[call] = (...args) => args.at(-1)(null);
  const { es, told } = await telling({ type: Full, maxSnapshotsCount: 1 });
  const stream = await es.getEventStream('x');
  stream.addEvent({ n: 1 });
  await stream.commit();
  await es.createSnapshot({ aggregateId: 'x', data: { at: 1 }, revision: 1 });
  assert.deepEqual(
    told.find(([event]) => event === 'before-clean-snapshots'),
    ['before-clean-snapshots', [{ aggregateId: 'x' }]],
  );
  await es.getFromSnapshot('x');
  for (const call of optional)
    es.store[call](...(call.startsWith('re') && call !== 'removeTables' ? [{ id: 1 }] : []), () => {});
  es.store.clear(() => {});
  const names = [...new Set(told.map(([event]) => event.replace(/^(before|after)-/, '')))].sort();
  assert.deepEqual(names, [
    'add-events',
    'add-snapshot',
    'clean-snapshots',
    'clear',
    'commit',
    'create-snapshot',
    'get-event-stream',
    'get-events-by-revision',
    'get-from-snapshot',
    'get-next-positions',
    'get-pending-transactions',
    'get-snapshot',
    'remove-tables',
    'remove-transactions',
    'repair-failed-transactions',
  ]);
  for (const name of names) {
    const count = (when) => told.filter(([event]) => event === `${when}-${name}`).length;
    assert.equal(count('before'), count('after'), name);
  }
  const order = told.map(([event]) => event).filter((event) => /commit|add-events|next-positions/.test(event));
  assert.deepEqual(order, [
    'before-commit',
    'before-get-next-positions',
    'after-get-next-positions',
    'before-add-events',
    'after-add-events',
    'after-commit',
  ]);
});

test('a store emitter needs an event store, and without the option nothing is told', async () => {
  assert.throws(
    () => new eventstore.StoreEventEmitter(),
    /^Error: Provided eventstore must be instance of Eventstore$/,
  );
  assert.throws(
    () => new eventstore.StoreEventEmitter({}),
    /^Error: Provided eventstore must be instance of Eventstore$/,
  );
  const es = eventstore();
  assert.equal(new eventstore.StoreEventEmitter(es).store, es.store);
  es.on('before-get-events', () => assert.fail('told'));
  await es.init();
  await es.getEvents();
});
