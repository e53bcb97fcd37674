import createDebug from 'debug';
import { inspect } from 'node:util';

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
/** After how many ms a publisher that has not answered no longer counts among them: it holds up its own stream only. */
const PATIENCE = 1000;
/** The pause after the first failure of an event, in ms. It doubles up to the longest. */
const FIRST_RETRY = 100;
const LAST_RETRY = 60_000;

/** What waits in one stream. */
interface Lane {
  queue: RecordedEvent[];
  attempts: number;
  /** Whether the first of the queue is published, and only has to be set to dispatched. */
  isPublished: boolean;
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(`the publisher failed: ${inspect(reason)}`);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
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
  /** Events that were committed while {@link start} is loading the older ones. */
  private held: RecordedEvent[] | undefined;

  constructor(
    readonly publisher: Publisher,
    readonly store: DispatchStore,
    /** Told of every failure to publish. */
    private readonly onFailure: (error: Error, event: RecordedEvent) => void = debug,
  ) {}

  /** Puts events behind those of their streams that wait. */
  addUndispatchedEvents(events: RecordedEvent[]): void {
    if (this.held) {
      this.held = this.held.concat(events);
      return;
    }
    for (const event of events) {
      const stream = JSON.stringify([event.context, event.aggregate, event.aggregateId]);
      const lane = this.lanes.get(stream);
      if (lane) lane.queue.push(event);
      else {
        this.lanes.set(stream, { queue: [event], attempts: 0, isPublished: false });
        this.ready.push(stream);
      }
    }
    this.deliver();
  }

  /** Publishes what is undispatched in the store, the oldest first, before anything that is committed meanwhile. */
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
    this.held ??= [];
    once<RecordedEvent[]>(
      (done) => this.store.getUndispatchedEvents(done),
      (error, events) => {
        const held = this.held ?? [];
        this.held = undefined;
        const queued = new Set([...this.lanes.values()].flatMap((lane) => lane.queue.map(({ id }) => id)));
        const older = (events ?? []).filter(({ id }) => !queued.has(id));
        const loaded = new Set(older.map(({ id }) => id));
        this.addUndispatchedEvents([...older, ...held.filter(({ id }) => !loaded.has(id))]);
        if (error) debug(error);
        callback?.(error ?? null);
      },
    );
  }

  private deliver(): void {
    while (this.running < CONCURRENCY) {
      const stream = this.ready.shift();
      if (stream === undefined) return;
      this.next(stream);
    }
  }

  /** Publishes the first event of a stream, and sets it to dispatched. */
  private next(stream: string): void {
    const lane = this.lanes.get(stream);
    const event = lane?.queue[0];
    if (!lane || !event) {
      this.lanes.delete(stream);
      return;
    }
    const release = this.occupy();
    const settled = (error?: Error): void => {
      release();
      if (error) this.putOff(stream, lane, error, event);
      else {
        lane.queue.shift();
        lane.attempts = 0;
        lane.isPublished = false;
        this.ready.push(stream);
      }
      this.deliver();
    };
    const mark = (): void => {
      lane.isPublished = true;
      debug('set event to dispatched...');
      once((done) => this.store.setEventToDispatched(event, done), settled);
    };
    if (lane.isPublished) {
      mark();
      return;
    }
    debug('publish event...');
    once(
      (done) => this.publisher(event.payload as never, done),
      (error) => {
        if (error) settled(error);
        else mark();
      },
      this.publisher.length < 2,
    );
  }

  /** Takes one of the places for streams that are delivered; gives it back when told to, or after a while. */
  private occupy(): () => void {
    let isOccupied = true;
    const release = (): void => {
      clearTimeout(timer);
      if (isOccupied) this.running -= 1;
      isOccupied = false;
    };
    const timer = setTimeout(() => {
      release();
      this.deliver();
    }, PATIENCE).unref();
    this.running += 1;
    return release;
  }

  private putOff(stream: string, lane: Lane, error: Error, event: RecordedEvent): void {
    const pause = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** lane.attempts);
    lane.attempts += 1;
    debug('event %s can’t be dispatched, trying again in %d ms: %s', event.id, pause, error.message);
    setTimeout(() => {
      this.ready.push(stream);
      this.deliver();
    }, pause).unref();
    process.nextTick(this.onFailure, error, event);
  }
}

/** Runs a function that may call back, throw or reject (or resolve, where that is an answer): only the first counts. */
function once<T>(
  run: (done: (err?: unknown, value?: T) => void) => unknown,
  settled: (error: Error | undefined, value?: T) => void,
  isAnsweredByPromise = false,
): void {
  let isSettled = false;
  const settle = (error: Error | undefined, value?: T): void => {
    if (isSettled) return;
    isSettled = true;
    process.nextTick(settled, error, value);
  };
  let returned: unknown;
  try {
    returned = run((error, value) => {
      settle(error ? asError(error) : undefined, value);
    });
  } catch (error) {
    settle(asError(error));
    return;
  }
  if (isThenable(returned)) {
    returned.then(
      () => {
        if (isAnsweredByPromise) settle(undefined);
      },
      (error: unknown) => {
        settle(asError(error));
      },
    );
  }
}
