'use strict';
// Starts a real Redis.
const { execFileSync, spawnSync } = require('node:child_process');
const { join } = require('node:path');
const { serverProcess } = require('./serverProcess.cjs');

/** The one on a port: `place(name)` are options of a prefix of that name. */
const redisAt = (port) => ({ port, place: (name) => ({ type: 'redis', port, prefix: name }) });

/** Starts a server with more settings: its port, its socket, and what can be done to it. */
async function startRedis(more = {}) {
  if (spawnSync('redis-server', ['--version']).error)
    throw new Error('redis-server is not installed, and these tests need it: run tests/servers/install.sh redis');
  const socketIn = (folder) => join(folder, 'redis.sock');
  const command = ({ folder, port }) => {
    const own = { bind: '127.0.0.1', port, unixsocket: socketIn(folder), dir: folder, save: '', appendonly: 'yes' };
    const settings = Object.entries({ ...own, ...more });
    return ['redis-server', ...settings.flatMap(([name, value]) => [`--${name}`, String(value)])];
  };
  const isReady = ({ folder }) => {
    const { stdout } = spawnSync('redis-cli', ['-s', socketIn(folder), 'ping'], { encoding: 'utf8' });
    return /PONG|NOAUTH/.test(stdout);
  };
  const server = await serverProcess('redis', command, isReady);
  const socket = socketIn(server.folder);
  const cli = (...command) => execFileSync('redis-cli', ['-s', socket, ...command], { encoding: 'utf8' }).trim();
  await server.start();
  return Object.assign(server, { socket, cli });
}

module.exports = { redisAt, startRedis };
