// The cases of a Node store: each a plan of what both contestants are asked to do, alternately.
import { Contestant } from './pair.mjs';

const quick = Boolean(process.env.QUICK);
const atLeast = (value) => (value ? { of: 'ratio', is: '>=', value } : null);
const perSecond = (count) => (ns) => (count * 1e9) / ns;
const microsecondsEach = (count) => (ns) => ns / 1e3 / count;

/** Commits: of one event and of ten, one after another and many in flight. */
export async function commits(race, { ours, theirs, commits: counts, goals }) {
  await Contestant.pair(ours, theirs, async (a, b) => {
    for (const [events, all] of Object.entries(counts).map(([n, all]) => [Number(n), all])) {
      for (const [width, how] of [[1, 'one after another'], [32, '32 in flight']]) {
        const count = quick ? 100 : all;
        await race.run({
          case: `commit of ${events} event${events > 1 ? 's' : ''}, ${how}`,
          unit: 'commits/s',
          better: 'more',
          goal: atLeast(goals.commit(events)),
          read: perSecond(count),
          ours: () => a.ask('commit', { events, width, count }),
          theirs: () => b.ask('commit', { events, width, count }),
          theirsName: b.name,
        });
      }
    }
  });
}

/** Loading a stream and paging through everything, with more and more events held. */
export async function reads(race, store) {
  const { ours, theirs, held, flat } = store;
  for (const events of quick ? held.slice(0, 1) : held) {
    await Contestant.pair(ours, theirs, async (a, b) => {
      await a.ask('fill', { events });
      await b.ask('fill', { events });
      await load(race, store, events, a, b);
      await page(race, store, events, a, b);
    });
  }
  if (!quick) await flatness(race, store, ...flat);
}

async function load(race, { loads, theirsLoads, goals }, held, a, b) {
  const count = quick ? 50 : loads();
  const theirs = quick ? 5 : (theirsLoads?.[held] ?? count);
  await race.run({
    case: `load a stream of 100 events, ${held.toLocaleString('en')} held`,
    unit: 'loads/s',
    better: 'more',
    goal: atLeast(goals.load(held)),
    plot: { title: 'Load a stream of 100 events', x: held, axis: 'events held' },
    read: perSecond(count),
    readTheirs: perSecond(theirs),
    ours: () => a.ask('load', { held, count }),
    theirs: () => b.ask('load', { held, count: theirs }),
    theirsName: b.name,
  });
}

async function page(race, { theirsPages: most, goals }, held, a, b) {
  const theirsPages = most[held];
  const times = Math.max(1, Math.ceil((quick ? 1_000 : 20_000) / held));
  const theirs = (pages) => (ns) => (Math.min(held, pages * 100) * 1e9) / ns;
  const partly = theirsPages ? ` (theirs: its first ${theirsPages} pages)` : '';
  await race.run({
    case: `page through all ${held.toLocaleString('en')} events, 100 a page${partly}`,
    unit: 'events/s',
    better: 'more',
    goal: atLeast(goals.page(held)),
    plot: { title: 'Page through everything, 100 events a page', x: held, axis: 'events held' },
    read: perSecond(held * times),
    readTheirs: theirs(theirsPages ?? Infinity),
    ours: () => a.ask('page', { held, times }),
    theirs: theirsPages === 0 ? null : () => b.ask('page', { held, times: 1, pages: theirsPages }),
    theirsName: b.name,
  });
}

async function flatness(race, { ours, theirs }, few, many) {
  // In a database, the one with few events is where the other contestant was.
  const other = { ...ours, options: { ...ours.options, ...('db' in theirs.options && { db: theirs.options.db }) } };
  await Contestant.pair(ours, other, async (large, small) => {
    await large.ask('fill', { events: many });
    await small.ask('fill', { events: few });
    const names = { theirsName: `annals, ${few.toLocaleString('en')} held` };
    const goal = { of: 'ratio', is: '<=', value: 1.3 };
    const shown = `${many.toLocaleString('en')} held against ${few.toLocaleString('en')}`;
    const count = 1_000;
    await race.run({
      case: `flat: load a stream of 100 events, ${shown}`,
      unit: 'µs/load',
      better: 'less',
      goal,
      read: microsecondsEach(count),
      ours: () => large.ask('load', { held: many, count }),
      theirs: () => small.ask('load', { held: few, count }),
      ...names,
    });
    const times = Math.ceil(50_000 / few);
    await race.run({
      case: `flat: page through everything, 100 events a page, ${shown}`,
      unit: 'µs/page',
      better: 'less',
      goal,
      read: microsecondsEach(many / 100),
      readTheirs: microsecondsEach((few / 100) * times),
      ours: () => large.ask('page', { held: many, times: 1 }),
      theirs: () => small.ask('page', { held: few, times }),
      ...names,
    });
  });
}
