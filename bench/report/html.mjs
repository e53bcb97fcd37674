// The report as one page that needs nothing else.
import { cells, groupBy } from './format.mjs';
import { bar, escape, lines } from './plot.mjs';

const style = `
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2129; --soft: #667080; --line: #e1e5ea; --ours: #1f6feb; --theirs: #b3541e; --good: #1a7f37; --bad: #c0262d; --shade: #1a7f3718; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171c; --ink: #e3e7ed; --soft: #98a2b0; --line: #2c323b; --ours: #6ea8fe; --theirs: #f0a36b; --good: #57c785; --bad: #ff7b7b; --shade: #57c7851f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 .25rem; font-size: 1.7rem; } h2 { margin: 2.5rem 0 .5rem; font-size: 1.2rem; } p { margin: .25rem 0; max-width: 60rem; } .soft { color: var(--soft); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: middle; } th { color: var(--soft); font-weight: 600; }
td.n, th.n { text-align: right; white-space: nowrap; } td small { color: var(--soft); display: block; } .met { color: var(--good); font-weight: 600; white-space: nowrap; } .missed { color: var(--bad); font-weight: 600; white-space: nowrap; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); gap: 1.5rem; margin-top: 1rem; } figure { margin: 0; max-width: 44rem; border: 1px solid var(--line); border-radius: 8px; padding: 1rem; } figcaption { font-size: .9rem; color: var(--soft); } figcaption b { color: var(--ink); }
.key { margin-left: .75rem; white-space: nowrap; } .key::before { content: ''; display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .35em; background: currentColor; } .key.ours { color: var(--ours); } .key.theirs { color: var(--theirs); }
svg { display: block; width: 100%; height: auto; } svg.bar { width: 180px; height: 22px; }
.tick { font-size: 12px; fill: var(--soft); } .grid { stroke: var(--line); } .line { fill: none; stroke-width: 2; } .range { stroke-width: 2; opacity: .55; }
g.ours { --c: var(--ours); } g.theirs { --c: var(--theirs); } .bar { --c: var(--ours); } .line, .range { stroke: var(--c); } circle { fill: var(--c); stroke: var(--paper); stroke-width: 1; }
.even { stroke: var(--line); } .goal { stroke: var(--good); stroke-width: 2; stroke-dasharray: 3 2; } .good { fill: var(--shade); }`;

function row(one) {
  const c = cells(one);
  const outcome = one.met === null ? '' : `<span class="${one.met ? 'met' : 'missed'}">${one.met ? '✓ met' : '✗ not met'}</span>`;
  const reason = one.met === false ? `<small>${escape(one.reason ?? 'No reason given yet.')}</small>` : '';
  return `<tr><td>${escape(c.case)}${reason}</td><td class="n">${c.ours}</td><td class="n">${c.theirs}${one.theirs ? `<small>${escape(c.against)}</small>` : ''}</td>
<td class="n">${c.ratio}<small>${c.spread}</small></td><td>${bar(one)}</td><td class="n">${escape(c.goal)}</td><td>${outcome}</td></tr>`;
}

function section(name, entries) {
  const plots = groupBy(entries.filter((one) => one.plot), (one) => one.plot.title);
  const drawn = [...plots].filter(([, points]) => points.length > 1).map(([title, points]) => lines(title, points));
  return `<h2>${escape(name)}</h2><div class="scroll"><table><thead><tr><th>case</th><th class="n">ours</th><th class="n">theirs</th><th class="n">ours / theirs<br>lowest … highest pair</th><th>beside the goal</th><th class="n">goal</th><th></th></tr></thead>
<tbody>${entries.map(row).join('\n')}</tbody></table></div>${drawn.length > 0 ? `<div class="plots">${drawn.join('\n')}</div>` : ''}`;
}

/** The whole page. */
export function page(report, machine, date) {
  const goals = report.filter((one) => one.met !== null);
  const reached = goals.filter((one) => one.met).length;
  const sections = [...groupBy(report, (one) => `${one.store}, ${one.api}`)].map(([name, entries]) => section(name, entries));
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>annals: benchmarks</title><style>${style}</style></head>
<body><h1>annals: benchmarks</h1>
<p><b>${reached} of ${goals.length} goals met.</b> <span class="soft">${escape([date, machine.cpu, machine.memory, machine.system, machine.versions].join(' · '))}</span></p>
<p class="soft">Both contestants were run in turn, so that a noisy machine is noisy to both. A ratio is ours by theirs, the median of the pairs; beside it the spread, from a quarter of the goal (or of 1, where there is none) to four times it; the dashed line is the goal, and its shaded side is where the ratio should be.</p>
${sections.join('\n')}
</body></html>
`;
}
