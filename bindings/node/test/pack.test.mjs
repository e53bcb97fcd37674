// The packed package installs into an empty project and runs there, with no compiler in reach.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const packageRoot = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), 'annals-pack-'));
after(() => rmSync(folder, { recursive: true, force: true }));

// Only node and npm can be found: a build would fail.
const bin = mkdtempSync(join(folder, 'bin-'));
symlinkSync(process.execPath, join(bin, 'node'));
const env = { ...process.env, PATH: bin, npm_config_loglevel: 'error' };
const npm = join(dirname(process.execPath), 'npm');

const run = (args, cwd) => execFileSync(process.execPath, args, { cwd, env, encoding: 'utf8' });
const npmCli = execFileSync('readlink', ['-f', npm], { encoding: 'utf8' }).trim();

let tarball;
before(() => {
  const packed = execFileSync(process.execPath, [npmCli, 'pack', '--json', '--pack-destination', folder], {
    cwd: packageRoot,
    encoding: 'utf8',
  });
  const [{ filename, files }] = JSON.parse(packed.slice(packed.indexOf('[')));
  tarball = join(folder, filename);
  const names = files.map((file) => file.path);
  assert.ok(!names.some((name) => /^(ts|src|test)\//.test(name)), `only what users need is packed: ${names}`);
});

function project(dependencies) {
  const cwd = mkdtempSync(join(folder, 'project-'));
  writeFileSync(join(cwd, 'package.json'), JSON.stringify({ name: 'empty', private: true, dependencies }));
  run([npmCli, 'install', '--no-audit', '--no-fund'], cwd);
  return cwd;
}

const story = `
  async function story(eventstore, options) {
    const es = eventstore(options);
    await es.init();
    const stream = await es.getEventStream({ aggregateId: '1', aggregate: 'order' });
    stream.addEvent({ type: 'placed' });
    await stream.commit();
    console.log(options.type + ' ' + (await es.getEvents()).length);
  }
`;

test('as CommonJS and as ESM, in memory and on a file that stays', () => {
  const cwd = project({ annals: `file:${tarball}` });
  writeFileSync(
    join(cwd, 'story.cjs'),
    `${story}
     const eventstore = require('annals');
     story(eventstore, { type: 'inmemory' }).then(() => story(eventstore, { type: 'sqlite', filename: 'events.db' }));`,
  );
  writeFileSync(
    join(cwd, 'story.mjs'),
    `${story}
     import eventstore, { Store, ConcurrencyError } from 'annals';
     import { createRequire } from 'node:module';
     const cjs = createRequire(import.meta.url)('annals');
     if (cjs !== eventstore || cjs.Store !== Store || cjs.ConcurrencyError !== ConcurrencyError) throw new Error('two packages');
     await story(eventstore, { type: 'inmemory' });
     await story(eventstore, { type: 'sqlite', filename: 'events.db' });`,
  );
  assert.equal(run(['story.cjs'], cwd), 'inmemory 1\nsqlite 1\n');
  assert.equal(run(['story.mjs'], cwd), 'inmemory 1\nsqlite 2\n');
});

test("under node-eventstore's name, deep requires included", () => {
  const cwd = project({ eventstore: `file:${tarball}` });
  writeFileSync(
    join(cwd, 'old.js'),
    `var eventstore = require('eventstore');
     var Event = require('eventstore/lib/event'), Store = require('eventstore/lib/base.js');
     if (Event !== eventstore.Event || Store !== eventstore.Store) throw new Error('other classes');
     var es = eventstore();
     es.init(function (err) {
       es.getEventStream('1', function (err, stream) {
         stream.addEvent({ my: 'event' });
         stream.commit(function (err, stream) { console.log(err, stream.eventsToDispatch.length); });
       });
     });`,
  );
  assert.equal(run(['old.js'], cwd), 'null 1\n');
  const { name } = JSON.parse(readFileSync(join(cwd, 'node_modules/eventstore/package.json'), 'utf8'));
  assert.equal(name, 'annals');
});

test('without an addon beside it, it takes the one of the platform’s package, or names that package', () => {
  const cwd = project({ annals: `file:${tarball}` });
  const installed = join(cwd, 'node_modules/annals');
  const [addon] = readdirSync(installed).filter((file) => file.endsWith('.node'));
  const triple = addon.split('.')[1];
  const platform = join(cwd, 'node_modules', `annals-${triple}`);
  cpSync(join(packageRoot, 'npm', triple), platform, { recursive: true });
  renameSync(join(installed, addon), join(platform, addon));
  writeFileSync(
    join(cwd, 'try.cjs'),
    `try { require('annals')(); console.log('loaded'); } catch (error) { console.log(error.message); }`,
  );
  assert.equal(run(['try.cjs'], cwd), 'loaded\n');
  writeFileSync(join(installed, addon), 'not an addon');
  assert.match(run(['try.cjs'], cwd), new RegExp(`${triple}.*can’t be loaded`));
  rmSync(join(installed, addon));
  rmSync(platform, { recursive: true });
  assert.match(
    run(['try.cjs'], cwd),
    new RegExp(`no native store for this platform .*install the package annals-${triple}`),
  );
});
