// What races against what, one entry a store. A new store is one entry here; its cases are those of `cases.mjs`.
import { startRedis } from './redis.mjs';

const annals = (options) => ({ name: 'annals', module: 'annals', options });
const eventstore = (options) => ({ name: 'npm eventstore 1.15.5', module: 'eventstore', options });

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
      return { ours, theirs, stop };
    },
    held: [1_000, 10_000, 50_000],
    flat: [1_000, 1_000_000],
    commits: { 1: 3_000, 10: 600 },
    loads: () => 300,
    theirsLoads: { 1_000: 60, 10_000: 8, 50_000: 2 },
    theirsPages: { 10_000: 8, 50_000: 2 },
    goals: { commit: (events) => events === 1 && 3, load: (held) => held === 50_000 && 200, page: () => false },
  },
};
