'use strict';
// The stores that every behaviour is shown on: ours, and users' own.
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { after } = require('node:test');
const eventstore = require('../../lib/index.js');
const { Inheriting, Extending } = require('./stores.cjs')(eventstore.Store);

const folder = mkdtempSync(join(tmpdir(), 'annals-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

/** Options for a new, empty store of each kind. */
const subjects = {
  inmemory: () => ({ type: 'inmemory' }),
  sqlite: () => ({ type: 'sqlite', filename: join(folder, `${++files}.db`) }),
  'a store that inherits': () => ({ type: Inheriting }),
  'a store that extends': () => ({ type: Extending }),
};
const natives = { inmemory: subjects.inmemory, sqlite: subjects.sqlite };

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

module.exports = { eventstore, folder, natives, open, subjects, until };
