'use strict';
// The stores that every behaviour is shown on: ours, and users' own.
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { after, before } = require('node:test');
const eventstore = require('../../lib/index.js');
const { startRedis } = require('./redisServer.cjs');
const { Inheriting, Extending } = require('./stores.cjs')(eventstore.Store);

const folder = mkdtempSync(join(tmpdir(), 'annals-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

let redis;
before(async () => (redis = await startRedis()));
after(() => redis?.stop());
let prefixes = 0;
/** Options of a place of its own on the Redis, for annals and npm eventstore alike. */
const onRedis = () => ({ type: 'redis', port: redis.port, prefix: `test${++prefixes}` });

/** Options for a new, empty store of each kind. */
const subjects = {
  inmemory: () => ({ type: 'inmemory' }),
  sqlite: () => ({ type: 'sqlite', filename: join(folder, `${++files}.db`) }),
  redis: onRedis,
  'a store that inherits': () => ({ type: Inheriting }),
  'a store that extends': () => ({ type: Extending }),
};
const natives = { inmemory: subjects.inmemory, sqlite: subjects.sqlite, redis: subjects.redis };

async function open(options) {
  const es = eventstore(options);
  await es.init();
  return es;
}

/** Waits until a condition holds. */
async function until(condition, what = String(condition)) {
  for (let tries = 0; tries < 500; tries++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`waited in vain until ${what}`);
}

module.exports = { eventstore, folder, natives, onRedis, open, subjects, until };
