'use strict';
// Starts Elasticsearch (es5, es6, es7) or OpenSearch (os2, os3): one node, without security.
const { spawnSync } = require('node:child_process');
const { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } = require('node:fs');
const { createServer, request } = require('node:http');
const { join } = require('node:path');
const { serverProcess } = require('./serverProcess.cjs');

const installed = join(__dirname, '../../../../target/servers/search');
/** Its ports may be taken between its looking for them and its listening there. */
const TAKEN = /BindHttpException|BindTransportException|Address already in use/;
const settings = `network.host: 127.0.0.1
discovery.type: single-node
cluster.routing.allocation.disk.threshold_enabled: false
action.auto_create_index: true
`;

/** A Java of at least that version: `java`, or one that is installed beside it. */
function javaAtLeast(version) {
  const rooms = ['/usr/lib/jvm', '/usr/java', '/opt', '/Library/Java/JavaVirtualMachines'].filter(existsSync);
  const homes = rooms.flatMap((room) => readdirSync(room).map((name) => join(room, name)));
  const named = [process.env.JAVA_HOME, process.env.JAVA21_HOME].filter(Boolean);
  const programs = [...named, ...homes].flatMap((home) => [
    join(home, 'bin/java'),
    join(home, 'Contents/Home/bin/java'),
  ]);
  for (const java of ['java', ...programs.filter(existsSync)]) {
    const [, found] = /"(\d+)/.exec(spawnSync(java, ['-version'], { encoding: 'utf8' }).stderr) ?? [];
    if (Number(found) >= version) return java;
  }
  throw new Error(`there is no Java ${version} or newer: install one, and name its folder in JAVA_HOME`);
}

/** The one on a port: its URL, and `place(name)`, options of an index of that name. */
function searchAt(port, kind) {
  const url = `http://127.0.0.1:${port}`;
  const type = kind.startsWith('os') ? 'opensearch' : 'elasticsearch';
  return { port, url, place: (name) => ({ type, host: url, indexName: name }) };
}

/** Starts one of a kind. It takes about ten seconds. */
async function startSearch(kind) {
  if (!existsSync(join(installed, kind)))
    throw new Error(`there is no ${kind} to test with: run tests/servers/install.sh search`);
  const isOpenSearch = kind.startsWith('os');
  const java = javaAtLeast(kind === 'os3' ? 21 : 17);
  const runner = isOpenSearch
    ? 'org.codelibs.opensearch.runner.OpenSearchRunner'
    : 'org.codelibs.elasticsearch.runner.ElasticsearchClusterRunner';
  const command = ({ folder, port }) => {
    const config = join(folder, 'node_1/config');
    mkdirSync(config, { recursive: true });
    writeFileSync(join(config, isOpenSearch ? 'opensearch.yml' : 'elasticsearch.yml'), settings);
    const machine = ['-Xms256m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
    const path = ['-cp', `${installed}:${join(installed, kind)}/*`, 'SearchServer', runner];
    const node = ['-basePath', folder, '-numOfNode', '1', '-baseHttpPort', String(port - 1), '-clusterName', 'annals'];
    return [java, ...machine, ...path, ...node];
  };
  const isReady = async ({ port, log }) => {
    if (existsSync(log) && TAKEN.test(readFileSync(log, 'utf8'))) throw new Error(`${kind} finds its port taken`);
    const health = `http://127.0.0.1:${port}/_cluster/health?wait_for_status=yellow&timeout=5s`;
    const answer = await fetch(health, { signal: AbortSignal.timeout(10_000) }).then(
      ({ ok }) => ok,
      () => false,
    );
    if (!answer) await new Promise((resolve) => setTimeout(resolve, 200));
    return answer;
  };
  for (let attempts = 1; ; attempts++) {
    const server = await serverProcess(kind, command, isReady);
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.stop();
      if (attempts === 5 || !error.message.endsWith('taken')) throw error;
    }
  }
}

/**
 * A proxy: its URL, what it was asked, and how to end it. Where `allow(asked)` is false it answers 403; where it is undefined
 * it hangs up. `change(asked, answer)` may change headers and body of an answer.
 */
async function proxyBefore({ port }, { allow = () => true, change = () => undefined }) {
  const requests = [];
  const server = createServer(async (incoming, outgoing) => {
    const { method, url: path, headers } = incoming;
    const asked = { method, path, headers, body: Buffer.concat(await incoming.toArray()) };
    requests.push(asked);
    const isAllowed = await allow(asked);
    if (isAllowed === undefined) return outgoing.destroy();
    if (!isAllowed) return outgoing.writeHead(403, { 'content-type': 'application/json' }).end('{"error":"forbidden"}');
    const passed = request({ host: '127.0.0.1', port, method, path, headers }, async (answered) => {
      const answer = { headers: { ...answered.headers }, body: Buffer.concat(await answered.toArray()) };
      change(asked, answer);
      if (method !== 'HEAD') answer.headers['content-length'] = answer.body.length;
      outgoing.writeHead(answered.statusCode, answer.headers).end(answer.body);
    });
    passed.on('error', () => outgoing.destroy());
    passed.end(asked.body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, requests, stop };
}

module.exports = { proxyBefore, searchAt, startSearch };
