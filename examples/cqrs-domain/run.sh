#!/usr/bin/env bash
# Runs npm cqrs-domain on a SQLite file, stops it, starts it again, and reads the file from Rust. Expects the Node
# package to be built: `make demo` does both.
set -euo pipefail
cd "$(dirname "$0")"
dir=../../target/demo
rm -rf "$dir" && mkdir -p "$dir"
npm ci --silent
cargo build --quiet -p annals-examples --bin read_domain
node story.js "$dir/parking.db"
echo
"${CARGO_TARGET_DIR:-../../target}/debug/read_domain" "$dir/parking.db"
echo
echo "The file is target/demo/parking.db. The domain is in examples/cqrs-domain/domain, the Rust reader in examples/rust."
