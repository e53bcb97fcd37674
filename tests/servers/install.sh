#!/usr/bin/env bash
# Installs the servers that the tests need, where they are missing: install.sh redis mongo dynamodb
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

# DynamoDB's protocol, spoken by a server in Rust: built from crates.io into target/tools.
dynamodb() {
  local tools=$(cd "$(dirname "$0")" && pwd)/../../target/tools version=3.2.0
  ! grep -q "^\"dynoxide-rs $version " "$tools/.crates.toml" 2>/dev/null || return 0
  cargo install dynoxide-rs --version "$version" --no-default-features --features native-sqlite,http-server,cli \
    --locked --quiet --root "$tools" >&2 || { say "cargo can't install dynoxide-rs"; exit 1; }
}

# Azure Table Storage's protocol, spoken by Azurite: installed from npm into target.
azurite() {
  local from=$(cd "$(dirname "$0")" && pwd)/azurite
  local to=$(dirname "$from")/../../target/servers/azurite
  command -v npm >/dev/null || { say "install Node.js 20 or newer, with npm"; exit 1; }
  ! cmp -s "$from/package-lock.json" "$to/made-of" || return 0
  rm -rf "$to" && mkdir -p "$to"
  cp "$from"/package.json "$from"/package-lock.json "$from"/.npmrc "$to"
  npm --prefix "$to" ci --no-audit --no-fund --loglevel=error >&2 || { say "npm can't install azurite"; exit 1; }
  cp "$from/package-lock.json" "$to/made-of"
}

[ $# -gt 0 ] || { say "which? redis, mongo, dynamodb, azurite"; exit 2; }
for server; do
  case $server in
    redis | mongo | dynamodb | azurite) "$server" ;;
    *) say "there is no $server: redis, mongo, dynamodb, azurite"; exit 2 ;;
  esac
done
