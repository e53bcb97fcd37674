'use strict';
// npm eventstore and annals on one Azure Table Storage: each opens what the other wrote, and both may write in turn, or at once.
const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const { promisify } = require('node:util');
const azure = require('azure-storage');
const { ConcurrencyError } = require('../../lib/index.js');
const { asJson, commit, sharing, useOurs, useTheirs } = require('../support/interchange.cjs');
const { serverOf } = require('../support/servers.cjs');

let server;
before(async () => (server = await serverOf('azuretable')));
after(() => server?.stop());

function place() {
  const options = server.place();
  return {
    options,
    ours: (use, more) => useOurs({ ...options, ...more }, use),
    theirs: (use) => useTheirs({ ...options }, use),
  };
}

// Without U+2028 and its like: Azurite stumbles over them in a transaction.
const values = (n) => [
  { n, at: new Date(1e12 + n), deep: [{ at: new Date(-n), bytes: Buffer.from([0, n, 255]) }] },
  { n, text: '2020-02-29T12:00:00.250Z', odd: '\u0000"\\\n😀', none: null, '': 'empty', big: 2 ** 53, part: 0.1 },
];
sharing('azuretable', place, {
  values,
  turns: 20,
  asRead: asJson,
  lost: ['streamId', 'restInCommitStream', 'position'],
});

test('an entity has what npm eventstore’s has, of the same types, and one column more', async () => {
  const { options, ours, theirs } = place();
  for (const by of [ours, theirs])
    await by((es) => commit(es, { aggregateId: by.name, aggregate: 'order', context: 'sales' }, { at: new Date(5) }));
  const { storageAccount, storageAccessKey, storageTableHost, eventsTableName } = options;
  const service = azure.createTableService(storageAccount, storageAccessKey, storageTableHost);
  const entity = async (aggregateId) => {
    const query = new azure.TableQuery().where('PartitionKey eq ?', aggregateId);
    const { entries } = await promisify(service.queryEntities.bind(service))(eventsTableName, query, null);
    delete entries[0]['.metadata'];
    return entries[0];
  };
  const [one, other] = [await entity('ours'), await entity('theirs')];
  assert.deepEqual(one.payload, other.payload);
  const types = (entity) => Object.entries(entity).map(([name, { $, _ }]) => `${name} ${$ ?? typeof _}`);
  assert.deepEqual(
    types(other).filter((type) => !types(one).includes(type)),
    [],
  );
  assert.deepEqual(
    types(one).filter((type) => !types(other).includes(type)),
    ['restInCommitStream number'],
  );
});

test('where npm eventstore was faster the commit is refused, and loading again helps', async () => {
  const { ours, theirs } = place();
  await ours(async (es) => {
    const stream = await es.getEventStream('x');
    stream.addEvent({ by: 'annals' });
    await theirs((other) => commit(other, 'x', { by: 'npm eventstore' }, { by: 'npm eventstore' }));
    await assert.rejects(stream.commit(), (error) => {
      assert.ok(error instanceof ConcurrencyError);
      assert.deepEqual([error.expectedRevision, error.actualRevision], [-1, 1]);
      return true;
    });
    assert.equal((await commit(es, 'x', { by: 'annals' })).lastRevision, 2);
  });
});
