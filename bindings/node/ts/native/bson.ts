import { inspect } from 'node:util';

import { bytesOf, type Codec, extendedBy, type Forms, type Json } from './codec';

/**
 * An object id in a payload, as MongoDB’s driver for Node.js makes them: 12 bytes, or in TingoDB a number.
 *
 * It takes the place of the driver’s own class: it is printed, compared and written as JSON like that, and the driver
 * (2.x, 3.x) stores it as an object id.
 */
export class ObjectId {
  /** What the driver knows an object id by. */
  declare readonly _bsontype: 'ObjectID';
  /** The bytes; in TingoDB the number. */
  readonly id: Buffer | number;

  /** @throws TypeError where it is neither 24 hexadecimal digits nor a whole number. */
  constructor(id: string | number) {
    if (typeof id === 'string' && /^[\da-f]{24}$/i.test(id)) this.id = Buffer.from(id, 'hex');
    else if (Number.isSafeInteger(id)) this.id = id as number;
    else throw new TypeError(`an object id has 24 hexadecimal digits, or is a whole number, unlike ${inspect(id)}`);
  }

  /** 24 hexadecimal digits. */
  toHexString(): string {
    return typeof this.id === 'number' ? String(this.id).padStart(24, '0') : this.id.toString('hex');
  }

  /** 24 hexadecimal digits; in TingoDB the number. */
  toString(): string {
    return typeof this.id === 'number' ? String(this.id) : this.toHexString();
  }

  /** What {@link toString} tells; in TingoDB the number itself. */
  toJSON(): string | number {
    return typeof this.id === 'number' ? this.id : this.toHexString();
  }

  /** When it was made, where it is of 12 bytes. */
  getTimestamp(): Date {
    return new Date(typeof this.id === 'number' ? NaN : this.id.readUInt32BE(0) * 1000);
  }

  /** Whether another object id, also one of the driver’s or its text, is the same. */
  equals(other: unknown): boolean {
    if (typeof other === 'number') return this.id === other;
    const text = isObjectId(other) ? other.toHexString() : other;
    return typeof text === 'string' && [this.toHexString(), this.toString()].includes(text.toLowerCase());
  }

  [inspect.custom](): string {
    return `ObjectId(${this.toString()})`;
  }
}
Object.defineProperty(ObjectId.prototype, '_bsontype', { value: 'ObjectID' });

/** A value of MongoDB’s that JavaScript has none for, as a `Decimal128`: its Extended JSON, which is stored as it came. */
export class BsonValue {
  constructor(
    /** A key that begins with `$`, and what it says. */
    readonly extended: Readonly<Record<string, Json>>,
  ) {}

  /** The text of a number; Extended JSON of the others. */
  toString(): string {
    const [value] = Object.values(this.extended);
    return typeof value === 'string' ? value : JSON.stringify(this.extended);
  }

  /** Its Extended JSON. */
  toJSON(): unknown {
    return this.extended;
  }
}

interface DriversObjectId {
  id: unknown;
  toHexString(): string;
}
interface DriversBinary {
  buffer: Uint8Array;
  position?: number;
  sub_type?: number;
}
interface Drivers {
  _bsontype: string;
  toString(): string;
}

function isObjectId(value: unknown): value is DriversObjectId {
  const has = (name: string): boolean => typeof (value as Record<string, unknown>)[name] === 'function';
  return typeof value === 'object' && value !== null && has('toHexString') && has('equals');
}

/** A date that everybody reads. */
function dateForm(date: Date): unknown {
  const millis = date.getTime();
  if (Number.isNaN(millis)) return null;
  const isUsual = millis >= 0 && date.getUTCFullYear() < 10_000;
  return { $date: isUsual ? date.toISOString() : { $numberLong: String(millis) } };
}

function binaryForm(bytes: Buffer, subType = 0): unknown {
  return { $binary: { base64: bytes.toString('base64'), subType: subType.toString(16).padStart(2, '0') } };
}

/** The form of what both databases have: dates, binary and object ids, those of the drivers too. */
function commonForm(value: object): unknown {
  if (value instanceof Date) return dateForm(value);
  if (ArrayBuffer.isView(value)) return binaryForm(bytesOf(value), (value as DriversBinary & ArrayBufferView).sub_type);
  if ((value as Drivers)._bsontype !== 'Binary') {
    if (!isObjectId(value)) return undefined;
    return { $oid: typeof value.id === 'number' ? value.id : value.toHexString() };
  }
  const { buffer, position = buffer.byteLength, sub_type: subType } = value as unknown as DriversBinary;
  return binaryForm(bytesOf(buffer).subarray(0, position), subType);
}

/** What only MongoDB has, by the name that the driver knows it by. */
const drivers: Record<string, (value: Drivers) => unknown> = {
  Long: (value) => ({ $numberLong: value.toString() }),
  Int32: (value) => ({ $numberInt: String(Number(value)) }),
  Double: (value) => ({ $numberDouble: String(Number(value)) }),
  Decimal128: (value) => ({ $numberDecimal: value.toString() }),
  MinKey: () => ({ $minKey: 1 }),
  MaxKey: () => ({ $maxKey: 1 }),
};

function mongoForm(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : { $numberDouble: String(value) };
  if (typeof value === 'bigint') return BigInt.asIntN(64, value) === value ? { $numberLong: String(value) } : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  if (value instanceof BsonValue) return value.extended;
  if (value instanceof RegExp) {
    const options = value.flags.replace(/[^ims]/g, '');
    return { $regularExpression: { pattern: value.source, options } };
  }
  const { _bsontype: name } = value as Drivers;
  const form = typeof name === 'string' && Object.hasOwn(drivers, name) ? drivers[name] : undefined;
  return form ? form(value as Drivers) : commonForm(value);
}

function isFields(value: Json | undefined): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function dateOf(value: Json): Date | undefined {
  const millis = isFields(value) ? Number(value.$numberLong) : typeof value === 'string' ? Date.parse(value) : NaN;
  return Number.isNaN(millis) ? undefined : new Date(millis);
}

/** Bytes; those of another kind than usual have its number as `sub_type`. */
function binaryOf(value: Json): Buffer | undefined {
  if (!isFields(value) || typeof value.base64 !== 'string') return undefined;
  const bytes = Buffer.from(value.base64, 'base64');
  const subType = typeof value.subType === 'string' ? parseInt(value.subType, 16) : 0;
  return subType === 0 ? bytes : Object.defineProperty(bytes, 'sub_type', { value: subType });
}

function commonMeaning(key: string, value: Json): unknown {
  if (key === '$date') return dateOf(value);
  if (key === '$binary') return binaryOf(value);
  if (key !== '$oid') return undefined;
  const isId = typeof value === 'number' || (typeof value === 'string' && /^[\da-f]{24}$/i.test(value));
  return isId ? new ObjectId(value) : undefined;
}

const NUMBERS = ['$numberInt', '$numberLong', '$numberDouble'];
const OTHERS = ['$numberDecimal', '$timestamp', '$symbol', '$code', '$minKey', '$maxKey', '$undefined', '$uuid'];

function mongoMeaning(key: string, value: Json): unknown {
  if (NUMBERS.includes(key) && typeof value === 'string') {
    const number = Number(value);
    const isExact = key !== '$numberLong' || Number.isSafeInteger(number);
    return isExact ? number : new BsonValue({ [key]: value });
  }
  if (key === '$regularExpression' && isFields(value)) return regularExpressionOf(value);
  return OTHERS.includes(key) ? new BsonValue({ [key]: value }) : commonMeaning(key, value);
}

/** Where JavaScript has no such one, the value as it is. */
function regularExpressionOf(value: Record<string, Json>): RegExp | BsonValue {
  try {
    return new RegExp(value.pattern as string, value.options as string);
  } catch {
    return new BsonValue({ $regularExpression: value });
  }
}

const mongo: Forms = { formOf: mongoForm, meaningOf: mongoMeaning };
const tingo: Forms = {
  formOf: (value) => (typeof value === 'object' && value !== null ? commonForm(value) : undefined),
  meaningOf: commonMeaning,
};

/**
 * Payloads in MongoDB. Dates, Buffers and regular expressions are stored as such, and what the driver has classes for. What
 * comes out is a Date, a Buffer, a RegExp, a number, an {@link ObjectId}, or a {@link BsonValue}.
 */
export const mongoJson: Codec = extendedBy(mongo);

/** Payloads in TingoDB. Dates, Buffers and object ids are stored as such, and come out as Date, Buffer, {@link ObjectId}. */
export const tingoJson: Codec = extendedBy(tingo);
