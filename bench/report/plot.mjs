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

/**
 * A ratio with its spread beside its goal, or beside 1 where it has none: from a quarter of that to four times it.
 * The goal's good side is shaded; what lies further off stands at the edge.
 */
export function bar({ ratio, spread, goal }) {
  if (ratio === null) return '';
  const [width, height] = [180, 22];
  const wanted = goal?.of === 'ratio' ? goal : null;
  const middle = wanted?.value ?? 1;
  const place = (value) => {
    const part = (Math.log(Math.max(value / middle, 1e-9)) / Math.log(4) + 1) / 2;
    return round(6 + Math.min(Math.max(part, 0), 1) * (width - 12));
  };
  const start = wanted?.is.startsWith('>') ? width / 2 : 0;
  const shade = wanted ? `<rect class="good" x="${start}" y="2" width="${width / 2}" height="18"/>` : '';
  return `<svg class="bar" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" aria-hidden="true">${shade}
<path class="${wanted ? 'goal' : 'even'}" d="M${width / 2} 0V22"/>
<path class="range" d="M${place(spread.min)} 11H${place(spread.max)}"/><circle cx="${place(ratio)}" cy="11" r="4"/></svg>`;
}

export { escape };
