// The cases of a Node store: each a plan of what both contestants are asked to do, alternately.
import { Contestant } from './pair.mjs';

const quick = Boolean(process.env.QUICK);
const perSecond = (count) => (ns) => (count * 1e9) / ns;
const microsecondsEach = (count) => (ns) => ns / 1e3 / count;

/** Commits: of one event and of ten, one after another and many in flight. */
export async function commits(race, { ours, theirs }) {
  await Contestant.pair(ours, theirs, async (a, b) => {
    for (const [events, all] of [[1, 10_000], [10, 2_000]]) {
      for (const [width, how] of [[1, 'one after another'], [32, '32 in flight']]) {
        const count = quick ? 100 : all;
        await race.run({
          case: `commit of ${events} event${events > 1 ? 's' : ''}, ${how}`,
          unit: 'commits/s',
          better: 'more',
          goal: { of: 'ratio', is: '>=', value: 1 },
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
export async function reads(race, { ours, theirs, held, theirsPages = {} }) {
  for (const events of quick ? held.slice(0, 1) : held) {
    await Contestant.pair(ours, theirs, async (a, b) => {
      await a.ask('fill', { events });
      await b.ask('fill', { events });
      await load(race, events, a, b);
      await page(race, events, a, b, theirsPages[events]);
    });
  }
  if (!quick) await flatness(race, ours, held[0], held.at(-1));
}

async function load(race, held, a, b) {
  const count = quick ? 50 : 1_000;
  await race.run({
    case: `load a stream of 100 events, ${held.toLocaleString('en')} held`,
    unit: 'loads/s',
    better: 'more',
    goal: { of: 'ratio', is: '>=', value: 1 },
    plot: { title: 'Load a stream of 100 events', x: held, axis: 'events held' },
    read: perSecond(count),
    ours: () => a.ask('load', { held, count }),
    theirs: () => b.ask('load', { held, count }),
    theirsName: b.name,
  });
}

async function page(race, held, a, b, theirsPages) {
  const times = Math.max(1, Math.ceil((quick ? 1_000 : 20_000) / held));
  const theirs = (pages) => (ns) => (Math.min(held, pages * 100) * 1e9) / ns;
  const partly = theirsPages ? ` (theirs: its first ${theirsPages} pages)` : '';
  await race.run({
    case: `page through all ${held.toLocaleString('en')} events, 100 a page${partly}`,
    unit: 'events/s',
    better: 'more',
    goal: held === 50_000 ? { of: 'ratio', is: '>=', value: 50 } : null,
    plot: { title: 'Page through everything, 100 events a page', x: held, axis: 'events held' },
    read: perSecond(held * times),
    readTheirs: theirs(theirsPages ?? Infinity),
    ours: () => a.ask('page', { held, times }),
    theirs: theirsPages === 0 ? null : () => b.ask('page', { held, times: 1, pages: theirsPages }),
    theirsName: b.name,
  });
}

async function flatness(race, ours, few, many) {
  await Contestant.pair(ours, ours, async (large, small) => {
    await large.ask('fill', { events: many });
    await small.ask('fill', { events: few });
    const names = { theirsName: `annals, ${few.toLocaleString('en')} held` };
    const goal = { of: 'ratio', is: '<=', value: 1.3 };
    const shown = `${many.toLocaleString('en')} held against ${few.toLocaleString('en')}`;
    const count = 2_000;
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
