'use strict';
// A connection to MongoDB that is lost and made again.
const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const { promisify } = require('node:util');
const { eventstore, until } = require('../support/stage.cjs');
const { commit } = require('../support/interchange.cjs');
const { startMongo } = require('../support/mongoServer.cjs');

let server;
before(async () => (server = await startMongo()));
after(() => server?.stop());

/** An event store, and what it told of its connection. */
async function telling(more) {
  const es = eventstore({ type: 'mongodb', host: '127.0.0.1', port: server.port, ...more });
  const told = [];
  for (const name of ['connect', 'disconnect']) es.on(name, () => told.push(name));
  await es.init();
  return { es, told };
}

test('the loss of the connection is told, and its return, with nothing to do for the user', async () => {
  const { es, told } = await telling({ dbName: 'lost', heartbeat: 2000 });
  await commit(es, 'x', { n: 0 });
  await server.kill();
  await until(() => told.length === 2);
  await assert.rejects(es.getEvents(), { code: /CONNECTION|TIMEOUT/ });
  await server.start();
  await until(() => told.length === 3);
  await commit(es, 'y', { n: 1 });
  assert.equal((await es.getEvents()).length, 1, 'the server of the tests keeps nothing');
  assert.deepEqual(told, ['connect', 'disconnect', 'connect']);
  await promisify(es.store.disconnect).call(es.store);
  assert.deepEqual(told, ['connect', 'disconnect', 'connect', 'disconnect']);
});

test('a heartbeat that is not answered disconnects, and the next one that is connects', async () => {
  const { es, told } = await telling({ dbName: 'stalled', heartbeat: 500 });
  server.signal('SIGSTOP');
  await until(() => told.length === 2);
  server.signal('SIGCONT');
  await until(() => told.length === 3);
  assert.deepEqual(told, ['connect', 'disconnect', 'connect']);
  assert.equal((await es.getEvents()).length, 0);
  await promisify(es.store.disconnect).call(es.store);
});
