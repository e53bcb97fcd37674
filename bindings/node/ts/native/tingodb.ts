import type { DurableOptions } from '../options';
import { tingoJson } from './bson';
import { TransactionalStore } from './transactionalStore';

/** The options of `type: 'tingodb'`. The names are node-eventstore's; what it lacks is off by default. */
export interface TingoOptions extends DurableOptions {
  type: 'tingodb';
  /** The folder of the files. node-eventstore’s default, the folder of its own package, is not kept: name one. */
  dbPath?: string;
  /** `tingodb:orders`, instead of `dbPath`. */
  url?: string;
  /** Default: `'events'`, in `events.tingo`. */
  eventsCollectionName?: string;
  /** Default: `'snapshots'`. */
  snapshotsCollectionName?: string;
  /** Default: `'transactions'`. */
  transactionsCollectionName?: string;
  /** Gives every event a position, and keeps the last one in this collection. */
  positionsCollectionName?: string;
  /** Give every event a global position, counted in the collection `positions`. Default: false. */
  trackPosition?: boolean;
  /**
   * What an acknowledged commit survives: loss of power (`'full'`, the default), or the death of the process only, as with
   * node-eventstore (`'normal'`).
   */
  synchronous?: 'full' | 'normal';
  /** Whether a file that is damaged in its middle is refused (the default), or opened without what can’t be read. */
  damage?: 'refuse' | 'skip';
  /** Whether keys of payloads that npm tingodb would not write (they begin with `$` or have a `.`) are refused. */
  strictKeys?: boolean;
}

/**
 * Events in the files that node-eventstore keeps by TingoDB. See {@link TingoOptions}.
 *
 * One process at a time has a folder open: another one is refused.
 */
export class TingoStore extends TransactionalStore {
  protected override readonly codec = tingoJson;

  constructor(options: Record<string, unknown> = {}) {
    super('tingodb', options, {
      url: 'string',
      dbPath: 'string',
      eventsCollectionName: 'string',
      snapshotsCollectionName: 'string',
      transactionsCollectionName: 'string',
      positionsCollectionName: 'string',
      trackPosition: 'boolean',
      synchronous: 'string',
      damage: 'string',
      strictKeys: 'boolean',
    });
  }
}
