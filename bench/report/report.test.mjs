import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faults } from './check.mjs';
import { entry, median } from './figures.mjs';
import { page } from './html.mjs';
import { results, terminal } from './text.mjs';

const measured = {
  store: 'memory',
  api: 'Node',
  case: 'commit of 1 event',
  unit: 'commits/s',
  better: 'more',
  goal: { of: 'ratio', is: '>=', value: 1 },
  theirsName: 'theirs',
  ours: [100, 200, 300],
  theirs: [100, 100, 600],
};
const machine = { cpu: '2 × cpu', memory: '4 GiB', system: 'system', versions: 'Node 20, Rust 1' };

test('the median of an even number of values is between the middle ones', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([10, 2, 33]), 10);
});

test('the ratio is the median of the pairs, not of the sides', () => {
  const { ours, theirs, ratio, spread, met } = entry(measured);
  assert.deepEqual([ours.value, theirs.value, ratio, met], [200, 100, 1, true]);
  assert.deepEqual([spread.min, spread.max, spread.pairs], [0.5, 2, 3]);
});

test('a goal of our own figure needs no opponent', () => {
  const alone = { ...measured, theirs: null, goal: { of: 'ours', is: '>', value: 200 } };
  assert.deepEqual([entry(alone).ratio, entry(alone).met], [null, false]);
  assert.equal(entry({ ...alone, goal: { of: 'ours', is: '<=', value: 200 } }).met, true);
  assert.equal(entry({ ...alone, goal: { of: 'ratio', is: '<=', value: 200 } }).met, null);
});

test('a goal not met is reported with its reason, everywhere', () => {
  const slow = { ...measured, ours: [50, 50, 50] };
  const report = [entry(slow, { 'memory · commit of 1 event': 'The crossing costs <more>.' })];
  assert.equal(report[0].reason, 'The crossing costs <more>.');
  assert.match(terminal(report), /not met: commit of 1 event: The crossing costs <more>\./);
  assert.match(results('', report, machine, '2026-01-01'), /Not met: commit of 1 event\. The crossing costs/);
  const html = page(report, machine, '2026-01-01');
  assert.match(html, /0 of 1 goals met/);
  assert.match(html, /The crossing costs &#60;more&#62;\./);
});

test('a run of one store leaves the results of the others', () => {
  const first = results('', [entry(measured), entry({ ...measured, store: 'sqlite', api: 'Rust' })], machine, '2026-01-01');
  const second = results(first, [entry({ ...measured, ours: [900, 900, 900] })], machine, '2026-02-02');
  assert.match(second, /## memory, Node\n\n2026-02-02/);
  assert.match(second, /## sqlite, Rust\n\n2026-01-01/);
  assert.equal(second.match(/^# /gm).length, 1);
  assert.equal(results(second, [entry({ ...measured, ours: [900, 900, 900] })], machine, '2026-02-02'), second);
});

test('the check takes a report as it is made, and no other', () => {
  const good = entry(measured);
  assert.deepEqual(faults([good]), []);
  const broken = [
    [],
    [good, good],
    [{ ...good, case: '' }],
    [{ ...good, ours: { ...good.ours, unit: undefined } }],
    [{ ...good, ratio: null }],
    [{ ...good, spread: { ...good.spread, max: 0 } }],
    [{ ...good, goal: { of: 'ratio', is: '=', value: 1 } }],
    [{ ...good, met: false }],
  ];
  for (const report of broken) assert.equal(faults(report).length > 0, true, JSON.stringify(report));
});

test('cases that differ in one number are drawn as a plot', () => {
  const at = (x) => entry({ ...measured, case: `at ${x}`, plot: { title: 'Plot', x, axis: 'events held' } });
  const html = page([at(1_000), at(500_000)], machine, '2026-01-01');
  assert.match(html, /<figcaption><b>Plot<\/b>/);
  assert.match(html, />500k<\/text>/);
  assert.doesNotMatch(html, /NaN|undefined|Infinity/);
});
