'use strict';
// The same script against npm eventstore and annals: what both say must be the same.
const assert = require('node:assert/strict');
const { after, it } = require('node:test');
const theirs = require('eventstore');
const ours = require('annals');
const { local } = require('./local.cjs');
const { onTingo, placesOn } = require('./stage.cjs');
const { afterIndexes, overUsed } = require('./theirs.cjs');

const onAzure = placesOn('azuretable');
const onDynamo = placesOn('dynamodb');
const onElastic = placesOn('es5');
const onMongo = placesOn('mongodb');
const onRedis = placesOn('redis');

const VOLATILE = new Set(['id', 'commitId', 'commitStamp', 'milliseconds', 'mappedId', 'mappedStamp']);
const KEPT = [
  'aggregateId',
  'aggregate',
  'context',
  'streamRevision',
  'commitSequence',
  'restInCommitStream',
  'position',
  'payload',
  'revision',
  'version',
  'data',
  'id',
  'commitId',
  'commitStamp',
];
const plain = (value, depth = 0) => {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (typeof value === 'function') return 'function';
  if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1));
  if (value instanceof Date) return 'date';
  if (typeof value !== 'object' || value === null) return value ?? null;
  if (value.uncommittedEvents)
    return {
      stream: plain(value.events),
      last: value.lastRevision,
      open: value.uncommittedEvents.length,
      dispatch: plain(value.eventsToDispatch),
    };
  // What is absent: a version, that they leave out and ours is null; an aggregate or context, that theirs is null in events of
  // MongoDB and left out in snapshots of DynamoDB and Azure, and ours the other way round.
  const isAbsent = (key) =>
    key === 'version' || (('payload' in value || 'data' in value) && ['aggregate', 'context'].includes(key));
  const keys = Object.keys(value)
    .filter((key) => (isAbsent(key) ? value[key] != null : value[key] !== undefined))
    .filter((key) => !('payload' in value || 'data' in value) || KEPT.includes(key))
    .sort();
  return Object.fromEntries(
    keys.map((key) => [key, VOLATILE.has(key) && value[key] != null ? key : plain(value[key], depth + 1)]),
  );
};

/** Runs `call(callback)`; what it threw, or what the callback was given. */
const ask = (call) =>
  new Promise((resolve) => {
    const late = setTimeout(resolve, 30_000, 'never called back');
    const settle = (answer) => (clearTimeout(late), resolve(answer));
    try {
      call((...args) => settle(plain(args[0] ? [args[0]] : [null, ...args.slice(1)])));
    } catch (error) {
      settle(`threw ${error.name}: ${error.message}`);
    }
  });
const thrown = (call) => {
  try {
    return plain(call()) === null ? 'nothing' : 'something';
  } catch (error) {
    return `threw ${error.message}`;
  }
};
const pause = () => new Promise((resolve) => setTimeout(resolve, 3));

const over = (make, options) =>
  Object.assign(function (more) {
    return make({ ...options(), ...more });
  }, make);
/** Their store on a server, which would keep the process alive: what was opened is closed in the end. */
const overTheirs = (options, prepare = (es) => es) =>
  over((given) => {
    const es = prepare(theirs(given));
    after(() => es.store.disconnect());
    return es;
  }, options);
/**
 * annals, with each of its stores and a user's own, called as npm eventstore is called: with its in-memory store, and where
 * it has the same store with that one.
 */
const kinds = {
  inmemory: [ours, theirs],
  sqlite: [over(ours, local.sqlite), theirs],
  'a custom store': [over(ours, local['a store that extends']), theirs],
  redis: [over(ours, onRedis), overTheirs(onRedis)],
  mongodb: [over(ours, onMongo), overTheirs(onMongo, afterIndexes)],
  tingodb: [over(ours, local.tingodb), over(theirs, onTingo)],
  elasticsearch: [over(ours, () => ({ ...onElastic(), refresh: true })), overTheirs(onElastic, overUsed)],
  dynamodb: [over(ours, onDynamo), over(theirs, onDynamo)],
  azuretable: [over(ours, onAzure), over(theirs, onAzure)],
};
/** What npm eventstore does not keep of an event there; in Azure a position has no mapping either, as there is none. */
const lost = { dynamodb: ['restInCommitStream', 'position'], azuretable: ['restInCommitStream', 'position', 'pos'] };
/** An answer without these names, wherever they are. */
const without = (names, value) => {
  if (Array.isArray(value)) return value.map((item) => without(names, item));
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([name]) => !names.includes(name));
  return Object.fromEntries(kept.map(([name, item]) => [name, without(names, item)]));
};

/**
 * Runs a script on a clock that never stands still. npm eventstore's Redis store sorts by time as text, then by the place
 * in the commit: of two commits to a stream in the same millisecond it mixes up the events.
 */
async function ticking(script, eventstore) {
  const RealDate = globalThis.Date;
  let last = 0;
  globalThis.Date = class Date extends RealDate {
    static [Symbol.hasInstance](value) {
      return value instanceof RealDate;
    }

    constructor(...given) {
      if (given.length === 0) last = Math.max(last + 1, RealDate.now());
      super(...(given.length === 0 ? [last] : given));
    }
  };
  try {
    return await script(eventstore);
  } finally {
    globalThis.Date = RealDate;
  }
}

const isTheirs = (eventstore) => !eventstore.createStore;

const compare = (title, script, differences) => {
  for (const [kind, [eventstore, own]] of Object.entries(kinds)) {
    const how = differences[kind];
    const reference = how ? theirs : own;
    it(`${kind}: ${title}${how ? ` (their store ${how})` : ''}`, async () => {
      const run = kind === 'redis' ? ticking : (it, on) => it(on);
      const said = async (by) => without(lost[kind] ?? [], await run(script, by));
      const expected = await said(reference);
      assert.ok(JSON.stringify(expected).length > 20, 'the script says something');
      assert.deepEqual(await said(eventstore), expected);
    });
  }
};
const same = (title, script) => compare(title, script, {});
/**
 * For what some stores of theirs do so differently that their in-memory store is the measure for ours: how they do, by the
 * kind of store.
 */
const sameBut = (differences, title, script) => compare(title, script, differences);
/** A difference of some of their stores. */
const tells = (what, of = ['mongodb', 'tingodb']) => Object.fromEntries(of.map((kind) => [kind, `tells ${what}`]));
/** What their Elasticsearch store never does. */
const asksAll = { elasticsearch: 'can’t ask for every event' };

const filled = async (eventstore, options) => {
  const es = eventstore(options);
  await ask((cb) => es.init(cb));
  for (const [id, count] of [
    ['a', 3],
    ['b', 2],
  ]) {
    const stream = await new Promise((ok) =>
      es.getEventStream({ aggregateId: id, aggregate: 'g', context: 'c' }, (_e, s) => ok(s)),
    );
    stream.addEvents(Array.from({ length: count }, (_, n) => ({ n, id })));
    await ask((cb) => stream.commit(cb));
    await pause();
  }
  return es;
};

module.exports = { ask, asksAll, filled, isTheirs, pause, plain, same, sameBut, tells, thrown };
