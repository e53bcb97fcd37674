const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { execFileSync } = require('node:child_process');
const { createRequire } = require('node:module');

const { tell } = require('../story.js');

const root = path.join(__dirname, '../../..');
const reader = path.join(process.env.CARGO_TARGET_DIR ?? path.join(root, 'target'), 'debug/read_domain');
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'parking-'));
const file = path.join(dir, 'parking.db');
test.after(() => fs.rmSync(dir, { recursive: true }));

test('cqrs-domain gets this package where it asks for eventstore', () => {
  const theirs = createRequire(require.resolve('cqrs-domain'));
  assert.equal(theirs('eventstore/package.json').name, 'annals');
  assert.equal(theirs('cqrs-domain/package.json').version, '2.14.79');
});

test('the story comes out as it must, also across a crash and a restart', { timeout: 60_000 }, async (t) => {
  const { published, conflicts, refusals, looks } = await tell(file, () => {});

  await t.test('of two cars at the last place one is in, and the other gate was told', () => {
    assert.equal(conflicts.length, 1);
    assert.match(conflicts[0], /parking\/garage\/central.*revision 2.*revision 3/);
  });

  await t.test('rules and conditions refuse what they must', () => {
    const why = refusals.map(({ by, why }) => `${by}: ${why}`);
    assert.equal(why.length, 5);
    assert.match(why[0], /^ValidationError: .*plate/);
    assert.deepEqual(why.slice(1), [
      'BusinessRuleError: ZOE-9 is not inside',
      'BusinessRuleError: the garage is full',
      'BusinessRuleError: the ticket is paid already',
      'BusinessRuleError: the garage is full',
    ]);
  });

  await t.test('what was committed before the crash is back, and is published again', () => {
    assert.equal(looks[0].events, 8);
    assert.equal(published.filter(({ name }) => name === 'carLeft').length, 3);
    assert.deepEqual(published.filter(({ position }) => position === 8).map(({ name }) => name), ['carLeft', 'carLeft']);
  });

  await t.test('the garage is loaded from its snapshot', () => {
    const { snapshot, after, events, lastRevision } = looks[1];
    assert.equal(events, 12);
    assert.equal(snapshot.revision + after, lastRevision);
    assert.equal(snapshot.data.places, 3);
    assert.ok(snapshot.data.inside.includes('BOB-2'));
  });

  await t.test('Rust reads the same file', () => {
    const said = execFileSync(reader, [file], { encoding: 'utf8' });
    for (let position = 1; position <= 12; position += 1) assert.match(said, new RegExp(`^ +#${position} `, 'm'));
    assert.match(said, /parking\/garage\/central is at revision 6/);
    assert.match(said, /parking\/ticket\/ticket-2 is at revision 2/);
    assert.match(said, /0 events wait to be published/);
    assert.match(said, /from all its 7 events alike: 2 of 3 places taken by (CLO-3, DAN-4|DAN-4, CLO-3)$/m);
  });
});
