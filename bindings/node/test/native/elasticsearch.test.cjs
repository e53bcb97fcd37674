'use strict';
// The Elasticsearch store's options and calls, each against a server.
const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { join } = require('node:path');
const { after, before, test } = require('node:test');
const { inspect, promisify } = require('node:util');
const { PassThrough } = require('node:stream');
const eventstore = require('../../lib/index.js');
const { everyday } = require('../support/everyday.cjs');
const { commit } = require('../support/interchange.cjs');
const { proxyBefore } = require('../support/searchServer.cjs');
const { serverOf } = require('../support/servers.cjs');

let server;
before(async () => (server = await serverOf('es6')));
after(() => server?.stop());

async function open(options) {
  const es = eventstore(options);
  await es.init();
  return es;
}
const refused = (options) =>
  eventstore({ type: 'elasticsearch', log: false, ...options })
    .init()
    .then(
      () => assert.fail('it was opened'),
      (error) => error,
    );

everyday('elasticsearch', () => server.place());

test('what an option can’t be is named, and its value is not told', () => {
  for (const [options, message] of [
    [{ host: 7 }, /host of type 'elasticsearch'.*localhost:9200/],
    [{ host: 'http://u:secret@' }, /host of type/],
    [{ host: 'ftp://secret' }, /host of type/],
    [{ host: { hostname: 'there', secret: 1 } }, /protocol, host, hostname, port, path, auth/],
    [{ hosts: ['there', null] }, /hosts of type/],
    [{ hosts: ['http://a:secret@there', 'http://b:secret@there'] }, /one user for all hosts/],
    [{ indexName: 7 }, /indexName.*a string/],
    [{ maxSearchResults: 'secret' }, /maxSearchResults.*whole number/],
    [{ refresh: 'secret' }, /refresh.*true or false/],
    [{ auth: 'user:secret' }, /auth.*an object of username, password, apiKey/],
    [{ auth: { user: 'secret' } }, /auth.*no user/],
    [{ apiKey: { id: 'secret' } }, /apiKey.*a string/],
    [{ aws: { region: 7 } }, /aws\.region.*a string/],
    [{ tls: { ca: 7 } }, /tls\.ca.*PEM/],
    [{ log: 'secret' }, /log of type.*error, warning, info, debug, trace/],
    [{ log: { level: 'secret' } }, /log of type/],
    [{ log: { type: 'file' } }, /'file' with path/],
    [{ heartbeat: 'secret' }, /heartbeat.*whole number/],
  ]) {
    assert.throws(
      () => eventstore({ type: 'elasticsearch', ...options }),
      (error) => {
        assert.ok(error instanceof TypeError, inspect(error));
        assert.match(error.message, message);
        assert.doesNotMatch(inspect(error), /secret/);
        return true;
      },
    );
  }
  assert.throws(() => eventstore({ type: 'opensearch', host: 7 }), /host of type 'opensearch'/);
});

test('options that make no sense together are an error of opening', async () => {
  for (const [options, message] of [
    [{ auth: { username: 'u' } }, /auth, apiKey and aws/],
    [{ apiKey: 'hidden', aws: {} }, /auth, apiKey and aws/],
    [{ aws: { accessKeyId: 'id' } }, /accessKeyId and aws.secretAccessKey/],
    [{ tls: { key: 'hidden' } }, /tls\.cert and tls\.key/],
    [{ url: 'http://u:hidden@there' }, /elasticsearch:\/\//],
    [{ indexName: 'No' }, /'No' can't be the name of an index/],
    [{ eventsTypeName: 'same', snapshotsTypeName: 'same' }, /a name of their own/],
    [{ maxSearchResults: 0 }, /page/],
    [{ attempts: 0 }, /attempt/],
    [{ aws: { service: 's3', region: 'r' } }, /aoss/],
  ]) {
    const error = await refused(options);
    assert.equal(error.code, 'INVALID_ARGUMENT', inspect(error));
    assert.match(error.message, message);
    assert.doesNotMatch(inspect(error, { depth: 9 }), /hidden/);
  }
});

test('a server that can’t be reached is an error, without what is secret', async () => {
  for (const options of [{ host: 'http://me:hidden@127.0.0.1:1' }, { host: '127.0.0.1:1', apiKey: 'hidden' }]) {
    const error = await refused({ ...options, attempts: 1 });
    assert.equal(error.code, 'CONNECTION', inspect(error));
    assert.doesNotMatch(inspect(error, { depth: 9 }) + error.stack + error.cause?.stack, /hidden/);
  }
});

test('a host in every form, several of them, and a URL', async () => {
  const { indexName } = server.place();
  const at = `127.0.0.1:${server.port}`;
  const forms = [
    { host: at },
    { host: `http://${at}/` },
    { host: { host: '127.0.0.1', port: server.port } },
    { host: { protocol: 'http:', hostname: 'localhost', port: String(server.port), path: '/' } },
    { hosts: [at] },
    { host: 'nowhere.invalid:1', hosts: ['127.0.0.1:1', at] },
    { url: `elasticsearch://${at}/elsewhere` },
    { type: 'OpenSearch', host: at },
  ];
  for (const [n, form] of forms.entries()) {
    const es = await open({ type: 'elasticsearch', ...form, indexName });
    assert.equal((await commit(es, 'x', { n })).lastRevision, n, inspect(form));
    await promisify(es.store.disconnect).call(es.store);
  }
});

test('who asks is said as the host, auth or an API key says it', async () => {
  const proxy = await proxyBefore(server, {});
  const { indexName } = server.place();
  const basic = (text) => `Basic ${Buffer.from(text).toString('base64')}`;
  for (const [options, authorization] of [
    [{ host: proxy.url.replace('//', '//me:p%40ss@') }, basic('me:p@ss')],
    [{ host: { host: '127.0.0.1', port: new URL(proxy.url).port, auth: 'me:a:b' } }, basic('me:a:b')],
    [{ host: proxy.url, auth: { username: 'me', password: 'p' } }, basic('me:p')],
    [{ host: proxy.url.replace('//', '//you:no@'), auth: { username: 'me', password: 'p' } }, basic('me:p')],
    [{ host: proxy.url, apiKey: 'a2V5' }, 'ApiKey a2V5'],
    [{ host: proxy.url, auth: { apiKey: 'a2V5' } }, 'ApiKey a2V5'],
    [
      { host: proxy.url, aws: { region: 'r', accessKeyId: 'me', secretAccessKey: 's' } },
      /^AWS4-HMAC-SHA256 Credential=me\//,
    ],
    [{ host: proxy.url }, undefined],
  ]) {
    await open({ type: 'elasticsearch', ...options, indexName });
    const said = proxy.requests.splice(0).map(({ headers }) => headers.authorization);
    const isSaid = (one) => (authorization instanceof RegExp ? authorization.test(one) : one === authorization);
    assert.ok(said.length > 0 && said.every(isSaid), inspect([options, said]));
  }
  proxy.stop();
});

test('names, pages of any size, and what others than annals see', async () => {
  const options = {
    ...server.place(),
    eventsTypeName: 'happened',
    maxSearchResults: 2,
    refresh: true,
    indexPayload: true,
  };
  const es = await open({ ...options });
  for (const n of [0, 1, 2, 3, 4]) await commit(es, `s${n % 2}`, { n, kind: 'odd' });
  assert.deepEqual((await es.getEvents()).map(({ payload }) => payload.n).sort(), [0, 1, 2, 3, 4]);
  const other = await open({ ...options, indexName: server.place().indexName });
  assert.equal((await other.getEvents()).length, 0);
  const found = await fetch(`${server.url}/${options.indexName}-happened/_search?q=payload.kind:odd`);
  assert.equal((await found.json()).hits.total, 5, 'refreshed, and payloads searched');
  const large = await open({ ...options, maxSearchResults: 100_000 });
  assert.equal((await large.getEvents()).length, 5, 'more than a server takes is as much as it takes');
});

/** A stream and what was written to it. */
function written() {
  const stream = new PassThrough();
  let text = '';
  stream.on('data', (chunk) => (text += chunk));
  return { stream, text: () => text };
}

test('a log has the levels that are asked for, as the legacy client’s', async () => {
  const logs = Object.fromEntries(['warning', 'debug', 'trace'].map((level) => [level, written()]));
  const log = Object.entries(logs).map(([level, { stream }]) => ({ type: 'stream', level, stream }));
  const es = await open({ ...server.place(), log });
  await commit(es, 'x', { secretly: 'told' });
  await new Promise(setImmediate);
  assert.equal(logs.warning.text(), '');
  assert.match(logs.debug.text(), /^Elasticsearch DEBUG: \d{4}-\S+Z\n {2}GET \/ => 200 in \d+ ms\n\n/);
  assert.doesNotMatch(logs.debug.text(), /told|TRACE/);
  assert.match(logs.trace.text(), /Elasticsearch TRACE: [^\n]+\n {2}-> POST \/_bulk[^]*"secretly"[^]*<- 200\n {2}\{/);
  const unreachable = written();
  const failing = {
    host: 'http://me:hidden@127.0.0.1:1',
    attempts: 2,
    log: [{ type: 'stream', stream: unreachable.stream }],
  };
  await refused(failing);
  await new Promise(setImmediate);
  assert.equal(unreachable.text().match(/^Elasticsearch ERROR: [^\n]+\n {2}GET \/ => /gm).length, 2);
  assert.doesNotMatch(unreachable.text(), /hidden/);
});

test('a log can be a class, and is told of requests and answers', async () => {
  const calls = [];
  const { indexName } = server.place();
  class Mine {
    constructor({ indexName: name }) {
      assert.equal(name, indexName);
      for (const level of ['error', 'warning', 'info', 'debug', 'trace'])
        this[level] = (...args) => calls.push([level, ...args]);
    }
  }
  await open({ type: 'elasticsearch', host: server.url, indexName, log: Mine });
  await new Promise(setImmediate);
  const [[debug, line], [trace, method, url, body, answer, status]] = calls;
  assert.match(line, /^GET \/ => 200/);
  assert.deepEqual([debug, trace, method, url, body, status], ['debug', 'trace', 'GET', '/', undefined, 200]);
  assert.match(answer, /"6\.8/);
});

test('without a word a log tells on stderr what got no answer; with an empty one nothing', () => {
  const run = (log) => {
    const options = JSON.stringify({ type: 'opensearch', host: '127.0.0.1:1', attempts: 1, log });
    const script = `require(${JSON.stringify(join(__dirname, '../..'))})(${options}).init().catch(() => undefined)`;
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', timeout: 20_000 });
    return [stdout, stderr];
  };
  assert.match(run(undefined)[1], /^OpenSearch ERROR: [^\n]+\n {2}GET \/ => .*can't be reached/);
  assert.equal(run('warning')[0], '');
  for (const log of [false, '', [], ['info']]) assert.deepEqual(run(log), ['', '']);
});

test('a heartbeat that is not answered disconnects, and what is not connected says so', async () => {
  let answers = true;
  const allow = () => answers || new Promise(() => undefined);
  const proxy = await proxyBefore(server, { allow });
  const es = eventstore({ ...server.place(), host: proxy.url, heartbeat: 2000 });
  const told = [];
  for (const name of ['connect', 'disconnect']) es.on(name, () => told.push(name));
  await es.init();
  const isDisconnected = new Promise((resolve) => es.once('disconnect', resolve));
  await commit(es, 'x', { n: 0 });
  answers = false;
  await isDisconnected;
  await assert.rejects(es.getEvents(), { code: 'CONNECTION' });
  answers = true;
  await es.init();
  assert.equal((await es.getEvents()).length, 1);
  await promisify(es.store.disconnect).call(es.store);
  assert.deepEqual(told, ['connect', 'disconnect', 'connect', 'disconnect']);
  await assert.rejects(es.getEvents(), { code: 'CONNECTION' });
  proxy.stop();
});
