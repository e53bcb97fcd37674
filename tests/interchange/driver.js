// Drives npm eventstore: it is told what to do by lines of JSON on the input of the process, [call, argument]. Each is
// answered by one line: {"ok": …} or {"error": …}. A store's `writer.js` opens it and says what it does there.
const { createRequire } = require('node:module');
const readline = require('node:readline');
const { promisify } = require('node:util');

/** Loads a package of the folder that the process is started in. */
const load = createRequire(`${process.cwd()}/`);
const EventStream = load('eventstore/lib/eventStream');

/** The options of npm eventstore: the first argument of the process. */
const options = JSON.parse(process.argv[2]);

/** Calls a method that takes a callback. */
const call = (object, method, ...args) => promisify(object[method].bind(object))(...args);

/** What it does on every store. */
const callsOf = (es) => ({
  init: () => call(es, 'init').then(() => null),

  /** Loads the stream, adds events and commits; the last revision that it has then. */
  async commit({ query, payloads }) {
    const stream = await call(es, 'getEventStream', query);
    stream.addEvents(payloads);
    await call(stream, 'commit');
    return stream.events.at(-1).streamRevision;
  },

  /** Commits at a revision that it doesn't look up; whether that succeeds. */
  async blind({ query, revision, payloads }) {
    const stream = new EventStream(es, query, []);
    stream.lastRevision = revision - 1;
    stream.addEvents(payloads);
    return call(stream, 'commit').then(() => true, () => false);
  },

  /** Writes many commits into many streams without loading them. */
  async fill({ streams, commits, size, from = 0 }) {
    for (let n = from; n < from + commits; n++) {
      const query = { aggregateId: `filler-${n % streams}`, aggregate: 'filler', context: 'old' };
      const stream = new EventStream(es, query, []);
      stream.addEvents(Array.from({ length: size }, (_, i) => ({ commit: n, n: i })));
      await call(stream, 'commit');
    }
    return null;
  },

  async stream({ query, min = 0, max = -1 }) {
    const stream = await call(es, 'getEventStream', query, min, max);
    return { events: stream.events, lastRevision: stream.lastRevision };
  },

  async fromSnapshot({ query, max = -1 }) {
    const [snapshot, stream] = await new Promise((resolve, reject) =>
      es.getFromSnapshot(query, max, (err, ...found) => (err ? reject(err) : resolve(found))),
    );
    return { snapshot, events: stream.events, lastRevision: stream.lastRevision };
  },

  events: ({ query = {}, skip = 0, limit = -1 }) => call(es, 'getEvents', query, skip, limit).then((events) => [...events]),
  since: ({ date }) => call(es, 'getEventsSince', new Date(date), 0, -1).then((events) => [...events]),
  undispatched: ({ query = null }) => call(es, 'getUndispatchedEvents', query),
  dispatched: ({ id }) => call(es, 'setEventToDispatched', id).then(() => null),
  snapshot: (snapshot) => call(es, 'createSnapshot', snapshot).then(() => null),
  pending: () => call(es.store, 'getPendingTransactions'),
  clear: () => call(es.store, 'clear').then(() => null),
  close: () => call(es.store, 'disconnect').then(() => null),
});

/**
 * Has it do what it is told, until nothing more is said. `calls` are what it does on this store alone. Values that JSON lacks
 * are told from text: dates, and those of which `told` and `revive` say something.
 */
async function drive(es, { calls, told = () => undefined, revive = (value) => value } = {}) {
  const known = { ...callsOf(es), ...calls };
  const written = (value) => {
    if (value instanceof Date) return { $date: value.toISOString() };
    const said = told(value);
    if (said !== undefined) return said;
    if (Array.isArray(value)) return value.map(written);
    if (!value || typeof value !== 'object') return value;
    const plain = Object.entries(value).filter(([, inner]) => typeof inner !== 'function');
    return Object.fromEntries(plain.map(([name, inner]) => [name, written(inner)]));
  };
  const read = (_, value) => (value?.$date ? new Date(value.$date) : revive(value));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, argument] = JSON.parse(line, read);
    const answer = await known[name](argument).then(
      (ok) => ({ ok: written(ok) }),
      (error) => ({ error: String(error) }),
    );
    console.log(JSON.stringify(answer));
  }
  process.exit();
}

module.exports = { call, drive, load, options };
