'use strict';
// Looking after half-finished commits, in the stores that have records of them: the calls of npm eventstore.
const assert = require('node:assert/strict');
const { cpSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const { promisify } = require('node:util');
const driver = require('mongodb');
const { load } = require('../../../../fixtures/mongodb/load.cjs');
const { nativeStores } = require('../../lib/native/index.js');
const { eventstore, onTingo, open, placesOn } = require('../support/stage.cjs');

const onMongo = placesOn('mongodb');

const fixtures = join(__dirname, '../../../../fixtures');
const of = (written) => ({ aggregateId: `half-${written}`, aggregate: 'order', context: 'sales' });

/** An event store over a database that npm eventstore has left with half-finished commits. */
const places = {
  async mongodb(more) {
    const options = onMongo();
    const es = await open({ ...options, ...more });
    // Opening completes what is there before it.
    const url = `mongodb://${options.host}:${options.port}`;
    await load(driver, 'half', url, options.dbName);
    return es;
  },
  async tingodb(more) {
    const options = onTingo();
    cpSync(join(fixtures, 'tingodb/half'), options.dbPath, { recursive: true });
    return open({ ...options, ...more });
  },
};

for (const [kind, place] of Object.entries(places)) {
  test(`${kind}: what is half-finished is told, completed and forgotten, by promise`, async () => {
    const es = await place();
    const { store } = es;
    const pending = await store.getPendingTransactions();
    assert.deepEqual(
      pending.map((event) => [event.aggregateId, event.streamRevision, event.restInCommitStream]).sort(),
      [
        ['half-1', 1, 2],
        ['half-2', 2, 1],
      ],
    );
    assert.deepEqual(pending.find((event) => event.aggregateId === 'half-1').payload.at, new Date(0));
    for (const event of pending) assert.equal(await store.repairFailedTransaction(event), undefined);
    assert.deepEqual(await store.getPendingTransactions(), []);
    for (const written of [1, 2, 3]) assert.equal((await es.getEventStream(of(written))).events.length, 4);
    await assert.rejects(store.repairFailedTransaction(pending[0]), {
      message: /missing tx entry for aggregate half-1/,
    });
  });

  test(`${kind}: by callback`, async () => {
    const es = await place();
    const { store } = es;
    const call = (name, ...args) => promisify(store[name]).call(store, ...args);
    assert.equal(
      store.getPendingTransactions(() => undefined),
      undefined,
    );
    const [event] = (await call('getPendingTransactions')).filter(({ aggregateId }) => aggregateId === 'half-2');
    await call('removeTransactions', event);
    assert.equal((await call('getPendingTransactions')).length, 1);
    await assert.rejects(call('repairFailedTransaction', event), { message: /missing tx entry for aggregate half-2/ });
    await assert.rejects(call('removeTransactions', {}), { message: 'aggregateId not defined!' });
    await assert.rejects(call('repairFailedTransaction', {}), { message: /missing tx entry for aggregate/ });
    await call('removeTransactions', { aggregateId: 'nobody' });
  });

  test(`${kind}: with store events around them`, async () => {
    const es = await place({ emitStoreEvents: true });
    const told = [];
    const { emit } = es;
    es.emit = function (name, ...args) {
      if (/^(before|after)-/.test(name)) told.push(name);
      return emit.call(this, name, ...args);
    };
    const [event] = await es.store.getPendingTransactions();
    await new Promise((resolve) => es.store.repairFailedTransaction(event, resolve));
    await es.store.removeTransactions(event);
    await assert.rejects(es.store.removeTransactions({}));
    await new Promise(setImmediate);
    const names = [
      'get-pending-transactions',
      'repair-failed-transactions',
      'remove-transactions',
      'remove-transactions',
    ];
    assert.deepEqual(
      told,
      names.flatMap((name) => [`before-${name}`, `after-${name}`]),
    );
  });
}

test('other stores have no such calls', () => {
  for (const type of Object.keys(nativeStores))
    assert.equal('getPendingTransactions' in eventstore.createStore({ type }), type in places, type);
});
