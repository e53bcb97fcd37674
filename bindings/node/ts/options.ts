import type Store from './base';
import type { NativeType } from './native';

/** Options that every store of this package understands. */
export interface CommonOptions {
  /** How long `init` may try to connect, in ms; without it there is one try that may take as long as it likes. */
  timeout?: number;
  /** Keep only so many snapshots of each stream. */
  maxSnapshotsCount?: number;
  /** Emit `before-…` and `after-…` around every call. */
  emitStoreEvents?: boolean;
}

/** Options that every store understands whose data are not in memory. */
export interface DurableOptions extends CommonOptions {
  /** Ask the database so often, in ms, whether it is there. No answer within half of it disconnects. */
  heartbeat?: number;
}

/** Options of a store whose type is not known before: it has options of its own. */
export interface Options extends CommonOptions {
  /** The name of a store of this package, in any case (default: `'inmemory'`), or a class that extends `Store`. */
  type?: NativeType | (string & {}) | (new (options: never) => Store) | undefined;
  /** Give every event a global position. */
  trackPosition?: boolean;
  [option: string]: unknown;
}
