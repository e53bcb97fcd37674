'use strict';
// The options of the Redis store, each against a real server.
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { after, before, describe, test } = require('node:test');
const { inspect, promisify } = require('node:util');
const { eventstore, folder, open, placesOn } = require('../support/stage.cjs');
const { startRedis } = require('../support/redisServer.cjs');

const onRedis = placesOn('redis');

const commit = async (es, id, ...events) => {
  const stream = await es.getEventStream(id);
  stream.addEvents(events);
  return stream.commit();
};
/** Opens, commits, reads. */
async function works(options) {
  const es = await open(options);
  await commit(es, 'x', { n: 1 });
  const events = await es.getEvents('x');
  assert.equal(events.at(-1).payload.n, 1);
  await promisify(es.store.disconnect).call(es.store);
  return events;
}
const refused = (options) =>
  eventstore(options)
    .init()
    .then(
      () => assert.fail('it was opened'),
      (error) => error,
    );

test('what an option can’t be is named, and its value is not told', () => {
  const make = (options) => () => eventstore({ type: 'redis', ...options });
  for (const [options, message] of [
    [{ host: 7 }, /host.*'redis'.*a string/],
    [{ port: 'secret' }, /port.*whole number/],
    [{ db: -1 }, /db.*whole number/],
    [{ password: ['secret'] }, /password.*a string/],
    [{ url: new URL('redis://:secret@there') }, /url.*a string/],
    [{ cluster: 'yes' }, /cluster.*true or false/],
    [{ trackPosition: 1 }, /trackPosition.*true or false/],
    [{ heartbeat: 'often' }, /heartbeat.*whole number/],
    [{ waitReplicas: 0.5 }, /waitReplicas.*whole number/],
    [{ tls: true }, /tls.*an object of ca, cert, key/],
    [{ tls: { ca: 5 } }, /tls\.ca.*PEM/],
    [{ tls: { rejectUnauthorized: false } }, /tls.*no rejectUnauthorized.*ca, cert, key/],
  ]) {
    assert.throws(make(options), (error) => {
      assert.ok(error instanceof TypeError);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  }
});

test('options that make no sense together are an error of opening', async () => {
  for (const [options, message] of [
    [{ host: '' }, /host.*empty/],
    [{ prefix: '' }, /prefix/],
    [{ eventsCollectionName: 'same', snapshotsCollectionName: 'same' }, /same name/],
    [{ tls: { cert: '-----BEGIN CERTIFICATE-----' } }, /tls\.cert and tls\.key/],
    [{ tls: { ca: 'ca.pem' } }, /tls\.ca.*not its name/],
    [{ waitTimeout: 5 }, /waitReplicas/],
    [{ cluster: true }, /hash tag/],
    [{ url: 'http://there' }, /redis:\/\//],
    [{ url: 'redis://there/x' }, /./],
    [{ url: 'redis://user:pa/ss-secret@there' }, /./],
    [{ url: 'redis://user:1/secret@there' }, /%2F/],
    [{ url: 'redis://user:1?secret@there' }, /%2F/],
    [{ url: 'redis://user:1#secret@there' }, /%2F/],
  ]) {
    const error = await refused({ type: 'redis', ...options });
    assert.equal(error.code, 'INVALID_ARGUMENT', inspect(error));
    assert.match(error.message, message);
    assert.doesNotMatch(inspect(error), /secret/);
  }
});

test('host and port, a URL before them, numbers as text, and a database', async () => {
  const { port, prefix } = onRedis();
  const at = { type: 'redis', prefix };
  assert.equal((await works({ ...at, host: '127.0.0.1', port: String(port), db: '3' })).length, 1);
  assert.equal((await works({ ...at, url: `redis://127.0.0.1:${port}/3`, host: 'nowhere', port: 1, db: 4 })).length, 2);
  assert.equal((await works({ ...at, url: `redis://127.0.0.1:${port}`, db: 3 })).length, 3, 'a URL without a database');
  assert.equal((await works({ ...at, port })).length, 1, 'another database');
});

test('names of events and snapshots', async () => {
  const options = { ...onRedis(), eventsCollectionName: 'happened', snapshotsCollectionName: 'seen' };
  const es = await open({ ...options });
  await commit(es, 'x', { n: 1 });
  await es.createSnapshot({ aggregateId: 'x', data: { n: 1 }, revision: 0 });
  assert.equal((await (await open({ ...options, snapshotsCollectionName: 'other' })).getFromSnapshot('x'))[0], null);
  assert.equal((await (await open({ ...options, eventsCollectionName: 'other' })).getEvents()).length, 0);
  const [snapshot, stream] = await (await open({ ...options })).getFromSnapshot('x');
  assert.deepEqual([snapshot.data, stream.lastRevision], [{ n: 1 }, 0]);
});

test('positions on demand, and mappings of position and commitStamp', async () => {
  const es = eventstore({ ...onRedis(), trackPosition: true });
  es.defineEventMappings({ position: 'meta.position', commitStamp: 'meta.at', streamRevision: 'meta.revision' });
  await es.init();
  for (const id of ['a', 'b']) await commit(es, id, { n: 0 }, { n: 1 });
  const events = await es.getEvents();
  assert.deepEqual(events.map((event) => event.position).sort(), [1, 2, 3, 4]);
  for (const { payload, position, commitStamp, streamRevision } of events)
    assert.deepEqual(payload.meta, { position, at: commitStamp, revision: streamRevision });
  const without = await open(onRedis());
  await commit(without, 'a', { n: 0 });
  assert.equal((await without.getEvents())[0].position, null);
});

describe('a server of its own', () => {
  let server;
  before(async () => (server = await startRedis({ requirepass: 'top-secret' })));
  after(() => server?.stop());
  const cli = (...args) => server.cli('--no-auth-warning', '-a', 'top-secret', ...args);
  const at = (more) => ({ type: 'redis', port: server.port, ...more });

  test('a password, a user and his password, as options and in a URL', async () => {
    cli('ACL', 'SETUSER', 'app', 'on', '>app secret/@', '~*', '&*', '+@all');
    await works(at({ password: 'top-secret' }));
    await works({ type: 'redis', url: `redis://:top-secret@127.0.0.1:${server.port}` });
    for (const name of ['username', 'user']) await works(at({ [name]: 'app', password: 'app secret/@' }));
    await works({ type: 'redis', url: `redis://app:app%20secret%2F%40@127.0.0.1:${server.port}/0` });
    await works({ type: 'redis', url: `redis://127.0.0.1:${server.port}`, user: 'app', password: 'app secret/@' });
  });

  test('a wrong password, or none, is told without what was given', async () => {
    for (const [options, message] of [
      [at({ password: 'wrong-secret' }), /user or the password/],
      [at({ username: 'nobody', password: 'wrong-secret' }), /user or the password/],
      [{ type: 'redis', url: `redis://app:wrong-secret@127.0.0.1:${server.port}` }, /user or the password/],
      [at(), /password/],
    ]) {
      const error = await refused(options);
      assert.equal(error.code, 'CONNECTION');
      assert.match(error.message, message);
      assert.doesNotMatch(inspect(error, { depth: 9 }) + error.stack + error.cause?.stack, /secret/);
    }
  });

  test('a socket, by every name', async () => {
    for (const name of ['socket', 'path'])
      await works({ type: 'redis', [name]: server.socket, password: 'top-secret' });
    await works({ type: 'redis', url: `redis+unix://${server.socket}`, password: 'top-secret', db: 2 });
  });

  test('a server that may lose events is warned of, each time that it is connected to', async () => {
    const told = [];
    const hear = (warning) => told.push(`${warning.name}: ${warning.message}`);
    process.on('warning', hear);
    const es = await open(at({ password: 'top-secret' }));
    await new Promise(setImmediate);
    assert.deepEqual(told, [], 'one that keeps everything is not');
    cli('CONFIG', 'SET', 'appendonly', 'no');
    cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    await es.init();
    await promisify(es.store.disconnect).call(es.store);
    await es.init();
    await new Promise(setImmediate);
    process.off('warning', hear);
    assert.deepEqual(
      told.map((text) => text.replace(/ at .*? /, ' ').replace(/\(.*/, '')),
      ['AnnalsWarning: redis may evict keys ', 'AnnalsWarning: redis keeps nothing on disk '],
    );
  });
});

test('replicas are waited for', async () => {
  const primary = await startRedis();
  const replica = await startRedis({ replicaof: `127.0.0.1 ${primary.port}` });
  try {
    for (let tries = 0; !/master_link_status:up/.test(replica.cli('INFO', 'replication')) && tries < 1000; tries++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    const at = { type: 'redis', port: primary.port };
    await works({ ...at, waitReplicas: 1, waitTimeout: 20_000 });
    const es = await open({ ...at, waitReplicas: 2, waitTimeout: 10 });
    await assert.rejects(commit(es, 'y', { n: 1 }), { code: 'TIMEOUT', message: /1 of 2 replicas/ });
  } finally {
    await replica.stop();
    await primary.stop();
  }
});

test('a cluster, where the prefix has a hash tag', async () => {
  const node = await startRedis({ 'cluster-enabled': 'yes' });
  try {
    node.cli('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    for (let tries = 0; !/cluster_state:ok/.test(node.cli('CLUSTER', 'INFO')) && tries < 1000; tries++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    const at = { type: 'redis', host: '127.0.0.1', port: node.port, prefix: '{shop}' };
    assert.equal((await refused(at)).code, 'UNSUPPORTED');
    assert.equal((await works({ ...at, cluster: true })).length, 1);
    assert.equal((await works({ ...at, cluster: true })).length, 2);
  } finally {
    await node.stop();
  }
});

describe('TLS', () => {
  const file = (name) => join(folder, name);
  const openssl = (...args) => execFileSync('openssl', args, { stdio: 'pipe' });
  const request = (name, ...args) =>
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', file(`${name}.key`), '-subj', `/CN=${name}`, ...args);
  const authority = (name) => request(name, '-x509', '-days', '2', '-out', file(`${name}.pem`));
  let server;
  let url;

  before(async () => {
    authority('ca');
    authority('stranger');
    writeFileSync(file('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1');
    for (const name of ['server', 'client']) {
      request(name, '-out', file(`${name}.csr`));
      const signed = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2'];
      openssl(
        'x509',
        '-req',
        '-in',
        file(`${name}.csr`),
        ...signed,
        '-extfile',
        file('names'),
        '-out',
        file(`${name}.pem`),
      );
    }
    const keys = {
      'tls-cert-file': file('server.pem'),
      'tls-key-file': file('server.key'),
      'tls-ca-cert-file': file('ca.pem'),
    };
    server = await startRedis({ 'tls-port': 0, ...keys });
    server.cli('CONFIG', 'SET', 'port', '0');
    server.cli('CONFIG', 'SET', 'tls-port', String(server.port));
    url = `rediss://localhost:${server.port}`;
  });
  after(() => server?.stop());

  test('an authority of one’s own is trusted, as text and as a Buffer', async () => {
    server.cli('CONFIG', 'SET', 'tls-auth-clients', 'no');
    const ca = readFileSync(file('ca.pem'));
    await works({ type: 'redis', url, tls: { ca } });
    await works({ type: 'redis', url, tls: { ca: ca.toString() } });
    await works({ type: 'redis', port: server.port, tls: { ca } });
  });

  test('a server of an authority that is not trusted is not talked to', async () => {
    for (const options of [{ url }, { url, tls: {} }, { url, tls: { ca: readFileSync(file('stranger.pem')) } }]) {
      const error = await refused({ type: 'redis', ...options });
      assert.equal(error.code, 'CONNECTION');
      assert.match(String(error.cause?.message), /certificate/i);
    }
  });

  test('the client shows its own certificate where the server asks for one', async () => {
    server.cli('CONFIG', 'SET', 'tls-auth-clients', 'yes');
    const [ca, cert, key] = ['ca.pem', 'client.pem', 'client.key'].map((name) => readFileSync(file(name)));
    await works({ type: 'redis', url, tls: { ca, cert, key } });
    const error = await refused({ type: 'redis', url, tls: { ca } });
    assert.equal(error.code, 'CONNECTION');
  });
});
