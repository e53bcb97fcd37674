import type { Options } from '../options';
import { tingoJson } from './bson';
import { TransactionalStore } from './transactionalStore';

/** The options of `type: 'tingodb'`. The names are node-eventstore's; what it lacks is off by default. */
export interface TingoOptions extends Options {
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
  /**
   * Whether a commit is flushed to the disk before it is acknowledged, `'flushed'`, the default; or `'unflushed'`, as with
   * node-eventstore: what a crash of the machine, unlike one of the process, takes with it.
   */
  durability?: 'flushed' | 'unflushed';
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
      trackPosition: 'boolean',
      durability: 'string',
    });
  }
}
