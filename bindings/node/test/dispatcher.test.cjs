'use strict';
const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { join } = require('node:path');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { eventstore, folder, open, until } = require('./support/stage.cjs');
const { subjects } = require('./support/subjects.cjs');

async function commit(es, id, ...payloads) {
  const stream = await es.getEventStream({ aggregateId: id, aggregate: 'a', context: 'c' });
  stream.addEvents(payloads);
  return stream.commit();
}

async function publishing(options, publish) {
  const es = eventstore(options);
  es.useEventPublisher(publish);
  es.failures = [];
  es.on('dispatch-error', (error, event) => es.failures.push([error.message, event.payload.n]));
  await es.init();
  return es;
}

async function undispatched(es) {
  return (await es.getUndispatchedEvents()).map((event) => event.payload.n);
}

const publishers = {
  'that returns': (seen) => (event) => {
    seen.push(event.n);
  },
  'that calls back': (seen) => (event, done) => {
    seen.push(event.n);
    done();
  },
  'that calls back later, and twice': (seen) => (event, done) => {
    seen.push(event.n);
    setTimeout(() => {
      done();
      done(new Error('again'));
    }, 1);
  },
  'that is asynchronous': (seen) => async (event) => {
    await sleep(1);
    seen.push(event.n);
  },
  'that is wrapped': (seen) => {
    const publish = (event, done) => {
      seen.push(event.n);
      setTimeout(done, 1);
    };
    return (...args) => publish(...args);
  },
  'that is wrapped and asynchronous': (seen) => {
    const publish = async (event) => seen.push(event.n);
    return (...args) => publish(...args);
  },
};

for (const [store, options] of Object.entries(subjects)) {
  for (const [kind, publisher] of Object.entries(publishers)) {
    test(`${store}: a publisher ${kind} is given every payload once, in order`, async () => {
      const seen = [];
      const es = await publishing(options(), publisher(seen));
      const stream = await commit(es, 'x', { n: 0 }, { n: 1 }, { n: 2 });
      assert.equal(stream.eventsToDispatch, undefined);
      await commit(es, 'x', { n: 3 });
      await until(async () => (await undispatched(es)).length === 0, 'all are set to dispatched');
      assert.deepEqual(seen, [0, 1, 2, 3]);
      assert.deepEqual(es.failures, []);
    });
  }

  test(`${store}: a publisher that takes nothing has published once it returns`, async () => {
    let published = 0;
    for (const publish of [() => void published++, async () => void published++]) {
      const es = await publishing(options(), publish);
      await commit(es, 'x', { n: 0 }, { n: 1 });
      await until(async () => (await undispatched(es)).length === 0, 'all are set to dispatched');
    }
    assert.equal(published, 4);
  });

  test(`${store}: what was left undispatched is published at the start, the oldest first`, async () => {
    const before = await open(options());
    for (const n of [0, 1, 2]) {
      await commit(before, `stream-${n}`, { n });
      await sleep(2);
    }
    await before.setEventToDispatched((await before.getUndispatchedEvents())[1]);
    const seen = [];
    const es = new eventstore.Eventstore({}, before.store);
    es.useEventPublisher((event) => {
      seen.push(event.n);
    });
    await es.init();
    await until(async () => (await undispatched(es)).length === 0);
    assert.deepEqual(seen, [0, 2]);
  });
}

test('the next event of a stream waits until the one before is set to dispatched', async () => {
  const steps = [];
  const es = await publishing(subjects['a store that extends'](), (event, done) => {
    steps.push(`publish ${event.n}`);
    setTimeout(done, 5);
  });
  const mark = es.store.setEventToDispatched;
  es.store.setEventToDispatched = function (id, done) {
    setTimeout(() => {
      steps.push('marked');
      mark.call(this, id, done);
    }, 5);
  };
  await commit(es, 'x', { n: 0 }, { n: 1 });
  await until(() => steps.length === 4);
  assert.deepEqual(steps, ['publish 0', 'marked', 'publish 1', 'marked']);
});

for (const [kind, failWith] of Object.entries({
  throws: () => () => {
    throw new Error('poison');
  },
  'calls back an error': () => (event, done) => done(new Error('poison')),
  rejects: () => async () => {
    throw new Error('poison');
  },
})) {
  test(`an event whose publisher ${kind} stops its own stream, is reported, and goes out later`, async () => {
    const seen = [];
    let isPoisonous = true;
    const fails = failWith();
    const es = await publishing(subjects.inmemory(), (event, done) => {
      if (event.n === 1 && isPoisonous) return fails(event, done);
      seen.push(event.n);
      done();
    });
    await commit(es, 'poisoned', { n: 0 }, { n: 1 }, { n: 2 });
    await commit(es, 'healthy', { n: 10 }, { n: 11 });
    await until(() => es.failures.length >= 2, 'it is tried again');
    assert.deepEqual(
      seen.toSorted((a, b) => a - b),
      [0, 10, 11],
    );
    assert.deepEqual(es.failures[0], ['poison', 1]);
    assert.deepEqual(await undispatched(es), [1, 2]);
    isPoisonous = false;
    await until(async () => (await undispatched(es)).length === 0, 'its stream goes on');
    assert.deepEqual(seen.slice(-2), [1, 2]);
  });
}

test('publishers that never answer hold up their own streams only, however many they are', async () => {
  const seen = [];
  const es = await publishing(subjects.inmemory(), (event, done) => {
    if (event.n >= 0) return;
    seen.push(event.n);
    done();
  });
  for (let n = 0; n < 70; n++) await commit(es, `stuck-${n}`, { n });
  await commit(es, 'healthy', { n: -1 }, { n: -2 });
  await until(() => seen.length === 2);
  assert.deepEqual(seen, [-1, -2]);
  assert.equal((await undispatched(es)).length, 70);
});

test('streams go out side by side', async () => {
  let most = 0;
  let now = 0;
  const es = await publishing(subjects.inmemory(), async () => {
    most = Math.max(most, ++now);
    await sleep(20);
    now--;
  });
  await Promise.all([...Array(200).keys()].map((n) => commit(es, `s${n}`, { n })));
  await until(async () => (await undispatched(es)).length === 0);
  assert.ok(most > 10, `${most} at once`);
  assert.ok(most <= 64, `${most} at once`);
});

test('where only setting to dispatched fails, the event is not published again', async () => {
  const seen = [];
  const es = await publishing(subjects['a store that extends'](), (event) => {
    seen.push(event.n);
  });
  const mark = es.store.setEventToDispatched;
  let failures = 2;
  es.store.setEventToDispatched = function (id, done) {
    if (failures-- === 2) throw new Error('the store is away');
    if (failures >= 0) return done(new Error('the store is away'));
    mark.call(this, id, done);
  };
  await commit(es, 'x', { n: 0 }, { n: 1 });
  await until(async () => (await undispatched(es)).length === 0);
  assert.deepEqual(seen, [0, 1]);
  assert.deepEqual(es.failures, [
    ['the store is away', 0],
    ['the store is away', 0],
  ]);
});

test('what is committed while the older events are loaded goes out after them, once', async () => {
  const seen = [];
  const store = await open(subjects['a store that extends']());
  await commit(store, 'x', { n: 0 }, { n: 1 });
  const load = store.store.getUndispatchedEvents;
  store.store.getUndispatchedEvents = function (query, done) {
    setTimeout(() => load.call(this, query, done), 30);
  };
  const es = new eventstore.Eventstore({}, store.store);
  es.useEventPublisher((event) => {
    seen.push(event.n);
  });
  const started = es.init();
  await until(() => es.dispatcher !== undefined);
  await commit(es, 'x', { n: 2 });
  assert.deepEqual(seen, []);
  await started;
  await until(async () => (await undispatched(es)).length === 0);
  assert.deepEqual(seen, [0, 1, 2]);
});

test('any thenable of a publisher is waited for', async () => {
  let settle;
  const outcome = new Promise((resolve, reject) => (settle = { resolve, reject }));
  const es = await publishing(subjects.inmemory(), (_payload) => ({
    then: (resolved, rejected) => outcome.then(resolved, rejected),
  }));
  await commit(es, 'x', { n: 0 });
  await sleep(20);
  assert.deepEqual(await undispatched(es), [0]);
  settle.reject(new Error('refused'));
  await until(() => es.failures.length === 1);
  assert.deepEqual(es.failures, [['refused', 0]]);
  assert.deepEqual(await undispatched(es), [0]);
});

test('a second init publishes nothing twice', async () => {
  const seen = [];
  const release = [];
  const es = await publishing(subjects.inmemory(), (event, done) => {
    seen.push(event.n);
    release.push(done);
  });
  await commit(es, 'x', { n: 0 }, { n: 1 });
  await until(() => seen.length === 1);
  await es.init();
  for (const n of [0, 1]) {
    await until(() => release.length === n + 1);
    release[n]();
  }
  await until(async () => (await undispatched(es)).length === 0);
  assert.deepEqual(seen, [0, 1]);
});

test('the dispatcher by itself: what it lacks is named, what it is given is published', (t, finish) => {
  const { EventDispatcher } = eventstore;
  const expect = (dispatcher, message) => {
    let given;
    dispatcher.start((error) => (given = error));
    assert.equal(given.message, message);
  };
  expect(new EventDispatcher(), 'publisher not injected!');
  expect(new EventDispatcher(() => {}), 'store not injected!');
  expect(new EventDispatcher(() => {}, { getUndispatchedEvents() {} }), 'store not injected!');
  const steps = [];
  const store = {
    getUndispatchedEvents: (done) => done(null, [{ id: 'a', payload: 'old' }]),
    setEventToDispatched(event, done) {
      steps.push(event.id);
      done(null);
      if (steps.length < 4) return;
      assert.deepEqual(steps, ['old', 'a', 'new', 'b']);
      finish();
    },
  };
  const dispatcher = new EventDispatcher((payload, done) => {
    steps.push(payload);
    done();
  }, store);
  dispatcher.start((error) => {
    assert.ifError(error);
    dispatcher.addUndispatchedEvents([{ id: 'b', payload: 'new' }]);
  });
});

test('an error of the store reaches whoever starts', async () => {
  const es = eventstore(subjects['a store that extends']());
  es.useEventPublisher(() => {});
  es.store.getUndispatchedEvents = (query, done) => done(new Error('unreadable'));
  await assert.rejects(es.init(), /unreadable/);
});

test('after a crash the next process publishes what was not set to dispatched, in order', async () => {
  const filename = join(folder, 'crash.db');
  const script = `
    const es = require(${JSON.stringify(join(__dirname, '../lib/index.js'))})({ type: 'sqlite', filename: ${JSON.stringify(filename)} });
    es.useEventPublisher((event, done) => {
      if (event.n === 2) process.kill(process.pid, 'SIGKILL');
      done();
    });
    es.init().then(async () => {
      const stream = await es.getEventStream('x');
      stream.addEvents([0, 1, 2, 3].map((n) => ({ n })));
      await stream.commit();
    });
    setTimeout(() => {}, 10_000);`;
  assert.equal(spawnSync(process.execPath, ['-e', script], { stdio: 'inherit' }).signal, 'SIGKILL');
  const seen = [];
  const es = await publishing({ type: 'sqlite', filename }, (event) => {
    seen.push(event.n);
  });
  await until(async () => (await undispatched(es)).length === 0);
  assert.deepEqual(seen, [2, 3]);
});

test('a poisonous event keeps no process alive', () => {
  const script = `
    const es = require(${JSON.stringify(join(__dirname, '../lib/index.js'))})();
    es.useEventPublisher(() => { throw new Error('poison'); });
    es.init().then(async () => {
      const stream = await es.getEventStream('x');
      stream.addEvent({});
      await stream.commit();
    });`;
  const { status, signal } = spawnSync(process.execPath, ['-e', script], { stdio: 'inherit', timeout: 5000 });
  assert.deepEqual([status, signal], [0, null]);
});
