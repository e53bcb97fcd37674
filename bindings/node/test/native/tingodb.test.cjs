'use strict';
// The options of the TingoDB store, and what goes wrong with its files.
const assert = require('node:assert/strict');
const { fork } = require('node:child_process');
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const { promisify } = require('node:util');
const { eventstore, folder, onTingo, open } = require('../support/stage.cjs');
const { commit, pause } = require('../support/interchange.cjs');

const closed = (es) => promisify(es.store.disconnect).call(es.store);
const refused = (options) =>
  eventstore({ type: 'tingodb', ...options })
    .init()
    .then(
      () => assert.fail('it was opened'),
      (error) => error,
    );

test('what an option can’t be is named', async () => {
  for (const [options, message] of [
    [{ dbPath: 7 }, /dbPath.*'tingodb'.*a string/],
    [{ dbPath: 'x', strictKeys: 1 }, /strictKeys.*true or false/],
    [{ dbPath: 'x', eventsCollectionName: {} }, /eventsCollectionName.*a string/],
  ])
    assert.throws(() => eventstore({ type: 'tingodb', ...options }), message);
  for (const [options, message] of [
    [{}, /dbPath.*missing/],
    [{ dbPath: '' }, /dbPath.*missing/],
    [{ dbPath: 'x', synchronous: 'off' }, /synchronous.*'full' and 'normal'/],
    [{ dbPath: 'x', damage: 'maybe' }, /damage.*'refuse' and 'skip'/],
    [{ dbPath: 'x', eventsCollectionName: 'same', snapshotsCollectionName: 'same' }, /same/],
    [{ dbPath: 'x', eventsCollectionName: '../outside' }, /outside/],
    [{ url: 'http://there' }, /tingodb:/],
  ]) {
    const error = await refused(options);
    assert.equal(error.code, 'INVALID_ARGUMENT', error.stack);
    assert.match(error.message, message);
  }
});

test('the folder is made, collections are named, and a URL comes before them', async () => {
  const dbPath = join(folder, 'made');
  const names = { eventsCollectionName: 'e', snapshotsCollectionName: 's', transactionsCollectionName: 't' };
  const es = await open({ type: 'tingodb', dbPath, ...names });
  await commit(es, 'x', { n: 0 }, { n: 1 });
  await es.createSnapshot({ aggregateId: 'x', data: { n: 1 }, revision: 1 });
  await closed(es);
  for (const name of ['e', 's', 't']) assert.ok(existsSync(join(dbPath, `${name}.tingo`)), name);
  const again = await open({
    type: 'tingodb',
    url: `tingodb:${dbPath}?events=e&snapshots=s&transactions=t`,
    dbPath: 'no',
  });
  assert.deepEqual((await again.getFromSnapshot('x'))[0].data, { n: 1 });
  assert.equal((await again.getEvents()).length, 2);
  await closed(again);
});

test('maxSnapshotsCount, and positions on demand', async () => {
  const es = await open({ ...onTingo(), maxSnapshotsCount: 2, trackPosition: true });
  await commit(es, 'x', { n: 0 }, { n: 1 });
  await commit(es, 'y', { n: 0 });
  assert.deepEqual((await es.getEvents()).map((event) => event.position).sort(), [1, 2, 3]);
  for (const revision of [0, 1, 2, 3]) {
    await es.createSnapshot({ aggregateId: 'x', data: { revision }, revision });
    await pause();
  }
  const found = async (revision) => (await es.getFromSnapshot('x', revision))[0]?.data.revision;
  assert.deepEqual([await found(1), await found(2), await found(3)], [undefined, 2, 3]);
  await closed(es);
});

test('a folder that another process or store has open is refused, and free again once that has closed', async () => {
  const options = onTingo();
  const es = await open({ ...options });
  await commit(es, 'x', { n: 0 });
  const error = await refused(options);
  assert.equal(error.code, 'CONNECTION', error.stack);
  assert.match(error.message, new RegExp(options.dbPath.replaceAll('/', '\\/')));
  const script = join(folder, 'other.cjs');
  writeFileSync(
    script,
    `require(${JSON.stringify(require.resolve('../../lib/index.js'))})(${JSON.stringify(options)})
      .init().then(() => process.send('opened'), (error) => process.send(error.code + ': ' + error.message))`,
  );
  const asked = () =>
    new Promise((resolve) => {
      const other = fork(script);
      other.once('message', (told) => (other.kill(), other.once('exit', () => resolve(told))));
    });
  assert.match(await asked(), /^CONNECTION: .*open/);
  await closed(es);
  assert.equal(await asked(), 'opened');
  assert.equal((await (await open(options)).getEvents()).length, 1, 'who was killed holds nothing back');
});

test('a file that is damaged in its middle is refused and left as it is; damage: skip opens the rest', async () => {
  const options = onTingo();
  const es = await open({ ...options });
  for (const n of [0, 1, 2]) await commit(es, `s${n}`, { n, text: 'whole' });
  await closed(es);
  const file = join(options.dbPath, 'events.tingo');
  const damaged = readFileSync(file, 'latin1').replace('"n":1,"text":"whole"', '"n":1,"text":"who!e"');
  writeFileSync(file, damaged, 'latin1');
  const error = await refused(options);
  assert.equal(error.code, 'CORRUPT', error.stack);
  assert.match(error.message, /events\.tingo/);
  assert.equal(readFileSync(file, 'latin1'), damaged);
  const rest = await open({ ...options, damage: 'skip' });
  assert.deepEqual((await rest.getEvents()).map((event) => event.payload.n).sort(), [0, 2]);
  await closed(rest);
});

test('what npm tingodb would not write is kept, and refused where that is asked for', async () => {
  const payload = { $a: 1, 'b.c': { $d: new Date(5) } };
  const es = await open(onTingo());
  await commit(es, 'x', payload);
  assert.deepEqual((await es.getEvents())[0].payload, payload);
  const strict = await open({ ...onTingo(), strictKeys: true });
  await assert.rejects(commit(strict, 'x', { 'b.c': 1 }), { code: 'INVALID_ARGUMENT', message: /b\.c/ });
  assert.equal((await strict.getEvents()).length, 0);
});
