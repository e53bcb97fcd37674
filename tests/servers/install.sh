#!/usr/bin/env bash
# Installs the servers that the tests need, where they are missing: install.sh redis
set -euo pipefail

say() { echo "install.sh: $*" >&2; }

updated=
# Installs a Debian package; where that can't be done, says what to install instead.
debian() {
  local package=$1 instead=$2 root=()
  command -v apt-get >/dev/null || { say "there is no apt-get here: $instead"; exit 1; }
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { say "neither root nor sudo: $instead"; exit 1; }
    root=(sudo)
  fi
  apt() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >/dev/null; }
  [ -n "$updated" ] || { apt update || say "apt-get update failed; trying with what it knew"; updated=yes; }
  apt install -y --no-install-recommends "$package" || { say "apt-get can't install $package: $instead"; exit 1; }
}

redis() {
  command -v redis-server >/dev/null && command -v redis-cli >/dev/null ||
    debian redis-server "install redis-server 6.2 or newer, with redis-cli"
}

[ $# -gt 0 ] || { say "which? redis"; exit 2; }
for server; do
  case $server in
    redis) "$server" ;;
    *) say "there is no $server: redis"; exit 2 ;;
  esac
done
