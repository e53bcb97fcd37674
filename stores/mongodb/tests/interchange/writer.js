// npm eventstore, told what to do by lines of JSON on its input: [call, argument]. Each is answered by one line:
// {"ok": …} or {"error": …}. The first argument of the process is the options of the store. It uses the packages of the
// folder that it is started in.
const { createRequire } = require('node:module');
const readline = require('node:readline');
const { promisify } = require('node:util');

const load = createRequire(`${process.cwd()}/`);
const { ObjectID, Binary } = load('mongodb');
const EventStream = load('eventstore/lib/eventStream');

const options = JSON.parse(process.argv[2]);
const es = load('eventstore')({ type: 'mongodb', ...options });

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

  /** Commits at a revision that it doesn't look up; whether that succeeds. */
  async blind({ query, revision, payloads }) {
    const stream = new EventStream(es, query, []);
    stream.lastRevision = revision - 1;
    stream.addEvents(payloads);
    return call(stream, 'commit').then(() => true, () => false);
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
  undispatched: ({ query = null }) => call(es, 'getUndispatchedEvents', query),
  dispatched: ({ id }) => call(es, 'setEventToDispatched', id).then(() => null),
  snapshot: (snapshot) => call(es, 'createSnapshot', snapshot).then(() => null),
  pending: () => call(es.store, 'getPendingTransactions'),
  clear: () => call(es.store, 'clear').then(() => null),

  /** Loads the stream and commits, and dies once it has written its record and so many of the events. */
  async die({ query, payloads, written }) {
    // A load removes records without waiting for that: it could be the one that is written next.
    const removed = [];
    const remove = es.store.removeTransactions.bind(es.store);
    es.store.removeTransactions = (event) => removed.push(new Promise((resolve) => remove(event, resolve)));
    const stream = await call(es, 'getEventStream', query);
    await Promise.all(removed);
    const insertMany = es.store.events.insertMany.bind(es.store.events);
    es.store.events.insertMany = async (events) => {
      if (written > 0) await insertMany(events.slice(0, written));
      process.kill(process.pid, 'SIGKILL');
    };
    stream.addEvents(payloads);
    return call(stream, 'commit');
  },
};

/** Values that JSON lacks are written as Extended JSON. */
const told = (value) => {
  if (value instanceof Date) return { $date: value.toISOString() };
  if (value?._bsontype === 'ObjectID') return { $oid: value.toString() };
  if (value?._bsontype === 'Binary') return { $binary: { base64: value.buffer.toString('base64'), subType: '00' } };
  if (Array.isArray(value)) return value.map(told);
  if (!value || typeof value !== 'object') return value;
  const plain = Object.entries(value).filter(([, inner]) => typeof inner !== 'function');
  return Object.fromEntries(plain.map(([name, inner]) => [name, told(inner)]));
};

/** The other way. */
const revive = (_, value) => {
  if (value?.$date) return new Date(value.$date);
  if (value?.$oid) return new ObjectID(value.$oid);
  if (value?.$binary) return new Binary(Buffer.from(value.$binary.base64, 'base64'));
  return value;
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, argument] = JSON.parse(line, revive);
    const answer = await calls[name](argument).then(
      (ok) => ({ ok: told(ok) }),
      (error) => ({ error: String(error) }),
    );
    console.log(JSON.stringify(answer));
  }
  process.exit();
})();
