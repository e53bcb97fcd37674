'use strict';
// A server of the tests' own: a process on a free port with a folder of its own, for as long as this process lives.
const { spawn } = require('node:child_process');
const { mkdtempSync, rmSync } = require('node:fs');
const net = require('node:net');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const supervisor = join(__dirname, '../../../../tests/servers/src/supervise.sh');

/** A port that nobody listens on. */
const freePort = () =>
  new Promise((resolve, reject) => {
    const server = net.createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/**
 * A server that is not started yet, and what can be done to it. `command({ folder, port })` is its command line,
 * `isReady(server)` whether it answers.
 */
async function serverProcess(name, command, isReady) {
  const folder = mkdtempSync(join(tmpdir(), `annals-${name}-`));
  const [port, log] = [await freePort(), join(folder, 'log')];
  let running;
  const server = {
    port,
    folder,
    log,
    /** Starts it, again after `kill`, with what it had kept. */
    async start() {
      const args = [supervisor, log, folder, ...command({ folder, port })];
      const supervising = spawn('bash', args, { stdio: ['pipe', 'pipe', 'ignore'] });
      supervising.unref();
      supervising.stdin.unref();
      const pid = await new Promise((resolve) => supervising.stdout.once('data', (line) => resolve(Number(line))));
      supervising.stdout.destroy();
      running = { pid, supervising };
      for (let tries = 0; !(await isReady(server)); tries++) {
        if (tries === 1000) throw new Error(`${name} did not start: see ${log}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    signal: (signal) => process.kill(running.pid, signal),
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
      // One that ended by itself has nobody to end any more.
      if (running?.supervising.exitCode === null) await server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return server;
}

module.exports = { serverProcess };
