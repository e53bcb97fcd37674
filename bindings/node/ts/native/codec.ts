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

/** How the values that JSON lacks are written as MongoDB Extended JSON, and what Extended JSON stands for. */
export interface Forms {
  /** The Extended JSON of a value that has one; undefined where it has none. */
  formOf(value: unknown): unknown;
  /** What an object with this one key, that begins with `$`, stands for; undefined where it stands for itself. */
  meaningOf(key: string, value: Json): unknown;
}

/** What node-eventstore does in clouds: all is plain JSON, and a date comes back as the text that it became. */
export const jsonText: Codec = { encode: toPlain, concerns: () => false, decode: (value) => value };

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The bytes of a view. */
export function bytesOf(view: ArrayBufferView): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

const dates: Forms = {
  formOf(value) {
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : { $date: value.toISOString() };
    if (!ArrayBuffer.isView(value)) return undefined;
    return { $binary: { base64: bytesOf(value).toString('base64'), subType: '00' } };
  },
  meaningOf(key, value) {
    if (key === '$date' && typeof value === 'string') {
      const date = new Date(value);
      return Number.isNaN(date.getTime()) ? undefined : date;
    }
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject && key === '$binary' && typeof value.base64 === 'string'
      ? Buffer.from(value.base64, 'base64')
      : undefined;
  },
};

/**
 * What JSON lacks travels as MongoDB Extended JSON. An object of the user's own with a key that begins with `$` is wrapped
 * in `{"$literal": …}`, so that it comes back as it was.
 */
export function extendedBy(forms: Forms): Codec {
  return {
    encode: (value) => bounded(() => (isPlain(value, 0, forms) ? value : extend(value, 0, forms))),
    concerns: isExtended,
    decode: (value) => contract(value as Json, forms),
  };
}

/** Dates travel as `{"$date": …}`, binary as `{"$binary": …}`. */
export const extendedJson: Codec = extendedBy(dates);

/** What node-eventstore does with Redis: all is plain JSON, and texts that are ISO dates come back as dates. */
export const plainJson: Codec = { encode: toPlain, concerns: holdsDates, decode: reviveDates };

/** How deeply a payload may be nested: what goes in must come out, from however deep a call. */
const DEEPEST = 1000;

function descend(depth: number): number {
  if (depth >= DEEPEST) throw new RangeError();
  return depth + 1;
}

/** Whether JSON.stringify alone would lose nothing. */
function isPlain(value: unknown, depth: number, forms: Forms): boolean {
  if (typeof value === 'string' || value === null) return true;
  const below = typeof value === 'object' ? descend(depth) : depth;
  if (forms.formOf(value) !== undefined) return false;
  if (typeof value !== 'object') return true;
  if (Array.isArray(value)) {
    for (const item of value) if (!isPlain(item, below, forms)) return false;
    return true;
  }
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function')
    return isPlain((value as { toJSON(): unknown }).toJSON(), below, forms);
  for (const key in value) {
    if (key.charCodeAt(0) === 36 || !isPlain((value as Record<string, unknown>)[key], below, forms)) return false;
  }
  return true;
}

function extend(value: unknown, depth: number, forms: Forms): unknown {
  const below = typeof value === 'object' && value !== null ? descend(depth) : depth;
  const form = forms.formOf(value);
  if (form !== undefined) return form;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items: unknown[] = [];
    for (const item of value) items.push(extend(item, below, forms));
    return items;
  }
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function')
    return extend((value as { toJSON(): unknown }).toJSON(), below, forms);
  const entries: [string, unknown][] = Object.entries(value);
  let isMarked = false;
  for (const entry of entries) {
    isMarked ||= entry[0].charCodeAt(0) === 36;
    entry[1] = extend(entry[1], below, forms);
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

function contractFields(fields: Record<string, Json>, forms: Forms): Record<string, Json> {
  for (const key of Object.keys(fields)) fields[key] = contract(fields[key] as Json, forms) as Json;
  return fields;
}

/** What an object with a single key that begins with `$` stands for; undefined where it stands for itself. */
function meant(key: string, value: Json, forms: Forms): unknown {
  if (key !== '$literal') return forms.meaningOf(key, value);
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? contractFields(value, forms) : undefined;
}

/** Changes what was parsed in place. */
function contract(value: Json, forms: Forms): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) value[index] = contract(value[index] as Json, forms) as Json;
    return value;
  }
  const keys = Object.keys(value);
  const only = keys.length === 1 ? (keys[0] as string) : '';
  const meaning = only.startsWith('$') ? meant(only, value[only] as Json, forms) : undefined;
  return meaning === undefined ? contractFields(value, forms) : meaning;
}

/** Whether an answer holds any Extended JSON. */
function isExtended(text: string): boolean {
  return text.includes('"$');
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
