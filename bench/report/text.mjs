// The report on the terminal and in RESULTS.md.
import { cells, groupBy } from './format.mjs';

const columns = ['case', 'ours', 'theirs', 'ratio', 'spread', 'goal', 'met'];
const right = new Set(['ours', 'theirs', 'ratio', 'goal']);

/** A table a store, for a terminal. */
export function terminal(report) {
  return [...groupBy(report, (one) => `${one.store}, ${one.api}`)]
    .map(([name, entries]) => {
      const rows = [Object.fromEntries(columns.map((c) => [c, c])), ...entries.map(cells)];
      const width = Object.fromEntries(columns.map((c) => [c, Math.max(...rows.map((row) => row[c].length))]));
      const line = (row) => columns.map((c) => (right.has(c) ? row[c].padStart(width[c]) : row[c].padEnd(width[c]))).join('  ');
      const reasons = entries.filter((one) => one.met === false).map((one) => `  not met: ${one.case}: ${one.reason ?? 'no reason given yet'}`);
      return [`\n${name}`, ...rows.map((row) => line(row).trimEnd()), ...reasons].join('\n');
    })
    .join('\n');
}

function section(store, entries, machine, date) {
  const table = entries.map(cells).map((c) => `| ${[c.case, c.ours, c.theirs, c.against, c.ratio, c.spread, c.goal, c.met].join(' | ')} |`);
  const missed = entries.filter((one) => one.met === false).map((one) => `- Not met: ${one.case}. ${one.reason ?? 'No reason given yet.'}`);
  const title = `## ${store}, ${entries[0].api}`;
  const on = `${date}, ${machine.cpu}, ${machine.memory}, ${machine.system}, ${machine.versions}.`;
  const head = '| case | ours | theirs | against | ratio | spread | goal | |\n| --- | --: | --: | --- | --: | --- | --: | --- |';
  return `${title}\n\n${on}\n\n${[head, ...table].join('\n')}\n${missed.length > 0 ? `\n${missed.join('\n')}\n` : ''}`;
}

const introduction = `# Results

The figures of the last run of \`make bench\` for each store. Each ratio is ours by theirs in one interleaved run: the
median of the pairs, and the spread from the lowest pair to the highest. What is compared is said in [README.md](README.md).
`;

/** RESULTS.md with the sections of these stores replaced, and those of the others as they were. */
export function results(before, report, machine, date) {
  const sections = new Map();
  for (const old of before.split(/^(?=## )/m).slice(1)) sections.set(/^## (.*)/.exec(old)[1], `${old.trimEnd()}\n`);
  for (const [name, entries] of groupBy(report, (one) => `${one.store}, ${one.api}`)) {
    sections.set(name, section(entries[0].store, entries, machine, date));
  }
  return [introduction, ...sections.values()].join('\n');
}
