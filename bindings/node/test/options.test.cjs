'use strict';
// Options: which there are, and what comes of those that are none.
const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { join } = require('node:path');
const { test } = require('node:test');
const eventstore = require('../lib/index.js');
const { nativeStores } = require('../lib/native/index.js');
const every = require('./types/everyOption.cjs');

/** What a process warns of in which a store is made of options. */
function warnings(...all) {
  const script = `
    const eventstore = require(${JSON.stringify(join(__dirname, '../lib/index.js'))});
    const every = require(${JSON.stringify(join(__dirname, 'types/everyOption.cjs'))});
    process.on('warning', ({ name, message }) => name === 'AnnalsWarning' && console.log(message));
    for (const options of [${all.join(', ')}]) eventstore(options);`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout.split('\n').slice(0, -1);
}

test('every type’s options are those that its TypeScript type has', () => {
  assert.deepEqual(Object.keys(every).sort(), Object.keys(nativeStores).sort());
  const types = Object.keys(every);
  assert.deepEqual(warnings('...Object.values(every)'), []);
  const told = warnings(...types.map((type) => `{ type: '${type}', nothing: 1 }`));
  for (const [n, type] of types.entries()) {
    const [, names] = /: there are (.*)$/.exec(told[n]);
    assert.deepEqual(names.split(', ').sort(), Object.keys(every[type]).sort(), type);
  }
});

test('an option that is misspelt, or of another type, is warned of once, without its value', () => {
  const [first, second, third, ...more] = warnings(
    `{ type: 'Redis', hots: 'secret', prefix: 'p' }`,
    `{ type: 'redis', hots: 'other' }`,
    `{ filename: 'orders.db', heartbeat: 5 }`,
    `{ type: 'azuretable', trackPosition: true }`,
    `{ type: 'sqlite', port: undefined, host: null }`,
  );
  assert.match(
    first,
    /^the option hots of type 'redis' has no effect, as there is none of that name: there are .*host/,
  );
  assert.match(second, /^the options filename, heartbeat of type 'inmemory' have no effect.*: there are trackPosition/);
  assert.match(third, /^the option trackPosition of type 'azuretable' has no effect/);
  assert.deepEqual(more, []);
});

test('a port is one', () => {
  for (const [type, options, name] of [
    ['redis', { port: 70_000 }, 'port'],
    ['mongodb', { port: '65536' }, 'port'],
    ['mongodb', { servers: [{ host: 'a', port: -1 }] }, 'servers[0].port'],
  ])
    assert.throws(() => eventstore({ type, ...options }), {
      message: `the option ${name} of type '${type}' must be a whole number from 0 to 65,535`,
    });
});

test('a place where nobody listens is named, with the reason, also where the time is over', async () => {
  const nowhere = {
    mongodb: { host: '127.0.0.1', port: 1, timeout: 1500 },
    redis: { host: '127.0.0.1', port: 1, timeout: 1500 },
    elasticsearch: { host: '127.0.0.1:1', attempts: 2, log: false },
    dynamodb: { endpoint: 'http://127.0.0.1:1', accessKeyId: 'a', secretAccessKey: 'b', attempts: 2 },
    azuretable: { storageAccount: 'a', storageAccessKey: 'a2V5', storageTableHost: 'http://127.0.0.1:1/a' },
  };
  for (const [type, options] of Object.entries(nowhere)) {
    const error = await eventstore({ type, ...options })
      .init()
      .then(
        () => assert.fail('it was opened'),
        (e) => e,
      );
    assert.match(error.message, /127\.0\.0\.1:1/, type);
    assert.match([error, error.cause, error.cause?.cause].map((e) => e?.message).join(), /refused/i, type);
  }
});

test('a custom store has options of its own', () => {
  assert.deepEqual(warnings('{ type: class extends eventstore.Store {}, mine: true }'), []);
});

test('what every store has is checked in every durable one', () => {
  for (const type of Object.keys(every).filter((type) => type !== 'inmemory')) {
    for (const name of ['timeout', 'maxSnapshotsCount', 'heartbeat']) {
      for (const value of ['soon', -1, 1.5, {}])
        assert.throws(
          () => eventstore({ type, [name]: value }),
          {
            name: 'TypeError',
            message: `the option ${name} of type '${type}' must be a whole number from 0 to 4,294,967,295`,
          },
          `${type} ${name}`,
        );
    }
  }
});
