'use strict';
// Starts Azurite, which speaks Azure Table Storage's protocol and keeps everything in memory.
const { existsSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const { serverProcess } = require('./serverProcess.cjs');

const program = join(__dirname, '../../../../target/servers/azurite/node_modules/azurite/dist/src/table/main.js');
/** The account that Azurite has, whose key is public. */
const storageAccount = 'devstoreaccount1';
const storageAccessKey = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

/** The one on a port: `place(name)` are options of tables of that name, for annals and npm eventstore alike. */
function azuriteAt(port) {
  const place = (name) => ({
    type: 'azuretable',
    storageAccount,
    storageAccessKey,
    storageTableHost: `http://127.0.0.1:${port}/${storageAccount}`,
    eventsTableName: `events${name}`,
    snapshotsTableName: `snapshots${name}`,
    undispatchedEventsTableName: `undispatched${name}`,
  });
  return { port, place };
}

async function startAzurite() {
  if (!existsSync(program))
    throw new Error('there is no Azure Table Storage to test with: run tests/servers/install.sh azurite');
  const command = ({ port }) => [
    process.execPath,
    program,
    ...['--tableHost', '127.0.0.1', '--tablePort', String(port)],
    ...['--silent', '--skipApiVersionCheck', '--disableTelemetry', '--inMemoryPersistence'],
  ];
  const isReady = ({ log }) => existsSync(log) && /successfully started/.test(readFileSync(log, 'utf8'));
  const server = await serverProcess('azurite', command, isReady);
  await server.start();
  return server;
}

module.exports = { azuriteAt, startAzurite };
