// Every ```js program in the documents runs, in a folder of its own where `eventstore` and `annals` are this package.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const documents = ['README.md', ...readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)];
const programs = documents.flatMap((document) => {
  const blocks = [...readFileSync(join(root, document), 'utf8').matchAll(/^```js\n(.*?)^```/gms)];
  return blocks.map(([, text], index) => ({ name: `${document}, program ${index + 1}`, text }));
});

test('there are programs to run', () => assert.ok(programs.length >= 4));

for (const { name, text } of programs) {
  test(name, (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'docs-'));
    t.after(() => rmSync(dir, { recursive: true }));
    mkdirSync(join(dir, 'node_modules'));
    for (const as of ['annals', 'eventstore']) symlinkSync(join(root, 'bindings/node'), join(dir, 'node_modules', as));
    const file = join(dir, /^import /m.test(text) ? 'program.mjs' : 'program.cjs');
    writeFileSync(file, text);
    const said = execFileSync(process.execPath, [file], { cwd: dir, encoding: 'utf8', timeout: 30_000 });
    for (const [, expected] of text.matchAll(/\/\/ prints: (.*)$/gm)) assert.ok(said.includes(expected), `${expected} not in:\n${said}`);
  });
}
