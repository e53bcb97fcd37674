// Plots as inline SVG. Colours come from the page's style, so that they follow light and dark.
import { number } from './format.mjs';

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const round = (value) => Math.round(value * 10) / 10;

/** A logarithmic scale from values to pixels, with whole powers and, where there are few of them, 2 and 5 as ticks. */
function scale(values, from, to, steps = [1, 2, 5]) {
  const [low, high] = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))];
  const room = Math.max((high - low) * 0.06, 0.05);
  const place = (value) => round(from + ((Math.log10(value) - low + room) / (high - low + 2 * room)) * (to - from));
  const powers = [];
  for (let power = Math.floor(low - room); power <= Math.ceil(high + room); power++) powers.push(10 ** power);
  const wanted = high - low > 2.5 ? [1] : steps;
  const ticks = powers.flatMap((power) => wanted.map((step) => step * power));
  return { place, ticks: ticks.filter((tick) => Math.log10(tick) >= low - room && Math.log10(tick) <= high + room) };
}

const axisNumber = (value) => (value >= 1e6 ? `${value / 1e6}M` : value >= 1e3 ? `${value / 1e3}k` : number(value));

function series(points, x, y, name) {
  const at = points.map(([key, side]) => [x.place(key), side]);
  const path = at.map(([px, side], i) => `${i ? 'L' : 'M'}${px} ${y.place(side.value)}`).join('');
  const marks = at.map(([px, side]) => {
    const [low, high] = side.range.map(y.place);
    const title = `${number(side.value)} ${side.unit} (${number(side.range[0])} … ${number(side.range[1])})`;
    return `<path class="range" d="M${px} ${low}V${high}"/><circle cx="${px}" cy="${y.place(side.value)}" r="4"><title>${escape(title)}</title></circle>`;
  });
  return `<g class="${name}"><path class="line" d="${path}"/>${marks.join('')}</g>`;
}

/** Ours and theirs over what the cases differ in. */
export function lines(title, entries) {
  const [width, height, left, right, top, bottom] = [560, 320, 64, 16, 16, 44];
  const points = (side) => entries.filter((one) => one[side]).map((one) => [one.plot.x, one[side]]);
  const [ours, theirs] = [points('ours'), points('theirs')];
  const all = [...ours, ...theirs];
  const xs = [...new Set(all.map(([key]) => key))];
  const x = scale(xs, left, width - right);
  const y = scale(all.flatMap(([, side]) => [side.value, ...side.range]), height - bottom, top);
  const unit = entries[0].ours.unit;
  const grid = y.ticks.map((tick) => `<path class="grid" d="M${left} ${y.place(tick)}H${width - right}"/><text class="tick" x="${left - 8}" y="${y.place(tick) + 4}" text-anchor="end">${axisNumber(tick)}</text>`);
  const below = xs.map((key) => `<text class="tick" x="${x.place(key)}" y="${height - bottom + 18}" text-anchor="middle">${axisNumber(key)}</text>`);
  const names = [...new Set(entries.filter((one) => one.theirs).map((one) => one.theirs.name))];
  const other = names.length === 1 ? names[0] : names.map((n) => n.split(', ')[0]).find(Boolean);
  return `<figure><figcaption><b>${escape(title)}</b>, ${escape(unit)} (logarithmic; bars: lowest to highest round)
<span class="key ours">annals</span> ${other ? `<span class="key theirs">${escape(other)}</span>` : ''}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(title)}">${grid.join('')}${below.join('')}
<text class="tick" x="${(left + width - right) / 2}" y="${height - 6}" text-anchor="middle">${escape(entries[0].plot.axis)}</text>
${series(theirs, x, y, 'theirs')}${series(ours, x, y, 'ours')}</svg></figure>`;
}

/** A ratio with its spread and its goal on a scale shared by the rows of a table; the goal's good side is shaded. */
export function bar({ ratio, spread, goal }, all) {
  if (ratio === null) return '';
  const [width, height] = [180, 22];
  const ends = all.filter((one) => one.ratio !== null).flatMap((one) => [one.spread.min, one.spread.max, ...(one.goal?.of === 'ratio' ? [one.goal.value] : [])]);
  const { place } = scale([0.5, 2, ...ends.filter((end) => end > 0)], 4, width - 4);
  const [low, high] = [spread.min, spread.max].map((end) => place(Math.max(end, Number.MIN_VALUE)));
  const wanted = goal?.of === 'ratio' ? place(goal.value) : null;
  const good = wanted === null ? '' : goal.is.startsWith('>') ? `<rect class="good" x="${wanted}" y="2" width="${round(width - wanted)}" height="18"/>` : `<rect class="good" x="0" y="2" width="${wanted}" height="18"/>`;
  return `<svg class="bar" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" aria-hidden="true">${good}
<path class="even" d="M${place(1)} 2V20"/>${wanted === null ? '' : `<path class="goal" d="M${wanted} 0V22"/>`}
<path class="range" d="M${low} 11H${high}"/><circle cx="${place(ratio)}" cy="11" r="4"/></svg>`;
}

export { escape };
