#!/usr/bin/env node
// Runs every Rust test, two executables at a time: many wait for servers, disks and kills rather than for a processor.
// What each says is shown when it ends. `cargo test --workspace --all-features` runs the same, one after another.
import { spawn } from 'node:child_process';
import { dirname, relative } from 'node:path';

const LANES = 2;
const EVERYTHING = ['test', '--workspace', '--all-features'];

/** Runs a program: its exit code and what it said, in the order in which it said it. */
function run(program, args, { cwd, shown = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', shown ? 'inherit' : 'pipe'] });
    const said = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => said.push(chunk));
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code: code ?? signal, said: Buffer.concat(said).toString() }));
  });
}

/** Builds the tests: their executables, each with the folder of its crate, those that kill processes first as they take longest. */
async function built() {
  const { code, said } = await run('cargo', [...EVERYTHING, '--no-run', '--message-format=json-render-diagnostics'], { shown: true });
  if (code !== 0) process.exit(1);
  const tests = said
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter(({ profile, executable }) => profile?.test && executable)
    .map(({ executable, manifest_path, target }) => ({ executable, cwd: dirname(manifest_path), of: target.name }));
  const kills = ({ of }) => of.startsWith('crash') || of.startsWith('kill');
  return tests.sort((a, b) => kills(b) - kills(a));
}

const failed = [];
const tests = await built();
async function lane() {
  for (let test = tests.shift(); test; test = tests.shift()) {
    const { executable, cwd, of } = test;
    const began = Date.now();
    const { code, said } = await run(executable, [], { cwd });
    const what = `${relative(process.cwd(), cwd)} ${of}`;
    if (code !== 0) failed.push(what);
    console.log(`${said}\n== ${code === 0 ? 'passed' : `FAILED (${code})`}: ${what}, ${Math.round((Date.now() - began) / 1000)} s`);
  }
}
await Promise.all(Array.from({ length: LANES }, lane));
const { code, said } = await run('cargo', [...EVERYTHING, '--doc']);
console.log(said);
if (code !== 0) failed.push('doctests');
if (failed.length > 0) console.log(`\nFAILED: ${failed.join('; ')}`);
process.exit(failed.length > 0 ? 1 : 0);
