import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';

import eventstore, * as named from 'annals';
import deepEvent from 'annals/lib/event';

const require = createRequire(import.meta.url);
const required = require('annals');

const files = {
  base: 'Store',
  event: 'Event',
  eventDispatcher: 'EventDispatcher',
  eventStream: 'EventStream',
  eventstore: 'Eventstore',
  snapshot: 'Snapshot',
  storeEventEmitter: 'StoreEventEmitter',
};

test('import and require give the same function and the same classes', () => {
  assert.equal(eventstore, required);
  assert.equal(required.default, required);
  assert.equal(typeof required, 'function');
  const names = [...Object.values(files), 'BsonValue', 'ConcurrencyError', 'ObjectId', 'createStore'];
  for (const name of names) {
    assert.equal(typeof required[name], 'function', name);
    assert.equal(named[name], required[name], name);
  }
  assert.deepEqual(Object.keys(named).sort(), [...names, 'default'].sort());
});

for (const [file, name] of Object.entries(files)) {
  test(`lib/${file} is the class ${name}, with and without .js`, () => {
    assert.equal(require(`annals/lib/${file}`), required[name]);
    assert.equal(require(`annals/lib/${file}.js`), required[name]);
  });
}

test('a deep import is the same class too', () => {
  assert.equal(deepEvent, required.Event);
});

test('what is made is an instance of what is exported', async () => {
  const es = eventstore();
  assert.ok(es instanceof required.Eventstore);
  assert.ok(es.store instanceof required.Store);
  await es.init();
  const stream = await es.getEventStream('x');
  stream.addEvent({ n: 0 });
  assert.ok(stream instanceof required.EventStream);
  assert.ok(stream.uncommittedEvents[0] instanceof required.Event);
  assert.ok(required.createStore() instanceof required.Store);
});
