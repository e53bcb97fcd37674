// npm eventstore on MongoDB: see tests/interchange/driver.js.
const { call, drive, load, options } = require('../../../../tests/interchange/driver');

const { ObjectID, Binary } = load('mongodb');
const es = load('eventstore')({ type: 'mongodb', ...options });

const calls = {
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
  if (value?._bsontype === 'ObjectID') return { $oid: value.toString() };
  if (value?._bsontype === 'Binary') return { $binary: { base64: value.buffer.toString('base64'), subType: '00' } };
};

/** The other way. */
const revive = (value) => {
  if (value?.$oid) return new ObjectID(value.$oid);
  if (value?.$binary) return new Binary(Buffer.from(value.$binary.base64, 'base64'));
  return value;
};

drive(es, { calls, told, revive });
