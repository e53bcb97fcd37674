import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const examples = join(dirname(fileURLToPath(import.meta.url)), '../..');
const target = process.env.CARGO_TARGET_DIR ?? join(examples, '../target');
const rust = join(target, 'debug/first_commit');
const run = (program, ...args) => execFileSync(program, args, { encoding: 'utf8', timeout: 30_000 });

for (const name of ['first-commit.mjs', 'first-commit.cjs']) {
  test(`${name} commits, ends, and Rust goes on with its file`, (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'orders-'));
    t.after(() => rmSync(dir, { recursive: true }));
    const file = join(dir, 'orders.db');
    const said = run(process.execPath, join(examples, 'node', name), file);
    assert.equal(said, "0 { type: 'placed', sku: 'A1' }\n1 { type: 'shipped' }\n");
    assert.equal(
      run(rust, `sqlite:${file}`),
      'sales/order/order-1 is now at revision 2\n0 Placed { sku: "A1" }\n1 Shipped\n2 Shipped\n',
    );
  });
}
