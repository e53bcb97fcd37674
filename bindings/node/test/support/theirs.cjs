'use strict';
// npm eventstore on Redis, called with promises.
const { promisify } = require('node:util');
const eventstore = require('eventstore');

const call = (object, name, ...args) => promisify(object[name]).call(object, ...args);

/** Opens npm eventstore with options. */
async function openTheirs(options) {
  const es = eventstore(options);
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

module.exports = { openTheirs };
