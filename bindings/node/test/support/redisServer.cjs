'use strict';
// Starts a real Redis on a free port, in a folder of its own, for as long as this process lives.
const { execFileSync, spawn, spawnSync } = require('node:child_process');
const { mkdtempSync, rmSync } = require('node:fs');
const net = require('node:net');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const supervisor = join(__dirname, '../../../../tests/servers/src/supervise.sh');

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = net.createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** Starts a server with more settings: its port, its socket, and what can be done to it. */
async function startRedis(more = {}) {
  if (spawnSync('redis-server', ['--version']).error)
    throw new Error('redis-server is not installed, and these tests need it: run tests/servers/install.sh redis');
  const folder = mkdtempSync(join(tmpdir(), 'annals-redis-'));
  const [port, log, socket] = [await freePort(), join(folder, 'log'), join(folder, 'redis.sock')];
  const settings = { bind: '127.0.0.1', port, unixsocket: socket, dir: folder, save: '', appendonly: 'yes', ...more };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  let running;
  const server = {
    port,
    socket,
    folder,
    cli: (...command) => execFileSync('redis-cli', ['-s', socket, ...command], { encoding: 'utf8' }).trim(),
    /** Starts it, again after `kill`, with what it had kept. */
    async start() {
      const command = [supervisor, log, folder, 'redis-server', ...args];
      const supervising = spawn('bash', command, { stdio: ['pipe', 'pipe', 'ignore'] });
      supervising.unref();
      supervising.stdin.unref();
      const pid = await new Promise((resolve) => supervising.stdout.once('data', (line) => resolve(Number(line))));
      supervising.stdout.destroy();
      running = { pid, supervising };
      for (let tries = 0; ; tries++) {
        const { stdout } = spawnSync('redis-cli', ['-s', socket, 'ping'], { encoding: 'utf8' });
        if (/PONG|NOAUTH/.test(stdout)) return;
        if (tries === 500) throw new Error(`redis-server did not start: see ${log}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    signal: (name) => process.kill(running.pid, name),
    /** Ends it without a warning. */
    async kill() {
      const { supervising } = running;
      supervising.ref();
      const over = new Promise((resolve) => supervising.once('exit', resolve));
      supervising.stdin.write('over\n');
      server.signal('SIGKILL');
      await over;
      running = undefined;
    },
    async stop() {
      if (running) await server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

module.exports = { startRedis };
