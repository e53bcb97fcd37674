'use strict';
// The stores that every behaviour is shown on: ours, and users' own.
const { mkdirSync, mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { after, before } = require('node:test');
const eventstore = require('../../lib/index.js');
const { startMongo } = require('./mongoServer.cjs');
const { startRedis } = require('./redisServer.cjs');
const { Inheriting, Extending } = require('./stores.cjs')(eventstore.Store);

const folder = mkdtempSync(join(tmpdir(), 'annals-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

let redis;
let mongo;
before(async () => ([redis, mongo] = await Promise.all([startRedis(), startMongo()])));
after(() => redis?.stop());
after(() => mongo?.stop());
let places = 0;
// Options of a place of its own, for annals and npm eventstore alike.
const onRedis = () => ({ type: 'redis', port: redis.port, prefix: `test${++places}` });
const onMongo = () => ({ type: 'mongodb', host: '127.0.0.1', port: mongo.port, dbName: `test${++places}` });
const onTingo = () => {
  const dbPath = join(folder, `tingo${++places}`);
  mkdirSync(dbPath);
  return { type: 'tingodb', dbPath };
};

/** Options for a new, empty store of each kind. */
const subjects = {
  inmemory: () => ({ type: 'inmemory' }),
  sqlite: () => ({ type: 'sqlite', filename: join(folder, `${++files}.db`) }),
  redis: onRedis,
  mongodb: onMongo,
  // Without waiting for the disk, as npm eventstore.
  tingodb: () => ({ ...onTingo(), synchronous: 'normal' }),
  'a store that inherits': () => ({ type: Inheriting }),
  'a store that extends': () => ({ type: Extending }),
};
const natives = Object.fromEntries(Object.entries(subjects).filter(([name]) => !name.startsWith('a ')));

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

module.exports = { eventstore, folder, natives, onMongo, onRedis, onTingo, open, subjects, until };
