'use strict';
// The options of the MongoDB store, each against a server.
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { inspect, promisify } = require('node:util');
const { eventstore, open, placesOn } = require('../support/stage.cjs');
const { commit, pause } = require('../support/interchange.cjs');

const onMongo = placesOn('mongodb');

/** Opens, commits, reads. */
async function works(options) {
  const es = await open(options);
  await commit(es, 'x', { n: 1 });
  const events = await es.getEvents('x');
  assert.equal(events.at(-1).payload.n, 1);
  await promisify(es.store.disconnect).call(es.store);
  return events.length;
}
const refused = (options) =>
  eventstore({ type: 'mongodb', ...options })
    .init()
    .then(
      () => assert.fail('it was opened'),
      (error) => error,
    );

test('what an option can’t be is named, and its value is not told', () => {
  for (const [options, message] of [
    [{ host: 7 }, /host.*'mongodb'.*a string/],
    [{ port: 'secret' }, /port.*whole number/],
    [{ password: ['secret'] }, /password.*a string/],
    [{ url: new URL('mongodb://u:secret@there') }, /url.*a string/],
    [{ servers: 'secret' }, /servers.*a list of objects of host, port/],
    [{ servers: ['secret'] }, /servers\[0\].*an object of host, port/],
    [{ servers: [{ host: 'a' }, { host: 'b', port: -1 }] }, /servers\[1\]\.port.*whole number/],
    [{ servers: [{ name: 'secret' }] }, /servers\[0\].*no name/],
    [{ positionsCollectionName: true }, /positionsCollectionName.*a string/],
    [{ ssl: 'secret' }, /ssl.*true or false/],
    [{ options: { w: {} } }, /options\.w.*a string or a whole number/],
    [{ options: { sslCA: 'secret' } }, /options.*no sslCA.*tlsCAFile/],
    [{ heartbeat: 'often' }, /heartbeat.*whole number/],
  ]) {
    assert.throws(
      () => eventstore({ type: 'mongodb', ...options }),
      (error) => {
        assert.ok(error instanceof TypeError);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
  }
});

test('options that make no sense together are an error of opening', async () => {
  for (const [options, message] of [
    [{ host: '' }, /host.*empty/],
    [{ servers: [] }, /servers.*empty/],
    [{ dbName: '' }, /dbName.*empty/],
    [{ eventsCollectionName: '$x' }, /\$x/],
    [{ eventsCollectionName: 'same', snapshotsCollectionName: 'same' }, /collection/],
    [{ url: 'http://there' }, /mongodb:\/\//],
    [{ url: 'mongodb://there', dbName: 'shop' }, /dbName.*'test'/],
    [{ url: 'mongodb://user:pa/ss-secret@there' }, /./],
    [{ url: 'mongodb://user:1@secret@there/' }, /./],
    [{ url: 'mongodb://user:1?secret@there' }, /%3F/],
    [{ url: 'mongodb://there/?nonsense=secret&password=secret' }, /./],
  ]) {
    const error = await refused(options);
    assert.equal(error.code, 'INVALID_ARGUMENT', inspect(error));
    assert.match(error.message, message);
    assert.doesNotMatch(inspect(error, { depth: 9 }), /secret/);
  }
});

test('host and port, servers before them, and a URL before all', async () => {
  const { host, port, dbName } = onMongo();
  const at = { type: 'mongodb', dbName };
  assert.equal(await works({ ...at, host, port: String(port) }), 1);
  assert.equal(await works({ ...at, servers: [{ host, port }], host: 'nowhere', port: 1 }), 2);
  const url = `mongodb://${host}:${port}`;
  assert.equal(await works({ type: 'mongodb', url: `${url}/${dbName}`, host: 'nowhere', dbName: 'other' }), 3);
  const driver = { useUnifiedTopology: true, poolSize: 3, ssl: false, w: 1, j: true, wtimeout: 1000, appname: 'shop' };
  assert.equal(await works({ ...at, host, port, ssl: false, options: { ...driver, autoReconnect: false } }), 4);
  assert.equal(
    await works({ type: 'mongodb', url: `${url}/${dbName}?w=1&events=others`, options: { w: 'majority' } }),
    1,
  );
  assert.equal(await works({ ...at, host, port, username: 'nobody', eventsCollectionName: 'mine' }), 1, 'no password');
});

test('names of collections', async () => {
  const options = { ...onMongo(), eventsCollectionName: 'happened', snapshotsCollectionName: 'seen' };
  const es = await open({ ...options });
  await commit(es, 'x', { n: 1 });
  await es.createSnapshot({ aggregateId: 'x', data: { n: 1 }, revision: 0 });
  assert.equal((await (await open({ ...options, snapshotsCollectionName: 'other' })).getFromSnapshot('x'))[0], null);
  assert.equal((await (await open({ ...options, eventsCollectionName: 'other' })).getEvents()).length, 0);
  const [snapshot, stream] = await (await open({ ...options })).getFromSnapshot('x');
  assert.deepEqual([snapshot.data, stream.lastRevision], [{ n: 1 }, 0]);
});

test('maxSnapshotsCount', async () => {
  const es = await open({ ...onMongo(), maxSnapshotsCount: 2 });
  for (const revision of [0, 1, 2, 3]) {
    await es.createSnapshot({ aggregateId: 'x', data: { revision }, revision });
    await pause();
  }
  const found = async (revision) => (await es.getFromSnapshot('x', revision))[0]?.data.revision;
  assert.deepEqual([await found(1), await found(2), await found(3)], [undefined, 2, 3]);
});

test('positions on demand, by either option, and mappings of position and commitStamp', async () => {
  for (const more of [{ trackPosition: true }, { positionsCollectionName: 'counted' }]) {
    const es = eventstore({ ...onMongo(), ...more });
    es.defineEventMappings({ position: 'meta.position', commitStamp: 'meta.at', streamRevision: 'meta.revision' });
    await es.init();
    for (const id of ['a', 'b']) await commit(es, id, { n: 0 }, { n: 1 });
    const events = await es.getEvents();
    assert.deepEqual(events.map((event) => event.position).sort(), [1, 2, 3, 4]);
    for (const { payload, position, commitStamp, streamRevision } of events)
      assert.deepEqual(payload.meta, { position, at: commitStamp, revision: streamRevision });
  }
  const without = await open(onMongo());
  await commit(without, 'a', { n: 0 });
  assert.equal((await without.getEvents())[0].position, null);
});

test('a user’s password that is wrong, or asked for in vain, is not told', async () => {
  const { host, port } = onMongo();
  for (const options of [
    { host, port, username: 'app', password: 'top-secret' },
    { url: `mongodb://app:top-secret@${host}:${port}/shop` },
  ]) {
    const error = await refused(options);
    assert.equal(error.code, 'CONNECTION', inspect(error));
    assert.doesNotMatch(inspect(error, { depth: 9 }) + error.stack + error.cause?.stack, /secret/);
  }
});

test('a server that can’t be reached is an error within the timeout', async () => {
  const began = Date.now();
  const error = await refused({ host: '127.0.0.1', port: 1, timeout: 200 });
  assert.ok(Date.now() - began < 5000);
  assert.ok(/CONNECTION|TIMEOUT/.test(error.code) || /within 200 ms/.test(error.message), inspect(error));
  const slow = await refused({ host: '127.0.0.1', port: 1, options: { serverSelectionTimeoutMS: 100 } });
  assert.match(slow.message, /127\.0\.0\.1:1/);
});
