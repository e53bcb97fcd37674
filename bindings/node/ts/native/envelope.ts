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
  const millis = new Date(stamp).getTime();
  if (Number.isNaN(millis)) throw new TypeError('commitStamp is not a date');
  return millis;
}

function fail(message: string): never {
  throw new Error(message);
}

/**
 * The arguments of a commit from the events of one stream and one commit.
 *
 * @throws Error where an aggregateId or commitId is missing or different, or revisions have gaps.
 */
export function commitOf(events: IncomingEvent[], positionPath: string | undefined): object {
  const [first] = events;
  if (!first) return fail('nothing to commit');
  const stream = partsOf(first);
  const stamp = stampOf(first.commitStamp) ?? Date.now();
  const commitId = text(first.commitId) ?? fail('commitId not defined or different!');
  const firstRevision = first.streamRevision ?? null;
  const given = events.map((event, index) => {
    const parts = partsOf(event);
    if (parts[2] === null) fail('aggregateId not defined!');
    if (parts.some((part, i) => part !== stream[i])) fail('the events of one commit must belong to one stream');
    if (text(event.commitId) !== commitId) fail('commitId not defined or different!');
    const revision = event.streamRevision ?? null;
    if (revision !== null && (firstRevision === null || revision !== firstRevision + index)) {
      fail('the events of one commit must have consecutive streamRevisions');
    }
    const sequence = event.commitSequence ?? index;
    const rest = event.restInCommitStream ?? events.length - 1 - index;
    const id = text(event.id);
    const at = stampOf(event.commitStamp);
    const envelope = {
      id: id === null || id === commitId + String(sequence) ? undefined : id,
      stamp: at === null || at === stamp ? undefined : at,
      sequence: sequence === index ? undefined : sequence,
      rest: rest === events.length - 1 - index ? undefined : rest,
      position: event.position ?? undefined,
    };
    const isGiven =
      envelope.id !== undefined ||
      envelope.stamp !== undefined ||
      envelope.sequence !== undefined ||
      envelope.rest !== undefined ||
      envelope.position !== undefined;
    return isGiven ? envelope : null;
  });
  const payloads = events.map((event) => (event.payload === undefined ? null : toExtended(event.payload)));
  return {
    stream,
    id: commitId,
    stamp,
    firstRevision,
    payloads,
    given: given.some((envelope) => envelope !== null) ? given : undefined,
    positionPath,
  };
}
