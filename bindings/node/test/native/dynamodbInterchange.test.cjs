'use strict';
// npm eventstore and annals on one DynamoDB: each opens what the other wrote, and both may write in turn, or at once.
process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = '1';
const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const { DynamoDB } = require('aws-sdk');
const { ConcurrencyError } = require('../../lib/index.js');
const { asJson, commit, sharing, useOurs, useTheirs } = require('../support/interchange.cjs');
const { serverOf } = require('../support/servers.cjs');

let server;
before(async () => (server = await serverOf('dynamodb')));
after(() => server?.stop());

function place() {
  const options = server.place();
  return {
    options,
    ours: (use, more) => useOurs({ ...options, ...more }, use),
    theirs: (use) => useTheirs({ ...options }, use),
  };
}

const values = (n) => [
  { n, at: new Date(1e12 + n), deep: [{ at: new Date(-n), bytes: Buffer.from([0, n, 255]) }] },
  { n, text: '2020-02-29T12:00:00.250Z', odd: '\u0000\u2028"\\\n😀', none: null, '': 'empty', big: 2 ** 53, part: 0.1 },
];
sharing('dynamodb', place, { values, turns: 20, asRead: asJson, lost: ['streamId', 'restInCommitStream', 'position'] });

test('an item has what npm eventstore’s has, of the same types, and one attribute more', async () => {
  const { options, ours, theirs } = place();
  for (const by of [ours, theirs])
    await by((es) => commit(es, { aggregateId: by.name, aggregate: 'order', context: 'sales' }, { at: new Date(5) }));
  const client = new DynamoDB(options.endpointConf);
  const item = async (aggregateId) => {
    const key = { aggregateId: { S: aggregateId }, rowKey: { S: 'sales:order:0000000000000000' } };
    return (await client.getItem({ TableName: options.eventsTableName, Key: key }).promise()).Item;
  };
  const [one, other] = [await item('ours'), await item('theirs')];
  assert.deepEqual(one.payload, other.payload);
  const types = (item) => Object.entries(item).map(([name, value]) => `${name} ${Object.keys(value)}`);
  assert.deepEqual(
    types(other).filter((type) => !types(one).includes(type)),
    [],
  );
  assert.deepEqual(
    types(one).filter((type) => !types(other).includes(type)),
    ['restInCommitStream N'],
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
