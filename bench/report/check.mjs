// Checks that a report has the promised form: node check.mjs report.json
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { met } from './figures.mjs';

const number = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const text = (value) => typeof value === 'string' && value.length > 0;
const side = (value) => value !== null && number(value?.value) && text(value.unit) && text(value.name);

/** What is wrong with a report, one line each; empty where nothing is. */
export function faults(report) {
  if (!Array.isArray(report) || report.length === 0) return ['the report is not a list of cases'];
  const found = [];
  const seen = new Set();
  for (const one of report) {
    const name = `${one?.store} · ${one?.case}`;
    const must = (right, what) => right || found.push(`${name}: ${what}`);
    must(text(one?.store) && text(one?.case), 'store or case is missing');
    must(!seen.has(name), 'is there twice');
    seen.add(name);
    must(side(one.ours), 'ours has no value with a unit');
    must(one.theirs === null || side(one.theirs), 'theirs has no value with a unit');
    must(one.theirs === null ? one.ratio === null : number(one.ratio), 'the ratio does not go with theirs');
    const { min, max, pairs } = one.spread ?? {};
    const middle = one.ratio ?? one.ours?.value;
    must(number(min) && number(max) && number(pairs) && min <= middle && middle <= max, 'the spread does not hold the median');
    const goal = one.goal;
    const stated = goal === null || (['ratio', 'ours'].includes(goal?.of) && ['>=', '>', '<=', '<'].includes(goal.is) && number(goal.value));
    must(stated, 'the goal is not understood');
    if (stated && side(one.ours)) must(one.met === met(goal, one.ratio, one.ours), 'met does not follow from the figures');
  }
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = faults(JSON.parse(readFileSync(process.argv[2], 'utf8')));
  found.forEach((fault) => console.error(fault));
  process.exitCode = found.length > 0 ? 1 : 0;
}
