import { callOrPromise, fail } from '../callback';
import type { Callback } from './crossing';
import { DurableStore } from './durableStore';
import { idOf, type IncomingEvent, parsePage, partsOf, stampOf, type StoredEvent } from './envelope';

/** An event that is the last written one of its commit, as `getLastEvent` and `getPendingTransactions` give it. */
export type LastEvent = Omit<IncomingEvent, 'payload'> & { payload?: unknown };

function missing(event: LastEvent): Error {
  return new Error(`missing tx entry for aggregate ${String(event.aggregateId ?? event.streamId)}`);
}

/**
 * A store with node-eventstore’s `transactions` collection, that holds commits while they are written. Loading a stream
 * completes what a crash left half-finished in it: these calls are for looking after all of them.
 */
export abstract class TransactionalStore extends DurableStore {
  /** The last written event of each stream whose newest commit is there only in part. */
  getPendingTransactions(): Promise<StoredEvent[]>;
  getPendingTransactions(callback: Callback<StoredEvent[]>): void;
  getPendingTransactions(callback?: Callback<StoredEvent[]>): unknown {
    return callOrPromise<StoredEvent[]>(callback, (done) => {
      this.run(
        'pendingTransactions',
        () => null,
        (error, text) => {
          if (error) {
            done(error);
            return;
          }
          let events: StoredEvent[];
          try {
            ({ events } = parsePage(text as string, this.codec));
          } catch (unreadable) {
            done(unreadable as Error);
            return;
          }
          done(null, events);
        },
      );
    });
  }

  /** Completes the commit that this event is the last written one of. */
  repairFailedTransaction(lastEvent: LastEvent): Promise<void>;
  repairFailedTransaction(lastEvent: LastEvent, callback: (err: Error | null) => void): void;
  repairFailedTransaction(lastEvent: LastEvent, callback?: (err: Error | null) => void): unknown {
    if (!lastEvent.commitId || !(lastEvent.aggregateId ?? lastEvent.streamId))
      return fail(missing(lastEvent), callback);
    const { streamRevision, commitSequence, restInCommitStream, commitStamp, position } = lastEvent;
    const args = (): unknown => ({
      stream: partsOf(lastEvent),
      id: idOf(lastEvent.id) ?? '',
      commitId: idOf(lastEvent.commitId),
      revision: streamRevision ?? 0,
      sequence: commitSequence ?? 0,
      rest: restInCommitStream ?? 0,
      stamp: stampOf(commitStamp) ?? 0,
      position: position ?? null,
    });
    return callOrPromise(callback, (done) => {
      this.run('repairFailedTransaction', args, (error) => {
        done(error);
      });
    });
  }

  /** Removes the records of commits to the event’s stream, done or not. */
  removeTransactions(event: LastEvent): Promise<void>;
  removeTransactions(event: LastEvent, callback: (err: Error | null) => void): void;
  removeTransactions(event: LastEvent, callback?: (err: Error | null) => void): unknown {
    if (!event.aggregateId) return fail(new Error('aggregateId not defined!'), callback);
    return callOrPromise(callback, (done) => {
      this.run(
        'removeTransactions',
        () => partsOf(event),
        (error) => {
          done(error);
        },
      );
    });
  }
}
