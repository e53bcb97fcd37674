// From measured rounds to the entries of report.json.

/** The value below which such a part of the sorted values lies. */
function quantile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
}

export const median = (values) => quantile(values, 0.5);

const holds = {
  '>=': (a, b) => a >= b,
  '>': (a, b) => a > b,
  '<=': (a, b) => a <= b,
  '<': (a, b) => a < b,
};

/** Whether a goal is met; null where there is none, or no figure for it. */
export function met(goal, ratio, ours) {
  const figure = goal && (goal.of === 'ratio' ? ratio : ours.value);
  return figure == null ? null : holds[goal.is](figure, goal.value);
}

const side = (values, unit, name) => ({
  value: median(values),
  unit,
  name,
  range: [Math.min(...values), Math.max(...values)],
});

/** One entry of the report from one measured case: medians, and the ratios of the pairs as they were run. */
export function entry(measured, reasons = {}) {
  const { store, api, unit, better, goal = null, plot = null } = measured;
  const ours = side(measured.ours, unit, 'annals');
  const theirs = measured.theirs ? side(measured.theirs, unit, measured.theirsName) : null;
  const ratios = theirs && measured.ours.map((value, i) => value / measured.theirs[i]);
  const ratio = ratios && median(ratios);
  const spreadOf = ratios ?? measured.ours;
  const spread = {
    of: ratios ? 'ratio' : 'ours',
    min: Math.min(...spreadOf),
    q1: quantile(spreadOf, 0.25),
    q3: quantile(spreadOf, 0.75),
    max: Math.max(...spreadOf),
    pairs: spreadOf.length,
  };
  const outcome = met(goal, ratio, ours);
  const found = { store, case: measured.case, api, better, ours, theirs, ratio, spread, goal, met: outcome, plot };
  return outcome === false ? { ...found, reason: reasons[`${store} · ${measured.case}`] ?? null } : found;
}
