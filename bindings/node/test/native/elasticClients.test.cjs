'use strict';
// The Elasticsearch store over clients of the user's own, each against a server that it works with.
process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = '1';
const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const { inspect, promisify } = require('node:util');
const AWS = require('aws-sdk');
const { AwsSigv4Signer } = require('@opensearch-project/opensearch/aws');
const elastic7 = require('@elastic/elasticsearch');
const elastic713 = require('elastic713');
const elastic8 = require('elastic8');
const elastic9 = require('elastic9');
const legacy15 = require('elasticsearch');
const legacy16 = require('elasticsearch16');
const HttpConnector = require('elasticsearch/src/lib/connectors/http');
const opensearch = require('@opensearch-project/opensearch');
const eventstore = require('../../lib/index.js');
const { everyday } = require('../support/everyday.cjs');
const { commit } = require('../support/interchange.cjs');
const { proxyBefore } = require('../support/searchServer.cjs');
const { serverOf } = require('../support/servers.cjs');

const ends = [];
const ending = (one, end = () => one.stop()) => (ends.push(end), one);
after(async () => {
  for (const end of ends.reverse()) await end();
});

const REGION = 'eu-central-1';
const ACCESS = { accessKeyId: 'annals', secretAccessKey: 'secret' };
const DATE = 'X-Amz-Date';

/** What a request is signed with by AWS's own signer. */
function signed({ method, path, body }, date) {
  const request = new AWS.HttpRequest(new AWS.Endpoint('http://search.example'), REGION);
  Object.assign(request, { method, path, body, headers: { Host: 'search.example' } });
  new AWS.Signers.V4(request, 'es').addAuthorization(new AWS.Credentials(ACCESS), date);
  return request.headers;
}
const isSigned = ({ method, path, headers, body }) => {
  const [, y, mo, d, h, mi, s] = /(....)(..)(..)T(..)(..)(..)Z/.exec(headers[DATE.toLowerCase()]) ?? [];
  const date = new Date(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
  return headers.authorization === signed({ method, path, body: body.toString() }, date).Authorization;
};

/** A connection of the user's own that signs what it sends, as those for AWS do. */
class SigningConnector extends HttpConnector {
  makeReqParams(params) {
    const made = super.makeReqParams(params);
    const { [DATE]: date, Authorization } = signed(
      { method: made.method, path: made.path, body: params.body ?? '' },
      new Date(),
    );
    return { ...made, headers: { ...made.headers, [DATE]: date, Authorization } };
  }
}

const servers = {};
/** The server that a client speaks to: `signed` and `elastic` are proxies that want signatures, or say that they are Elastic's. */
before(async () => {
  const start = async (kind) => (servers[kind] = ending(await serverOf(kind)));
  await Promise.all(['es5', 'es7', 'os3'].map(start));
  servers.signed = ending(await proxyBefore(servers.es5, { allow: isSigned }));
  const isAws = ({ headers }) =>
    /^AWS4-HMAC-SHA256 Credential=annals\/\d+\/eu-central-1\/es/.test(headers.authorization);
  servers.signedOpenSearch = ending(await proxyBefore(servers.os3, { allow: isAws }));
  const change = ({ path }, answer) => {
    answer.headers['x-elastic-product'] = 'Elasticsearch';
    if (path === '/' && answer.body.length > 0)
      answer.body = Buffer.from(JSON.stringify({ ...JSON.parse(answer.body), version: { number: '7.17.0' } }));
  };
  // What is changed mustn't be compressed.
  const allow = ({ path, headers }) => path !== '/' || delete headers['accept-encoding'];
  servers.elastic = ending(await proxyBefore(servers.es7, { allow, change }));
});

const clients = {
  'elasticsearch 15': ['es5', (host) => new legacy15.Client({ host, log: [] })],
  'elasticsearch 16': ['es5', (host) => new legacy16.Client({ host, log: [], apiVersion: '5.6' })],
  'elasticsearch 15 that signs for AWS': [
    'signed',
    (host) => new legacy15.Client({ host, log: [], connectionClass: SigningConnector }),
  ],
  '@elastic/elasticsearch 7.13': ['es7', (node) => new elastic713.Client({ node })],
  '@elastic/elasticsearch 7': [
    'elastic',
    (node) => new elastic7.Client({ node, compression: 'gzip', suggestCompression: true }),
  ],
  '@elastic/elasticsearch 8': ['elastic', (node) => new elastic8.Client({ node, compression: true })],
  '@elastic/elasticsearch 9': ['elastic', (node) => new elastic9.Client({ node })],
  '@opensearch-project/opensearch': ['os3', (node) => new opensearch.Client({ node })],
  '@opensearch-project/opensearch that signs for AWS': [
    'signedOpenSearch',
    (node) => {
      const getCredentials = async () => ACCESS;
      return new opensearch.Client({ ...AwsSigv4Signer({ region: REGION, service: 'es', getCredentials }), node });
    },
  ],
};
/** The others differ in how requests are sent, which takes fewer of them to see. */
const FULLY = ['elasticsearch 15', '@elastic/elasticsearch 7.13', '@opensearch-project/opensearch'];
const modern = Object.entries(clients).filter(([name]) => name.startsWith('@'));

/** A client of a kind, that is closed in the end. */
function made(make, url) {
  const client = make(url);
  return ending(client, () => client.close());
}
let places = 0;
const place = (type, client) => ({ type, client, indexName: `client${++places}` });
const refused = (options) =>
  eventstore(options)
    .init()
    .then(
      () => assert.fail('it was opened'),
      (error) => error,
    );

for (const [name, [server, make]] of Object.entries(clients)) {
  const type = name.includes('opensearch') ? 'opensearch' : 'elasticsearch';
  let client;
  const own = () => place(type, (client ??= made(make, servers[server].url)));
  if (FULLY.includes(name)) everyday(name, own);

  test(`${name}: what a payload says is what comes back, to the last digit`, async () => {
    const es = eventstore(own());
    await es.init();
    const payload = { odd: 'é\u2028😀"\\', deep: [{ n: 0.1, e: 1e21, big: 2 ** 53 - 1 }], none: null };
    await commit(es, 'x/y?z#ü %2F', payload, { n: 1 });
    assert.deepEqual((await es.getEventStream('x/y?z#ü %2F')).events[0].payload, payload);
    const [one, other] = [await es.getEventStream('x'), await es.getEventStream('x')];
    for (const stream of [one, other]) stream.addEvent({ n: 2 });
    await one.commit();
    await assert.rejects(other.commit(), { code: 'CONCURRENCY', actualRevision: 0 });
    assert.equal((await es.getEvents(0, 2)).length, 2);
    await es.createSnapshot({ aggregateId: 'x', data: payload, revision: 0 });
    assert.deepEqual((await es.getFromSnapshot('x'))[0].data, payload);
  });

  test(`${name}: a server that is not there is an error, and the client stays the user’s`, async () => {
    const error = await refused({ ...place(type, made(make, 'http://127.0.0.1:1')), attempts: 2 });
    assert.equal(error.code, 'CONNECTION', inspect(error));
    assert.match(error.message, /the client got no answer to GET \//);
    const es = eventstore(own());
    await es.init();
    await promisify(es.store.disconnect).call(es.store);
    await es.init();
    assert.equal((await es.getEvents()).length, 0, 'it was not closed');
  });

  test(`${name}: a request that gets no answer is sent as often as the store says, not more`, async () => {
    let isOver = false;
    const allow = (asked) => (isOver ? undefined : servers[server].url === servers.signed.url ? isSigned(asked) : true);
    const proxy = ending(await proxyBefore({ port: new URL(servers[server].url).port }, { allow }));
    const es = eventstore({ ...place(type, made(make, proxy.url)), attempts: 3 });
    await es.init();
    await commit(es, 'x', { n: 0 });
    const stream = await es.getEventStream('x');
    stream.addEvent({ n: 1 });
    isOver = true;
    const { length } = proxy.requests;
    await assert.rejects(stream.commit(), { code: 'CONNECTION', retryable: true });
    const sent = proxy.requests.slice(length).map(({ method, path }) => `${method} ${path}`);
    // A legacy client whose only host was lost asks by HEAD / whether it is there again, before it sends anything.
    assert.deepEqual([sent.length, sent.filter((one) => one !== sent[0] && one !== 'HEAD /')], [3, []]);
    isOver = false;
    stream.addEvent({ n: 2 });
    assert.equal((await stream.commit()).lastRevision, 2, 'it goes on with the same client');
  });
}

test('a client that refuses the server says which fits', async () => {
  for (const [name, [, make]] of modern.filter(([name]) => name.startsWith('@elastic/elasticsearch '))) {
    if (name.includes('7.13')) continue;
    const error = await refused(place('elasticsearch', made(make, servers.os3.url)));
    assert.equal(error.code, 'UNSUPPORTED', `${name} ${inspect(error)}`);
    assert.match(error.message, /@opensearch-project\/opensearch/);
  }
});

test('what is no client is refused, and not told', () => {
  for (const client of ['secret', 7, {}, { transport: {} }, { transport: { request: () => 'secret' } }, () => 'secret'])
    assert.throws(
      () => eventstore({ type: 'elasticsearch', client }),
      (error) => {
        assert.ok(error instanceof TypeError);
        assert.match(error.message, /the option client of type 'elasticsearch'.*@opensearch-project\/opensearch/);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
});

test('a client’s own timeout is one, and heartbeats go through it', async () => {
  let answers = true;
  const allow = () => answers || new Promise(() => undefined);
  const proxy = ending(await proxyBefore(servers.os3, { allow }));
  const client = ending(new opensearch.Client({ node: proxy.url, requestTimeout: 5000 }), () => client.close());
  const es = eventstore({ ...place('opensearch', client), heartbeat: 2000 });
  await es.init();
  const told = [];
  const isDisconnected = new Promise((resolve) => es.on('disconnect', resolve));
  es.on('disconnect', () => told.push('disconnect'));
  const without = eventstore(place('opensearch', client));
  await without.init();
  answers = false;
  await assert.rejects(without.getEvents('x'), { code: 'TIMEOUT' });
  await isDisconnected;
  await assert.rejects(es.getEvents(), { code: 'CONNECTION' });
  answers = true;
  await es.init();
  assert.equal((await es.getEvents()).length, 0);
  assert.deepEqual(told, ['disconnect']);
  await promisify(es.store.disconnect).call(es.store);
});
