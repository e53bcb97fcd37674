// Makes the report of measured lines: node report.mjs [--results RESULTS.md] OUT-DIRECTORY LINES.jsonl…
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { entry } from './figures.mjs';
import { page } from './html.mjs';
import { machine } from './machine.mjs';
import { results, terminal } from './text.mjs';

const { values, positionals } = parseArgs({ options: { results: { type: 'string' } }, allowPositionals: true });
const [out, ...files] = positionals;

const reasons = JSON.parse(readFileSync(new URL('../reasons.json', import.meta.url), 'utf8'));
const lines = files.flatMap((file) => readFileSync(file, 'utf8').split('\n').filter(Boolean));
const report = lines.map((line) => entry(JSON.parse(line), reasons));
const [on, date] = [machine(), new Date().toISOString().slice(0, 10)];

mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
writeFileSync(join(out, 'report.html'), page(report, on, date));
if (process.env.QUICK) console.log(`a quick run of ${report.length} cases: its figures mean nothing`);
else console.log(terminal(report));
console.log(`\n${join(out, 'report.json')}\n${join(out, 'report.html')}`);
if (values.results) {
  const before = existsSync(values.results) ? readFileSync(values.results, 'utf8') : '';
  writeFileSync(values.results, results(before, report, on, date));
}
