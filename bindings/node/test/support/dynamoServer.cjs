'use strict';
// Starts a server of DynamoDB's protocol that keeps everything in memory.
const { existsSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const { serverProcess } = require('./serverProcess.cjs');

const program = join(__dirname, '../../../../target/tools/bin/dynoxide');

/** The one on a port: `place(name)` are options of tables of that name, for annals and npm eventstore alike. */
function dynamoAt(port) {
  const access = {
    region: 'eu-central-1',
    endpoint: `http://127.0.0.1:${port}`,
    accessKeyId: 'annals',
    secretAccessKey: 'secret',
  };
  const place = (name) => ({
    type: 'dynamodb',
    ...access,
    // Where npm eventstore hands them to its driver.
    endpointConf: { ...access },
    eventsTableName: `events-${name}`,
    snapshotsTableName: `snapshots-${name}`,
    undispatchedEventsTableName: `undispatched-${name}`,
  });
  return { port, place };
}

async function startDynamo() {
  if (!existsSync(program)) throw new Error('there is no DynamoDB to test with: run tests/servers/install.sh dynamodb');
  const command = ({ port }) => [program, 'serve', '--host', '127.0.0.1', '--port', String(port)];
  const isReady = ({ log }) => existsSync(log) && /listening on/.test(readFileSync(log, 'utf8'));
  const server = await serverProcess('dynamo', command, isReady);
  await server.start();
  return server;
}

module.exports = { dynamoAt, startDynamo };
