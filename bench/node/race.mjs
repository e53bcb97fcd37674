// Runs the Node races and prints one JSON line a case: node race.mjs [store… | --list]
import { commits, reads, requests } from './cases.mjs';
import { stores } from './stores.mjs';

const quick = Boolean(process.env.QUICK);
const [warmups, pairs] = quick ? [1, 2] : [2, 7];

/** Measures the cases of one store and prints them. */
class Race {
  constructor(store) {
    this.store = store;
  }

  /** Asks both in turn, A B A B, after a warm-up. */
  async run({ read, readTheirs = read, ours, theirs, ...about }) {
    const measured = { ours: [], theirs: theirs ? [] : null };
    for (let turn = -warmups; turn < pairs; turn++) {
      const a = read(await ours());
      const b = theirs && readTheirs(await theirs());
      if (turn < 0) continue;
      measured.ours.push(a);
      if (theirs) measured.theirs.push(b);
    }
    process.stderr.write(`  ${this.store} · ${about.case}\n`);
    process.stdout.write(`${JSON.stringify({ store: this.store, api: 'Node', ...about, ...measured })}\n`);
  }
}

const wanted = process.argv.slice(2);
if (wanted[0] === '--list') {
  console.log(Object.keys(stores).join('\n'));
  process.exit();
}
for (const [name, store] of Object.entries(stores)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const race = new Race(name);
  const started = await store.start?.();
  try {
    const whole = { ...store, ...started };
    await commits(race, whole);
    await reads(race, whole);
    if (whole.counted) await requests(race, whole);
  } finally {
    started?.stop();
  }
}
