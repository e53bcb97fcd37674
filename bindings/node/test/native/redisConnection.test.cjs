'use strict';
// A connection to Redis that is lost and made again, and what it is to commits.
const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { join } = require('node:path');
const { after, before, test } = require('node:test');
const { promisify } = require('node:util');
const { eventstore, open, until } = require('../support/stage.cjs');
const { startRedis } = require('../support/redisServer.cjs');

// With `everysec` a server that is killed while its disk is busy loses what it has acknowledged.
let server;
before(async () => (server = await startRedis({ appendfsync: 'always' })));
after(() => server?.stop());
let prefixes = 0;
const options = (more) => ({ type: 'redis', port: server.port, prefix: `p${++prefixes}`, ...more });

/** An event store, and what it told of its connection. */
async function telling(more) {
  const es = eventstore(options(more));
  const told = [];
  for (const name of ['connect', 'disconnect']) es.on(name, () => told.push(name));
  await es.init();
  return { es, told };
}
const commit = async (es, id, ...events) => {
  const stream = await es.getEventStream(id);
  stream.addEvents(events);
  await stream.commit();
};

test('the loss of the connection is told, and its return, with nothing to do for the user', async () => {
  const { es, told } = await telling();
  await commit(es, 'x', { n: 0 });
  await server.kill();
  await until(() => told.length === 2);
  await assert.rejects(es.getEvents(), { code: 'CONNECTION', retryable: true });
  await server.start();
  await until(() => told.length === 3);
  await commit(es, 'x', { n: 1 });
  assert.equal((await es.getEvents()).length, 2);
  assert.deepEqual(told, ['connect', 'disconnect', 'connect']);
  await promisify(es.store.disconnect).call(es.store);
  await server.kill();
  await server.start();
  assert.deepEqual(told, ['connect', 'disconnect', 'connect', 'disconnect'], 'who has disconnected is told no more');
});

test('connecting anew where the connection is lost tells whether it is there again', async () => {
  const { es, told } = await telling({ heartbeat: 100 });
  await server.kill();
  await until(() => told.length === 2);
  await assert.rejects(es.init(), { code: 'CONNECTION' });
  await server.start();
  await until(() => told.length >= 3);
  const { crossing } = es.store;
  await es.init();
  assert.equal(es.store.crossing, crossing, 'what is connected stays');
  const before = told.length;
  server.signal('SIGSTOP');
  await until(() => told.length > before);
  server.signal('SIGCONT');
  await es.init();
  assert.notEqual(es.store.crossing, crossing, 'what was lost is replaced');
  assert.equal((await es.getEvents()).length, 0);
});

test('a heartbeat that is not answered disconnects, and the next one that is connects', async () => {
  const { es, told } = await telling({ heartbeat: 100 });
  const { crossing } = es.store;
  let asked = 0;
  const call = crossing.call.bind(crossing);
  crossing.call = (operation, args, done) => {
    asked += operation === 'health' ? 1 : 0;
    call(operation, args, done);
  };
  server.signal('SIGSTOP');
  await until(() => told.length === 2);
  server.signal('SIGCONT');
  await until(() => told.length === 3);
  assert.deepEqual(told, ['connect', 'disconnect', 'connect']);
  assert.equal(asked, 0, 'the store asks by itself: nobody asks beside it');
  assert.equal((await es.getEvents()).length, 0);
});

test('commits in flight while the server dies are there once or not at all, acknowledged ones are there', async () => {
  const shared = options();
  const stores = await Promise.all([open({ ...shared }), open({ ...shared })]);
  const acknowledged = [];
  const failures = [];
  let isOver = false;
  const write = async (es, stream) => {
    for (let n = 0; !isOver; n++) {
      try {
        await commit(es, stream, { n, part: 0 }, { n, part: 1 });
        acknowledged.push(`${stream} ${n}`);
      } catch (error) {
        failures.push(error);
        assert.ok(['CONNECTION', 'TIMEOUT'].includes(error.code), error.message);
      }
    }
  };
  const writers = stores.flatMap((es, of) => [0, 1, 2].map((n) => write(es, `s${of}${n}`)));
  for (let round = 0; round < 3; round++) {
    const before = acknowledged.length;
    await until(() => acknowledged.length > before + 50);
    await server.kill();
    const failed = failures.length;
    // One time long enough for calls to give up.
    if (round === 1) await until(() => failures.length > failed);
    await server.start();
  }
  const before = acknowledged.length;
  await until(() => acknowledged.length > before + 50);
  isOver = true;
  await Promise.all(writers);
  const es = await open({ ...shared });
  const seen = new Map();
  for (const id of stores.flatMap((_, of) => [0, 1, 2].map((n) => `s${of}${n}`))) {
    const { events } = await es.getEventStream(id);
    for (const [revision, event] of events.entries()) {
      assert.equal(event.streamRevision, revision);
      const { n, part } = event.payload;
      assert.equal(part, revision % 2, 'no commit is torn');
      if (part === 0) seen.set(`${id} ${n}`, (seen.get(`${id} ${n}`) ?? 0) + 1);
    }
  }
  assert.ok(failures.length > 0);
  assert.deepEqual(
    acknowledged.filter((name) => seen.get(name) !== 1),
    [],
  );
  assert.ok([...seen.values()].every((times) => times === 1));
});

test('an open store keeps no process alive', () => {
  const library = JSON.stringify(join(__dirname, '../../lib/index.js'));
  const script = `
    const es = require(${library})(${JSON.stringify(options({ heartbeat: 50 }))});
    es.on('connect', () => console.log('connect'));
    es.init((error) => {
      if (error) throw error;
      es.getEvents((failed, events) => console.log(failed, events.length));
    });`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', timeout: 20_000 });
  assert.deepEqual([stdout, stderr, status], ['connect\nnull 0\n', '', 0]);
});

test('a server that is not there is a clear error, within the timeout', async () => {
  const nowhere = { type: 'redis', host: '127.0.0.1', port: 1, password: 'hidden' };
  await assert.rejects(eventstore(nowhere).init(), (error) => {
    assert.equal(error.code, 'CONNECTION');
    assert.match(error.message, /127\.0\.0\.1:1/);
    assert.doesNotMatch(`${error.stack} ${error.cause?.stack}`, /hidden/);
    return true;
  });
  await assert.rejects(eventstore({ ...nowhere, timeout: 50 }).init(), /50 ms|CONNECTION|Redis/);
});
