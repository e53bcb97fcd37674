import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { inherits } from 'node:util';

// The class is a plain constructor function, so that both `util.inherits(MyStore, Store)` with `Store.call(this)` and
// `class MyStore extends Store` work: hence the loose types inside, and the interface outside.

declare namespace Store {
  /** Calls back with an error or a value. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a custom store chooses its own types
  type Done<T = any> = (err: Error | null, value?: T) => void;
}

/** What a custom store inherits. Every method but those with a default must be overridden. */
/* eslint-disable @typescript-eslint/no-explicit-any -- a custom store chooses its own types */
interface Store extends EventEmitter {
  /** Opens the store and emits `connect`. */
  connect(callback?: Store.Done): void;
  /** Closes the store and emits `disconnect`. */
  disconnect(callback?: Store.Done): void;
  /** A new id for a commit: a random UUID unless overridden. */
  getNewId(callback: Store.Done<string>): void;
  /** The next global positions; nothing where they are off, which is the default. */
  getNextPositions(positions: number, callback: Store.Done<number[]>): void;
  /** Events in order of commitStamp; limit −1: all. */
  getEvents(query: any, skip: number, limit: number, callback: Store.Done): void;
  /** Events committed at a date or later. */
  getEventsSince(commitStamp: Date, skip: number, limit: number, callback: Store.Done): void;
  /** Events of a stream from revMin (inclusive) to revMax (exclusive; −1: to the end). */
  getEventsByRevision(query: any, revMin: number, revMax: number, callback: Store.Done): void;
  /** The newest snapshot whose revision is at most revMax (−1: any). */
  getSnapshot(query: any, revMax: number, callback: Store.Done): void;
  /** Stores a snapshot. */
  addSnapshot(snap: any, callback?: Store.Done): void;
  /** Deletes snapshots beyond the number to keep; warns that it does nothing unless overridden. */
  cleanSnapshots(query: any, callback?: Store.Done): void;
  /** Stores the events of a commit. */
  addEvents(events: any[], callback?: Store.Done): void;
  /** The newest event. */
  getLastEvent(query: any, callback: Store.Done): void;
  /** Events not yet set to dispatched, the oldest first. */
  getUndispatchedEvents(query: any, callback: Store.Done): void;
  /** Sets an event to dispatched. */
  setEventToDispatched(id: string, callback?: Store.Done): void;
  /** Deletes everything. For tests. */
  clear(callback?: Store.Done): void;
}
/* eslint-enable @typescript-eslint/no-explicit-any */

interface StoreConstructor {
  new (options?: object): Store;
  (this: unknown, options?: object): void;
  prototype: Store;
  /** Requires a module: for stores that load their driver when it is needed. */
  use(toRequire: string): unknown;
}

const Store = function (this: EventEmitter) {
  EventEmitter.call(this);
} as unknown as StoreConstructor;

inherits(Store, EventEmitter);

function unimplemented(callback?: unknown): never {
  const error = new Error('Please implement this function!');
  if (typeof callback === 'function') (callback as Store.Done)(error);
  throw error;
}

function last(...args: unknown[]): never {
  return unimplemented(args.at(-1));
}

Object.assign(Store.prototype, {
  connect: last,
  disconnect: last,
  getEvents: last,
  getEventsSince: last,
  getEventsByRevision: last,
  getSnapshot: last,
  addSnapshot: last,
  addEvents: last,
  getLastEvent: last,
  getUndispatchedEvents: last,
  setEventToDispatched: last,
  clear: last,
  getNewId(callback?: Store.Done<string>): void {
    callback?.(null, randomUUID());
  },
  getNextPositions(_positions: number, callback: Store.Done): void {
    callback(null);
  },
  cleanSnapshots(_query: unknown, callback: Store.Done): void {
    console.warn('Snapshot cleaning is not implemented for this kind of store');
    callback(null);
  },
});

// eslint-disable-next-line @typescript-eslint/no-require-imports -- the module is named at run time
Store.use = (toRequire: string): unknown => require(require.resolve(toRequire, { paths: [process.cwd(), __dirname] }));

export = Store;
