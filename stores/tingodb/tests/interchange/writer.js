// npm eventstore on TingoDB: see tests/interchange/driver.js.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { call, drive, load, options } = require('../../../../tests/interchange/driver');

const tingodb = load('tingodb')();
const eventstore = (more) => load('eventstore')({ type: 'tingodb', ...options, ...more });
const es = eventstore();

const calls = {
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

  insert: ({ collection, documents }) => call(es.store[collection], 'insert', documents).then(() => null),
  remove: ({ collection, query }) => call(es.store[collection], 'remove', query),
  update: ({ collection, query, change }) => call(es.store[collection], 'update', query, change).then(() => null),
  documents: ({ collection }) => call(es.store[collection].find({}), 'toArray'),
  compact: () => call(es.store.db, 'compactDatabase').then(() => null),

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
const told = (value) => {
  if (value instanceof tingodb.ObjectID) return { $oid: value.id };
  if (value instanceof tingodb.Binary) return { $binary: { base64: value.value(true).toString('base64'), subType: '00' } };
};

/** The other way. */
const revive = (value) => {
  if (value?.$oid) return new tingodb.ObjectID(value.$oid);
  if (value?.$binary) return new tingodb.Binary(Buffer.from(value.$binary.base64, 'base64'));
  return value;
};

drive(es, { calls, told, revive });
