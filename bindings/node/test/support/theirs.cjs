'use strict';
// npm eventstore, called with promises.
const { after } = require('node:test');
const { promisify } = require('node:util');
const { Client } = require('elasticsearch');
const eventstore = require('eventstore');
const { until } = require('./stage.cjs');

const call = (object, name, ...args) => promisify(object[name]).call(object, ...args);

/** Opens npm eventstore with options, and closes it in the end: it would keep the process alive. */
async function openTheirs(options) {
  const es = eventstore(options);
  after(() => es.store.disconnect());
  await call(es, 'init');
  return {
    es,
    call: (name, ...args) => call(es, name, ...args),
    async commit(query, ...payloads) {
      const stream = await call(es, 'getEventStream', query);
      stream.addEvents(payloads);
      return call(stream, 'commit');
    },
    /** The snapshot and the stream behind it. */
    fromSnapshot: (...args) =>
      new Promise((resolve, reject) => {
        es.getFromSnapshot(...args, (error, ...both) => (error ? reject(error) : resolve(both)));
      }),
  };
}

/**
 * Lets npm eventstore on MongoDB tell that it is connected once its indexes are there: it makes them without waiting, and
 * the server of the tests stumbles where a query comes in between.
 */
function afterIndexes(es) {
  const { store } = es;
  const { connect, emit } = store;
  const made = async (name) => (await store[name].indexes().catch(() => [])).length;
  let ready;
  store.emit = function (event, ...args) {
    if (event !== 'connect') return emit.call(this, event, ...args);
    const areMade = async () =>
      (await made('events')) > 5 && (await made('snapshots')) > 1 && (await made('transactions')) > 1;
    ready = until(areMade, 'npm eventstore has its indexes');
    ready.then(() => emit.call(this, 'connect', ...args));
    return true;
  };
  store.connect = function (callback) {
    connect.call(this, (error, connected) => {
      if (error) callback?.(error);
      else ready.then(() => callback?.(null, connected));
    });
  };
  return es;
}

/** npm eventstore reads only where there are its index and, in that, fields to sort by: its first write makes them. */
async function used({ host, indexName: index }) {
  const client = new Client({ host, log: [] });
  if (!(await client.indices.exists({ index }))) {
    const common = { commitStamp: new Date(0) };
    const event = { ...common, streamRevision: 0, commitSequence: 0 };
    for (const [type, body] of Object.entries({ events: event, snapshots: { ...common, revision: 0, version: 0 } })) {
      await client.create({ index, type, id: 'first', body, refresh: true });
      await client.delete({ index, type, id: 'first', refresh: true });
    }
  }
  client.close();
}

/** Lets npm eventstore on Elasticsearch begin with an index that was used. */
function overUsed(es) {
  const { connect } = es.store;
  es.store.connect = function (callback) {
    used(es.options).then(() => connect.call(this, callback), callback);
  };
  return es;
}

module.exports = { afterIndexes, openTheirs, overUsed, used };
