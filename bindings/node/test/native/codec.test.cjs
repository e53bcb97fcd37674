'use strict';
// What JSON lacks, on its way into text and out again.
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { extendedJson, reviveDates, stringify } = require('../../lib/native/codec.js');

const { encode: toExtended, concerns: isExtended, decode: fromExtended } = extendedJson;

const cross = (value) => {
  const text = stringify(toExtended(value));
  return isExtended(text) ? fromExtended(JSON.parse(text)) : JSON.parse(text);
};
const nested = (levels, innermost) => {
  let value = innermost;
  for (let level = 0; level < levels; level++) value = level % 2 ? [value] : { in: value };
  return value;
};
const depth = (value) => {
  let levels = 0;
  for (let at = value; typeof at === 'object' && at !== null && !(at instanceof Date); levels++)
    at = Array.isArray(at) ? at[0] : at.in;
  return levels;
};

test('plain values are not copied', () => {
  const plain = { a: [1, { b: null }], c: 'x' };
  assert.equal(toExtended(plain), plain);
});

test('the user’s value is left as it was', () => {
  const make = () => ({ at: new Date(1), list: [{ $a: Buffer.from('x') }] });
  const value = make();
  assert.deepEqual(cross(value), make());
  assert.deepEqual(value, make());
});

test('what JSON.stringify leaves out or replaces, it leaves out or replaces beside a date too', () => {
  const odd = {
    none: undefined,
    call() {},
    nan: NaN,
    list: [undefined, Infinity, () => 1],
    url: new URL('http://localhost/a'),
    own: { toJSON: () => ({ at: 'now' }) },
    invalid: new Date(NaN),
  };
  const expected = JSON.parse(JSON.stringify(odd));
  assert.deepEqual(cross(odd), expected);
  assert.deepEqual(cross({ ...odd, at: new Date(7) }), { ...expected, at: new Date(7) });
});

test('toJSON may answer with a date', () => {
  assert.deepEqual(cross({ own: { toJSON: () => new Date(9) } }), { own: new Date(9) });
});

test('one value in two places is no circle', () => {
  const shared = { at: new Date(3) };
  assert.deepEqual(cross({ a: shared, b: [shared, shared] }), { a: shared, b: [shared, shared] });
});

test('a thousand levels come back, dates or not; more, and circles, are refused', () => {
  for (const innermost of [1, new Date(1)]) {
    const levels = innermost === 1 ? 1000 : 999;
    assert.equal(depth(cross(nested(levels, innermost))), levels);
    assert.throws(() => cross(nested(levels + 1, innermost)), /1,000 levels/);
  }
  const circle = { at: new Date(1), list: [] };
  circle.list.push(circle);
  assert.throws(() => cross(circle), /refers to itself/);
  assert.throws(() => cross({ n: 1n }), /BigInt/);
});

test('keys that are special to JavaScript are ordinary', () => {
  const value = JSON.parse('{"__proto__":{"at":1},"constructor":{"$x":{"__proto__":2}},"$literal":{"$literal":3}}');
  const back = cross(value);
  assert.equal(JSON.stringify(back), JSON.stringify(value));
  assert.equal(Object.getPrototypeOf(back), Object.prototype);
});

test('of what others wrote only whole Extended JSON is read as such: nothing is lost', () => {
  const date = '2020-02-29T12:00:00Z';
  for (const kept of [
    { $date: 'no date' },
    { $date: date, more: 1 },
    { $date: 5 },
    { $literal: { a: 1 }, more: 1 },
    { $literal: [1] },
    { $binary: { base64: 'AA==' }, more: 1 },
    { $binary: 'AA==' },
    { $oid: '5e5a5a5a5a5a5a5a5a5a5a5a' },
  ]) {
    assert.deepEqual(fromExtended(structuredClone(kept)), kept);
  }
  assert.deepEqual(fromExtended({ a: [{ $date: date }] }), { a: [new Date(date)] });
  assert.deepEqual(fromExtended({ $binary: { base64: 'AAE=', subType: '00' } }), Buffer.from([0, 1]));
});

test('ISO texts become dates, texts like them stay', () => {
  assert.deepEqual(reviveDates({ a: ['2020-02-29T12:00:00.5Z', '2020-02-29', 'x2020-02-29T12:00:00Z'] }), {
    a: [new Date('2020-02-29T12:00:00.5Z'), '2020-02-29', 'x2020-02-29T12:00:00Z'],
  });
});
