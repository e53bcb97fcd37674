'use strict';
// Use: the same script against npm eventstore and annals: what both say must be the same.
const { promisify } = require('node:util');
const { ask, asksAll, filled, pause, plain, same, sameBut, tells, thrown } = require('./support/same.cjs');

const servers = ['mongodb', 'tingodb', 'elasticsearch', 'dynamodb', 'azuretable'];
const opened = async (eventstore, options) => {
  const es = eventstore(options);
  await ask((cb) => es.init(cb));
  return es;
};
const streamOf = (es, query) => promisify(es.getEventStream).call(es, query);
const committed = async (es, query, ...payloads) => {
  const stream = await streamOf(es, query);
  stream.addEvents(payloads);
  await ask((cb) => stream.commit(cb));
  return stream;
};
const undispatched = (es) => ask((cb) => es.getUndispatchedEvents(cb));

sameBut(
  {
    ...asksAll,
    redis: 'throws where there is no query',
    mongodb: 'finds no number by text',
    tingodb: 'finds no number by text',
    dynamodb: 'finds no number by text',
    azuretable: 'throws where there is no revision',
  },
  'numbers given as text, parts that are undefined',
  async (eventstore) => {
    const es = await filled(eventstore);
    const answers = [];
    for (const [call, ...args] of [
      ['getEventsByRevision', 'a', '1'],
      ['getEventsByRevision', 'a', '1', '2'],
      ['getEventsByRevision', 'a', 0, '0'],
      ['getEventsByRevision', 'a', undefined, undefined],
      ['getEventsByRevision', 7],
      ['getEventStream', 'a', '1', '3'],
      ['getEventStream', 7],
      ['getEventStream', { streamId: 'a' }],
      ['getFromSnapshot', 'a', '2'],
      ['getFromSnapshot', { aggregateId: 'a', aggregate: undefined, context: undefined }],
      ['getEvents', undefined],
      ['getEvents', null, 1, 2],
      ['getEvents', 'a', '1'],
      ['getEventsSince', '2000-01-01'],
      ['getEventsSince', new Date(0), '4'],
      ['getUndispatchedEvents', undefined],
    ]) {
      answers.push([call, await ask((cb) => es[call](...args, cb))]);
    }
    return answers;
  },
);

sameBut(
  {
    redis: 'hands itself to the callback of disconnect',
    mongodb: 'tells nobody that it has disconnected',
    tingodb: 'hands the global object to the callback of disconnect',
  },
  'a life: init, disconnect, connect, and who is told of it',
  async (eventstore) => {
    const es = new eventstore({});
    const told = [];
    for (const name of ['connect', 'disconnect']) {
      es.on(name, () => told.push(`event store: ${name}`));
      es.store.on(name, () => told.push(`store: ${name}`));
    }
    told.push(await ask((cb) => es.init(cb)));
    const stream = await committed(es, 'a', { n: 0 });
    told.push(await ask((cb) => es.store.disconnect(cb)));
    const again = ask((cb) => es.store.once('connect', cb));
    es.store.connect();
    await again;
    stream.addEvent({ n: 1 });
    told.push(await ask((cb) => stream.commit(cb)));
    return told;
  },
);

same('init that nobody waits for by callback', async (eventstore) => {
  const es = eventstore();
  const connected = ask((cb) => es.once('connect', cb));
  es.init();
  await connected;
  await pause();
  const stream = await committed(es, 'a', { n: 0 });
  return [stream, await ask((cb) => es.getLastEvent('a', cb))].map((value) => plain(value));
});

sameBut(asksAll, 'event stores in one process know nothing of each other', async (eventstore) => {
  const [one, two] = [await opened(eventstore), await opened(eventstore)];
  one.defineEventMappings({ streamRevision: 'rev' });
  two.useEventPublisher(() => undefined);
  await committed(one, 'a', { in: 'one' });
  const stream = await committed(two, 'a', { in: 'two' }, { in: 'two' });
  return [plain(stream), await ask((cb) => one.getEvents(cb)), await ask((cb) => two.getEvents(cb))];
});

sameBut(asksAll, 'what is added to a stream, and what is not', async (eventstore) => {
  const es = await opened(eventstore);
  const stream = await streamOf(es, 'a');
  const answers = [];
  for (const events of [undefined, null, {}, 'x', 7, [], [null], [0], [''], ['text'], [{}], [{ a: 1 }, undefined]]) {
    answers.push(thrown(() => stream.addEvents(events)));
  }
  for (const event of [undefined, null, 0, '', 1, 'text', [], {}]) answers.push(thrown(() => stream.addEvent(event)));
  answers.push(stream.uncommittedEvents.map((event) => event.payload));
  answers.push(await ask((cb) => stream.commit(cb)), await ask((cb) => es.getEvents(cb)));
  return answers;
});

sameBut(
  {
    redis: 'throws where there are no events',
    mongodb: 'counts in a named collection only',
    tingodb: 'throws where there are no events',
    dynamodb: 'refuses a commit of nothing',
    azuretable: 'refuses a commit of nothing',
  },
  'a commit of nothing',
  async (eventstore) => {
    const es = await opened(eventstore, { trackPosition: true });
    const stream = await streamOf(es, 'a');
    const answers = [await ask((cb) => stream.commit(cb)), await ask((cb) => es.commit(stream, cb))];
    stream.addEvent({ n: 0 });
    answers.push(await ask((cb) => es.commit(stream, cb)), await ask((cb) => stream.commit(cb)));
    return answers;
  },
);

sameBut(tells('what its documents have', servers), 'which names things have', async (eventstore) => {
  const es = await opened(eventstore);
  const names = (of) =>
    Object.keys(of)
      .filter((name) => name !== 'applyMappings')
      .sort();
  const stream = await streamOf(es, { aggregateId: 'a', aggregate: 'g' });
  stream.addEvent({ n: 0 });
  const answers = [names(stream), names(stream.uncommittedEvents[0])];
  await ask((cb) => stream.commit(cb));
  answers.push(names(stream), names(stream.events[0]));
  await ask((cb) => es.createSnapshot({ aggregateId: 'a', data: { n: 0 }, revision: 0, version: 1 }, cb));
  const [snapshot] = await new Promise((ok) => es.getFromSnapshot('a', (_e, ...both) => ok(both)));
  answers.push(names(snapshot), snapshot.aggregate, snapshot.context, es.options.type === undefined);
  return answers;
});

sameBut(asksAll, 'mappings that change while a stream is open', async (eventstore) => {
  const es = eventstore();
  es.defineEventMappings({ commitSequence: 'early' });
  await ask((cb) => es.init(cb));
  const stream = await streamOf(es, 'a');
  stream.addEvent({ n: 0 });
  es.defineEventMappings({ streamRevision: 'meta.rev', restInCommitStream: 'meta.rest' });
  stream.addEvent({ n: 1 });
  await ask((cb) => stream.commit(cb));
  es.defineEventMappings({});
  stream.addEvent({ n: 2 });
  return [await ask((cb) => stream.commit(cb)), await ask((cb) => es.getEvents(cb))];
});

const publishers = {
  'takes one': (seen) => (event) => void seen.push(event),
  'takes two': (seen) => (event, done) => {
    seen.push(event);
    done(null);
  },
  'takes three': (seen) => (event, done, more) => {
    seen.push([event, typeof more]);
    setTimeout(done, 1);
  },
  'reads its arguments': (seen) =>
    function () {
      seen.push(arguments[0]);
      arguments[1]();
    },
  'is bound': (seen) =>
    function (event, done) {
      seen.push([this.bus, event]);
      done(undefined);
    }.bind({ bus: 'mine' }),
  fails: (seen) => (event, done) => {
    seen.push(event);
    done(new Error('not now'));
  },
};
for (const [how, publisher] of Object.entries(publishers)) {
  sameBut({ redis: 'can throw where an event is just dispatched' }, `a publisher that ${how}`, async (eventstore) => {
    const seen = [];
    const es = eventstore();
    es.useEventPublisher(publisher(seen));
    es.defineEventMappings({ streamRevision: 'rev' });
    await ask((cb) => es.init(cb));
    const stream = await committed(es, 'a', { n: 0 });
    for (let tries = 0; tries < 200 && seen.length === 0; tries++) await pause();
    for (let tries = 0; how !== 'fails' && tries < 200 && (await undispatched(es))[1].length > 0; tries++)
      await pause();
    return [seen, plain(stream), await undispatched(es)];
  });
}

sameBut(
  tells('what the driver told it', ['mongodb', 'tingodb', 'dynamodb', 'azuretable']),
  'a publisher that comes too late leaves events to its user',
  async (eventstore) => {
    const es = await opened(eventstore);
    const seen = [];
    es.useEventPublisher((event) => void seen.push(event));
    const stream = await committed(es, 'a', { n: 0 }, { n: 1 });
    const answers = [plain(stream), await undispatched(es), seen.length];
    for (const event of stream.eventsToDispatch) answers.push(await ask((cb) => es.setEventToDispatched(event.id, cb)));
    return [...answers, await undispatched(es)];
  },
);

same('events are published in the order of their stream', async (eventstore) => {
  const es = eventstore();
  const seen = { a: [], b: [] };
  es.useEventPublisher((event, done) => {
    seen[event.id].push(event.n);
    done();
  });
  await ask((cb) => es.init(cb));
  for (let round = 0; round < 5; round++) {
    for (const id of ['a', 'b']) await committed(es, id, { id, n: round * 2 }, { id, n: round * 2 + 1 });
  }
  for (let tries = 0; tries < 200 && seen.a.length + seen.b.length < 20; tries++) await pause();
  return seen;
});

const inclusive = { dynamodb: 'reads up to the last revision and that one' };
sameBut(inclusive, 'snapshots by streamId, with a revision as text, and at a revision', async (eventstore) => {
  const es = await opened(eventstore);
  await committed(es, 'a', { n: 0 }, { n: 1 }, { n: 2 }, { n: 3 });
  const given = { streamId: 'a', data: { at: 2 }, revision: '2' };
  const answers = [await ask((cb) => es.createSnapshot(given, cb)), { ...given }];
  for (const args of [['a'], ['a', 1], ['a', 2], ['a', 3], ['a', 9], [{ aggregateId: 'a', context: 'other' }]])
    answers.push(await ask((cb) => es.getFromSnapshot(...args, cb)));
  await ask((cb) => es.createSnapshot({ aggregateId: 'empty', data: { at: 4 }, revision: 4 }, cb));
  return [...answers, await ask((cb) => es.getFromSnapshot('empty', cb))];
});

sameBut(
  { ...tells('what the driver told it', servers), ...asksAll, redis: 'knows only events that have applyMappings' },
  'the calls of the store below',
  async (eventstore) => {
    const { store } = await opened(eventstore);
    const event = (revision, over) => ({
      aggregateId: 'a',
      aggregate: 'g',
      context: 'c',
      streamId: 'a',
      streamRevision: revision,
      commitId: `c${revision}`,
      commitSequence: 0,
      restInCommitStream: 0,
      commitStamp: new Date(1000 + revision),
      payload: { revision },
      id: `c${revision}0`,
      position: null,
      ...over,
    });
    const snapshot = { id: 's', streamId: 'a', aggregateId: 'a', aggregate: null, context: null, version: 1 };
    const answers = [];
    for (const [call, ...args] of [
      ['addEvents', [event(0)]],
      ['addEvents', [event(1)]],
      ['addEvents', []],
      ['getEvents', {}, 0, -1],
      ['getEvents', null, 0, 1],
      ['getEvents', { aggregateId: 'a' }, 1, 1],
      ['getEventsSince', new Date(1001), 0, -1],
      ['getEventsByRevision', { aggregateId: 'a' }, 1, -1],
      ['getLastEvent', { aggregateId: 'a' }],
      ['getUndispatchedEvents', null],
      ['setEventToDispatched', 'c00'],
      ['getUndispatchedEvents', {}],
      ['addSnapshot', { ...snapshot, revision: 1, commitStamp: new Date(5), data: { a: 1 } }],
      ['getSnapshot', { aggregateId: 'a' }, -1],
      ['getSnapshot', { aggregateId: 'a' }, 0],
      ['getNextPositions', 2],
      ['clear'],
      ['getEvents', {}, 0, -1],
      ['getSnapshot', { aggregateId: 'a' }, -1],
    ]) {
      answers.push([call, await ask((cb) => store[call](...args, cb))]);
    }
    return answers;
  },
);
