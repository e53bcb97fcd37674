// A Redis for a race: a process of its own on a free port, that keeps nothing on disk.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
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

/** Starts one; its port, and how to end it. */
export async function startRedis() {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'annals-bench-redis-'));
  const options = ['--bind', '127.0.0.1', '--port', port, '--save', '', '--appendonly', 'no', '--dir', folder];
  const server = spawn('redis-server', options.map(String), { stdio: 'ignore' });
  let failed;
  server.once('error', (error) => (failed = error));
  process.once('exit', () => server.kill('SIGKILL'));
  while (!(await answers(port))) {
    if (failed ?? server.exitCode !== null) throw new Error('redis-server does not start: run tests/servers/install.sh redis', { cause: failed });
    await sleep(20);
  }
  const stop = () => {
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  return { port, stop };
}
