import createDebug from 'debug';

import type { Callback, CallOptions } from './callback';
import { Event, type EventMappings } from './event';

const debug = createDebug('eventstore:eventstream');

/** An event that a store returned. */
export interface RecordedEvent<P = unknown> {
  streamId: string;
  aggregateId: string;
  aggregate?: string | null | undefined;
  context?: string | null | undefined;
  streamRevision: number;
  commitId: string;
  commitSequence: number;
  commitStamp: Date;
  payload: P;
  position: number | null;
  id: string;
  restInCommitStream: number;
}

/** Whose events: an aggregate id, or any of aggregateId, aggregate and context. An absent part matches anything. */
export interface Query {
  aggregateId?: string | undefined;
  aggregate?: string | undefined;
  context?: string | undefined;
  [field: string]: unknown;
}

/** What a stream needs of its event store. */
export interface Committer {
  eventMappings?: EventMappings;
  commit(stream: never, callback?: never, options?: CallOptions): unknown;
}

function refuse(message: string): never {
  debug(message);
  throw new Error(message);
}

/** A loaded stream: its events, and those added but not committed yet. */
export class EventStream<P = unknown> {
  readonly eventstore: Committer;
  streamId: string;
  aggregateId: string;
  aggregate: string | undefined;
  context: string | undefined;
  /** The events that were loaded, then those committed since, by revision. */
  events: RecordedEvent<P>[];
  /** The events added and not committed. */
  uncommittedEvents: Event<P>[] = [];
  /** The events of the last commit, where no publisher is set: dispatch them, then set each to dispatched. */
  declare eventsToDispatch?: RecordedEvent<P>[];
  /** The last revision known; −1: the stream has no events. */
  lastRevision = -1;

  /** @throws Error where the event store, the query or its aggregateId is missing, or the events are not events. */
  constructor(eventstore: Committer, query: Query, events?: RecordedEvent<P>[]) {
    /* eslint-disable @typescript-eslint/no-unnecessary-condition -- called from JavaScript */
    if (!eventstore) refuse('eventstore not injected!');
    if (typeof eventstore.commit !== 'function') refuse('eventstore.commit not injected!');
    if (!query) refuse('query not injected!');
    if (!query.aggregateId) refuse('query.aggregateId not injected!');
    if (events) {
      if (!Array.isArray(events)) refuse('events should be an array!');
      if (events.some((event) => event.streamRevision === undefined || event.streamRevision === null)) {
        refuse('The events passed should all have a streamRevision!');
      }
    }
    /* eslint-enable @typescript-eslint/no-unnecessary-condition */
    this.eventstore = eventstore;
    this.streamId = query.aggregateId;
    this.aggregateId = query.aggregateId;
    this.aggregate = query.aggregate;
    this.context = query.context;
    this.events = [...(events ?? [])].sort((a, b) => a.streamRevision - b.streamRevision);
    this.currentRevision();
  }

  /** The last revision of the events held, which becomes {@link lastRevision} where it is higher. */
  currentRevision(): number {
    for (const { streamRevision } of this.events) {
      if (streamRevision > this.lastRevision) this.lastRevision = streamRevision;
    }
    return this.lastRevision;
  }

  /** Adds an event to the next commit. @throws Error where there is none. */
  addEvent(event: P): void {
    new Event(this, event, this.eventstore.eventMappings);
  }

  /** Adds events to the next commit. @throws Error where they are not an array. */
  addEvents(events: P[]): void {
    if (!Array.isArray(events)) refuse('events should be an array!');
    for (const event of events) this.addEvent(event);
  }

  /**
   * Commits the added events, all or none, if the revisions they take are free. On failure they stay added.
   *
   * Fails with a {@link ConcurrencyError} where somebody else committed first: load the stream again and decide anew.
   */
  commit(options?: CallOptions): Promise<this>;
  commit(callback: Callback<this> | undefined): void;
  commit(callback?: Callback<this> | CallOptions): unknown {
    return this.eventstore.commit(this as never, callback as never);
  }
}
