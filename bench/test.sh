#!/bin/sh
# Shows that the harness works: its own tests, and a quick run of everything whose report is checked.
set -eu
cd "$(dirname "$0")/.."
node --test bench/report/
QUICK=1 bench/run.sh
