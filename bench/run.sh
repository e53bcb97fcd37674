#!/bin/sh
# Measures, and writes the report: bench/run.sh
#   STORE=memory|sqlite|…|all   which store (all)
#   QUICK=1                     a smoke test in seconds: debug build, target/bench/quick, RESULTS.md untouched
set -eu
cd "$(dirname "$0")/.."
store=${STORE:-all}
[ "$store" = all ] && chosen= || chosen=$store
if [ -n "${QUICK:-}" ]; then
    out=target/bench/quick build=debug release= results=
else
    out=target/bench build=release release=--release results='--results bench/RESULTS.md'
fi
mkdir -p $out
rm -f $out/*.jsonl $out/report.*

# Which stores have a Node race is known without installing anything.
if [ -z "$chosen" ] || node bench/node/race.mjs --list | grep -qx "$chosen"; then
    bench/node/setup.sh
    echo "Node:" >&2
    node bench/node/race.mjs $chosen >$out/node.jsonl
fi

command -v strace >/dev/null || { [ "$(id -u)" = 0 ] && apt-get update -qq && apt-get install -qq -y strace >/dev/null; } ||
    echo "no strace: flushes will not be counted" >&2
cargo build --quiet --locked $release -p annals-bench
echo "Rust:" >&2
"${CARGO_TARGET_DIR:-target}/$build/annals-bench" $chosen >$out/rust.jsonl

# shellcheck disable=SC2086 # no store or directory has a space
node bench/report/report.mjs $results $out $out/*.jsonl
node bench/report/check.mjs $out/report.json
