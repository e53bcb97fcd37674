import type { Callback } from './callback';
import { Eventstore } from './eventstore';
import { DynamoStore } from './native/dynamodb';
import { TransactionalStore } from './native/transactionalStore';

type Method = (...args: unknown[]) => unknown;

const OF_STORE: Record<string, string> = {
  clear: 'clear',
  getNextPositions: 'get-next-positions',
  addEvents: 'add-events',
  addSnapshot: 'add-snapshot',
  cleanSnapshots: 'clean-snapshots',
  getSnapshot: 'get-snapshot',
  removeTransactions: 'remove-transactions',
  getPendingTransactions: 'get-pending-transactions',
  repairFailedTransaction: 'repair-failed-transactions',
  removeTables: 'remove-tables',
};

const OF_EVENTSTORE: Record<string, string> = {
  getEvents: 'get-events',
  getEventsSince: 'get-events-since',
  getEventsByRevision: 'get-events-by-revision',
  getLastEvent: 'get-last-event',
  getUndispatchedEvents: 'get-undispatched-events',
  setEventToDispatched: 'set-event-to-dispatched',
  streamEvents: 'stream-events',
  streamEventsSince: 'stream-events-since',
  streamEventsByRevision: 'stream-events-by-revision',
  getEventStream: 'get-event-stream',
  getFromSnapshot: 'get-from-snapshot',
  createSnapshot: 'create-snapshot',
  commit: 'commit',
  getLastEventAsStream: 'get-last-event-as-stream',
};

/** Makes an event store emit `before-…` and `after-…` around its calls and its store’s. */
export class StoreEventEmitter {
  /** The store below the event store. */
  readonly store: Eventstore['store'];

  /** @throws Error where the event store is not one. */
  constructor(readonly eventstore: Eventstore) {
    if (!(eventstore instanceof Eventstore)) throw new Error('Provided eventstore must be instance of Eventstore');
    this.store = eventstore.store;
  }

  /** Begins to emit. */
  addEventEmitter(): void {
    const { store } = this.eventstore;
    // Of a store's calls only those return a promise where no callback is given.
    const promising = [TransactionalStore, DynamoStore].flatMap((kind) =>
      store instanceof kind ? Object.getOwnPropertyNames(kind.prototype) : [],
    );
    this.wrap(store as unknown as Record<string, unknown>, OF_STORE, (method) => !promising.includes(method));
    this.wrap(this.eventstore as unknown as Record<string, unknown>, OF_EVENTSTORE, () => false);
  }

  private wrap(
    target: Record<string, unknown>,
    names: Record<string, string>,
    needsCallback: (method: string) => boolean,
  ): void {
    const { eventstore } = this;
    for (const [method, name] of Object.entries(names)) {
      const original = target[method] as Method | undefined;
      if (!original) continue;
      target[method] = function (this: unknown, ...args: unknown[]): unknown {
        const callback = typeof args.at(-1) === 'function' ? (args.pop() as Callback<unknown>) : undefined;
        const told = (): object => ({
          milliseconds: Date.now(),
          arguments: args.filter((arg) => arg !== undefined && arg !== null),
        });
        const after = (): void => {
          eventstore.emit(`after-${name}`, told());
        };
        eventstore.emit(`before-${name}`, told());
        if (callback || needsCallback(method)) {
          return original.call(this, ...args, (...results: [Error | null, unknown]) => {
            after();
            callback?.(...results);
          });
        }
        const result = original.apply(this, args);
        if (result instanceof Promise) void result.then(after, after);
        else (result as NodeJS.EventEmitter | undefined)?.once('close', after);
        return result;
      };
    }
  }
}
