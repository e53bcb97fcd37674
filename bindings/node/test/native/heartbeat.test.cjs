'use strict';
// A durable store that no longer answers is left.
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { promisify } = require('node:util');
const { eventstore, until } = require('../support/stage.cjs');

/** An event store over a SQLite store whose answers to `health` are `answer`’s, and how often it was asked. */
async function watched(answer, heartbeat = 10) {
  const es = eventstore({ type: 'sqlite', filename: ':memory:', heartbeat });
  await es.init();
  const { crossing } = es.store;
  const asked = { times: 0 };
  const call = crossing.call.bind(crossing);
  crossing.call = (operation, args, done) => {
    if (operation !== 'health') {
      call(operation, args, done);
      return;
    }
    asked.times++;
    answer(done);
  };
  return { es, asked };
}

test('it is asked again and again, until it is disconnected', async () => {
  const { es, asked } = await watched((done) => done(null, 'null'));
  await until(() => asked.times >= 3);
  assert.equal((await es.getEvents()).length, 0);
  await promisify(es.store.disconnect).call(es.store);
  const { times } = asked;
  await new Promise((resolve) => setTimeout(resolve, 40));
  assert.equal(asked.times, times);
});

for (const [how, answer] of Object.entries({
  'does not answer': () => undefined,
  'answers that it is not well': (done) => done(new Error('gone')),
  'answers later that it is not well': (done) => setImmediate(done, new Error('gone')),
})) {
  test(`a store that ${how} is disconnected, and can be connected to again`, async () => {
    const { es, asked } = await watched(answer);
    let isDisconnected = false;
    es.on('disconnect', () => (isDisconnected = true));
    await until(() => isDisconnected);
    await assert.rejects(es.getEvents(), { code: 'CONNECTION' });
    assert.equal(asked.times, 1);
    await es.init();
    assert.equal((await es.getEvents()).length, 0);
  });
}

test('an interval that is none is refused', () => {
  assert.throws(() => eventstore({ type: 'sqlite', heartbeat: 'often' }), /heartbeat.*whole number/);
});
