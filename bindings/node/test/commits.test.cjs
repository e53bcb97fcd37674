'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { local } = require('./support/local.cjs');
const { open } = require('./support/stage.cjs');

async function added(...payloads) {
  const es = await open(local['a store that extends']());
  const stream = await es.getEventStream('x');
  stream.addEvents(payloads);
  return { es, stream };
}
const open_ = (stream) => stream.uncommittedEvents.map((event) => event.payload.n);
const refusal = new Error('refused');

const failures = {
  'getNewId calls back an error': (store) => (store.getNewId = (done) => done(refusal)),
  'getNewId throws': (store) =>
    (store.getNewId = () => {
      throw refusal;
    }),
  'getNextPositions calls back an error': (store) => (store.getNextPositions = (count, done) => done(refusal)),
  'getNextPositions throws': (store) =>
    (store.getNextPositions = () => {
      throw refusal;
    }),
  'addEvents calls back an error': (store) => (store.addEvents = (events, done) => done(refusal)),
  'addEvents calls back an error later': (store) => (store.addEvents = (events, done) => setTimeout(done, 5, refusal)),
  'addEvents calls back an error twice': (store) =>
    (store.addEvents = (events, done) => {
      done(refusal);
      done(refusal);
    }),
  'addEvents calls back and throws': (store) =>
    (store.addEvents = (events, done) => {
      done(refusal);
      throw refusal;
    }),
  'addEvents throws later': (store) => {
    store.getNextPositions = (count, done) => setTimeout(done, 5, null);
    store.addEvents = () => {
      throw refusal;
    };
  },
};

for (const [name, fail] of Object.entries(failures)) {
  test(`where ${name}, the events go back in front and a later commit has them all`, async () => {
    const { es, stream } = await added({ n: 0 }, { n: 1 });
    fail(es.store);
    const refused = stream.commit();
    stream.addEvent({ n: 2 });
    await assert.rejects(refused, (error) => error === refusal);
    assert.deepEqual(open_(stream), [0, 1, 2]);
    assert.deepEqual([stream.events.length, stream.lastRevision, stream.eventsToDispatch], [0, -1, undefined]);
    for (const call of ['getNewId', 'getNextPositions', 'addEvents']) delete es.store[call];
    await stream.commit();
    assert.deepEqual(open_(stream), []);
    const events = await es.getEvents();
    assert.deepEqual(
      events.map((event) => [event.payload.n, event.streamRevision, event.commitSequence, event.restInCommitStream]),
      [
        [0, 0, 0, 2],
        [1, 1, 1, 1],
        [2, 2, 2, 0],
      ],
    );
    assert.equal(new Set(events.map((event) => event.commitId)).size, 1);
  });
}

test('where a mapping cannot be applied, the events go back', async () => {
  const { es, stream } = await added();
  es.defineEventMappings({ streamRevision: 'revision' });
  stream.addEvent(Object.freeze({ n: 0 }));
  await assert.rejects(stream.commit(), TypeError);
  assert.deepEqual(open_(stream), [0]);
  assert.equal((await es.getEvents()).length, 0);
});

test('what is added while a commit is under way waits for the next', async () => {
  const { es, stream } = await added({ n: 0 });
  const { addEvents } = es.store;
  es.store.addEvents = function (events, done) {
    stream.addEvent({ n: 1 });
    setTimeout(() => addEvents.call(this, events, done), 5);
  };
  await stream.commit();
  assert.deepEqual(open_(stream), [1]);
  es.store.addEvents = addEvents;
  await stream.commit();
  assert.deepEqual(
    (await es.getEvents()).map((event) => [event.payload.n, event.streamRevision]),
    [
      [0, 0],
      [1, 1],
    ],
  );
});

test('a commit that fails lets the one that waits behind it go on', async () => {
  const { es, stream } = await added({ n: 0 });
  const { addEvents } = es.store;
  es.store.addEvents = function (events, done) {
    es.store.addEvents = addEvents;
    setTimeout(done, 5, refusal);
  };
  const [first, second] = await Promise.allSettled([stream.commit(), stream.commit()]);
  assert.equal(first.reason, refusal);
  assert.equal(second.value, stream);
  assert.equal((await es.getEvents()).length, 1);
});

test('a store that assigns positions by itself is not asked for them', async () => {
  const { es, stream } = await added({ n: 0 });
  es.store.assignsPositions = true;
  es.store.getNextPositions = () => assert.fail('asked');
  es.store.addEvents = (events, done) => {
    events[0].position = 7;
    done(null);
  };
  await stream.commit();
  assert.equal(stream.eventsToDispatch[0].position, 7);
});
