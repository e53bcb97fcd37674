'use strict';
// npm eventstore and annals on one Elasticsearch 5: each opens what the other wrote, and both may write in turn, or at once.
const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const { Client } = require('elasticsearch');
const { ConcurrencyError } = require('../../lib/index.js');
const { asJson, commit, sharing, useOurs, useTheirs } = require('../support/interchange.cjs');
const { serverOf } = require('../support/servers.cjs');
const { used } = require('../support/theirs.cjs');

let server;
before(async () => (server = await serverOf('es5')));
after(() => server?.stop());

function place() {
  const options = server.place();
  return {
    options,
    // npm eventstore finds only what is refreshed.
    ours: (use, more) => useOurs({ ...options, refresh: true, ...more }, use),
    theirs: (use) => used(options).then(() => useTheirs({ ...options }, use)),
  };
}

// Of one form in every event, and without an empty key: the types that npm eventstore's first event gives the index are every event's.
const values = (n) => [
  { n, at: new Date(1e12 + n), deep: [{ at: new Date(n * 1e9), bytes: [0, n, 255] }] },
  { n, text: 'some text', odd: '\u0000\u2028"\\\n😀', none: null, big: 2 ** 53 - 1, part: 0.1 },
];
// npm eventstore's queries are in a language in which a colon means something, and find words rather than texts.
const IDS = ['a', 'b', 'ünïcode', 'under_score'];
sharing('elasticsearch', place, {
  values,
  turns: 12,
  asRead: asJson,
  ids: IDS,
  snapshot: { list: ['2020-02-29T12:00:00.250Z'] },
  later: 8,
});

test('a version of another type than npm eventstore’s first is kept, though npm eventstore can’t read it', async () => {
  const { ours, theirs } = place();
  const of = { aggregateId: 'x', aggregate: 'order', context: 'sales' };
  await theirs(async (es) => {
    await commit(es, of, { n: 0 }, { n: 1 });
    await es.createSnapshot({ ...of, data: { by: 'theirs' }, revision: 0, version: 7 });
  });
  await ours(async (es) => {
    await es.createSnapshot({ ...of, data: { by: 'ours' }, revision: 1, version: 'eight' });
    const [snapshot] = await es.getFromSnapshot(of);
    assert.deepEqual([snapshot.data, snapshot.revision, snapshot.version], [{ by: 'ours' }, 1, 'eight']);
  });
});

test('a document has what npm eventstore’s has, and no field is of another type', async () => {
  const { options, ours, theirs } = place();
  for (const by of [theirs, ours])
    await by((es) => commit(es, { aggregateId: by.name, aggregate: 'order', context: 'sales' }, { at: new Date(5) }));
  const client = new Client({ host: options.host, log: [] });
  const document = async (aggregateId) => {
    const body = { query: { term: { 'aggregateId.keyword': aggregateId } } };
    await client.indices.refresh({ index: options.indexName });
    const { hits } = await client.search({ index: options.indexName, type: 'events', body });
    assert.equal(hits.hits[0]._id, hits.hits[0]._source.id);
    return hits.hits[0]._source;
  };
  const [one, other] = [await document('ours'), await document('theirs')];
  const types = (source) => Object.entries(source).map(([name, value]) => `${name} ${typeof value}`);
  const missing = types(other).filter((type) => !types(one).includes(type));
  assert.deepEqual(missing, []);
  assert.deepEqual([one.dispatched, other.dispatched, one.payload], [false, false, other.payload]);
  client.close();
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
