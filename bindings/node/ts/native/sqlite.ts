import type { DurableOptions } from '../options';
import { DurableStore } from './durableStore';

/** The options of `type: 'sqlite'`. */
export interface SqliteOptions extends DurableOptions {
  type: 'sqlite';
  /** The file, or `':memory:'`. Default: `'eventstore.db'`. */
  filename?: string;
  /** The same as `filename`. */
  path?: string;
  /** `sqlite:orders.db?synchronous=normal`, instead of `filename`; the other options come before what it says. */
  url?: string;
  /** Give every event a global position. Default: false. */
  trackPosition?: boolean;
  /** What an acknowledged commit survives: loss of power (`'full'`, the default), or the death of the process only. */
  synchronous?: 'full' | 'normal';
  /** How long to wait for another process's write, in ms. Default: 5,000. */
  busyTimeout?: number;
}

/** Events in a SQLite file. See {@link SqliteOptions}. */
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
