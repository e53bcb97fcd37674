/** Payloads and the data of snapshots as JSON text, in the two forms in which stores hold them. */
export interface Codec {
  /**
   * A value that JSON.stringify writes as it is to be held.
   *
   * @throws TypeError where the value refers to itself, or is nested more than a thousand levels deep.
   */
  encode(value: unknown): unknown;
  /** Whether an answer holds anything that {@link decode} changes. */
  concerns(answer: string): boolean;
  /** The value of a parsed one, which may be changed. */
  decode(value: unknown): unknown;
}

/**
 * What JSON lacks travels as MongoDB Extended JSON: dates as `{"$date": …}`, binary as `{"$binary": …}`. An object of the
 * user's own with a key that begins with `$` is wrapped in `{"$literal": …}`, so that it comes back as it was.
 */
export const extendedJson: Codec = { encode: toExtended, concerns: isExtended, decode: fromExtended };

/** What node-eventstore does with Redis: all is plain JSON, and texts that are ISO dates come back as dates. */
export const plainJson: Codec = { encode: toPlain, concerns: holdsDates, decode: reviveDates };

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** How deeply a payload may be nested: what goes in must come out, from however deep a call. */
const DEEPEST = 1000;

function descend(depth: number): number {
  if (depth >= DEEPEST) throw new RangeError();
  return depth + 1;
}

/** Whether JSON.stringify alone would lose nothing. */
function isPlain(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  const below = descend(depth);
  if (Array.isArray(value)) {
    for (const item of value) if (!isPlain(item, below)) return false;
    return true;
  }
  if (value instanceof Date || ArrayBuffer.isView(value)) return false;
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function')
    return isPlain((value as { toJSON(): unknown }).toJSON(), below);
  for (const key in value) {
    if (key.charCodeAt(0) === 36 || !isPlain((value as Record<string, unknown>)[key], below)) return false;
  }
  return true;
}

function extend(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const below = descend(depth);
  if (Array.isArray(value)) {
    const items: unknown[] = [];
    for (const item of value) items.push(extend(item, below));
    return items;
  }
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : { $date: value.toISOString() };
  if (ArrayBuffer.isView(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return { $binary: { base64: bytes.toString('base64'), subType: '00' } };
  }
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function')
    return extend((value as { toJSON(): unknown }).toJSON(), below);
  const entries: [string, unknown][] = Object.entries(value);
  let isMarked = false;
  for (const entry of entries) {
    isMarked ||= entry[0].charCodeAt(0) === 36;
    entry[1] = extend(entry[1], below);
  }
  const copy: unknown = Object.fromEntries(entries);
  return isMarked ? { $literal: copy } : copy;
}

/** Descends into all that JSON.stringify would. */
function measure(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
  const below = descend(depth);
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') {
    measure((value as { toJSON(): unknown }).toJSON(), below);
    return;
  }
  for (const key in value) measure((value as Record<string, unknown>)[key], below);
}

/** Runs what descends into a value. @throws TypeError where it descends too deeply. */
function bounded<T>(descending: () => T): T {
  try {
    return descending();
  } catch (cause) {
    if (cause instanceof RangeError) {
      throw new TypeError(
        'the payload refers to itself, or is nested more than 1,000 levels deep: it can’t be stored as JSON',
        { cause },
      );
    }
    throw cause;
  }
}

/** A value that JSON.stringify writes without loss; itself where nothing is in the way. */
export function toExtended(value: unknown): unknown {
  return bounded(() => (isPlain(value, 0) ? value : extend(value, 0)));
}

/** The value itself. */
function toPlain(value: unknown): unknown {
  bounded(() => {
    measure(value, 0);
  });
  return value;
}

/**
 * JSON text of arguments that hold payloads that a {@link Codec} made.
 *
 * @throws TypeError where a value has no JSON form (a BigInt).
 */
export function stringify(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TypeError(`the payload can’t be stored as JSON: ${reason}`, { cause });
  }
}

/** What an object with a single key that begins with `$` stands for; undefined where it stands for itself. */
function meant(key: string, value: Json): unknown {
  if (key === '$date' && typeof value === 'string') {
    const date = new Date(value);
    return Number.isNaN(date.getTime()) ? undefined : date;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  if (key === '$binary' && typeof value.base64 === 'string') return Buffer.from(value.base64, 'base64');
  return key === '$literal' ? contractFields(value) : undefined;
}

function contractFields(fields: Record<string, Json>): Record<string, Json> {
  for (const key of Object.keys(fields)) fields[key] = contract(fields[key] as Json) as Json;
  return fields;
}

/** Changes what was parsed in place. */
function contract(value: Json): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) value[index] = contract(value[index] as Json) as Json;
    return value;
  }
  const keys = Object.keys(value);
  const only = keys.length === 1 ? (keys[0] as string) : '';
  const meaning = only.startsWith('$') ? meant(only, value[only] as Json) : undefined;
  return meaning === undefined ? contractFields(value) : meaning;
}

/** Whether an answer holds anything that {@link fromExtended} changes. */
export function isExtended(text: string): boolean {
  return text.includes('"$');
}

/** The value that {@link toExtended} was given, made of the parsed one. */
export function fromExtended(value: unknown): unknown {
  return contract(value as Json);
}

const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d*)?Z$/;

function dateOf(text: string): Date | string {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? text : date;
}

function holdsDates(answer: string): boolean {
  return /"\d{4}-\d{2}-\d{2}T/.test(answer);
}

/** Turns ISO date texts into dates, everywhere in a parsed value. What only looks like one stays a text. */
export function reviveDates(value: unknown): unknown {
  if (typeof value === 'string') return ISO.test(value) ? dateOf(value) : value;
  if (typeof value !== 'object' || value === null || value instanceof Date || Buffer.isBuffer(value)) return value;
  const fields = value as Record<string, unknown>;
  for (const key of Object.keys(fields)) fields[key] = reviveDates(fields[key]);
  return value;
}
