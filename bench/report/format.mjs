// Figures as people read them.
const digits = (value, most) => value.toLocaleString('en', { maximumFractionDigits: most });

/** A number with about three figures. */
export function number(value) {
  if (value >= 1e6) return `${digits(value / 1e6, 2)}M`;
  if (value >= 100) return digits(value, 0);
  return digits(value, value >= 10 ? 1 : value >= 0.1 ? 2 : 4);
}

export const signs = { '>=': '≥', '>': '>', '<=': '≤', '<': '<' };

/** The cells of a row, as text. */
export function cells({ case: name, api, ours, theirs, ratio, spread, goal, met }) {
  const times = (value) => (spread.of === 'ratio' ? `${number(value)}×` : number(value));
  const unit = goal?.of === 'ratio' ? '×' : ` ${ours.unit}`;
  return {
    api,
    case: name,
    ours: `${number(ours.value)} ${ours.unit}`,
    theirs: theirs ? `${number(theirs.value)} ${theirs.unit}` : '–',
    against: theirs?.name ?? '–',
    ratio: ratio === null ? '–' : `${number(ratio)}×`,
    spread: `${times(spread.min)} … ${times(spread.max)}`,
    goal: goal ? `${signs[goal.is]} ${number(goal.value)}${unit}` : '–',
    met: met === null ? '' : met ? 'met' : 'not met',
  };
}

/** A list in groups, in the order in which they first appear. */
export function groupBy(list, key) {
  const groups = new Map();
  for (const one of list) groups.set(key(one), [...(groups.get(key(one)) ?? []), one]);
  return groups;
}
