'use strict';
// The least that a commit can be on Redis from Node: one call of one script that appends an event, if the stream is where
// it is expected. It keeps neither node-eventstore's keys nor an index: what no store can be faster than.
const { createClient } = require('redis');
const EventStream = require('./lib/eventStream');

const APPEND = `if redis.call('LLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return -1 end
return redis.call('RPUSH', KEYS[1], ARGV[2])`;

module.exports = ({ host, port, db }) => {
  const client = createClient({ host, port, db });
  const es = {
    client,
    init: (done) =>
      client.script('load', APPEND, (err, hash) => {
        es.hash = hash;
        done(err);
      }),
    getEventStream: (query, done) => done(null, new EventStream(es, query, [])),
    store: { clear: (done) => client.flushdb(done) },
  };
  return es;
};
