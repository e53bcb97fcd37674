// What races against what, one entry a store. A new store is one entry here; its cases are those of `cases.mjs`.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';

import { countingHttpProxy, countingProxy } from './counting.mjs';
import { startAzurite, startDynamo, startElastic, startMongo, startRedis } from './server.mjs';

const annals = (options) => ({ name: 'annals', module: 'annals', options });
const eventstore = (options) => ({ name: 'npm eventstore 1.15.5', module: 'eventstore', options });

/** A contestant whose every process has tables of its own: npm eventstore's `clear` takes long, or leaves what is too much. */
const inTables = (contestant, { at, port }) => {
  let times = 0;
  return {
    ...contestant,
    get options() {
      const own = `${basename(contestant.module)}${process.pid}n${++times}`;
      const tables = { eventsTableName: `events${own}`, snapshotsTableName: `snapshots${own}` };
      return { ...at(port), ...tables, undispatchedEventsTableName: `undispatched${own}` };
    },
  };
};
/** Both contestants in tables on one server, whose requests can be counted; and a bare one, where there is one. */
async function onTables(start, at, bare) {
  const { port, stop } = await start();
  const both = (port) => [annals(), eventstore()].map((contestant) => inTables(contestant, { at, port }));
  const [ours, theirs] = both(port);
  const counted = async ({ module }) => {
    const proxy = await countingHttpProxy(port);
    return { ...proxy, contestant: both(proxy.port).find((contestant) => contestant.module === module) };
  };
  return { ours, bare: bare && inTables(bare, { at, port }), theirs, counted, stop };
}

export const stores = {
  memory: {
    ours: annals({ type: 'inmemory' }),
    theirs: eventstore({ type: 'inmemory' }),
    held: [1_000, 10_000, 50_000, 500_000],
    flat: [1_000, 500_000],
    commits: { 1: 10_000, 10: 2_000 },
    loads: () => 1_000,
    // Pages that the other turns at most, where all of them would take it minutes (50k) or hours (500k).
    theirsPages: { 50_000: 50, 500_000: 0 },
    goals: { commit: () => 1, load: () => 1, page: (held) => held === 50_000 && 50 },
  },
  redis: {
    /** One server for both, each in a database of its own: what one holds doesn't slow the other down. */
    async start() {
      const { port, stop } = await startRedis();
      const ours = annals({ type: 'redis', host: '127.0.0.1', port, db: 1 });
      const theirs = eventstore({ type: 'redis', host: '127.0.0.1', port, db: 2 });
      const bare = {
        name: 'a bare script that appends an event',
        module: new URL('bareRedis', import.meta.url).pathname,
        options: { host: '127.0.0.1', port, db: 3 },
      };
      return { ours, theirs, bare, stop };
    },
    held: [1_000, 10_000, 50_000],
    flat: [1_000, 1_000_000],
    commits: { 1: 3_000, 10: 600 },
    loads: () => 300,
    theirsLoads: { 1_000: 60, 10_000: 8, 50_000: 2 },
    theirsPages: { 10_000: 8, 50_000: 2 },
    goals: { commit: (events) => events === 1 && 3, load: (held) => held === 50_000 && 200, page: () => false },
  },
  tingodb: {
    /** Folders of their own on the disk that `target` is on. npm eventstore never flushes: nor does ours in the race. */
    start() {
      const target = new URL('../../target/bench/', import.meta.url).pathname;
      mkdirSync(target, { recursive: true });
      const folder = mkdtempSync(join(target, 'tingodb-'));
      const at = (name, more) => {
        mkdirSync(join(folder, name));
        return { type: 'tingodb', dbPath: join(folder, name), ...more };
      };
      return {
        ours: annals(at('ours', { synchronous: 'normal' })),
        flushed: annals(at('flushed')),
        theirs: eventstore(at('theirs')),
        stop: () => rmSync(folder, { recursive: true, force: true }),
      };
    },
    held: [1_000, 20_000],
    flat: [1_000, 500_000],
    commits: { 1: 2_000, 10: 100 },
    loads: () => 300,
    theirsLoads: { 1_000: 30, 20_000: 2 },
    theirsPages: { 20_000: 2 },
    goals: { commit: (events) => events === 1 && 5, load: (held) => held === 20_000 && 200, page: () => false },
  },
  mongodb: {
    /** One server for both, each in a database of its own. */
    async start() {
      const { port, stop } = await startMongo();
      const at = (dbName) => ({ type: 'mongodb', host: '127.0.0.1', port, dbName });
      /** A contestant whose requests are counted. */
      const counted = async (contestant) => {
        const proxy = await countingProxy(port);
        return { ...proxy, contestant: { ...contestant, options: { ...contestant.options, port: proxy.port } } };
      };
      const bare = {
        name: "a bare insert of an event, with node-eventstore's indexes and a unique one",
        module: new URL('bareMongo', import.meta.url).pathname,
        options: at('bare'),
      };
      return { ours: annals(at('ours')), bare, theirs: eventstore(at('theirs')), counted, stop };
    },
    held: [1_000, 10_000],
    commits: { 1: 1_000, 10: 200 },
    loads: () => 100,
    theirsPages: { 10_000: 10 },
    goals: {
      commit: (events, width) => events === 1 && (width === 1 ? 2 : 3),
      load: (held) => held === 1_000 && 1,
      page: () => false,
    },
  },
  dynamodb: {
    start() {
      // npm eventstore's driver announces its end on every start.
      process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = '1';
      return onTables(startDynamo, (port) => {
        const access = { region: 'us-west-2', accessKeyId: 'annals', secretAccessKey: 'secret' };
        const there = { ...access, endpoint: `http://127.0.0.1:${port}` };
        return { type: 'dynamodb', ...there, endpointConf: there };
      });
    },
    held: [1_000, 10_000],
    commits: { 1: 60, 10: 15 },
    loads: () => 30,
    theirsPages: { 10_000: 2 },
    deeperIsDearer: true,
    goals: {
      commit: (events) => events === 10 && 3,
      load: () => 1,
      page: (held) => held === 10_000 && 20,
    },
  },
  azuretable: {
    start() {
      const at = (port) => ({
        type: 'azuretable',
        storageAccount: 'devstoreaccount1',
        // Azurite's, which is public.
        storageAccessKey: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
        storageTableHost: `http://127.0.0.1:${port}/devstoreaccount1`,
      });
      return onTables(startAzurite, at, {
        name: "a bare write of node-eventstore's rows, as few requests as they can be",
        module: new URL('bareAzure', import.meta.url).pathname,
        sizes: [1, 10],
      });
    },
    // Azurite takes minutes for our index of 10,000.
    held: [1_000],
    commits: { 1: 60, 10: 15 },
    loads: () => 30,
    theirsPages: {},
    goals: {
      commit: (events) => events === 10 && 3,
      load: () => 1,
      page: () => false,
    },
  },
  elasticsearch: {
    /** One server for both, each in an index of its own. */
    async start() {
      const { port, stop } = await startElastic();
      const module = new URL('elastic', import.meta.url).pathname;
      const both = (port) => {
        const at = (indexName) => ({ type: 'elasticsearch', host: `127.0.0.1:${port}`, indexName, log: [] });
        return [annals(at('ours')), { ...eventstore(at('theirs')), module }];
      };
      const [ours, theirs] = both(port);
      const counted = async ({ name }) => {
        const proxy = await countingHttpProxy(port);
        return { ...proxy, contestant: both(proxy.port).find((contestant) => contestant.name === name) };
      };
      return { ours, theirs, counted, stop };
    },
    // npm eventstore shows no more than 10,000 events.
    held: [1_000, 5_000],
    commits: { 1: 100, 10: 50 },
    loads: () => 50,
    theirsPages: {},
    goals: {
      commit: (events, width) => events === 1 && (width === 1 ? 2 : 5),
      load: () => 1,
      page: () => false,
    },
  },
};
