// The cases of a Node store: each a plan of what both contestants are asked to do, alternately.
import { Contestant } from './pair.mjs';

const quick = Boolean(process.env.QUICK);
const few = quick ? 200 : 1_000;
const atLeast = (value) => (value ? { of: 'ratio', is: '>=', value } : null);
const perSecond = (count) => (ns) => (count * 1e9) / ns;
const microsecondsEach = (count) => (ns) => ns / 1e3 / count;

/** Commits: of one event and of ten, one after another and many in flight. */
export async function commits(race, { ours, flushed, bare, theirs, commits: counts, goals }) {
  await committed(race, ours, theirs, counts, goals.commit, '');
  // How much faster than theirs anything could be here.
  if (bare) {
    const sizes = (bare.sizes ?? [1]).map((events) => [events, counts[events]]);
    await committed(race, bare, theirs, Object.fromEntries(sizes), () => false, ` (not ours: ${bare.name})`);
  }
  // Theirs can't: how much the disk costs is said, and is no goal.
  if (flushed) await committed(race, flushed, theirs, counts, () => false, ' (ours flushed to the disk)');
}

async function committed(race, ours, theirs, counts, goal, note) {
  await Contestant.pair(ours, theirs, async (a, b) => {
    for (const [events, all] of Object.entries(counts).map(([n, all]) => [Number(n), all])) {
      for (const [width, how] of [[1, 'one after another'], [32, '32 in flight']]) {
        const count = quick ? Math.min(100, Math.ceil(all / 4)) : all;
        await race.run({
          case: `commit of ${events} event${events > 1 ? 's' : ''}, ${how}${note}`,
          unit: 'commits/s',
          better: 'more',
          goal: atLeast(goal(events, width)),
          read: perSecond(count),
          ours: () => a.ask('commit', { events, width, count }),
          theirs: () => b.ask('commit', { events, width, count }),
          theirsName: b.name,
        });
      }
    }
  });
}

/** How many requests a database gets for a commit and for a load, where that is counted. */
export async function requests(race, { counted, ours, theirs }) {
  const proxies = await Promise.all([counted(ours), counted(theirs)]);
  try {
    await Contestant.pair(...proxies.map((proxy) => proxy.contestant), async (...both) => {
      const asked = async (side, call, args, count) => {
        const settle = () => both[side].ask('pause');
        if (call === 'append') await both[side].ask('prepare', { count });
        await settle();
        proxies[side].taken();
        await both[side].ask(call, args);
        await settle();
        return proxies[side].taken() / count;
      };
      const one = (what, call, args, count) =>
        race.run({
          case: `requests to the database for ${what}`,
          unit: 'requests',
          better: 'less',
          read: (taken) => taken,
          ours: () => asked(0, call, args, count),
          theirs: () => asked(1, call, args, count),
          theirsName: both[1].name,
        });
      for (const [events, what] of [[1, '1 event'], [10, '10 events']])
        await one(`a commit of ${what}`, 'append', { events }, 20);
      for (const contestant of both) await contestant.ask('fill', { events: few });
      await one('loading a stream of 100 events', 'load', { held: few, count: 20 }, 20);
      await one('turning a page of 100 events', 'page', { held: few, times: 1, pages: few / 100 }, few / 100);
    });
  } finally {
    proxies.forEach((proxy) => proxy.stop());
  }
}

/** Loading a stream and paging through everything, with more and more events held. */
export async function reads(race, store) {
  const { ours, theirs, held, flat } = store;
  for (const events of quick ? [few] : held) {
    await Contestant.pair(ours, theirs, async (a, b) => {
      await a.ask('fill', { events });
      await b.ask('fill', { events });
      await load(race, store, events, a, b);
      await page(race, store, events, a, b);
    });
  }
  if (!quick && flat) await flatness(race, store, ...flat);
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

async function page(race, { theirsPages: most, deeperIsDearer, goals }, held, a, b) {
  const theirsPages = most[held];
  // Where a page costs what lies before it too, those in the middle cost what all do in the mean.
  const skip = theirsPages && deeperIsDearer ? held / 2 - (theirsPages / 2) * 100 : 0;
  const times = Math.max(1, Math.ceil((quick ? 1_000 : 20_000) / held));
  const theirs = (pages) => (ns) => (Math.min(held, pages * 100) * 1e9) / ns;
  const partly = theirsPages ? ` (theirs: ${skip ? 'the middle' : 'its first'} ${theirsPages} pages)` : '';
  await race.run({
    case: `page through all ${held.toLocaleString('en')} events, 100 a page${partly}`,
    unit: 'events/s',
    better: 'more',
    goal: atLeast(goals.page(held)),
    plot: { title: 'Page through everything, 100 events a page', x: held, axis: 'events held' },
    read: perSecond(held * times),
    readTheirs: theirs(theirsPages ?? Infinity),
    ours: () => a.ask('page', { held, times }),
    theirs: theirsPages === 0 ? null : () => b.ask('page', { held, times: 1, pages: theirsPages, skip }),
    theirsName: b.name,
  });
}

async function flatness(race, { ours, theirs }, few, many) {
  // The one with few events is where the other contestant was.
  const place = Object.entries(theirs.options).filter(([name]) => ['db', 'dbName', 'dbPath'].includes(name));
  const other = { ...ours, options: { ...ours.options, ...Object.fromEntries(place) } };
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
