'use strict';
// Starts a server of DynamoDB's protocol that keeps everything in memory.
const { existsSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const { serverProcess } = require('./serverProcess.cjs');

const program = join(__dirname, '../../../../target/tools/bin/dynoxide');

/** Starts one: `place()` are options of tables of their own, for annals and npm eventstore alike. */
async function startDynamo() {
  if (!existsSync(program)) throw new Error('there is no DynamoDB to test with: run tests/servers/install.sh dynamodb');
  const command = ({ port }) => [program, 'serve', '--host', '127.0.0.1', '--port', String(port)];
  const isReady = ({ log }) => existsSync(log) && /listening on/.test(readFileSync(log, 'utf8'));
  const server = await serverProcess('dynamo', command, isReady);
  await server.start();
  const access = {
    region: 'eu-central-1',
    endpoint: `http://127.0.0.1:${server.port}`,
    accessKeyId: 'annals',
    secretAccessKey: 'secret',
  };
  let places = 0;
  const place = () => {
    const n = ++places;
    return {
      type: 'dynamodb',
      ...access,
      // Where npm eventstore hands them to its driver.
      endpointConf: { ...access },
      eventsTableName: `events${n}`,
      snapshotsTableName: `snapshots${n}`,
      undispatchedEventsTableName: `undispatched${n}`,
    };
  };
  return Object.assign(server, { place });
}

module.exports = { startDynamo };
