#!/usr/bin/env bash
# Every example runs, and its outcome is checked. Expects the Node package to be built: `make test` does both.
set -euo pipefail
cd "$(dirname "$0")"
for example in cqrs-domain node; do npm --prefix "$example" --silent ci; done
cargo build --quiet -p annals-examples
node --test cqrs-domain/test/ node/test/
