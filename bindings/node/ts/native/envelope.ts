import { fromExtended, isExtended, toExtended } from './codec';

/** An event with node-eventstore's envelope. */
export interface StoredEvent {
  streamId: string;
  aggregateId: string;
  aggregate?: string;
  context?: string;
  streamRevision: number;
  commitId: string;
  commitSequence: number;
  commitStamp: Date;
  payload: unknown;
  position: number | null;
  id: string;
  restInCommitStream: number;
}

/** An event as it is handed to a store: what is absent is made. */
export interface IncomingEvent {
  aggregateId?: unknown;
  streamId?: unknown;
  aggregate?: unknown;
  context?: unknown;
  streamRevision?: number | null;
  commitId?: unknown;
  commitSequence?: number | null;
  commitStamp?: Date | number | string | null;
  payload: unknown;
  position?: number | null;
  id?: unknown;
  restInCommitStream?: number | null;
  applyMappings?: () => void;
}

/** Context, aggregate, aggregate id; null where absent. */
export type Parts = [string | null, string | null, string | null];

type Row = [
  string | null,
  string | null,
  string,
  number,
  string,
  number,
  number,
  number,
  string | null,
  number | null,
  unknown,
];

function text(value: unknown): string | null {
  if (value === undefined || value === null || value === '' || value === false) return null;
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  throw new TypeError(`an id must be a string, not ${typeof value}`);
}

/** The parts of a query or an event. Numbers become strings. @throws TypeError where a part is something else. */
export function partsOf(of: {
  context?: unknown;
  aggregate?: unknown;
  aggregateId?: unknown;
  streamId?: unknown;
}): Parts {
  return [text(of.context), text(of.aggregate), text(of.aggregateId) ?? text(of.streamId)];
}

/** The events and the cursor of a page. */
export function parsePage(answer: string): { events: StoredEvent[]; cursor: string | null } {
  const [rows, cursor] = JSON.parse(answer) as [Row[], string | null];
  const extended = isExtended(answer);
  const events = rows.map(
    ([
      context,
      aggregate,
      aggregateId,
      streamRevision,
      commitId,
      commitSequence,
      rest,
      stamp,
      id,
      position,
      payload,
    ]) => ({
      streamId: aggregateId,
      aggregateId,
      aggregate: aggregate ?? undefined,
      context: context ?? undefined,
      streamRevision,
      commitId,
      commitSequence,
      commitStamp: new Date(stamp),
      payload: extended ? fromExtended(payload) : payload,
      position,
      id: id ?? commitId + String(commitSequence),
      restInCommitStream: rest,
    }),
  );
  return { events: events as StoredEvent[], cursor };
}

function stampOf(stamp: IncomingEvent['commitStamp']): number | null {
  if (stamp === undefined || stamp === null) return null;
  const millis = stamp instanceof Date ? stamp.getTime() : new Date(stamp).getTime();
  if (Number.isNaN(millis)) throw new TypeError('commitStamp is not a date');
  return millis;
}

/** What of an event's envelope differs from what the commit would make; null, in the usual case, where nothing does. */
function givenOf(event: IncomingEvent, index: number, count: number, commitId: string, stamp: number): object | null {
  const id = text(event.id);
  const at = stampOf(event.commitStamp) ?? stamp;
  const sequence = event.commitSequence ?? index;
  const rest = event.restInCommitStream ?? count - 1 - index;
  const position = event.position ?? null;
  const isIdMade = id === null || id === commitId + String(sequence);
  const isMade = isIdMade && at === stamp && sequence === index && rest === count - 1 - index && position === null;
  return isMade ? null : { id: isIdMade ? null : id, stamp: at, sequence, rest, position };
}

/**
 * The arguments of a commit from the events of one stream and one commit.
 *
 * @throws Error where an aggregateId or commitId is missing or different, or revisions have gaps.
 */
export function commitOf(events: IncomingEvent[], positionPath: string | undefined): unknown[] {
  const [first] = events;
  if (!first) throw new Error('nothing to commit');
  const stream = partsOf(first);
  const stamp = stampOf(first.commitStamp) ?? Date.now();
  const commitId = text(first.commitId);
  if (commitId === null) throw new Error('commitId not defined or different!');
  const firstRevision = first.streamRevision ?? null;
  const payloads: unknown[] = [];
  let given: (object | null)[] | null = null;
  for (const [index, event] of events.entries()) {
    const parts = event === first ? stream : partsOf(event);
    if (parts[2] === null) throw new Error('aggregateId not defined!');
    if (parts[0] !== stream[0] || parts[1] !== stream[1] || parts[2] !== stream[2]) {
      throw new Error('the events of one commit must belong to one stream');
    }
    if (text(event.commitId) !== commitId) throw new Error('commitId not defined or different!');
    const revision = event.streamRevision ?? null;
    if (revision !== null && (firstRevision === null || revision !== firstRevision + index)) {
      throw new Error('the events of one commit must have consecutive streamRevisions');
    }
    const envelope = givenOf(event, index, events.length, commitId, stamp);
    if (envelope !== null) (given ??= new Array<null>(events.length).fill(null))[index] = envelope;
    payloads.push(event.payload === undefined ? null : toExtended(event.payload));
  }
  return [stream, commitId, stamp, firstRevision, payloads, given, positionPath ?? null];
}
