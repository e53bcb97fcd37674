/**
 * Payloads as JSON text. What JSON lacks travels as MongoDB Extended JSON: dates as `{"$date": …}`, binary as
 * `{"$binary": …}`. An object of the user's own with a key that begins with `$` is wrapped in `{"$literal": …}`, so that
 * it comes back as it was.
 */

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Whether JSON.stringify alone would lose something. */
function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every(isPlain);
  if (value instanceof Date || ArrayBuffer.isView(value)) return false;
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function')
    return isPlain((value as { toJSON(): unknown }).toJSON());
  for (const key in value) {
    if (key.charCodeAt(0) === 36 || !isPlain((value as Record<string, unknown>)[key])) return false;
  }
  return true;
}

function extend(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => extend(item));
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : { $date: value.toISOString() };
  if (ArrayBuffer.isView(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return { $binary: { base64: bytes.toString('base64'), subType: '00' } };
  }
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function')
    return extend((value as { toJSON(): unknown }).toJSON());
  const entries = Object.entries(value).map(([key, item]) => [key, extend(item)] as const);
  const copy: unknown = Object.fromEntries(entries);
  return entries.some(([key]) => key.startsWith('$')) ? { $literal: copy } : copy;
}

/** A value that JSON.stringify writes without loss; itself where nothing is in the way. */
export function toExtended(value: unknown): unknown {
  try {
    return isPlain(value) ? value : extend(value);
  } catch (cause) {
    if (cause instanceof RangeError) {
      throw new TypeError('the payload refers to itself, or is nested too deeply: it can’t be stored as JSON', {
        cause,
      });
    }
    throw cause;
  }
}

/**
 * JSON text of arguments that hold payloads made by {@link toExtended}.
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

function contract(value: Json): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(contract);
  if (typeof value.$date === 'string') return new Date(value.$date);
  const binary = value.$binary as { base64?: Json } | undefined;
  if (typeof binary?.base64 === 'string') return Buffer.from(binary.base64, 'base64');
  const literal = value.$literal;
  const fields = typeof literal === 'object' && literal !== null && !Array.isArray(literal) ? literal : value;
  return Object.fromEntries(Object.entries(fields).map(([key, item]) => [key, contract(item)]));
}

/** Whether an answer holds anything that {@link fromExtended} changes. */
export function isExtended(text: string): boolean {
  return text.includes('"$');
}

/** The value that {@link toExtended} was given. */
export function fromExtended(value: unknown): unknown {
  return contract(value as Json);
}

const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d*)?Z$/;

/** Turns ISO date texts into dates, everywhere in a value. */
export function reviveDates(value: unknown): unknown {
  if (typeof value === 'string') return ISO.test(value) ? new Date(value) : value;
  if (typeof value !== 'object' || value === null || value instanceof Date || Buffer.isBuffer(value)) return value;
  if (Array.isArray(value)) return value.map(reviveDates);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, reviveDates(item)]));
}
