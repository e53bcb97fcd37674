'use strict';
// Starts a server of MongoDB's protocol that keeps everything in memory.
const { existsSync, readFileSync } = require('node:fs');
const net = require('node:net');
const { join } = require('node:path');
const { serverProcess } = require('./serverProcess.cjs');

const classes = join(__dirname, '../../../../target/servers/mongo');

const answers = (port) =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => resolve(socket.destroy() && true));
    socket.on('error', () => resolve(false));
  });

/** The one on a port: its URL, and `place(name)`, options of a database of that name. */
const mongoAt = (port) => ({
  port,
  url: `mongodb://127.0.0.1:${port}`,
  place: (name) => ({ type: 'mongodb', host: '127.0.0.1', port, dbName: name }),
});

/** Starts one: its port, its URL, and what can be done to it. What it kept is lost when it is killed. */
async function startMongo() {
  if (!existsSync(join(classes, 'MongoTestServer.class')))
    throw new Error('there is no MongoDB to test with: run tests/servers/install.sh mongo');
  const path = `${classes}:${classes}/lib/*`;
  const command = ({ port }) => ['java', '-Xmx512m', '-XX:+UseSerialGC', '-cp', path, 'MongoTestServer', String(port)];
  const isReady = async ({ log, port }) =>
    existsSync(log) && /^READY/m.test(readFileSync(log, 'utf8')) && (await answers(port));
  const server = await serverProcess('mongo', command, isReady);
  await server.start();
  return Object.assign(server, mongoAt(server.port));
}

module.exports = { mongoAt, startMongo };
