import createDebug from 'debug';
import { EventEmitter } from 'node:events';

import type Store from './base';
import { type Callback, type CallOptions, callOrPromise, fail, split } from './callback';
import { Commits } from './commits';
import { connect } from './connecting';
import type { EventMappings } from './event';
import { EventDispatcher, type Publisher } from './eventDispatcher';
import { EventStream, type Query, type RecordedEvent } from './eventStream';
import type { Options } from './options';
import { type Page, pageOf } from './paging';
import { type NewSnapshot, Snapshot } from './snapshot';
import { abortable, type EventReadable, streamOf, streamOfRevisions } from './streams';

const debug = createDebug('eventstore');

/** What a native store adds to {@link Store}. */
interface NativeExtras {
  assignsPositions?: boolean;
  keepsTime?: boolean;
  useEventMappings?: (mappings: EventMappings) => void;
}

/** A payload’s consumer: synchronous, with a callback, or asynchronous. */
export type PublisherFunction<P> = (payload: P, done: (err?: unknown) => void) => unknown;

type Rest = unknown[];

function illegal(message: string): Error {
  const error = new Error(message);
  debug(error);
  return error;
}

function queryOf(query: unknown): Query {
  return typeof query === 'string' ? { aggregateId: query } : (query as Query);
}

/** The parts of a stream's name that a snapshot has: a custom store may look at every key. */
function streamOfSnapshot(snapshot: NewSnapshot): Query {
  const parts = ['aggregateId', 'aggregate', 'context'] as const;
  return Object.fromEntries(parts.filter((part) => part in snapshot).map((part) => [part, snapshot[part]]));
}

/**
 * Whether a publisher can’t call back, so that returning is its answer: it takes the payload alone, or is an arrow function
 * that takes nothing. Others without parameters may read `arguments`, as bound and wrapped functions do.
 */
function isAnsweredByReturn(publish: (...args: never[]) => unknown): boolean {
  return publish.length === 1 || /^(async\s*)?\(\s*\)\s*=>/.test(String(publish));
}

/** Whose stream; an error where nobody is named. */
function streamQueryOf(query: unknown): Query | Error {
  const of = queryOf(query ?? {});
  return of.aggregateId ? of : illegal('An aggregateId should be passed!');
}

/**
 * An event store. Every call takes a callback, or returns a promise without one (and then also takes `{ signal }`).
 *
 * Emits `connect` and `disconnect`; `dispatch-error` (error, event) where a publisher fails; and `before-…` and
 * `after-…` of every call with `emitStoreEvents`.
 */
export class Eventstore extends EventEmitter {
  eventMappings: EventMappings = {};
  publisher: Publisher | undefined;
  dispatcher: EventDispatcher | undefined;
  private isForwarding = false;
  private readonly commits = new Commits(this);

  constructor(
    readonly options: Options,
    /** The store below, with node-eventstore’s store-level calls. */
    readonly store: Store & NativeExtras,
  ) {
    super();
  }

  /**
   * Sets the function that publishes committed events: `(payload) => …` (also async) or `(payload, done) => …`.
   * An event is set to dispatched once it has succeeded.
   */
  useEventPublisher<P = unknown>(publish: PublisherFunction<P>): this {
    const given = publish as (payload: unknown, done?: (err?: unknown) => void) => unknown;
    this.publisher = isAnsweredByReturn(publish)
      ? (payload: unknown, done): unknown => {
          const result = given(payload);
          if (typeof (result as PromiseLike<unknown> | null | undefined)?.then !== 'function') {
            done();
            return undefined;
          }
          return (result as PromiseLike<unknown>).then(() => {
            done();
          });
        }
      : given;
    return this;
  }

  /**
   * Defines which envelope values are copied into payloads when they are committed, e.g. `{ commitStamp: 'meta.at' }`.
   *
   * @throws Error where the mappings are not an object.
   */
  defineEventMappings(mappings: EventMappings): this {
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- called from JavaScript
    if (!mappings || typeof mappings !== 'object') throw illegal('Please pass a valid mapping values!');
    this.eventMappings = mappings;
    this.store.useEventMappings?.(mappings);
    return this;
  }

  /** Connects the store, and publishes what is undispatched where a publisher is set. */
  init(options?: CallOptions): Promise<void>;
  init(callback: Callback): void;
  init(...args: Rest): unknown {
    const { callback, options } = split<void>(args);
    if (!this.isForwarding) {
      this.isForwarding = true;
      this.store.on('connect', () => this.emit('connect'));
      this.store.on('disconnect', () => this.emit('disconnect'));
    }
    return callOrPromise<void>(
      callback,
      (done) => {
        process.nextTick(() => {
          connect(this.store, Number(this.options.timeout) || 0, (error) => {
            if (error) {
              debug(error);
              done(error);
            } else if (this.publisher) this.startDispatcher(done);
            else {
              debug('no publisher defined');
              done(null);
            }
          });
        });
      },
      options,
    );
  }

  private startDispatcher(done: Callback): void {
    debug('init event dispatcher');
    if (this.dispatcher?.publisher !== this.publisher) {
      this.dispatcher = new EventDispatcher(this.publisher as Publisher, this, (error, event) => {
        this.emit('dispatch-error', error, event);
      });
    }
    this.dispatcher?.start(done);
  }

  /**
   * Streams events in order of commitStamp: of a query (an aggregate id, or any of aggregateId, aggregate, context), from
   * `skip` on, at most `limit`.
   */
  streamEvents<P = unknown>(
    query?: string | Query | number | CallOptions,
    skip?: number,
    limit?: number,
    options?: CallOptions,
  ): EventReadable<P>;
  streamEvents<P>(...given: Rest): EventReadable<P> {
    const { args, options } = split(given);
    if (typeof args[0] === 'number') args.unshift({});
    const [query, skip, limit] = args as [Query | null | undefined, number?, number?];
    const of = queryOf(query ?? {});
    const own = (this.store as { streamEvents?: (...args: Rest) => EventReadable<P> }).streamEvents;
    if (own) return abortable(own.call(this.store, of, skip, limit), options);
    return streamOf<P>(
      (from, count, done) => {
        this.store.getEvents(of, from, count, done);
      },
      skip,
      limit,
      options,
    );
  }

  /** Streams events committed at a date or later. @throws Error where there is no date. */
  streamEventsSince<P = unknown>(
    commitStamp: Date | number | string,
    skip?: number,
    limit?: number,
    options?: CallOptions,
  ): EventReadable<P>;
  streamEventsSince<P>(...given: Rest): EventReadable<P> {
    const { args, options } = split(given);
    const [commitStamp, skip, limit] = args as [Date?, number?, number?];
    if (!commitStamp) throw illegal('Please pass in a date object!');
    const since = new Date(commitStamp);
    const own = (this.store as { streamEventsSince?: (...args: Rest) => EventReadable<P> }).streamEventsSince;
    if (own) return abortable(own.call(this.store, since, skip, limit), options);
    return streamOf<P>(
      (from, count, done) => {
        this.store.getEventsSince(since, from, count, done);
      },
      skip,
      limit,
      options,
    );
  }

  /** Streams a stream’s events from revMin (inclusive) to revMax (exclusive; −1: to the end). @throws Error where nobody is named. */
  streamEventsByRevision<P = unknown>(
    query: string | Query,
    revMin?: number,
    revMax?: number,
    options?: CallOptions,
  ): EventReadable<P>;
  streamEventsByRevision<P>(...given: Rest): EventReadable<P> {
    const { args, options } = split(given);
    const of = streamQueryOf(args[0]);
    if (of instanceof Error) throw of;
    const [revMin = 0, revMax = -1] = args.slice(1) as [number?, number?];
    const own = (this.store as { streamEventsByRevision?: (...args: Rest) => EventReadable<P> }).streamEventsByRevision;
    if (own) return abortable(own.call(this.store, of, revMin, revMax), options);
    const fetch = (from: number, before: number, done: Store.Done): void => {
      this.store.getEventsByRevision(of, from, before, done);
    };
    return streamOfRevisions<P>(fetch, revMin, revMax, options);
  }

  /**
   * Loads events in order of commitStamp, then streamRevision, then commitSequence: of a query, from `skip` on, at most
   * `limit` (−1, the default: all). The result’s `next` fetches the page behind.
   */
  getEvents<P = unknown>(
    query?: string | Query | number | null,
    skip?: number,
    limit?: number,
    options?: CallOptions,
  ): Promise<Page<P>>;
  getEvents<P = unknown>(callback: Callback<Page<P>>): void;
  getEvents<P = unknown>(query: string | Query | number | null, callback: Callback<Page<P>>): void;
  getEvents<P = unknown>(query: string | Query | number | null, skip: number, callback: Callback<Page<P>>): void;
  getEvents<P = unknown>(query: string | Query | null, skip: number, limit: number, callback: Callback<Page<P>>): void;
  getEvents(...given: Rest): unknown {
    const { args, callback, options } = split<Page>(given);
    if (typeof args[0] === 'number' && args.length < 3) args.unshift({});
    const [query, skip, limit] = args as [Query | null | undefined, number?, number?];
    const of = queryOf(query ?? {});
    const fetch = (from: number, count: number, done: Store.Done): void => {
      this.store.getEvents(of, from, count, done);
    };
    return callOrPromise<Page>(
      callback,
      (done) => {
        pageOf(fetch, skip ?? 0, limit ?? -1, done);
      },
      options,
    );
  }

  /** Loads events committed at a date or later. @throws Error where there is no date (without a callback it rejects). */
  getEventsSince<P = unknown>(
    commitStamp: Date | number | string,
    skip?: number,
    limit?: number,
    options?: CallOptions,
  ): Promise<Page<P>>;
  getEventsSince<P = unknown>(commitStamp: Date | number | string, callback: Callback<Page<P>>): void;
  getEventsSince<P = unknown>(commitStamp: Date | number | string, skip: number, callback: Callback<Page<P>>): void;
  getEventsSince<P = unknown>(
    commitStamp: Date | number | string,
    skip: number,
    limit: number,
    callback: Callback<Page<P>>,
  ): void;
  getEventsSince(...given: Rest): unknown {
    const { args, callback, options } = split<Page>(given);
    const [commitStamp, skip, limit] = args as [Date?, number?, number?];
    if (!commitStamp) {
      const error = illegal('Please pass in a date object!');
      if (callback) throw error;
      return Promise.reject(error);
    }
    const since = new Date(commitStamp);
    const fetch = (from: number, count: number, done: Store.Done): void => {
      this.store.getEventsSince(since, from, count, done);
    };
    return callOrPromise<Page>(
      callback,
      (done) => {
        pageOf(fetch, skip ?? 0, limit ?? -1, done);
      },
      options,
    );
  }

  /** Loads a stream’s events from revMin (inclusive) to revMax (exclusive; −1, the default: to the end). */
  getEventsByRevision<P = unknown>(
    query: string | Query,
    revMin?: number,
    revMax?: number,
    options?: CallOptions,
  ): Promise<RecordedEvent<P>[]>;
  getEventsByRevision<P = unknown>(query: string | Query, callback: Callback<RecordedEvent<P>[]>): void;
  getEventsByRevision<P = unknown>(query: string | Query, revMin: number, callback: Callback<RecordedEvent<P>[]>): void;
  getEventsByRevision<P = unknown>(
    query: string | Query,
    revMin: number,
    revMax: number,
    callback: Callback<RecordedEvent<P>[]>,
  ): void;
  getEventsByRevision(...given: Rest): unknown {
    const { args, callback, options } = split<RecordedEvent[]>(given);
    const of = streamQueryOf(args[0]);
    if (of instanceof Error) return fail(of, callback);
    const [revMin = 0, revMax = -1] = args.slice(1) as [number?, number?];
    return callOrPromise<RecordedEvent[]>(
      callback,
      (done) => {
        this.store.getEventsByRevision(of, revMin, revMax, done);
      },
      options,
    );
  }

  /** Loads a stream, or the part of it from revMin (inclusive) to revMax (exclusive; −1, the default: to the end). */
  getEventStream<P = unknown>(
    query: string | Query,
    revMin?: number,
    revMax?: number,
    options?: CallOptions,
  ): Promise<EventStream<P>>;
  getEventStream<P = unknown>(query: string | Query, callback: Callback<EventStream<P>>): void;
  getEventStream<P = unknown>(query: string | Query, revMin: number, callback: Callback<EventStream<P>>): void;
  getEventStream<P = unknown>(
    query: string | Query,
    revMin: number,
    revMax: number,
    callback: Callback<EventStream<P>>,
  ): void;
  getEventStream(...given: Rest): unknown {
    const { args, callback, options } = split<EventStream>(given);
    const of = streamQueryOf(args[0]);
    if (of instanceof Error) return fail(of, callback);
    const [revMin = 0, revMax = -1] = args.slice(1) as [number?, number?];
    const load = (done: Callback<EventStream>): void => {
      this.getEventsByRevision(of, revMin, revMax, (error, events) => {
        if (error) done(error);
        else this.loaded(of, events, done);
      });
    };
    return callOrPromise<EventStream>(callback, load, options);
  }

  /** Makes a stream of what a store found, which from a custom store may be anything. */
  private loaded(query: Query, events: RecordedEvent[] | undefined, done: Callback<EventStream>): void {
    let stream: EventStream;
    try {
      stream = new EventStream(this, query, events);
    } catch (unusable) {
      done(unusable as Error);
      return;
    }
    done(null, stream);
  }

  /**
   * Loads the newest snapshot whose revision is at most revMax (−1, the default: any) and the events after it.
   *
   * The callback is given both; the promise is of `[snapshot, stream]`. The snapshot is null where there is none.
   */
  getFromSnapshot<D = unknown, P = unknown>(
    query: string | Query,
    revMax?: number,
    options?: CallOptions,
  ): Promise<[Snapshot<D> | null, EventStream<P>]>;
  getFromSnapshot<D = unknown, P = unknown>(
    query: string | Query,
    callback: (err: Error | null, snapshot?: Snapshot<D> | null, stream?: EventStream<P>) => void,
  ): void;
  getFromSnapshot<D = unknown, P = unknown>(
    query: string | Query,
    revMax: number,
    callback: (err: Error | null, snapshot?: Snapshot<D> | null, stream?: EventStream<P>) => void,
  ): void;
  getFromSnapshot(...given: Rest): unknown {
    type Both = [Snapshot | null, EventStream];
    const { args, callback, options } = split<Snapshot | null>(given);
    const of = streamQueryOf(args[0]);
    if (of instanceof Error) return fail(of, callback);
    const revMax = (args[1] as number | undefined) ?? -1;
    const load = (done: Callback<Both>): void => {
      this.store.getSnapshot(of, revMax, (error, found?: Snapshot | null) => {
        if (error) {
          done(error);
          return;
        }
        const snapshot = found ?? null;
        const revision = snapshot?.revision ?? -1;
        this.getEventStream(of, revision + 1, revMax, (failed, stream) => {
          if (failed || !stream) {
            done(failed);
            return;
          }
          if (stream.lastRevision === -1) stream.lastRevision = revision;
          done(null, [snapshot, stream]);
        });
      });
    };
    if (!callback) return callOrPromise<Both>(undefined, load, options);
    const both = callback as (err: Error | null, snapshot?: Snapshot | null, stream?: EventStream) => void;
    return callOrPromise<Both>((error, found) => {
      both(error, found?.[0], found?.[1]);
    }, load);
  }

  /**
   * Stores a snapshot: `{ aggregateId, aggregate?, context?, data, revision, version? }`. With `maxSnapshotsCount` older
   * ones of the stream are deleted.
   */
  createSnapshot<D>(snapshot: NewSnapshot<D>, options?: CallOptions): Promise<void>;
  createSnapshot<D>(snapshot: NewSnapshot<D>, callback: Callback): void;
  createSnapshot(...given: Rest): unknown {
    const { args, callback, options } = split<void>(given);
    const snapshot = (args[0] ?? {}) as NewSnapshot;
    if (snapshot.streamId && !snapshot.aggregateId) snapshot.aggregateId = snapshot.streamId;
    if (!snapshot.aggregateId) return fail(illegal('An aggregateId should be passed!'), callback);
    snapshot.streamId = snapshot.aggregateId;
    const revision = Number(snapshot.revision);
    if (Number.isFinite(revision) && String(revision) === snapshot.revision) snapshot.revision = revision;
    const store = (done: Callback): void => {
      this.getNewId((error, id) => {
        if (error) {
          done(error);
          return;
        }
        let made: Snapshot;
        try {
          made = new Snapshot(id as string, snapshot);
          made.commitStamp = new Date();
        } catch (invalid) {
          done(invalid as Error);
          return;
        }
        this.store.addSnapshot(made, (failed) => {
          if (failed || !this.options.maxSnapshotsCount) done(failed);
          else this.store.cleanSnapshots(streamOfSnapshot(snapshot), done);
        });
      });
    };
    return callOrPromise<void>(callback, store, options);
  }

  /** Commits what was added to a stream: see {@link EventStream.commit}. Two commits of one stream object wait for each other. */
  commit<P>(eventstream: EventStream<P>, options?: CallOptions): Promise<EventStream<P>>;
  commit<P>(eventstream: EventStream<P>, callback: Callback<EventStream<P>>): void;
  commit(...given: Rest): unknown {
    const { args, callback, options } = split<EventStream>(given);
    const stream = args[0] as EventStream;
    return callOrPromise<EventStream>(
      callback,
      (done) => {
        this.commits.commit(stream, done);
      },
      options,
    );
  }

  /** Loads the events that are not set to dispatched, the oldest first: all, or those of a query. */
  getUndispatchedEvents<P = unknown>(query?: string | Query | null, options?: CallOptions): Promise<RecordedEvent<P>[]>;
  getUndispatchedEvents<P = unknown>(callback: Callback<RecordedEvent<P>[]>): void;
  getUndispatchedEvents<P = unknown>(query: string | Query | null, callback: Callback<RecordedEvent<P>[]>): void;
  getUndispatchedEvents(...given: Rest): unknown {
    const { args, callback, options } = split<RecordedEvent[]>(given);
    return callOrPromise<RecordedEvent[]>(
      callback,
      (done) => {
        this.store.getUndispatchedEvents(queryOf(args[0] ?? null), done);
      },
      options,
    );
  }

  /** Loads the newest event: of all, or of a query. */
  getLastEvent<P = unknown>(
    query?: string | Query | null,
    options?: CallOptions,
  ): Promise<RecordedEvent<P> | null | undefined>;
  getLastEvent<P = unknown>(callback: Callback<RecordedEvent<P> | null>): void;
  getLastEvent<P = unknown>(query: string | Query | null, callback: Callback<RecordedEvent<P> | null>): void;
  getLastEvent(...given: Rest): unknown {
    const { args, callback, options } = split<RecordedEvent | null>(given);
    return callOrPromise<RecordedEvent | null>(
      callback,
      (done) => {
        this.store.getLastEvent(queryOf(args[0] ?? null), done);
      },
      options,
    );
  }

  /** Loads a stream with nothing but its last event: enough to add to it, whatever its length. */
  getLastEventAsStream<P = unknown>(query: string | Query, options?: CallOptions): Promise<EventStream<P>>;
  getLastEventAsStream<P = unknown>(query: string | Query, callback: Callback<EventStream<P>>): void;
  getLastEventAsStream(...given: Rest): unknown {
    const { args, callback, options } = split<EventStream>(given);
    const of = streamQueryOf(args[0]);
    if (of instanceof Error) return fail(illegal('aggregateId not defined!'), callback);
    const load = (done: Callback<EventStream>): void => {
      this.store.getLastEvent(of, (error, event?: RecordedEvent | null) => {
        if (error) done(error);
        else this.loaded(of, event ? [event] : [], done);
      });
    };
    return callOrPromise<EventStream>(callback, load, options);
  }

  /** Sets an event, given itself or by its id, to dispatched. Doing it again does nothing. */
  setEventToDispatched(eventOrId: string | { id: string }, options?: CallOptions): Promise<void>;
  setEventToDispatched(eventOrId: string | { id: string }, callback: Callback): void;
  setEventToDispatched(...given: Rest): unknown {
    const { args, callback, options } = split<void>(given);
    const event = args[0] as string | { id: string } | null | undefined;
    const id = typeof event === 'object' ? event?.id : event;
    if (!id) return fail(illegal('pass an event or its id'), callback);
    return callOrPromise<void>(
      callback,
      (done) => {
        this.store.setEventToDispatched(id, done);
      },
      options,
    );
  }

  /** A new id from the store. */
  getNewId(options?: CallOptions): Promise<string>;
  getNewId(callback: Callback<string>): void;
  getNewId(...given: Rest): unknown {
    const { callback, options } = split<string>(given);
    return callOrPromise<string>(
      callback,
      (done) => {
        this.getId(done);
      },
      options,
    );
  }

  private getId(done: Callback<string>): void {
    this.store.getNewId(done);
  }
}
