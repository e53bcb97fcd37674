#!/bin/sh
# Installs what the Node races need: npm eventstore, and our package as it is built now.
set -eu
cd "$(dirname "$0")"
[ -e node_modules/eventstore ] && [ -e node_modules/redis ] && [ -e node_modules/annals ] || npm ci --silent
