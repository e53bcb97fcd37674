import createDebug from 'debug';

import Store = require('../base');
import { countOf } from '../count';
import { nextPage } from '../pages';
import { type EventReadable, streamOf, streamOfRevisions } from '../streams';
import { type Codec, extendedJson, stringify } from './codec';
import type { Callback, Crossing } from './crossing';
import {
  commitOf,
  idOf,
  type IncomingEvent,
  parsePage,
  parseSnapshot,
  type Parts,
  partsOf,
  revisionOf,
  stampOf,
  type StoredEvent,
  type StoredSnapshot,
} from './envelope';
import { matches } from './match';

const debug = createDebug('eventstore:store');

/** Events, with a way to the page behind them where there is one. */
export type Events = StoredEvent[] & { [nextPage]?: (limit: number, callback: Callback<Events>) => void };

/** A query: any of context, aggregate and aggregateId. */
export type Query = Record<string, unknown> | null | undefined;

interface Read {
  filter: Parts;
  byRevision?: boolean;
  backward?: boolean;
  since?: number;
  fromRevision?: number;
  beforeRevision?: number | undefined;
  undispatched?: boolean;
  skip?: number;
  limit?: number;
  cursor?: string | null;
}

/** The names of options that every store has. */
export const COMMON = ['type', 'timeout', 'maxSnapshotsCount', 'emitStoreEvents'];

/** The most events to take across at once. */
const BATCH = 1000;

/** The most positions to set aside at once. */
const MOST_POSITIONS = 1_000_000;

function ignore(): void {
  // Nobody waits for the outcome.
}

/**
 * node-eventstore's store-level API over a native store.
 *
 * Errors reach the callback and change nothing: a missing id, a conflict (`ConcurrencyError`), a store that was never
 * connected or is disconnected. Every event's position is made by the commit itself.
 */
export abstract class NativeStore extends Store {
  /** Positions are given inside {@link addEvents}: nobody needs to fetch them before. */
  readonly assignsPositions = true;
  /** Whether queries may ask for any field of an event. */
  protected readonly anyField: boolean = false;
  /** How payloads and the data of snapshots are held. */
  protected readonly codec: Codec = extendedJson;
  protected crossing: Crossing | undefined;
  private positionPath: string | undefined;

  constructor(readonly options: Record<string, unknown> = {}) {
    super(options);
  }

  abstract override connect(callback?: Callback<this>): void;
  abstract override disconnect(callback?: (err: Error | null) => void): void;

  /** What of the event mappings concerns the store: where a position goes that only the commit knows. */
  useEventMappings(mappings: Record<string, string>): void {
    this.positionPath = mappings.position;
  }

  /** Calls an operation. What goes wrong as its arguments are made is an error of the call. */
  protected run(operation: string, args: () => unknown, done: Callback<string>): void {
    const told: Callback<string> = (error, answer) => {
      if (error) {
        debug('%s: %s', operation, error.message);
        done(error);
      } else done(null, answer);
    };
    let text: string;
    try {
      text = stringify(args());
    } catch (error) {
      told(error as Error);
      return;
    }
    if (this.crossing) this.crossing.call(operation, text, told);
    else {
      const error = new Error('the store is not connected: call init (or connect) and wait for it');
      told(Object.assign(error, { code: 'CONNECTION', retryable: false }));
    }
  }

  override getNextPositions(count: number, callback: Callback<number[]>): void {
    if (!(Number.isInteger(count) && count >= 0 && count <= MOST_POSITIONS)) {
      const most = MOST_POSITIONS.toLocaleString('en');
      callback(new TypeError(`positions are set aside by a whole number from 0 to ${most}, not ${String(count)}`));
      return;
    }
    this.run(
      'reservePositions',
      () => count,
      (error, text) => {
        const first = error ? null : (JSON.parse(text as string) as number | null);
        if (error) callback(error);
        else if (first === null) callback(null);
        else
          callback(
            null,
            Array.from({ length: count }, (_, index) => first + index),
          );
      },
    );
  }

  override addEvents(events: IncomingEvent[] | null | undefined, callback: (err: Error | null) => void = ignore): void {
    if (!events || events.length === 0) {
      callback(null);
      return;
    }
    if (events.some((event) => !event.aggregateId)) {
      callback(new Error('aggregateId not defined!'));
      return;
    }
    const commit = (): unknown => commitOf(events, this.codec, this.positionPath);
    this.run('commit', commit, (error, text) => {
      if (error) {
        callback(error);
        return;
      }
      const [revision, position] = JSON.parse(text as string) as [number, number | null];
      events.forEach((event, index) => {
        event.streamRevision ??= revision + index;
        if (position !== null && (event.position === null || event.position === undefined)) {
          event.position = position + index;
          if (this.positionPath !== undefined) event.applyMappings?.();
        }
      });
      callback(null);
    });
  }

  /** Reads up to `limit` events (−1: all), a batch at a time, letting others in between. */
  private read(read: Read, limit: number, callback: Callback<Events>, taken: Events = []): void {
    const wanted = limit < 0 ? BATCH : Math.min(BATCH, limit - taken.length);
    if (wanted === 0) {
      callback(null, taken);
      return;
    }
    const batch = (): Read => ({ ...read, limit: wanted });
    this.run('read', batch, (error, text) => {
      if (error) {
        callback(error);
        return;
      }
      let page: ReturnType<typeof parsePage>;
      try {
        page = parsePage(text as string, this.codec);
      } catch (unreadable) {
        callback(unreadable as Error);
        return;
      }
      const { events, cursor } = page;
      let all: Events = events;
      if (taken.length > 0) {
        all = taken;
        for (const event of events) all.push(event);
      }
      const next: Read = { ...read, cursor };
      if (cursor !== null && (limit < 0 || all.length < limit)) {
        setImmediate(() => {
          this.read(next, limit, callback, all);
        });
        return;
      }
      if (cursor !== null) {
        const behind = (size: number, done: Callback<Events>): void => {
          this.read(next, size, done);
        };
        Object.defineProperty(all, nextPage, { value: behind });
      }
      callback(null, all);
    });
  }

  private readQuery(
    query: Query,
    read: Omit<Read, 'filter'>,
    limit: number | undefined,
    callback: Callback<Events>,
  ): void {
    const { context, aggregate, aggregateId, streamId, ...others } = query ?? {};
    let filter: Parts;
    try {
      filter = partsOf({ context, aggregate, aggregateId, streamId });
    } catch (error) {
      callback(error as Error);
      return;
    }
    const most = countOf(limit, -1);
    if (!this.anyField || Object.keys(others).length === 0) {
      this.read({ filter, ...read }, most, callback);
      return;
    }
    const { skip = 0, ...unskipped } = read;
    this.read({ filter, ...unskipped }, -1, (error, events) => {
      if (error) callback(error);
      else
        callback(
          null,
          (events ?? []).filter((event) => matches(event, others)).slice(skip, most < 0 ? undefined : skip + most),
        );
    });
  }

  override getEvents(query: Query, skip: number, limit: number, callback: Callback<Events>): void {
    this.readQuery(query, { skip: countOf(skip, 0) }, limit, callback);
  }

  override getEventsSince(since: Date, skip: number, limit: number, callback: Callback<Events>): void {
    const stamp = new Date(since).getTime();
    if (Number.isNaN(stamp)) callback(new Error('Please pass in a date object!'));
    else this.readQuery(null, { since: stamp, skip: countOf(skip, 0) }, limit, callback);
  }

  override getEventsByRevision(
    query: Record<string, unknown>,
    revMin: number,
    revMax: number,
    callback: Callback<Events>,
  ): void {
    if (!query.aggregateId && !query.streamId) {
      callback(new Error('aggregateId not defined!'));
      return;
    }
    const revisions = { fromRevision: countOf(revMin, 0), beforeRevision: countOf(revMax, undefined) };
    this.readQuery(query, { byRevision: true, ...revisions }, -1, callback);
  }

  /** Streams the events of {@link getEvents}. */
  streamEvents(query?: Query, skip?: number | null, limit?: number | null): EventReadable<unknown> {
    return streamOf(
      (from, count, done) => {
        this.getEvents(query, from, count, done);
      },
      skip,
      limit,
      {},
    );
  }

  /** Streams the events of {@link getEventsSince}. */
  streamEventsSince(since: Date, skip?: number | null, limit?: number | null): EventReadable<unknown> {
    return streamOf(
      (from, count, done) => {
        this.getEventsSince(since, from, count, done);
      },
      skip,
      limit,
      {},
    );
  }

  /** Streams the events of {@link getEventsByRevision}. */
  streamEventsByRevision(
    query: Record<string, unknown>,
    revMin?: number | null,
    revMax?: number | null,
  ): EventReadable<unknown> {
    return streamOfRevisions(
      (from, before, done) => {
        this.getEventsByRevision(query, from, before, done);
      },
      revMin,
      revMax,
      {},
    );
  }

  override getLastEvent(query: Query, callback: Callback<StoredEvent | null>): void {
    this.readQuery(query, { backward: true }, 1, (error, events) => {
      if (error) callback(error);
      else callback(null, events?.[0] ?? null);
    });
  }

  override getUndispatchedEvents(query: Query, callback: Callback<Events>): void {
    this.readQuery(query, { undispatched: true }, -1, callback);
  }

  override setEventToDispatched(id: string, callback: (err: Error | null) => void = ignore): void {
    const events = (): unknown => {
      const event = idOf(id);
      if (event === null) throw new Error('the id of the event that was dispatched is missing');
      return [event];
    };
    this.run('markDispatched', events, (error) => {
      callback(error);
    });
  }

  override addSnapshot(snapshot: StoredSnapshot, callback: (err: Error | null) => void = ignore): void {
    if (!snapshot.aggregateId) {
      callback(new Error('aggregateId not defined!'));
      return;
    }
    const args = (): object => ({
      stream: partsOf(snapshot),
      id: snapshot.id,
      revision: revisionOf(snapshot.revision),
      version: snapshot.version ?? undefined,
      stamp: stampOf(snapshot.commitStamp) ?? Date.now(),
      data: this.codec.encode(snapshot.data),
    });
    this.run('addSnapshot', args, (error) => {
      callback(error);
    });
  }

  override getSnapshot(
    query: Record<string, unknown>,
    revMax: number,
    callback: Callback<StoredSnapshot | null>,
  ): void {
    if (!query.aggregateId) {
      callback(new Error('aggregateId not defined!'));
      return;
    }
    const args = (): unknown => [partsOf(query), countOf(revMax, null)];
    this.run('snapshot', args, (error, text) => {
      if (error) {
        callback(error);
        return;
      }
      let found: StoredSnapshot | null;
      try {
        found = this.snapshotOf(text as string);
      } catch (unreadable) {
        callback(unreadable as Error);
        return;
      }
      callback(null, found);
    });
  }

  protected snapshotOf(answer: string): StoredSnapshot | null {
    return parseSnapshot(answer, this.codec);
  }

  override cleanSnapshots(query: Record<string, unknown>, callback: Callback<number> = ignore): void {
    if (!query.aggregateId) {
      callback(new Error('aggregateId not defined!'));
      return;
    }
    const keep = Number(this.options.maxSnapshotsCount);
    if (!(keep > 0)) {
      callback(null, 0);
      return;
    }
    const args = (): unknown => [partsOf(query), keep];
    this.run('cleanSnapshots', args, (error, text) => {
      if (error) callback(error);
      else callback(null, JSON.parse(text as string) as number);
    });
  }

  override clear(callback: (err: Error | null) => void = ignore): void {
    this.run(
      'clear',
      () => null,
      (error) => {
        callback(error);
      },
    );
  }
}
