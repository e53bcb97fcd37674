'use strict';
// The least that a commit of one event can be on MongoDB from Node: one insert of an event as node-eventstore writes it, into
// a collection with its indexes and one that refuses a revision twice.
const { MongoClient } = require('mongodb');
const EventStream = require('./lib/eventStream');

const INDEXES = [
  [{ aggregateId: 1, streamRevision: 1 }],
  [{ commitStamp: 1 }],
  [{ dispatched: 1 }, { sparse: true }],
  [{ commitStamp: 1, streamRevision: 1, commitSequence: 1 }],
  [{ aggregate: 1, aggregateId: 1, commitStamp: -1, streamRevision: -1, commitSequence: -1 }],
  [{ context: 1, aggregate: 1, aggregateId: 1, streamRevision: 1 }, { unique: true }],
];

module.exports = ({ host, port, dbName }) => {
  const es = {
    init: (done) =>
      (async () => {
        es.client = await MongoClient.connect(`mongodb://${host}:${port}`, { useUnifiedTopology: true });
        es.events = es.client.db(dbName).collection('events');
        for (const [index, options] of INDEXES) await es.events.createIndex(index, options);
      })().then(() => done(), done),
    getEventStream: (query, done) => done(null, new EventStream(es, query, [])),
    store: { clear: (done) => es.events.deleteMany({}, (err) => done(err)) },
  };
  return es;
};
