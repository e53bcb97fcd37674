#!/bin/sh
# Installs what the Node races need: npm eventstore, and our package as it is built now.
set -eu
cd "$(dirname "$0")"
for needed in annals aws-sdk azure-storage elasticsearch eventstore mongodb redis tingodb; do
    [ -e node_modules/$needed ] || { npm ci --silent; break; }
done
