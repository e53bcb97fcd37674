import type Store from './base';
import type { Callback } from './callback';
import type { Event } from './event';
import type { EventStream, RecordedEvent } from './eventStream';

/** What commits need of an event store. */
export interface CommitTarget {
  readonly store: Store & { assignsPositions?: boolean };
  readonly publisher?: unknown;
  readonly dispatcher?: { addUndispatchedEvents(events: RecordedEvent[]): void } | undefined;
}

/** Commits what was added to streams: those of one stream object one after another. */
export class Commits {
  /** The commits that wait for one of the same stream, by stream; only while one is under way. */
  private readonly waiting = new Map<object, (() => void)[]>();

  constructor(private readonly target: CommitTarget) {}

  /** Commits in turn. Where it fails, the events go back in front of what was added since. */
  commit(stream: EventStream, done: Callback<EventStream>): void {
    const run = (): void => {
      this.write(stream, (error) => {
        const next = this.waiting.get(stream)?.shift();
        if (!next) this.waiting.delete(stream);
        if (error) done(error);
        else done(null, stream);
        next?.();
      });
    };
    const waiting = this.waiting.get(stream);
    if (waiting) waiting.push(run);
    else {
      this.waiting.set(stream, []);
      run();
    }
  }

  private write(stream: EventStream, done: Callback): void {
    const { store } = this.target;
    let taken: Event[] = [];
    let isEnded = false;
    const end = (error: Error | null): void => {
      if (isEnded) return;
      isEnded = true;
      if (error) stream.uncommittedEvents = taken.concat(stream.uncommittedEvents);
      done(error);
    };
    /** Runs a step; a custom store may throw where it should have called back. */
    const attempt = (step: () => void): void => {
      try {
        step();
      } catch (thrown) {
        end(thrown as Error);
      }
    };
    const keep = (error: Error | null): void => {
      if (error || isEnded) {
        end(error);
        return;
      }
      const committed = taken as unknown as RecordedEvent[];
      stream.events = stream.events.concat(committed);
      stream.currentRevision();
      const { publisher, dispatcher } = this.target;
      if (publisher && dispatcher) dispatcher.addUndispatchedEvents(committed);
      else stream.eventsToDispatch = [...committed];
      end(null);
    };
    const add = (id: string, positions?: number[]): void => {
      attempt(() => {
        seal(stream, taken, id, positions);
        store.addEvents(taken, keep);
      });
    };
    attempt(() => {
      store.getNewId((noId, id) => {
        if (noId) {
          end(noId);
          return;
        }
        taken = stream.uncommittedEvents;
        stream.uncommittedEvents = [];
        if (store.assignsPositions) add(id as string);
        else {
          attempt(() => {
            store.getNextPositions(taken.length, (none, positions) => {
              if (none) end(none);
              else add(id as string, positions);
            });
          });
        }
      });
    });
  }
}

/** Completes the envelopes of a commit. */
function seal(stream: EventStream, events: Event[], id: string, positions: number[] | undefined): void {
  const first = stream.currentRevision() + 1;
  const stamp = Date.now();
  events.forEach((event, index) => {
    event.id = id + String(index);
    event.commitId = id;
    event.commitSequence = index;
    event.restInCommitStream = events.length - 1 - index;
    event.commitStamp = new Date(stamp);
    event.streamRevision = first + index;
    event.position = positions?.[index] ?? null;
    event.applyMappings();
  });
}
