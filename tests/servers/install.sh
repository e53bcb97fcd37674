#!/usr/bin/env bash
# Installs the servers that the tests need, where they are missing: install.sh redis mongo
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

# MongoDB's protocol, spoken by a server in Java: what is under mongo, built into target.
mongo() {
  local from=$(cd "$(dirname "$0")" && pwd)/mongo
  local to=$(dirname "$from")/../../target/servers/mongo
  command -v javac >/dev/null || debian default-jdk-headless "install a JDK, 17 or newer"
  command -v mvn >/dev/null || debian maven "install Maven"
  local made_of
  made_of=$(cat "$from"/* | sha256sum)
  [ "$(cat "$to/made-of" 2>/dev/null)" != "$made_of" ] || return 0
  rm -rf "$to" && mkdir -p "$to"
  mvn -q -B -f "$from/pom.xml" dependency:copy-dependencies -DoutputDirectory="$to/lib" >&2 ||
    { say "Maven can't get the server's parts"; exit 1; }
  javac -cp "$to/lib/*" -d "$to" "$from/MongoTestServer.java"
  echo "$made_of" >"$to/made-of"
}

[ $# -gt 0 ] || { say "which? redis, mongo"; exit 2; }
for server; do
  case $server in
    redis | mongo) "$server" ;;
    *) say "there is no $server: redis, mongo"; exit 2 ;;
  esac
done
