'use strict';
// What every store does every day, for stores whose server is not started with the others'.
const assert = require('node:assert/strict');
const { test } = require('node:test');
const eventstore = require('../../lib/index.js');
const { asJson, commit, pause } = require('./interchange.cjs');

async function open(options) {
  const es = eventstore(options);
  await es.init();
  return es;
}
const order = { aggregateId: 'order-1', aggregate: 'order', context: 'sales' };

/** Shows it of a kind of store; `place()` are options of a new, empty one, whose payloads are JSON. */
function everyday(kind, place) {
  test(`${kind}: commits are loaded, also by revision, and known to another store`, async () => {
    const options = place();
    const es = await open({ ...options });
    const committed = await commit(es, order, { n: 0 }, { n: 1 }, { n: 2 });
    assert.deepEqual([committed.lastRevision, committed.eventsToDispatch.length], [2, 3]);
    await commit(es, { ...order, context: 'other' }, { n: 9 });
    const other = await open({ ...options });
    assert.equal((await commit(other, order, { n: 3 })).lastRevision, 3);
    const read = async (...range) => (await es.getEventStream(order, ...range)).events.map(({ payload }) => payload.n);
    assert.deepEqual(
      [await read(), await read(1), await read(1, 3)],
      [
        [0, 1, 2, 3],
        [1, 2, 3],
        [1, 2],
      ],
    );
    assert.equal((await es.getLastEvent(order)).payload.n, 3);
  });

  test(`${kind}: of two commits to one revision one is refused, with what there is`, async () => {
    const options = place();
    const [es, other] = [await open({ ...options }), await open({ ...options })];
    const streams = [await es.getEventStream(order), await other.getEventStream(order)];
    for (const [by, stream] of streams.entries()) stream.addEvents([{ by }, { by }]);
    const settled = await Promise.allSettled(streams.map((stream) => stream.commit()));
    const [{ reason }] = settled.filter(({ status }) => status === 'rejected');
    assert.ok(reason instanceof eventstore.ConcurrencyError);
    assert.deepEqual([reason.code, reason.expectedRevision, reason.actualRevision], ['CONCURRENCY', -1, 1]);
    const lost = streams[settled.findIndex(({ status }) => status === 'rejected')];
    assert.equal(lost.uncommittedEvents.length, 2);
    assert.equal((await es.getEvents()).length, 2, 'nothing of it is there');
  });

  test(`${kind}: pages in order of time, what is not dispatched, and marks`, async () => {
    const es = await open(place());
    for (let n = 0; n < 5; n++) await commit(es, `s${n % 2}`, { n, part: 0 }, { n, part: 1 }).then(pause);
    const seen = [];
    for (let page = await es.getEvents(0, 3); page.length > 0; page = await page.next()) {
      assert.ok(page.length <= 3);
      seen.push(...page);
    }
    assert.deepEqual(
      seen.map(({ payload }) => payload),
      Array.from({ length: 10 }, (_, i) => ({ n: i >> 1, part: i % 2 })),
    );
    assert.equal((await es.getEventsSince(seen[4].commitStamp)).length, 6);
    const streamed = [];
    for await (const event of es.streamEvents({ aggregateId: 's1' })) streamed.push(event.payload.n);
    assert.deepEqual(streamed, [1, 1, 3, 3]);
    const waiting = async (query) => (await es.getUndispatchedEvents(query)).map(({ id }) => id);
    assert.deepEqual(
      await waiting(),
      seen.map(({ id }) => id),
    );
    for (const event of seen.slice(0, 8)) await es.setEventToDispatched(event);
    assert.deepEqual(await waiting(), [seen[8].id, seen[9].id]);
    assert.deepEqual(await waiting({ aggregateId: 's1' }), []);
    const published = [];
    es.useEventPublisher((event) => void published.push(event));
    await es.init();
    for (let tries = 0; tries < 500 && (await waiting()).length > 0; tries++) await pause();
    assert.deepEqual(published, [
      { n: 4, part: 0 },
      { n: 4, part: 1 },
    ]);
  });

  test(`${kind}: snapshots, of which maxSnapshotsCount are kept`, async () => {
    const es = await open({ ...place(), maxSnapshotsCount: 2 });
    await commit(es, order, ...Array.from({ length: 5 }, (_, n) => ({ n })));
    for (const revision of [0, 1, 2, 3]) {
      await es.createSnapshot({ ...order, data: { revision }, revision, version: 1 });
      await pause();
    }
    const found = async (revision) => (await es.getFromSnapshot(order, revision))[0]?.data.revision;
    assert.deepEqual([await found(1), await found(2), await found(3)], [undefined, 2, 3]);
    const [snapshot, stream] = await es.getFromSnapshot(order);
    assert.deepEqual([snapshot.revision, snapshot.version, stream.events.length, stream.lastRevision], [3, 1, 1, 4]);
  });

  test(`${kind}: a payload comes back as JSON has it, as from npm eventstore: dates are texts`, async () => {
    const es = await open(place());
    const payload = {
      at: new Date(5),
      bytes: Buffer.from([1]),
      odd: '\u0000"\\\n😀',
      '': null,
      deep: [{ at: new Date(7) }],
    };
    await commit(es, order, payload);
    await es.createSnapshot({ ...order, data: payload, revision: 0 });
    const [snapshot, stream] = await es.getFromSnapshot(order);
    const [event] = (await es.getEventStream(order)).events;
    assert.deepEqual([event.payload, snapshot.data], [asJson(payload), asJson(payload)]);
    assert.ok(event.commitStamp instanceof Date && snapshot.commitStamp instanceof Date);
    assert.equal(stream.events.length, 0);
  });

  test(`${kind}: clear leaves nothing`, async () => {
    const es = await open(place());
    await commit(es, order, { n: 0 });
    await es.createSnapshot({ ...order, data: {}, revision: 0 });
    await new Promise((resolve, reject) => es.store.clear((error) => (error ? reject(error) : resolve())));
    assert.deepEqual([await es.getEvents(), await es.getUndispatchedEvents()].flat(), []);
    assert.equal((await es.getFromSnapshot(order))[0], null);
    assert.equal((await commit(es, order, { n: 0 })).lastRevision, 0);
  });
}

module.exports = { everyday };
