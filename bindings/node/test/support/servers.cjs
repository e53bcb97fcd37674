'use strict';
// The servers of the tests: each is started when somebody needs it. Run with a command, they are shared by what it runs.
const { spawn } = require('node:child_process');
const { createServer } = require('node:http');
const { azuriteAt, startAzurite } = require('./azuriteServer.cjs');
const { dynamoAt, startDynamo } = require('./dynamoServer.cjs');
const { mongoAt, startMongo } = require('./mongoServer.cjs');
const { redisAt, startRedis } = require('./redisServer.cjs');
const { searchAt, startSearch } = require('./searchServer.cjs');

const starts = {
  azuretable: [startAzurite, azuriteAt],
  dynamodb: [startDynamo, dynamoAt],
  mongodb: [startMongo, mongoAt],
  redis: [() => startRedis(), redisAt],
};
for (const kind of ['es5', 'es6', 'es7', 'os2', 'os3'])
  starts[kind] = [() => startSearch(kind), (port) => searchAt(port, kind)];

let places = 0;

/**
 * The server of a kind: the one that files of tests share where they are run together, else one of this process. `place()`
 * are options of a place in it that nobody else has.
 */
async function serverOf(kind) {
  const [start, at] = starts[kind];
  const { ANNALS_TEST_SERVERS: shared } = process.env;
  const server = shared ? { port: Number(await asked(`${shared}/${kind}`)), stop: () => undefined } : await start();
  const { place, ...rest } = at(server.port);
  return Object.assign(server, rest, { place: () => place(`p${process.pid}x${++places}`) });
}

async function asked(url) {
  const answer = await fetch(url);
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text;
}

/** Runs a command whose processes share servers, and ends as it ends. */
async function share([program, ...args]) {
  const started = new Map();
  const shared = createServer((request, response) => {
    const kind = request.url.slice(1);
    if (!started.has(kind)) started.set(kind, starts[kind][0]());
    started.get(kind).then(
      ({ port }) => response.end(String(port)),
      (error) => response.writeHead(500).end(error.message),
    );
  });
  await new Promise((resolve) => shared.listen(0, '127.0.0.1', resolve));
  const env = { ...process.env, ANNALS_TEST_SERVERS: `http://127.0.0.1:${shared.address().port}` };
  const status = await new Promise((resolve) => {
    spawn(program, args, { env, stdio: 'inherit' }).on('exit', (code) => resolve(code ?? 1));
  });
  await Promise.allSettled([...started.values()].map(async (server) => (await server).stop()));
  process.exit(status);
}

if (require.main === module) share(process.argv.slice(2));

module.exports = { serverOf };
