'use strict';
// Calls: the same script against npm eventstore and annals: what both say must be the same.
const { ask, asksAll, filled, isTheirs, pause, plain, same, sameBut, tells, thrown } = require('./support/same.cjs');

const differently = {
  ...asksAll,
  dynamodb: 'reads up to the last revision and that one',
  azuretable: 'throws where nobody is named',
};
sameBut(differently, 'every argument form of the reads', async (eventstore) => {
  const es = await filled(eventstore);
  const q = { aggregateId: 'a', aggregate: 'g', context: 'c' };
  const forms = {
    getEvents: [
      [],
      ['a'],
      [q],
      [{}],
      [{ context: 'c' }],
      [{ aggregate: 'x' }],
      [1],
      [1, 2],
      [q, 1],
      [q, 1, 1],
      [q, 9, 1],
      [q, 0, -1],
    ],
    getEventsSince: [
      [new Date(0)],
      [new Date(0), 1],
      [new Date(0), 1, 2],
      [new Date(Date.now() + 9e6)],
      [0],
      [null],
      [1, 0, -1],
    ],
    getEventsByRevision: [['a'], [q], [q, 1], [q, 1, 2], [q, 0, -1], [{}], [{ aggregate: 'g' }], ['']],
    getEventStream: [['a'], [q], [q, 1], [q, 1, 2], [q, 5], ['none'], [{}], ['']],
    getFromSnapshot: [['a'], [q, 1], [q, -1], [{}]],
    getUndispatchedEvents: [[], ['a'], [q], [null], [{ aggregateId: 'none' }]],
    getLastEvent: [['a'], [q], [{ aggregateId: 'none' }]],
    getLastEventAsStream: [['a'], [q], ['none'], [{}]],
  };
  const answers = {};
  for (const [call, all] of Object.entries(forms)) {
    for (const args of all)
      answers[`${call} ${JSON.stringify(args, (_k, v) => v)}`.replace(/"\d{4}-[^"]+"/g, 'date')] = await ask((cb) =>
        es[call](...args, cb),
      );
  }
  return answers;
});

sameBut(asksAll, 'next, to the end and behind it', async (eventstore) => {
  const es = await filled(eventstore);
  const answers = [];
  for (const first of [
    (cb) => es.getEvents(0, 2, cb),
    (cb) => es.getEventsSince(new Date(0), 1, 3, cb),
    (cb) => es.getEvents(cb),
  ]) {
    let page = await new Promise((ok) => first((_e, p) => ok(p)));
    for (let turn = 0; turn < 5; turn += 1) {
      answers.push(plain([...page]));
      page = await new Promise((ok) => page.next((_e, p) => ok(p)));
    }
  }
  return answers;
});

same('constructors and their errors', (eventstore) => {
  const [EventStream, Event, Snapshot] = isTheirs(eventstore)
    ? ['eventStream', 'event', 'snapshot'].map((f) => require(`eventstore/lib/${f}`))
    : ['eventStream', 'event', 'snapshot'].map((f) => require(`annals/lib/${f}`));
  const es = eventstore();
  const query = { aggregateId: 'a' };
  const stream = new EventStream(es, query, [{ streamRevision: 2 }, { streamRevision: 0 }]);
  return [
    [],
    [es],
    [{}],
    [{ commit() {} }],
    [es, {}],
    [es, query, {}],
    [es, query, [{}]],
    [es, query, [{ streamRevision: 1 }]],
  ]
    .map((args) => thrown(() => void new EventStream(...args)))
    .concat(
      [[], [stream], [{}, {}], [{ aggregateId: 'a' }, {}], [stream, {}]].map((args) =>
        thrown(() => void new Event(...args)),
      ),
    )
    .concat(
      [[], ['i'], ['i', {}], ['i', query], ['i', { ...query, data: {} }]].map((args) =>
        thrown(() => void new Snapshot(...args)),
      ),
    )
    .concat(
      [
        () => void stream.addEvents({}),
        () => void stream.addEvent(),
        () => void es.defineEventMappings(),
        () => void es.defineEventMappings(7),
        () => void eventstore({ type: 'Nope' }),
      ].map(thrown),
    )
    .concat([
      stream.lastRevision,
      stream.events.map((e) => e.streamRevision),
      es.defineEventMappings({}) === es,
      es.useEventPublisher((_e) => {}) === es,
    ]);
});

sameBut(
  {
    redis: 'throws where there are no events',
    mongodb: 'counts in a named collection only',
    tingodb: 'counts no positions',
    dynamodb: 'counts no positions',
    azuretable: 'refuses a commit of nothing',
  },
  'mappings, positions and what is to be dispatched',
  async (eventstore) => {
    const es = eventstore({ trackPosition: true });
    es.defineEventMappings({
      id: 'meta.mappedId',
      commitStamp: 'mappedStamp',
      streamRevision: 'meta.deep.rev',
      position: 'pos',
      nothing: 'no',
    });
    await ask((cb) => es.init(cb));
    const stream = await new Promise((ok) => es.getEventStream('a', (_e, s) => ok(s)));
    stream.addEvents([{ n: 0, meta: { own: 1 } }, { n: 1 }]);
    const answers = [await ask((cb) => stream.commit(cb)), await ask((cb) => stream.commit(cb))];
    const [first] = await new Promise((ok) => es.getUndispatchedEvents((_e, all) => ok(all)));
    answers.push(
      await ask((cb) => es.setEventToDispatched(first, cb)),
      await ask((cb) => es.getUndispatchedEvents(cb)),
    );
    return answers;
  },
);

sameBut({ elasticsearch: 'can’t clean where there are none' }, 'snapshots', async (eventstore) => {
  const es = await filled(eventstore, { maxSnapshotsCount: 2 });
  const of = { aggregateId: 'a', aggregate: 'g', context: 'c' };
  const answers = [];
  for (const more of [
    {},
    { data: {} },
    { data: { s: 0 }, revision: 0 },
    { data: { s: 1 }, revision: '1', version: 3 },
    { data: { s: 2 }, revision: 2 },
  ]) {
    answers.push((await ask((cb) => es.createSnapshot({ ...of, ...more }, cb)))[0]);
    await pause();
  }
  answers.push(await ask((cb) => es.createSnapshot({ data: {} }, cb)), await ask((cb) => es.getFromSnapshot(of, cb)));
  return answers;
});

sameBut(tells('of its cleaning up'), 'the sequence of store events', async (eventstore) => {
  const es = eventstore({ emitStoreEvents: true });
  const told = [];
  const emit = es.emit;
  es.emit = function (name, detail) {
    if (/^(before|after)-/.test(name)) told.push([name, Object.keys(detail).sort()]);
    return emit.apply(this, arguments);
  };
  await ask((cb) => es.init(cb));
  const stream = await new Promise((ok) => es.getEventStream('a', (_e, s) => ok(s)));
  stream.addEvent({ n: 0 });
  await ask((cb) => stream.commit(cb));
  for (const call of ['getEvents', 'getUndispatchedEvents']) await ask((cb) => es[call](cb));
  for (const call of ['getLastEvent', 'getLastEventAsStream', 'getFromSnapshot']) await ask((cb) => es[call]('a', cb));
  await ask((cb) => es.createSnapshot({ aggregateId: 'a', data: { x: 1 }, revision: 0 }, cb));
  await ask((cb) => es.store.clear(cb));
  // Ours gives positions inside add-events: there is no call to tell of.
  return told.filter(([name]) => !name.endsWith('get-next-positions'));
});
