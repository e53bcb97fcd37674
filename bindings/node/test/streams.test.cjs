'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { eventstore, open } = require('./support/stage.cjs');
const { natives, subjects, unpositioned } = require('./support/subjects.cjs');

const order = { aggregateId: 'order-1', aggregate: 'order', context: 'sales' };

for (const [name, options] of Object.entries(subjects)) {
  test(`${name}: what is committed is loaded`, async () => {
    const es = await open(options());
    const stream = await es.getEventStream(order);
    assert.equal(stream.lastRevision, -1);
    stream.addEvents([{ n: 0 }, { n: 1 }]);
    assert.equal(await stream.commit(), stream);
    assert.equal(stream.lastRevision, 1);
    assert.deepEqual(stream.uncommittedEvents, []);
    assert.deepEqual(
      stream.eventsToDispatch.map((e) => e.payload),
      [{ n: 0 }, { n: 1 }],
    );
    const loaded = await es.getEventStream(order);
    const [first, second] = loaded.events;
    assert.deepEqual(first.payload, { n: 0 });
    for (const event of [first, second]) {
      assert.deepEqual(
        [event.streamId, event.aggregateId, event.aggregate, event.context],
        ['order-1', 'order-1', 'order', 'sales'],
      );
      assert.equal(event.id, event.commitId + event.commitSequence);
      assert.ok(event.commitStamp instanceof Date);
    }
    assert.deepEqual([first.commitSequence, second.commitSequence], [0, 1]);
    assert.deepEqual([first.restInCommitStream, second.restInCommitStream], [1, 0]);
    assert.deepEqual([first.streamRevision, second.streamRevision], [0, 1]);
  });

  test(`${name}: a query matches what it names and anything else`, async () => {
    const es = await open(options());
    for (const query of [
      'x',
      { aggregateId: 'x', aggregate: 'a' },
      { aggregateId: 'y', aggregate: 'a', context: 'c' },
    ]) {
      const stream = await es.getEventStream(query);
      stream.uncommittedEvents = [];
      stream.events = [];
      stream.lastRevision = -1;
      stream.addEvent({ query });
      await stream.commit();
    }
    const count = async (query) => (await es.getEvents(query)).length;
    assert.equal(await count(), 3);
    assert.equal(await count('x'), 2);
    assert.equal(await count({ aggregate: 'a' }), 2);
    assert.equal(await count({ context: 'c' }), 1);
    assert.equal(await count({ aggregateId: 'y', aggregate: 'b' }), 0);
    assert.equal((await es.getEventsByRevision('x')).length, 2);
  });

  test(`${name}: revisions from the first, before the second`, async () => {
    const es = await open(options());
    const stream = await es.getEventStream(order);
    stream.addEvents([0, 1, 2, 3, 4].map((n) => ({ n })));
    await stream.commit();
    const ns = async (...range) => (await es.getEventsByRevision(order, ...range)).map((e) => e.payload.n);
    assert.deepEqual(await ns(), [0, 1, 2, 3, 4]);
    assert.deepEqual(await ns(3), [3, 4]);
    assert.deepEqual(await ns(1, 3), [1, 2]);
    assert.deepEqual(await ns(1, -1), [1, 2, 3, 4]);
    assert.deepEqual(await ns(2, 2), []);
    assert.equal((await es.getEventStream(order, 1, 3)).lastRevision, 2);
    assert.equal((await es.getLastEvent(order)).payload.n, 4);
    const last = await es.getLastEventAsStream(order);
    assert.deepEqual([last.events.length, last.lastRevision], [1, 4]);
    assert.ok(!(await es.getLastEvent('nobody')));
  });

  test(`${name}: pages follow one another, streams flow`, async () => {
    const es = await open(options());
    const stream = await es.getEventStream(order);
    for (let n = 0; n < 250; n++) {
      stream.addEvent({ n });
      if (n % 10 === 9) await stream.commit();
    }
    const all = [...Array(250).keys()];
    const seen = [];
    for (let page = await es.getEvents(0, 40); page.length > 0; page = await page.next())
      seen.push(...page.map((e) => e.payload.n));
    assert.deepEqual(seen, all);
    const page = await es.getEvents(order, 10, 5);
    assert.deepEqual(
      page.map((e) => e.payload.n),
      [10, 11, 12, 13, 14],
    );
    await new Promise((resolve, reject) => {
      page.next((error, next) => {
        if (error) reject(error);
        else
          resolve(
            assert.deepEqual(
              next.map((e) => e.payload.n),
              [15, 16, 17, 18, 19],
            ),
          );
      });
    });
    const whole = await es.getEvents();
    assert.equal((await whole.next()).length, 0);
    assert.equal((await (await whole.next()).next()).length, 0);

    const collect = async (readable) => {
      const found = [];
      for await (const event of readable) found.push(event.payload.n);
      return found;
    };
    assert.deepEqual(await collect(es.streamEvents()), all);
    assert.deepEqual(await collect(es.streamEvents(5, 3)), [5, 6, 7]);
    assert.deepEqual(await collect(es.streamEvents('order-1', 5, 120)), all.slice(5, 125));
    assert.deepEqual(await collect(es.streamEventsSince(new Date(0))), all);
    assert.deepEqual(await collect(es.streamEventsSince(new Date(Date.now() + 60_000))), []);
    assert.deepEqual(await collect(es.streamEventsByRevision(order, 20)), all.slice(20));
    assert.deepEqual(await collect(es.streamEventsByRevision(order, 20, 145)), all.slice(20, 145));
    assert.equal((await es.getEventsSince(new Date(0), 240)).length, 10);
    const since = await es.getEventsSince(new Date(0), 0, 200);
    assert.equal((await since.next()).length, 50);

    const piped = [];
    await new Promise((resolve, reject) => {
      es.streamEvents()
        .on('data', (event) => piped.push(event.payload.n))
        .on('error', reject)
        .on('end', resolve);
    });
    assert.deepEqual(piped, all);
    const broken = es.streamEvents();
    for await (const event of broken) if (event.payload.n === 3) break;
    assert.ok(broken.destroyed);
  });

  test(`${name}: snapshots, and the events after them`, async () => {
    const es = await open({ ...options(), maxSnapshotsCount: 2 });
    const stream = await es.getEventStream(order);
    stream.addEvents([0, 1, 2, 3, 4].map((n) => ({ n })));
    await stream.commit();
    const [none, whole] = await es.getFromSnapshot(order);
    assert.deepEqual([none, whole.events.length], [null, 5]);
    for (const revision of [0, '2', 3])
      await es.createSnapshot({ ...order, data: { at: revision }, revision, version: 1 });
    await new Promise((resolve, reject) => {
      es.getFromSnapshot(order, (error, snapshot, after) => {
        if (error) return reject(error);
        assert.deepEqual([snapshot.revision, snapshot.data, snapshot.version], [3, { at: 3 }, 1]);
        resolve(
          assert.deepEqual(
            after.events.map((e) => e.payload.n),
            [4],
          ),
        );
      });
    });
    const [older, upTo] = await es.getFromSnapshot(order, 2);
    assert.deepEqual([older.revision, upTo.events.length, upTo.lastRevision], [2, 0, 2]);
    assert.equal((await es.getFromSnapshot(order, 1))[0], null, 'the oldest was cleaned');
    await es.createSnapshot({ ...order, data: { at: 4 }, revision: 4 });
    const [, atEnd] = await es.getFromSnapshot(order);
    assert.deepEqual([atEnd.events.length, atEnd.lastRevision], [0, 4]);
    atEnd.addEvent({ n: 5 });
    await atEnd.commit();
    assert.equal((await es.getLastEvent(order)).streamRevision, 5);
  });

  test(`${name}: events are undispatched until they are set to dispatched`, async () => {
    const es = await open(options());
    const stream = await es.getEventStream(order);
    stream.addEvents([{ n: 0 }, { n: 1 }, { n: 2 }]);
    await stream.commit();
    const [first, second] = await es.getUndispatchedEvents();
    await es.setEventToDispatched(first);
    await es.setEventToDispatched(second.id);
    assert.deepEqual(
      (await es.getUndispatchedEvents(order)).map((e) => e.payload.n),
      [2],
    );
    assert.equal((await es.getUndispatchedEvents('nobody')).length, 0);
    await es.setEventToDispatched(first);
  });

  test(`${name}: mappings write into payloads`, async () => {
    const es = await open(options());
    assert.equal(es.defineEventMappings({ streamRevision: 'meta.revision', commitId: 'commit', context: 'a.b.c' }), es);
    const stream = await es.getEventStream('x');
    stream.addEvent({ n: 0, meta: { mine: true } });
    await stream.commit();
    const [event] = await es.getEvents('x');
    assert.deepEqual(event.payload, { n: 0, meta: { mine: true, revision: 0 }, commit: event.commitId });
  });

  test(`${name}: connects and disconnects out loud`, async () => {
    const es = eventstore(options());
    const heard = [];
    es.on('connect', () => heard.push('connect')).on('disconnect', () => heard.push('disconnect'));
    await es.init();
    await new Promise((resolve) => es.store.disconnect(resolve));
    assert.deepEqual(heard, ['connect', 'disconnect']);
  });

  test(`${name}: an aborted call rejects, an aborted stream ends`, async () => {
    const es = await open(options());
    const gone = AbortSignal.abort(new Error('gone'));
    await assert.rejects(es.getEvents({ signal: gone }), /gone/);
    await assert.rejects(es.getEventStream('x', { signal: gone }), /gone/);
    assert.equal((await es.getEvents('x', { signal: undefined })).length, 0);
    const stream = await es.getEventStream('x');
    stream.addEvent({ n: 0 });
    await stream.commit();
    await assert.rejects(async () => {
      for await (const event of es.streamEvents({}, 0, -1, { signal: gone })) assert.fail(event.id);
    });
  });
}

for (const [name, options] of Object.entries(natives)) {
  test(`${name}: the slower of two writers is refused, and nothing changes`, async () => {
    const es = await open(options());
    const [mine, theirs] = [await es.getEventStream(order), await es.getEventStream(order)];
    theirs.addEvents([{ by: 'them' }, { by: 'them' }]);
    await theirs.commit();
    mine.addEvent({ by: 'me' });
    const error = await mine.commit().catch((e) => e);
    assert.ok(error instanceof eventstore.ConcurrencyError);
    assert.deepEqual(
      [error.name, error.code, error.expectedRevision, error.actualRevision],
      ['ConcurrencyError', 'CONCURRENCY', -1, 1],
    );
    assert.match(error.message, /sales\/order\/order-1/);
    assert.deepEqual(
      mine.uncommittedEvents.map((e) => e.payload),
      [{ by: 'me' }],
    );
    assert.equal((await es.getEvents()).length, 2);
    const again = await es.getEventStream(order);
    again.addEvent({ by: 'me' });
    await again.commit();
    assert.equal((await es.getEvents()).length, 3);
  });

  test(`${name}: of many writers at once each revision goes to one`, async () => {
    const es = await open(options());
    const commits = await Promise.allSettled(
      [...Array(20).keys()].map(async (n) => {
        const stream = await es.getEventStream(order);
        stream.addEvents([{ n }, { n }]);
        await stream.commit();
        return n;
      }),
    );
    const winners = commits.filter((c) => c.status === 'fulfilled').map((c) => c.value);
    for (const { reason } of commits.filter((c) => c.status === 'rejected'))
      assert.equal(reason.name, 'ConcurrencyError');
    const events = await es.getEventsByRevision(order);
    assert.deepEqual(
      events.map((e) => e.streamRevision),
      [...events.keys()],
    );
    assert.deepEqual(events.map((e) => e.payload.n).sort(), [...winners, ...winners].sort());
  });

  test(`${name}: two commits of one stream object wait for each other`, async () => {
    const es = await open(options());
    const stream = await es.getEventStream(order);
    stream.addEvent({ n: 0 });
    const first = stream.commit();
    stream.addEvent({ n: 1 });
    await Promise.all([first, stream.commit()]);
    assert.deepEqual(
      (await es.getEvents()).map((e) => e.payload.n),
      [0, 1],
    );
  });

  test(`${name}: positions are given to every event in order of commit`, async () => {
    if (unpositioned.includes(name)) {
      const es = await open(options());
      const stream = await es.getEventStream('a');
      stream.addEvent({ n: 0 });
      await stream.commit();
      assert.equal((await es.getEvents())[0].position, null, 'there are none');
      return;
    }
    const es = await open({ ...options(), trackPosition: true });
    es.defineEventMappings({ position: 'meta.position' });
    for (const id of ['a', 'b', 'a']) {
      const stream = await es.getEventStream(id);
      stream.addEvents([{ id }, { id }]);
      await stream.commit();
      assert.deepEqual(
        stream.eventsToDispatch.map((e) => e.payload.meta.position),
        stream.eventsToDispatch.map((e) => e.position),
      );
    }
    const events = await es.getEvents();
    assert.deepEqual(events.map((e) => e.position).sort(), [1, 2, 3, 4, 5, 6]);
    for (const event of events) assert.equal(event.payload.meta.position, event.position);
    const reserved = await new Promise((resolve, reject) => {
      es.store.getNextPositions(3, (error, positions) => (error ? reject(error) : resolve(positions)));
    });
    assert.deepEqual(reserved, [7, 8, 9]);
  });
}
