import type Store from './base';
import type { NativeType } from './native';

/** Options that every store understands. */
export interface Options {
  /** The name of a store of this package, in any case (default: `'inmemory'`), or a class that extends `Store`. */
  type?: NativeType | (string & {}) | (new (options: never) => Store);
  /** How long `init` may try to connect, in ms; without it there is one try that may take as long as it likes. */
  timeout?: number;
  /** Keep only so many snapshots of each stream. */
  maxSnapshotsCount?: number;
  /** Emit `before-…` and `after-…` around every call. */
  emitStoreEvents?: boolean;
  /** Give every event a global position. */
  trackPosition?: boolean;
  [option: string]: unknown;
}
