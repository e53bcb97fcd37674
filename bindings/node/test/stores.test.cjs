'use strict';
// One suite for every store under the façade: the native ones and two a user would write.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, describe, it } = require('node:test');
const eventstore = require('annals');
const custom = require('./support/customStores.cjs');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'annals-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
let files = 0;
const stores = {
  inmemory: () => ({ type: 'inmemory' }),
  sqlite: () => ({ type: 'sqlite', filename: path.join(folder, `${++files}.db`) }),
  inherited: () => ({ type: custom.inherited(eventstore.Store) }),
  extended: () => ({ type: custom.extended(eventstore.Store) }),
};
const order = { aggregateId: 'o1', aggregate: 'order', context: 'sales' };
const until = async (test) => {
  for (const end = Date.now() + 5000; !test();) {
    assert.ok(Date.now() < end, 'waited for too long');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
const add = async (es, query, ...payloads) => {
  const stream = await es.getEventStream(query);
  stream.addEvents(payloads);
  return stream.commit();
};

for (const [name, options] of Object.entries(stores)) {
  describe(name, () => {
    const open = async (prepare = () => {}) => {
      const es = eventstore(options());
      prepare(es);
      await es.init();
      after(() => new Promise((resolve) => es.store.disconnect(resolve)));
      return es;
    };

    it('commits, loads and pages', async () => {
      const es = await open();
      const stream = await add(es, order, { n: 0 }, { n: 1 }, { n: 2 });
      assert.equal(stream.lastRevision, 2);
      assert.deepEqual(
        stream.eventsToDispatch.map((e) => e.payload.n),
        [0, 1, 2],
      );
      const part = await es.getEventStream(order, 1, 2);
      assert.deepEqual(
        part.events.map((e) => e.streamRevision),
        [1],
      );
      const seen = [];
      for (let page = await es.getEvents(order, 0, 2); page.length; page = await page.next()) {
        assert.ok(page.length <= 2);
        seen.push(...page.map((e) => e.payload.n));
      }
      assert.deepEqual(seen, [0, 1, 2]);
      const rest = await es.getEvents(order, 1, 1);
      assert.deepEqual(
        (await new Promise((ok, no) => rest.next((e, p) => (e ? no(e) : ok(p))))).map((e) => e.payload.n),
        [2],
      );
    });

    it('streams more than a batch, in order, whole and in part', async () => {
      const es = await open();
      await add(es, order, ...Array.from({ length: 250 }, (_, n) => ({ n })));
      const read = async (stream) => (await stream.toArray()).map((e) => e.payload.n);
      const numbers = (from, to) => Array.from({ length: to - from }, (_, n) => n + from);
      assert.deepEqual(await read(es.streamEvents(order)), numbers(0, 250));
      assert.deepEqual(await read(es.streamEvents('o1', 20, 130)), numbers(20, 150));
      assert.deepEqual(await read(es.streamEventsSince(new Date(0), 240)), numbers(240, 250));
      assert.deepEqual(await read(es.streamEventsByRevision(order, 5, 205)), numbers(5, 205));
      const signal = AbortSignal.abort();
      await assert.rejects(read(es.streamEvents(order, 0, -1, { signal })), { name: 'AbortError' });
      await assert.rejects(es.getEvents(order, 0, -1, { signal }), { name: 'AbortError' });
      assert.equal((await es.getEvents(order, { signal: undefined })).length, 250);
    });

    it('loads from the newest snapshot', async () => {
      const es = await open();
      await add(es, order, { n: 0 }, { n: 1 }, { n: 2 });
      await es.createSnapshot({ ...order, revision: 0, data: { at: 0 } });
      await es.createSnapshot({ ...order, revision: '1', data: { at: 1 } });
      const [snapshot, stream] = await es.getFromSnapshot(order);
      assert.deepEqual([snapshot.data, snapshot.revision, stream.events.length], [{ at: 1 }, 1, 1]);
      assert.equal((await es.getFromSnapshot(order, 0))[0].data.at, 0);
    });

    it('publishes in order, once more after a failure, and no other stream waits', async () => {
      const published = [];
      const failures = [];
      const es = await open((fresh) => {
        fresh.useEventPublisher(async (payload) => {
          if (payload.bad && failures.length < 2) throw new Error('not yet');
          published.push(payload.n);
        });
        fresh.on('dispatch-error', (error, event) => failures.push([error.message, event.payload.n]));
      });
      await add(es, order, { n: 'a0', bad: true }, { n: 'a1' });
      await add(es, 'other', { n: 'b0' });
      await until(() => published.includes('b0'));
      assert.deepEqual(published, ['b0']);
      await until(() => published.length === 3);
      assert.deepEqual(published, ['b0', 'a0', 'a1']);
      assert.deepEqual(failures, [
        ['not yet', 'a0'],
        ['not yet', 'a0'],
      ]);
      let left = 1;
      for (let tries = 0; left && tries < 100; tries += 1) {
        left = (await es.getUndispatchedEvents()).length;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assert.equal(left, 0);
    });
  });
}

for (const name of ['inmemory', 'sqlite']) {
  it(`${name}: of two writers one gets a ConcurrencyError and keeps its events`, async () => {
    const es = eventstore(stores[name]());
    await es.init();
    const [one, two] = [await es.getEventStream(order), await es.getEventStream(order)];
    one.addEvent({ n: 1 });
    two.addEvent({ n: 2 });
    await one.commit();
    await assert.rejects(two.commit(), (error) => {
      assert.ok(error instanceof eventstore.ConcurrencyError);
      assert.deepEqual([error.name, error.expectedRevision, error.actualRevision], ['ConcurrencyError', -1, 0]);
      return true;
    });
    assert.deepEqual(
      two.uncommittedEvents.map((e) => e.payload.n),
      [2],
    );
    assert.equal((await es.getEvents(order)).length, 1);
    await new Promise((resolve) => es.store.disconnect(resolve));
  });
}

it('a store that throws leaves the events in front, and the stream usable', async () => {
  const es = eventstore(stores.extended());
  await es.init();
  const { addEvents } = es.store;
  es.store.addEvents = () => {
    throw new Error('broken');
  };
  const stream = await es.getEventStream(order);
  stream.addEvent({ n: 0 });
  await assert.rejects(stream.commit(), /broken/);
  assert.deepEqual(
    stream.uncommittedEvents.map((e) => e.payload.n),
    [0],
  );
  es.store.addEvents = addEvents;
  const late = new Promise((_, reject) => setTimeout(reject, 1000, new Error('the stream is stuck')).unref());
  await Promise.race([stream.commit(), late]);
  assert.equal((await es.getEvents(order)).length, 1);
});

it('waits for any thenable of a publisher', async () => {
  const es = eventstore(stores.extended());
  let refuse;
  const outcome = new Promise((_resolve, reject) => (refuse = reject));
  let isCalled = false;
  es.useEventPublisher((_payload) => {
    isCalled = true;
    return { then: (resolved, rejected) => outcome.then(resolved, rejected) };
  });
  await es.init();
  await add(es, order, { n: 0 });
  await until(() => isCalled);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal((await es.getUndispatchedEvents()).length, 1);
  const failed = new Promise((resolve) => es.once('dispatch-error', resolve));
  refuse(new Error('refused'));
  assert.equal((await failed).message, 'refused');
  assert.equal((await es.getUndispatchedEvents()).length, 1);
});

it('calls back with one argument where there is no result', async () => {
  const es = eventstore(stores.extended());
  const counts = [await new Promise((ok) => es.init((...args) => ok(args.length)))];
  await add(es, order, { n: 0 });
  const [event] = await es.getEvents(order);
  counts.push(await new Promise((ok) => es.setEventToDispatched(event, (...args) => ok(args.length))));
  const snapshot = { ...order, revision: 0, data: { at: 0 } };
  counts.push(await new Promise((ok) => es.createSnapshot(snapshot, (...args) => ok(args.length))));
  assert.deepEqual(counts, [1, 1, 1]);
});
