import { inspect } from 'node:util';

import type { Codec } from './codec';

/** An event with node-eventstore's envelope. */
export interface StoredEvent {
  streamId: string;
  aggregateId: string;
  aggregate?: string | undefined;
  context?: string | undefined;
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

/** A snapshot as it is stored. */
export interface StoredSnapshot {
  id: string;
  streamId: string;
  aggregateId: string;
  aggregate: string | null;
  context: string | null;
  commitStamp: Date;
  revision: number | null;
  version: number | string | null;
  data: unknown;
}

/** Context, aggregate, aggregate id; null where absent. */
export type Parts = [string | null, string | null, string | null];

/** Stream revision, commit id, commit sequence, rest, stamp, id or null where it is made, position, payload. */
type OfStream = [number, string, number, number, number, string | null, number | null, unknown];

/** An event as it crosses: what is absent is as in the one before it. */
type Row = [...Parts, ...OfStream] | OfStream | [unknown];

/** An id as text: numbers become strings; null where it is falsy. @throws TypeError where it is something else. */
export function idOf(value: unknown): string | null {
  if (!value) return null;
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  throw new TypeError(`an id must be a string, not ${typeof value}`);
}

/** The parts of a query or an event. Numbers become strings; what is falsy is absent. @throws TypeError where a part is something else. */
export function partsOf(of: {
  context?: unknown;
  aggregate?: unknown;
  aggregateId?: unknown;
  streamId?: unknown;
}): Parts {
  return [idOf(of.context), idOf(of.aggregate), idOf(of.aggregateId) ?? idOf(of.streamId)];
}

/** The events and the cursor of a page. */
export function parsePage(answer: string, codec: Codec): { events: StoredEvent[]; cursor: string | null } {
  const [rows, cursor] = JSON.parse(answer) as [Row[], string | null];
  const isCoded = codec.concerns(answer);
  const events: StoredEvent[] = [];
  let context: string | undefined;
  let aggregate: string | undefined;
  let aggregateId = '';
  let streamRevision = 0;
  let commitId = '';
  let commitSequence = 0;
  let restInCommitStream = 0;
  let stamp = 0;
  let id = '';
  let position: number | null = null;
  for (const row of rows) {
    if (row.length === 1) {
      streamRevision++;
      commitSequence++;
      restInCommitStream--;
      id = commitId + String(commitSequence);
      if (position !== null) position++;
    } else {
      let at = 0;
      if (row.length === 11) {
        context = row[0] ?? undefined;
        aggregate = row[1] ?? undefined;
        aggregateId = row[2] as string;
        at = 3;
      }
      streamRevision = row[at] as number;
      commitId = row[at + 1] as string;
      commitSequence = row[at + 2] as number;
      restInCommitStream = row[at + 3] as number;
      stamp = row[at + 4] as number;
      id = (row[at + 5] as string | null) ?? commitId + String(commitSequence);
      position = row[at + 6] as number | null;
    }
    const payload = row[row.length - 1];
    events.push({
      streamId: aggregateId,
      aggregateId,
      aggregate,
      context,
      streamRevision,
      commitId,
      commitSequence,
      commitStamp: new Date(stamp),
      payload: isCoded ? codec.decode(payload) : payload,
      position,
      id,
      restInCommitStream,
    });
  }
  return { events, cursor };
}

/** A snapshot; null where there is none. */
export function parseSnapshot(answer: string, codec: Codec): StoredSnapshot | null {
  type Row = [string | null, string | null, string, string, number | null, number | string | null, number, unknown];
  const row = JSON.parse(answer) as Row | null;
  if (!row) return null;
  const [context, aggregate, aggregateId, id, revision, version, stamp, data] = row;
  return {
    id,
    streamId: aggregateId,
    aggregateId,
    aggregate,
    context,
    commitStamp: new Date(stamp),
    revision,
    version,
    data: codec.concerns(answer) ? codec.decode(data) : data,
  };
}

/** A time in milliseconds; null where there is none. @throws TypeError where it is no date. */
export function stampOf(stamp: IncomingEvent['commitStamp']): number | null {
  if (stamp === undefined || stamp === null) return null;
  const millis = stamp instanceof Date ? stamp.getTime() : new Date(stamp).getTime();
  if (Number.isNaN(millis)) throw new TypeError('commitStamp is not a date');
  return millis;
}

/** A revision; null where there is none. @throws TypeError where it is no whole number from 0 on. */
export function revisionOf(revision: unknown): number | null {
  if (revision === undefined || revision === null) return null;
  if (Number.isSafeInteger(revision) && (revision as number) >= 0) return revision as number;
  throw new TypeError(`a revision must be a whole number from 0 on, not ${inspect(revision)}`);
}

/** What of an event's envelope differs from what the commit would make; null, in the usual case, where nothing does. */
function givenOf(event: IncomingEvent, index: number, count: number, commitId: string, stamp: number): object | null {
  const id = idOf(event.id);
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
export function commitOf(events: IncomingEvent[], codec: Codec, positionPath: string | undefined): unknown[] {
  const [first] = events;
  if (!first) throw new Error('nothing to commit');
  const stream = partsOf(first);
  const stamp = stampOf(first.commitStamp) ?? Date.now();
  const commitId = idOf(first.commitId);
  if (commitId === null) throw new Error('commitId not defined or different!');
  const firstRevision = revisionOf(first.streamRevision);
  const payloads: unknown[] = [];
  let given: (object | null)[] | null = null;
  for (const [index, event] of events.entries()) {
    const parts = event === first ? stream : partsOf(event);
    if (parts[2] === null) throw new Error('aggregateId not defined!');
    if (parts[0] !== stream[0] || parts[1] !== stream[1] || parts[2] !== stream[2]) {
      throw new Error('the events of one commit must belong to one stream');
    }
    if (idOf(event.commitId) !== commitId) throw new Error('commitId not defined or different!');
    const revision = event.streamRevision ?? null;
    if (revision !== null && (firstRevision === null || revision !== firstRevision + index)) {
      throw new Error('the events of one commit must have consecutive streamRevisions');
    }
    const envelope = givenOf(event, index, events.length, commitId, stamp);
    if (envelope !== null) (given ??= new Array<null>(events.length).fill(null))[index] = envelope;
    payloads.push(event.payload === undefined ? null : codec.encode(event.payload));
  }
  return [stream, commitId, stamp, firstRevision, payloads, given, positionPath ?? null];
}
