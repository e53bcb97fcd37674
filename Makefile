# make demo   what annals is for, running: npm cqrs-domain on a SQLite file, read again from Rust
# make test   every test; STORE=memory, sqlite, redis, mongodb, tingodb, dynamodb, azure-table or elasticsearch for one store
# make bench  ratios against npm eventstore and raw drivers; STORE=… for one store
# make lint   formatting, clippy, cargo deny, documentation, TypeScript
# make fmt    formats everything
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test test-rust test-node test-examples test-bench bench lint lint-rust lint-node fmt node node-debug servers

STORE ?= all
NODE := bindings/node
NPM := npm --no-audit --no-fund --loglevel=error
DENY := target/tools/bin/cargo-deny

help:
	@sed -n 's/^# //p' Makefile

demo: node
	@examples/cqrs-domain/run.sh

test:
	@case "$(STORE)" in \
	  all) $(MAKE) --no-print-directory test-rust test-node test-examples test-bench ;; \
	  memory) cargo test -p annals-core && cargo test -p annals-testkit --test memory ;; \
	  sqlite) cargo test -p annals-sqlite ;; \
	  redis) tests/servers/install.sh redis && cargo test -p annals-redis ;; \
	  mongodb) tests/servers/install.sh mongo && cargo test -p annals-mongodb ;; \
	  tingodb) cargo test -p annals-tingodb ;; \
	  elasticsearch) tests/servers/install.sh search && ANNALS_SEARCH_SERVERS=all cargo test -p annals-elasticsearch ;; \
	  dynamodb) tests/servers/install.sh dynamodb && cargo test -p annals-dynamodb ;; \
	  azure-table) tests/servers/install.sh azurite && cargo test -p annals-azure-table ;; \
	  *) echo "There is no STORE=$(STORE): memory, sqlite, redis, mongodb, tingodb, dynamodb, azure-table, elasticsearch or all." >&2; exit 2 ;; \
	esac

test-rust: servers
	tests/lanes.mjs

# The database servers that the tests start.
servers:
	@tests/servers/install.sh redis mongo dynamodb azurite search

test-node: node-debug servers
	$(NPM) --prefix $(NODE) test

test-examples: node-debug
	examples/test.sh

# That the harness works, in seconds: not a measurement.
test-bench: node-debug servers
	bench/test.sh

bench: node servers
	STORE=$(STORE) bench/run.sh

lint: lint-rust lint-node

lint-rust: $(DENY)
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps --quiet
	$(DENY) check --hide-inclusion-graph licenses bans sources
	@$(DENY) fetch db >/dev/null 2>&1 \
	  && $(DENY) check advisories \
	  || echo "The advisory database can't be reached from here: advisories were not checked."

lint-node: $(NODE)/node_modules/.installed
	$(NPM) --prefix $(NODE) run lint
	$(NPM) --prefix $(NODE) run typecheck

fmt: $(NODE)/node_modules/.installed
	cargo fmt --all
	$(NPM) --prefix $(NODE) run fmt

# The Node package: the addon and the TypeScript.
node: $(NODE)/node_modules/.installed
	$(NPM) --prefix $(NODE) run build

# For tests the addon is not optimised: it is there minutes sooner.
node-debug: $(NODE)/node_modules/.installed
	$(NPM) --prefix $(NODE) run build:debug

$(NODE)/node_modules/.installed: $(NODE)/package.json $(NODE)/package-lock.json
	$(NPM) --prefix $(NODE) ci
	@touch $@

$(DENY):
	cargo install cargo-deny --version 0.20.2 --locked --no-default-features --debug --quiet --root target/tools
