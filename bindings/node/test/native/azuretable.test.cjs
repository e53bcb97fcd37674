'use strict';
// The Azure Table Storage store's options and calls, each against a server.
const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const { inspect } = require('node:util');
const eventstore = require('../../lib/index.js');
const { serverOf } = require('../support/servers.cjs');
const { everyday } = require('../support/everyday.cjs');
const { commit } = require('../support/interchange.cjs');

let server;
before(async () => (server = await serverOf('azuretable')));
after(() => server?.stop());

async function open(options) {
  const es = eventstore(options);
  await es.init();
  return es;
}
const refused = (options) =>
  eventstore({ type: 'azuretable', ...options })
    .init()
    .then(
      () => assert.fail('it was opened'),
      (error) => error,
    );
/** `hidden` in base64. */
const hidden = Buffer.from('hidden').toString('base64');

everyday('azuretable', () => server.place());

test('what an option can’t be is named, and its value is not told', () => {
  for (const [options, message] of [
    [{ storageAccount: 7 }, /storageAccount.*'azuretable'.*a string/],
    [{ storageAccessKey: Buffer.from('secret') }, /storageAccessKey.*a string/],
    [{ sasToken: ['secret'] }, /sasToken.*a string/],
    [{ connectionString: { AccountKey: 'secret' } }, /connectionString.*a string/],
    [{ storageTableHost: new URL('http://u:secret@there') }, /storageTableHost.*a string/],
    [{ nodeEventstoreWrites: 'secret' }, /nodeEventstoreWrites.*true or false/],
    [{ timeout: 'secret' }, /timeout.*whole number/],
  ]) {
    assert.throws(
      () => eventstore({ type: 'azuretable', ...options }),
      (error) => {
        assert.ok(error instanceof TypeError);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
  }
});

test('where the account or its key is missing the error says what to set', async () => {
  for (const options of [
    {},
    { storageAccount: 'shop' },
    { storageAccount: 'shop', storageTableHost: 'http://there' },
  ]) {
    const error = await refused(options);
    assert.equal(error.code, 'INVALID_ARGUMENT', inspect(error));
    assert.match(error.message, /set storageAccount and storageAccessKey.*sasToken.*connectionString/);
  }
});

test('a key whose account is missing is an error in the words of Node’s options', async () => {
  const error = await refused({ storageAccessKey: hidden });
  assert.equal(error.code, 'INVALID_ARGUMENT', inspect(error));
  assert.match(error.message, /option storageAccount .* is missing/);
});

test('options that make no sense are an error of opening', async () => {
  for (const [options, message] of [
    [{ storageAccount: 'shop', storageAccessKey: 'hidden!' }, /base64/],
    [{ storageAccount: 'shop', storageAccessKey: hidden, storageTableHost: 'http://:' }, /storage_?table_?host/i],
    [{ storageAccount: 'shop', storageAccessKey: hidden, eventsTableName: 'e' }, /'e'/],
    [{ storageAccount: 'shop', storageAccessKey: hidden, snapshotsTableName: 'events' }, /same name/],
    [{ connectionString: `AccountName=shop;AccountKey=${hidden};Colour=red` }, /Colour|UndispatchedEventsTableName/],
  ]) {
    const error = await refused(options);
    assert.equal(error.code, 'INVALID_ARGUMENT', inspect(error));
    assert.match(error.message, message);
    assert.doesNotMatch(inspect(error, { depth: 9 }), new RegExp(`hidden|${hidden}`));
  }
});

test('a server that can’t be reached is an error that names it, without the key', async () => {
  const storageTableHost = 'http://127.0.0.1:1/shop';
  for (const access of [{ storageAccessKey: hidden }, { sasToken: 'sv=2019-02-02&sig=hidden' }]) {
    const error = await refused({ storageAccount: 'shop', storageTableHost, ...access });
    assert.equal(error.code, 'CONNECTION', inspect(error));
    assert.match(error.message, /127\.0\.0\.1:1/);
    assert.doesNotMatch(
      inspect(error, { depth: 9 }) + error.stack + error.cause?.stack,
      new RegExp(`hidden|${hidden}`),
    );
  }
});

test('a key that is wrong is refused, and not told', async () => {
  const error = await refused({ ...server.place(), storageAccessKey: hidden });
  assert.doesNotMatch(inspect(error, { depth: 9 }), new RegExp(`hidden|${hidden}`));
  assert.equal(error.code, 'CONNECTION');
  assert.match(error.message, /refused the credentials/);
});

test('a connection string, and options that come before it', async () => {
  const { storageAccount, storageAccessKey, storageTableHost, eventsTableName } = server.place();
  const connectionString = `AccountName=${storageAccount};AccountKey=${storageAccessKey};TableEndpoint=${storageTableHost}`;
  const es = await open({ type: 'azuretable', connectionString, eventsTableName });
  await commit(es, 'x', { n: 0 });
  const nowhere = connectionString.replace('127.0.0.1', 'no-such-host.invalid');
  const other = await open({ type: 'azuretable', connectionString: nowhere, storageTableHost, eventsTableName });
  assert.equal((await other.getEvents()).length, 1);
});

test('names of tables', async () => {
  const options = server.place();
  await commit(await open({ ...options }), 'x', { n: 0 });
  for (const [more, count] of [
    [{ indexTableName: 'elsewhere' }, 1],
    [{ eventsTableName: 'others' }, 0],
    [{ nodeEventstoreWrites: false }, 1],
  ])
    assert.equal((await (await open({ ...options, ...more })).getEvents()).length, count, inspect(more));
});
