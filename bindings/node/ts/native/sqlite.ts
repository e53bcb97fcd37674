import { DurableStore } from './durableStore';

/**
 * Events in a SQLite file. Options: `filename` (also `path`; default `eventstore.db`; `:memory:`) or `url`
 * (`sqlite:orders.db?synchronous=normal`), `trackPosition`, `synchronous` (`'full'`, the default, or `'normal'`),
 * `busyTimeout` (ms), `maxSnapshotsCount`.
 */
export class SqliteStore extends DurableStore {
  constructor(options: Record<string, unknown> = {}) {
    super('sqlite', options, {
      url: 'string',
      filename: 'string',
      path: 'string',
      trackPosition: 'boolean',
      synchronous: 'string',
      busyTimeout: 'number',
    });
  }
}
