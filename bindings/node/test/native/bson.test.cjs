'use strict';
// The values of MongoDB's and TingoDB's drivers in payloads, on their way into text and out again.
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { inspect } = require('node:util');
const driver = require('mongodb');
const tingo = require('tingodb')();
const { BsonValue, ObjectId } = require('annals');
const { mongoJson, tingoJson } = require('../../lib/native/bson.js');
const { stringify } = require('../../lib/native/codec.js');

const text = (codec, value) => stringify(codec.encode(value));
const cross = (codec, value) => {
  const crossing = text(codec, value);
  return codec.concerns(crossing) ? codec.decode(JSON.parse(crossing)) : JSON.parse(crossing);
};
const hex = '5e5a5a5a5a5a5a5a5a5a5a5a';

for (const [name, codec] of Object.entries({ mongoJson, tingoJson })) {
  test(`${name}: dates, Buffers and plain values come back`, () => {
    const value = {
      at: new Date(5),
      old: new Date(-1),
      far: new Date(8.64e15),
      bytes: Buffer.from([1, 2]),
      n: 1,
      t: 'x',
    };
    assert.deepEqual(cross(codec, { deep: [value] }), { deep: [value] });
    assert.deepEqual(cross(codec, new Uint8Array([1, 2]).subarray(1)), Buffer.from([2]));
    assert.deepEqual(cross(codec, { at: new Date(NaN) }), { at: null });
    const plain = { a: [1, { b: null }] };
    assert.equal(codec.encode(plain), plain, 'and are not copied where there is nothing to write');
  });

  test(`${name}: keys that begin with a dollar sign are the user’s own`, () => {
    const value = { $oid: hex, a: { $date: 'x', $binary: new Date(1) } };
    assert.deepEqual(cross(codec, value), value);
  });

  test(`${name}: a Binary of the driver comes back as a Buffer, with its kind`, () => {
    const { Binary } = codec === mongoJson ? driver : tingo;
    assert.deepEqual(cross(codec, new Binary(Buffer.from([1, 2]))), Buffer.from([1, 2]));
    const uuid = cross(codec, new Binary(Buffer.alloc(16, 7), 4));
    assert.deepEqual([uuid, uuid.sub_type], [Buffer.alloc(16, 7), 4]);
    assert.equal(cross(codec, uuid).sub_type, 4);
    assert.equal(uuid.subarray(1).sub_type, undefined);
  });

  test(`${name}: an object id comes back as one`, () => {
    const id = cross(codec, new driver.ObjectID(hex));
    assert.ok(id instanceof ObjectId);
    assert.equal(text(codec, [new driver.ObjectID(hex)]), text(codec, [id]));
    assert.deepEqual(cross(codec, { ids: [id] }), { ids: [id] });
  });
}

test('an ObjectId is used as the driver’s is', () => {
  const [ours, theirs] = [new ObjectId(hex), new driver.ObjectID(hex)];
  for (const say of [String, JSON.stringify, (id) => id.toHexString(), (id) => id.getTimestamp().getTime()])
    assert.equal(say(ours), say(theirs));
  assert.equal(ours._bsontype, theirs._bsontype);
  for (const same of [theirs, hex, hex.toUpperCase(), ours, new ObjectId(hex)]) assert.ok(ours.equals(same));
  for (const other of [new driver.ObjectID(), '', null, undefined, 5, {}]) assert.ok(!ours.equals(other));
  assert.ok(theirs.equals(ours));
  assert.equal(inspect({ ours }), `{ ours: ObjectId(${hex}) }`);
  const bson = new (require('bson'))();
  assert.deepEqual(bson.serialize({ ours }), bson.serialize({ ours: theirs }), 'the driver stores it');
  for (const none of ['', 'x'.repeat(24), 1.5, null]) assert.throws(() => new ObjectId(none), /24 hexadecimal digits/);
});

test('in TingoDB an object id is a number', () => {
  const theirs = new tingo.ObjectID(42);
  const ours = cross(tingoJson, { id: theirs }).id;
  assert.ok(ours instanceof ObjectId);
  assert.deepEqual([ours.id, ours.toJSON(), String(ours), ours.toHexString()], [42, 42, '42', theirs.toHexString()]);
  assert.ok(ours.equals(42) && ours.equals(theirs) && ours.equals('42') && !ours.equals(43));
  assert.equal(JSON.stringify({ ours }), JSON.stringify({ ours: theirs }));
});

test('numbers that JSON lacks, regular expressions, and what only MongoDB has', () => {
  const value = { nan: NaN, most: Infinity, least: -Infinity, like: /a\/b.*/is };
  assert.deepEqual(cross(mongoJson, value), value);
  const { Decimal128, Double, Int32, Long, MaxKey, MinKey } = driver;
  const numbers = [new Int32(5), new Double(1.5), Long.fromNumber(2 ** 40), 2n ** 50n];
  assert.deepEqual(cross(mongoJson, numbers), [5, 1.5, 2 ** 40, 2 ** 50]);
  const others = cross(mongoJson, [
    Long.fromString('9007199254740993'),
    9007199254740993n,
    Decimal128.fromString('1.10'),
    new MinKey(),
    new MaxKey(),
  ]);
  assert.ok(others.every((other) => other instanceof BsonValue));
  assert.deepEqual(others.slice(0, 3).map(String), ['9007199254740993', '9007199254740993', '1.10']);
  assert.deepEqual(cross(mongoJson, others), others);
  assert.deepEqual(JSON.parse(JSON.stringify(others[2])), { $numberDecimal: '1.10' });
  assert.throws(() => text(mongoJson, [2n ** 64n]), /BigInt/);
});

test('what is no whole Extended JSON stays as it is', () => {
  for (const kept of [
    { $date: 'no date' },
    { $oid: 'short' },
    { $binary: 'AA==' },
    { $date: {} },
    { $oid: hex, more: 1 },
  ]) {
    assert.deepEqual(mongoJson.decode(structuredClone(kept)), kept);
    assert.deepEqual(tingoJson.decode(structuredClone(kept)), kept);
  }
  const odd = mongoJson.decode({ $regularExpression: { pattern: '(?<=', options: '' } });
  assert.ok(odd instanceof BsonValue);
  assert.deepEqual(mongoJson.decode({ $timestamp: { t: 1, i: 2 } }), new BsonValue({ $timestamp: { t: 1, i: 2 } }));
});
