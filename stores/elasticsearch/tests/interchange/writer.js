// npm eventstore, told what to do by lines of JSON on its input: [call, argument]. Each is answered by one line:
// {"ok": …} or {"error": …}. The first argument of the process is the options of the store. It uses the packages of the
// folder that it is started in.
const { createRequire } = require('node:module');
const readline = require('node:readline');
const { promisify } = require('node:util');

const load = createRequire(`${process.cwd()}/`);
const EventStream = load('eventstore/lib/eventStream');

const options = JSON.parse(process.argv[2]);
const es = load('eventstore')({ type: 'elasticsearch', log: [], ...options });

/** Calls a method that takes a callback. */
const call = (object, method, ...args) => promisify(object[method].bind(object))(...args);

const calls = {
  init: () => call(es, 'init').then(() => null),

  /** Loads the stream, adds events and commits; the last revision that it has then. */
  async commit({ query, payloads }) {
    const stream = await call(es, 'getEventStream', query);
    stream.addEvents(payloads);
    await call(stream, 'commit');
    return stream.events.at(-1).streamRevision;
  },

  /** Commits at a revision that it doesn't look up: it can't, where nothing is there yet, or an id has other signs than letters. */
  async blind({ query, revision, payloads }) {
    const stream = new EventStream(es, query, []);
    stream.lastRevision = revision - 1;
    stream.addEvents(payloads);
    await call(stream, 'commit');
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

  /** All of them. What it asks for where a query is empty, Elasticsearch 5 refuses. */
  events: () => call(es, 'getEventsSince', new Date(0), 0, -1).then((events) => [...events]),

  undispatched: ({ query = null }) => call(es, 'getUndispatchedEvents', query),
  dispatched: ({ id }) => call(es, 'setEventToDispatched', id).then(() => null),
  snapshot: (snapshot) => call(es, 'createSnapshot', snapshot).then(() => null),
  clear: () => call(es.store, 'clear').then(() => null),
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, argument] = JSON.parse(line);
    const answer = await calls[name](argument).then(
      (ok) => ({ ok }),
      (error) => ({ error: String(error) }),
    );
    console.log(JSON.stringify(answer));
  }
  process.exit();
})();
