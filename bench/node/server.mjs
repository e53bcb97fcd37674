// A server for a race: a process of its own on a free port, in a folder of its own.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

const answers = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.end();
      resolve(true);
    }).once('error', () => resolve(false));
  });

/** Starts one by its command line: its port, and how to end it. */
export async function startServer(name, command) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), `annals-bench-${name}-`));
  const [program, ...args] = command({ port, folder });
  const server = spawn(program, args.map(String), { stdio: 'ignore' });
  let failed;
  server.once('error', (error) => (failed = error));
  process.once('exit', () => server.kill('SIGKILL'));
  while (!(await answers(port))) {
    if (failed ?? server.exitCode !== null)
      throw new Error(`${program} does not start: run tests/servers/install.sh ${name}`, { cause: failed });
    await sleep(20);
  }
  const stop = () => {
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  return { port, stop };
}

/** A Redis that keeps nothing on disk. */
export const startRedis = () =>
  startServer('redis', ({ port, folder }) => {
    const settings = ['--bind', '127.0.0.1', '--port', port, '--save', '', '--appendonly', 'no', '--dir', folder];
    return ['redis-server', ...settings];
  });

const target = new URL('../../target/', import.meta.url).pathname;
const classes = `${target}servers/mongo`;

/** A server of MongoDB's protocol, as the tests have it: everything in memory. */
export const startMongo = () =>
  startServer('mongo', ({ port }) => {
    const path = `${classes}:${classes}/lib/*`;
    return ['java', '-Xmx4g', '-XX:+UseSerialGC', '-cp', path, 'MongoTestServer', port];
  });

/** A server of DynamoDB's protocol, as the tests have it: everything in memory. */
export const startDynamo = () =>
  startServer('dynamodb', ({ port }) => [`${target}tools/bin/dynoxide`, 'serve', '--host', '127.0.0.1', '--port', port]);

const azurite = `${target}servers/azurite/node_modules/azurite/dist/src/table/main.js`;

/** Azurite, as the tests have it: everything in memory. */
export const startAzurite = () =>
  startServer('azurite', ({ port }) => {
    const settings = ['--inMemoryPersistence', '--silent', '--skipApiVersionCheck', '--disableTelemetry'];
    return [process.execPath, azurite, '--tableHost', '127.0.0.1', '--tablePort', port, ...settings];
  });

/** An Elasticsearch 5, as the tests have it, but with optimised code. */
export async function startElastic() {
  const parts = `${target}servers/search`;
  const server = await startServer('search', ({ port, folder }) => {
    const settings = ['network.host: 127.0.0.1', 'discovery.type: single-node'];
    mkdirSync(join(folder, 'node_1/config'), { recursive: true });
    writeFileSync(join(folder, 'node_1/config/elasticsearch.yml'), settings.join('\n'));
    const machine = ['-Xms1g', '-Xmx1g', '-XX:+UseSerialGC', '-cp', `${parts}:${parts}/es5/*`];
    const runner = ['SearchServer', 'org.codelibs.elasticsearch.runner.ElasticsearchClusterRunner'];
    return ['java', ...machine, ...runner, '-basePath', folder, '-numOfNode', '1', '-baseHttpPort', port - 1];
  });
  const isHealthy = () => fetch(`http://127.0.0.1:${server.port}/_cluster/health?wait_for_status=yellow`).then(({ ok }) => ok);
  while (!(await isHealthy().catch(() => false))) await sleep(100);
  return server;
}
