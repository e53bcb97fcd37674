'use strict';
// The DynamoDB store's options and calls, each against a server.
process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = '1';
const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const { inspect, promisify } = require('node:util');
const { DynamoDB } = require('aws-sdk');
const eventstore = require('../../lib/index.js');
const { serverOf } = require('../support/servers.cjs');
const { commit } = require('../support/interchange.cjs');
const { everyday } = require('../support/everyday.cjs');

let server;
before(async () => (server = await serverOf('dynamodb')));
after(() => server?.stop());

async function open(options) {
  const es = eventstore(options);
  await es.init();
  return es;
}
const refused = (options) =>
  eventstore({ type: 'dynamodb', ...options })
    .init()
    .then(
      () => assert.fail('it was opened'),
      (error) => error,
    );
const namesOf = (options) => [
  options.eventsTableName,
  `${options.eventsTableName}-annals`,
  options.snapshotsTableName,
  options.undispatchedEventsTableName,
];
/** Those of a place’s tables that are there. */
async function tables(options) {
  const dynamo = new DynamoDB(options.endpointConf);
  const isThere = (TableName) =>
    dynamo
      .describeTable({ TableName })
      .promise()
      .then(
        () => true,
        (error) => {
          if (error.code !== 'ResourceNotFoundException') throw error;
          return false;
        },
      );
  const there = await Promise.all(namesOf(options).map(isThere));
  return namesOf(options).filter((_, n) => there[n]);
}

everyday('dynamodb', () => server.place());

test('what an option can’t be is named, and its value is not told', () => {
  for (const [options, message] of [
    [{ region: 7 }, /region.*'dynamodb'.*a string/],
    [{ endpoint: new URL('http://u:secret@there') }, /endpoint.*a string/],
    [{ secretAccessKey: ['secret'] }, /secretAccessKey.*a string/],
    [{ EventsReadCapacityUnits: 'secret' }, /EventsReadCapacityUnits.*whole number/],
    [{ useUndispatchedEventsTable: 'secret' }, /useUndispatchedEventsTable.*true or false/],
    [{ trackPosition: 1 }, /trackPosition.*true or false/],
    [{ index: 'secret' }, /index.*true or false/],
    [{ attempts: -1 }, /attempts.*whole number/],
  ]) {
    assert.throws(
      () => eventstore({ type: 'dynamodb', ...options }),
      (error) => {
        assert.ok(error instanceof TypeError);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /secret\b/);
        return true;
      },
    );
  }
});

test('options that make no sense together are an error of opening', async () => {
  for (const [options, message] of [
    [{ accessKeyId: 'id' }, /accessKeyId and secretAccessKey/],
    [{ secretAccessKey: 'hidden' }, /accessKeyId and secretAccessKey/],
    [{ url: 'http://there' }, /dynamodb:\/\//],
    [{ url: 'dynamodb://id:hid/den@there' }, /can't be read/],
    [{ endpoint: 'http://user:hidden@there' }, /endpoint.*without user and password/],
    [{ eventsTableName: 'x' }, /'x' can't be the name of a table/],
    [{ eventsTableName: 'same', snapshotsTableName: 'same' }, /a table of their own/],
    [{ EventsWriteCapacityUnits: 0 }, /at least one unit/],
    [{ eventsTableStreamEnabled: true, eventsTableStreamViewType: 'ALL' }, /NEW_IMAGE/],
    [{ attempts: 0 }, /attempt/],
  ]) {
    const error = await refused(options);
    assert.equal(error.code, 'INVALID_ARGUMENT', inspect(error));
    assert.match(error.message, message);
    assert.doesNotMatch(inspect(error, { depth: 9 }), /hid\/?den/);
  }
});

test('a server that can’t be reached is an error, without the secret', async () => {
  const error = await refused({
    ...server.place(),
    endpoint: 'http://127.0.0.1:1',
    secretAccessKey: 'hidden',
    attempts: 1,
  });
  assert.equal(error.code, 'CONNECTION', inspect(error));
  assert.match(error.message, /connection to DynamoDB.*\[endpoint: 127\.0\.0\.1:1\]/);
  assert.doesNotMatch(inspect(error, { depth: 9 }) + error.stack + error.cause?.stack, /hidden/);
});

test('tables by their names, with what they are provisioned with', async () => {
  const options = {
    ...server.place(),
    annalsTableName: 'beside',
    EventsReadCapacityUnits: 7,
    SnapshotWriteCapacityUnits: '8',
    eventsTableStreamEnabled: true,
    eventsTableStreamViewType: 'KEYS_ONLY',
  };
  await open({ ...options });
  const driver = new DynamoDB(options.endpointConf);
  const table = async (name) => (await driver.describeTable({ TableName: name }).promise()).Table;
  const events = await table(options.eventsTableName);
  assert.deepEqual(
    [events.ProvisionedThroughput.ReadCapacityUnits, events.ProvisionedThroughput.WriteCapacityUnits],
    [7, 3],
  );
  assert.equal(events.StreamSpecification.StreamViewType, 'KEYS_ONLY');
  const snapshots = await table(options.snapshotsTableName);
  assert.equal(snapshots.ProvisionedThroughput.WriteCapacityUnits, 8);
  assert.ok((await table('beside')).KeySchema);
});

test('what npm eventstore hands to its driver says where and who, behind what is given beside it', async () => {
  const { endpoint, region, accessKeyId, secretAccessKey, eventsTableName } = server.place();
  const keys = { accessKeyId, secretAccessKey };
  const count = async (options) => {
    const es = await open({ type: 'dynamodb', eventsTableName, ...options });
    await commit(es, 'x', { n: 0 });
    return (await es.getEvents()).length;
  };
  for (const [n, options] of [
    { endpointConf: { endpoint, region, ...keys, maxRetries: 3 } },
    { endpointConf: { endpoint, region, credentials: keys } },
    { endpointConf: { endpoint: 'http://127.0.0.1:1', region: 'r' }, endpoint, region, ...keys },
    { endpointConf: { endpoint, region: 'r', accessKeyId: 'nobody' }, region, ...keys },
  ].entries())
    assert.equal(await count(options), n + 1, inspect(options));
  const another = { type: 'dynamodb', ...keys, endpointConf: { ...keys, sessionToken: 'of another' } };
  assert.equal(eventstore.createStore(another).given.sessionToken, undefined);
  for (const [endpointConf, message] of [
    ['http://there', /endpointConf.*must be an object/],
    [{ endpoint: 7 }, /endpointConf\.endpoint.*a string/],
    [{ credentials: 'secret' }, /endpointConf\.credentials.*must be an object/],
    [{ credentials: { secretAccessKey: ['secret'] } }, /endpointConf\.credentials\.secretAccessKey.*a string/],
  ])
    assert.throws(
      () => eventstore({ type: 'dynamodb', endpointConf }),
      (error) => error instanceof TypeError && message.test(error.message) && !/secret\b/.test(error.message),
    );
});

test('a URL says region and table, and options come before it', async () => {
  const { endpoint, accessKeyId, secretAccessKey, eventsTableName } = server.place();
  const access = { type: 'dynamodb', endpoint, accessKeyId, secretAccessKey };
  await commit(await open({ ...access, url: `dynamodb://us-west-2/${eventsTableName}` }), 'x', { n: 0 });
  const es = await open({ ...access, url: 'dynamodb://us-west-2/others', eventsTableName });
  assert.equal((await es.getEvents()).length, 1);
});

test('without the table of undispatched events none is undispatched, and marking does nothing', async () => {
  const options = { ...server.place(), useUndispatchedEventsTable: false };
  const es = await open({ ...options });
  const { eventsToDispatch } = await commit(es, 'x', { n: 0 });
  assert.deepEqual(await es.getUndispatchedEvents(), []);
  await es.setEventToDispatched(eventsToDispatch[0].id);
  assert.ok(!(await tables(options)).includes(options.undispatchedEventsTableName));
});

test('removeTables deletes the tables, with a callback or a promise, and is told of', async () => {
  const options = server.place();
  for (const remove of [(store) => promisify(store.removeTables).call(store), (store) => store.removeTables()]) {
    const es = await open({ ...options, emitStoreEvents: true });
    await commit(es, 'x', { n: 0 });
    assert.deepEqual(await tables(options), namesOf(options));
    const told = [];
    for (const name of ['before-remove-tables', 'after-remove-tables']) es.on(name, () => told.push(name));
    await remove(es.store);
    assert.deepEqual(told, ['before-remove-tables', 'after-remove-tables']);
    assert.deepEqual(await tables(options), []);
  }
  assert.equal((await (await open({ ...options })).getEvents()).length, 0);
});

test('positions on demand, without a hole', async () => {
  const es = eventstore({ ...server.place(), trackPosition: true });
  es.defineEventMappings({ position: 'meta.position' });
  await es.init();
  await Promise.all(['a', 'b', 'c'].map((id) => commit(es, id, { n: 0 }, { n: 1 })));
  const events = await es.getEvents();
  assert.deepEqual(events.map((event) => event.position).sort(), [1, 2, 3, 4, 5, 6]);
  for (const { payload, position } of events) assert.deepEqual(payload.meta, { position });
  const without = await open(server.place());
  await commit(without, 'a', { n: 0 });
  assert.equal((await without.getEvents())[0].position, null);
});

test('an index by time shows the same as without it, and what was there before', async () => {
  const options = server.place();
  const without = await open(options);
  await commit(without, 'before', { n: 0 }, { n: 1 });
  const es = await open({ ...options, index: true });
  for (const id of ['a', 'b', 'a']) await commit(es, id, { n: 0 }, { n: 1 });
  const ids = (events) => events.map((event) => event.id);
  const everything = await es.getEvents();
  assert.equal(everything.length, 8);
  assert.deepEqual(ids(everything), ids(await without.getEvents()));
  const since = everything[2].commitStamp;
  assert.deepEqual(ids(await es.getEventsSince(since)), ids(await without.getEventsSince(since)));
  const paged = [];
  for (let page = await es.getEvents(0, 3); page.length > 0; page = await promisify(page.next)()) paged.push(...page);
  assert.deepEqual(ids(paged), ids(everything));
});
