// The machine that was measured on: what matters for the figures, and nothing that names it.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';

function system() {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const name = /^PRETTY_NAME="?([^"\n]+)/m.exec(release)?.[1];
  return `${name ?? os.type()}, kernel ${os.release().split('-')[0]}`;
}

function rust() {
  try {
    return execFileSync('rustc', ['--version'], { encoding: 'utf8' }).split(' ')[1];
  } catch {
    return 'absent';
  }
}

export const machine = () => ({
  cpu: `${os.cpus().length} × ${os.cpus()[0]?.model.trim() ?? 'unknown'}`,
  memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
  system: system(),
  versions: `Node ${process.versions.node}, Rust ${rust()}`,
});
