// npm eventstore over TingoDB, told what to do by lines of JSON on its input: [call, argument]. Each is answered by one
// line: {"ok": …} or {"error": …}. The first argument of the process is the options of the store.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const { promisify } = require('node:util');
const tingodb = require('tingodb')();

const options = JSON.parse(process.argv[2]);
const eventstore = (more) => require('eventstore')({ type: 'tingodb', ...options, ...more });
const es = eventstore();

/** Calls a method that takes a callback. */
const call = (object, method, ...args) => promisify(object[method].bind(object))(...args);

const find = (collection) => call(es.store[collection].find({}), 'toArray');

const calls = {
  init: () => call(es, 'init').then(() => null),

  /** Loads the stream, adds events and commits; the last revision that it has then. */
  async commit({ query, payloads }) {
    const stream = await call(es, 'getEventStream', query);
    stream.addEvents(payloads);
    await call(stream, 'commit');
    return stream.events.at(-1).streamRevision;
  },

  /** Writes the record of a commit and so many of its events, as one that was ended by a crash. */
  async half({ query, payloads, written }) {
    const stream = await call(es, 'getEventStream', query);
    stream.addEvents(payloads);
    const commitId = await call(es, 'getNewId');
    const events = stream.uncommittedEvents.map((event, n) => {
      const id = `${commitId}${n}`;
      const place = { streamRevision: stream.lastRevision + 1 + n, commitSequence: n };
      const rest = { commitId, commitStamp: new Date(), restInCommitStream: payloads.length - 1 - n };
      const plain = Object.fromEntries(Object.entries(event).filter(([, value]) => typeof value !== 'function'));
      return { ...plain, ...place, ...rest, id, _id: id, dispatched: false };
    });
    const { aggregateId, aggregate, context } = events[0];
    await call(es.store.transactions, 'insert', { _id: commitId, events, aggregateId, aggregate, context });
    if (written) await call(es.store.events, 'insert', events.slice(0, written));
    return commitId;
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
  insert: ({ collection, documents }) => call(es.store[collection], 'insert', documents).then(() => null),
  remove: ({ collection, query }) => call(es.store[collection], 'remove', query),
  update: ({ collection, query, change }) => call(es.store[collection], 'update', query, change).then(() => null),
  documents: ({ collection }) => find(collection),
  compact: () => call(es.store.db, 'compactDatabase').then(() => null),
  clear: () => call(es.store, 'clear').then(() => null),
  close: () => call(es.store, 'disconnect').then(() => null),

  /** What it reads in a copy of another folder. */
  async copy({ folder }) {
    const dbPath = fs.mkdtempSync(path.join(os.tmpdir(), 'annals-tingodb-'));
    fs.cpSync(folder, dbPath, { recursive: true });
    const other = eventstore({ dbPath });
    await call(other, 'init');
    const events = await call(other, 'getEvents', {}, 0, -1);
    await call(other.store, 'disconnect');
    fs.rmSync(dbPath, { recursive: true });
    return [...events];
  },
};

/** Values that JSON lacks as MongoDB Extended JSON. */
const extended = (value) => {
  if (value instanceof Date) return { $date: value.toISOString() };
  if (value instanceof tingodb.ObjectID) return { $oid: value.id };
  if (value instanceof tingodb.Binary) return { $binary: { base64: value.value(true).toString('base64'), subType: '00' } };
  if (Array.isArray(value)) return value.map(extended);
  if (!value || typeof value !== 'object') return value;
  const plain = Object.entries(value).filter(([, inner]) => typeof inner !== 'function');
  return Object.fromEntries(plain.map(([name, inner]) => [name, extended(inner)]));
};

/** The other way. */
const revive = (_, value) => {
  if (value?.$date) return new Date(value.$date);
  if (value?.$oid) return new tingodb.ObjectID(value.$oid);
  if (value?.$binary) return new tingodb.Binary(Buffer.from(value.$binary.base64, 'base64'));
  return value;
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, argument] = JSON.parse(line, revive);
    const answer = await calls[name](argument).then(
      (ok) => ({ ok: extended(ok) }),
      (error) => ({ error: String(error) }),
    );
    console.log(JSON.stringify(answer));
  }
  process.exit();
})();
