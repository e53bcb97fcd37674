// One contestant in a process of its own, so that neither pays for the other's heap. It does what its parent asks,
// measures that itself, and answers with nanoseconds.
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

const require = createRequire(import.meta.url);
const text = 'x'.repeat(150);
const payload = (n) => ({ type: 'thingHappened', n, text, at: { place: 'here', amount: 12.5 } });
const thing = (aggregateId) => ({ aggregateId, aggregate: 'thing', context: 'bench' });

/** Calls a method that takes a callback, as a promise. */
const done = (target, method, ...args) =>
  new Promise((resolve, reject) => target[method](...args, (err, result) => (err ? reject(err) : resolve(result))));

/** Nanoseconds that something took. */
async function timed(work) {
  globalThis.gc?.();
  const start = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - start);
}

/**
 * Runs `step(0) … step(count - 1)` with so many at a time, on callbacks alone. Callbacks that come before the call
 * returns, as those of npm eventstore's in-memory store do, go round the loop rather than up the stack.
 */
const inFlight = (width, count, step) =>
  new Promise((resolve, reject) => {
    let [started, finished, filling] = [0, 0, false];
    const fill = () => {
      filling = true;
      while (started < count && started - finished < width) step(started++, next);
      filling = false;
    };
    const next = (err) => {
      if (err) return reject(err);
      if (++finished === count) return resolve();
      if (!filling) fill();
    };
    fill();
  });

let es;
let EventStream;
let round = 0;
let prepared = [];

const calls = {
  async open({ module, options }) {
    es = require(module)(options);
    EventStream = require(`${module}/lib/eventStream`);
    await done(es, 'init');
    // npm eventstore makes its indexes without waiting for them.
    await sleep(200);
  },

  /** Holds so many events in streams of 100, and nothing else. */
  async fill({ events }) {
    await done(es.store, 'clear');
    for (let n = 0; n < events / 100; n++) {
      // Not loaded first: npm eventstore's loads would take the most of an hour.
      const stream = new EventStream(es, thing(`held-${n}`), []);
      stream.addEvents(Array.from({ length: 100 }, (_, i) => payload(i)));
      await done(stream, 'commit');
    }
  },

  /** Loads so many new streams. */
  async prepare({ count }) {
    prepared = [];
    round += 1;
    for (let n = 0; n < count; n++) prepared.push(await done(es, 'getEventStream', thing(`new-${round}-${n}`)));
  },

  /** Commits to each of the streams that were prepared. */
  async append({ events }) {
    for (const stream of prepared) {
      stream.addEvents(Array.from({ length: events }, (_, i) => payload(i)));
      await done(stream, 'commit');
    }
  },

  /** Waits until what nobody waits for is done too. */
  pause: () => sleep(50),

  /** Commits to an emptied store: ten commits to each stream, in turn, so that those in flight are on different streams. */
  async commit({ events, width, count }) {
    await done(es.store, 'clear');
    const names = Array.from({ length: Math.max(width, Math.ceil(count / 10)) }, (_, i) => `round-${round}-${i}`);
    const streams = await Promise.all(names.map((name) => done(es, 'getEventStream', thing(name))));
    round += 1;
    return timed(() =>
      inFlight(width, count, (n, next) => {
        const stream = streams.shift();
        if (events === 1) stream.addEvent(payload(n));
        else stream.addEvents(Array.from({ length: events }, (_, i) => payload(i)));
        stream.commit((err) => {
          streams.push(stream);
          next(err);
        });
      }),
    );
  },

  /** Loads streams of 100 events, one after another. */
  async load({ held, count }) {
    return timed(() =>
      inFlight(1, count, (n, next) => {
        es.getEventStream(thing(`held-${(n * 7919) % (held / 100)}`), (err, stream) => {
          if (!err && stream.events.length !== 100) err = new Error(`${stream.events.length} events instead of 100`);
          next(err);
        });
      }),
    );
  },

  /** Pages through everything behind `skip`, 100 events a page; `times` times, for so many pages at most. */
  async page({ held, times, pages = Infinity, skip = 0 }) {
    return timed(async () => {
      for (let time = 0; time < times; time++) {
        let seen = 0;
        let page = await done(es, 'getEvents', {}, skip, 100);
        for (let turned = 1; page.length > 0; turned++) {
          seen += page.length;
          if (turned >= pages) break;
          page = await done(page, 'next');
        }
        const expected = Math.min(held - skip, pages * 100);
        if (seen !== expected) throw new Error(`${seen} events paged through instead of ${expected}`);
      }
    });
  },
};

process.on('message', async ({ call, args }) => {
  try {
    process.send({ result: await calls[call](args) });
  } catch (err) {
    process.send({ error: err.stack });
  }
});
