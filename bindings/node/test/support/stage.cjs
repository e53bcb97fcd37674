'use strict';
// What tests are played on: places in databases, and event stores over them.
const { mkdirSync, mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { after, before } = require('node:test');
const eventstore = require('../../lib/index.js');
const { serverOf } = require('./servers.cjs');

const folder = mkdtempSync(join(tmpdir(), 'annals-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Has a server of a kind while the tests of the file run: what makes the options of a place of its own in it. */
function placesOn(kind) {
  let server;
  before(async () => (server = await serverOf(kind)));
  after(() => server?.stop());
  return () => server.place();
}

let folders = 0;
function onTingo() {
  const dbPath = join(folder, `tingo${++folders}`);
  mkdirSync(dbPath);
  return { type: 'tingodb', dbPath };
}

async function open(options) {
  const es = eventstore(options);
  await es.init();
  return es;
}

/** Waits until a condition holds. */
async function until(condition, what = String(condition)) {
  for (let tries = 0; tries < 3000; tries++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`waited in vain until ${what}`);
}

module.exports = { eventstore, folder, onTingo, open, placesOn, until };
