// npm eventstore, told what to do by lines of JSON on its input: [call, argument]. Each is answered by one line:
// {"ok": …} or {"error": …}. The first argument of the process is the options of the store.
const readline = require('node:readline');
const { promisify } = require('node:util');
const EventStream = require('eventstore/lib/eventStream');

const options = JSON.parse(process.argv[2]);
const es = require('eventstore')({ type: 'azuretable', ...options });

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

  /** Writes many commits into many streams without loading them. */
  async fill({ streams, commits, size }) {
    for (let n = 0; n < commits; n++) {
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
  last: ({ query }) => call(es, 'getLastEvent', query),
  undispatched: ({ query = null }) => call(es, 'getUndispatchedEvents', query),
  dispatched: ({ id }) => call(es, 'setEventToDispatched', id).then(() => null),
  snapshot: (snapshot) => call(es, 'createSnapshot', snapshot).then(() => null),

  /** Removes an event, as if its writer had died before it wrote it; from the undispatched ones too where asked for. */
  async lose({ aggregateId, id, everywhere }) {
    const key = (partition) => ({ PartitionKey: { _: partition }, RowKey: { _: id } });
    await call(es.store.client, 'deleteEntity', es.store.options.eventsTableName, key(aggregateId));
    if (everywhere) await call(es.store.client, 'deleteEntity', es.store.options.undispatchedEventsTableName, key(id));
    return null;
  },

  /** Puts commits into the events' table alone, a hundred events at a time, as if annals had taken them in. */
  async import({ query, commits, size }) {
    const { TableBatch, TableUtilities } = require('azure-storage');
    const { EntityProperty } = TableUtilities.entityGenerator;
    const { aggregateId } = query;
    const rows = Array.from({ length: commits * size }, (_, streamRevision) => {
      const [commit, commitSequence] = [Math.floor(streamRevision / size), streamRevision % size];
      const id = `old-${commit}-${commitSequence}`;
      const commitStamp = new Date(Date.UTC(2019, 0) + commit * 1000);
      const row = { PartitionKey: aggregateId, RowKey: id, ...query, id, streamRevision, commitId: `old-${commit}-`, commitSequence };
      Object.assign(row, { commitStamp, restInCommitStream: size - 1 - commitSequence, dispatched: false, payload: JSON.stringify({ n: streamRevision }) });
      return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, EntityProperty(value)]));
    });
    for (let n = 0; n < rows.length; n += 100) {
      const batch = new TableBatch();
      rows.slice(n, n + 100).forEach((row) => batch.insertEntity(row, { echoContent: false }));
      await call(es.store.client, 'executeBatch', es.store.options.eventsTableName, batch);
    }
    return null;
  },

  /** Stores events under an envelope of the caller's own. */
  store: (events) =>
    call(es.store, 'addEvents', events.map((event) => ({ ...event, commitStamp: new Date(event.commitStamp) }))).then(() => null),
};

/** Dates inside of payloads are written so that they are told from text. */
const dates = (value) => {
  if (value instanceof Date) return { $date: value.toISOString() };
  if (Array.isArray(value)) return value.map(dates);
  if (!value || typeof value !== 'object') return value;
  const plain = Object.entries(value).filter(([, inner]) => typeof inner !== 'function');
  return Object.fromEntries(plain.map(([name, inner]) => [name, dates(inner)]));
};

/** The other way. */
const revive = (_, value) => (value?.$date ? new Date(value.$date) : value);

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, argument] = JSON.parse(line, revive);
    const answer = await calls[name](argument).then(
      (ok) => ({ ok: dates(ok) }),
      (error) => ({ error: String(error) }),
    );
    console.log(JSON.stringify(answer));
  }
  process.exit();
})();
