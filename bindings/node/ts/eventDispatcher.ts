import createDebug from 'debug';

import type { Callback } from './callback';
import type { RecordedEvent } from './eventStream';

const debug = createDebug('eventstore:eventdispatcher');

/** Takes a payload to the rest of the system and calls back; an error puts its stream off. */
export type Publisher = (payload: never, done: (err?: unknown) => void) => unknown;

/** What the dispatcher needs of an event store. */
export interface DispatchStore {
  getUndispatchedEvents(callback: Callback<RecordedEvent[]>): unknown;
  setEventToDispatched(event: RecordedEvent, callback: Callback): unknown;
}

/** How many streams are delivered at once. */
const CONCURRENCY = 64;
/** The pause after the first failure of an event, in ms. It doubles up to the longest. */
const FIRST_RETRY = 100;
const LAST_RETRY = 60_000;

interface Lane {
  queue: RecordedEvent[];
  attempts: number;
}

/**
 * Publishes committed events: each at least once, those of a stream one after another in order, streams side by side.
 *
 * An event whose publisher fails is tried again after a pause that grows; what stands behind it in its stream waits,
 * other streams go on.
 */
export class EventDispatcher {
  private readonly lanes = new Map<string, Lane>();
  private readonly ready: string[] = [];
  private running = 0;

  constructor(
    readonly publisher: Publisher,
    readonly store: DispatchStore,
    /** Told of every failure to publish. */
    private readonly onFailure: (error: Error, event: RecordedEvent) => void = debug,
  ) {}

  /** Puts events behind those of their streams that wait. */
  addUndispatchedEvents(events: RecordedEvent[]): void {
    for (const event of events) {
      const stream = JSON.stringify([event.context, event.aggregate, event.aggregateId]);
      const lane = this.lanes.get(stream);
      if (lane) lane.queue.push(event);
      else {
        this.lanes.set(stream, { queue: [event], attempts: 0 });
        this.ready.push(stream);
      }
    }
    this.deliver();
  }

  /** Publishes what is undispatched in the store, the oldest first. */
  start(callback?: Callback): void {
    /* eslint-disable @typescript-eslint/no-unnecessary-condition -- called from JavaScript */
    const missing =
      typeof this.publisher !== 'function'
        ? 'publisher not injected!'
        : typeof this.store?.getUndispatchedEvents !== 'function' ||
            typeof this.store.setEventToDispatched !== 'function'
          ? 'store not injected!'
          : undefined;
    /* eslint-enable @typescript-eslint/no-unnecessary-condition */
    if (missing !== undefined) {
      debug(missing);
      callback?.(new Error(missing));
      return;
    }
    this.store.getUndispatchedEvents((error, events) => {
      if (error) {
        debug(error);
        callback?.(error);
        return;
      }
      this.addUndispatchedEvents([...(events ?? [])]);
      callback?.(null);
    });
  }

  private deliver(): void {
    while (this.running < CONCURRENCY) {
      const stream = this.ready.shift();
      if (stream === undefined) return;
      this.running += 1;
      this.next(stream);
    }
  }

  /** Publishes the first event of a stream. */
  private next(stream: string): void {
    const lane = this.lanes.get(stream);
    const event = lane?.queue[0];
    if (!lane || !event) {
      this.lanes.delete(stream);
      this.running -= 1;
      this.deliver();
      return;
    }
    this.publish(event, (error) => {
      if (error) {
        this.putOff(stream, lane, error, event);
        return;
      }
      this.store.setEventToDispatched(event, (unmarked) => {
        if (unmarked) {
          this.putOff(stream, lane, unmarked, event);
          return;
        }
        lane.attempts = 0;
        lane.queue.shift();
        setImmediate(() => {
          this.next(stream);
        });
      });
    });
  }

  private publish(event: RecordedEvent, settled: (error?: Error) => void): void {
    let isSettled = false;
    const done = (error?: unknown): void => {
      if (isSettled) return;
      isSettled = true;
      const isError = error !== undefined && error !== null && error !== false;
      settled(
        isError
          ? error instanceof Error
            ? error
            : new Error(`the publisher failed: ${JSON.stringify(error)}`)
          : undefined,
      );
    };
    debug('publish event...');
    let returned: unknown;
    try {
      returned = this.publisher(event.payload as never, done);
    } catch (error) {
      done(error ?? new Error('the publisher threw nothing'));
      return;
    }
    if (returned instanceof Promise) {
      returned.catch((error: unknown) => {
        process.nextTick(done, error ?? new Error('the publisher rejected with nothing'));
      });
    }
  }

  private putOff(stream: string, lane: Lane, error: Error, event: RecordedEvent): void {
    lane.attempts += 1;
    const pause = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** (lane.attempts - 1));
    debug('event %s can’t be dispatched, trying again in %d ms: %s', event.id, pause, error.message);
    setTimeout(() => {
      this.ready.push(stream);
      this.deliver();
    }, pause).unref();
    this.running -= 1;
    this.onFailure(error, event);
    this.deliver();
  }
}
