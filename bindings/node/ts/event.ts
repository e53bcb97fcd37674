import createDebug from 'debug';

const debug = createDebug('eventstore:event');

/** The parts of a stream that an event needs. */
export interface StreamLike {
  aggregateId: string;
  aggregate?: string | undefined;
  context?: string | undefined;
  uncommittedEvents: unknown[];
}

/** Which envelope values are copied into payloads, and to which dotted path. */
export type EventMappings = Record<string, string>;

function refuse(message: string): never {
  debug(message);
  throw new Error(message);
}

function put(object: unknown, path: string, value: unknown): void {
  const parts = path.split('.');
  const name = parts.pop() as string;
  let target = object;
  for (const part of parts) {
    if (typeof target !== 'object' || target === null) return;
    target = (target as Record<string, unknown>)[part] ??= {};
  }
  if (typeof target === 'object' && target !== null) (target as Record<string, unknown>)[name] = value;
}

/** An event with its envelope. Constructing one appends it to the uncommitted events of its stream. */
export class Event<P = unknown> {
  streamId: string;
  aggregateId: string;
  aggregate: string | undefined;
  context: string | undefined;
  /** Its 0-based place in the stream; null before it is committed, as everything below. */
  streamRevision: number | null = null;
  commitId: string | null = null;
  /** Its 0-based place in the commit. */
  commitSequence: number | null = null;
  commitStamp: Date | null = null;
  /** What was added. */
  payload: P;
  /** Its 1-based global position; null where positions are off. */
  position: number | null = null;
  /** Commit id and commit sequence, once it is committed. */
  declare id: string;
  /** How many events of the same commit follow. */
  declare restInCommitStream: number;
  /** Writes the mapped envelope values into the payload. */
  applyMappings: () => void;

  /** @throws Error where the stream, the event or the stream’s aggregateId is missing. */
  constructor(eventstream: StreamLike, event: P, eventMappings: EventMappings = {}) {
    /* eslint-disable @typescript-eslint/no-unnecessary-condition -- called from JavaScript */
    if (!eventstream) refuse('eventstream not injected!');
    if (!event) refuse('event not injected!');
    if (!eventstream.aggregateId) refuse('eventstream.aggregateId not injected!');
    if (!Array.isArray(eventstream.uncommittedEvents)) refuse('eventstream.uncommittedEvents not injected!');
    /* eslint-enable @typescript-eslint/no-unnecessary-condition */
    this.streamId = eventstream.aggregateId;
    this.aggregateId = eventstream.aggregateId;
    this.aggregate = eventstream.aggregate;
    this.context = eventstream.context;
    this.payload = event;
    this.applyMappings = () => {
      for (const [field, path] of Object.entries(eventMappings)) {
        const value = (this as Record<string, unknown>)[field];
        if (value !== undefined && value !== null) put(this.payload, path, value);
      }
    };
    eventstream.uncommittedEvents.push(this);
  }
}
