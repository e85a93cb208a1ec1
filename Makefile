# What people type. Everything else is cargo.
#   make demo    see it work: a bank, a gateway before it, a mailbox
#   make test    the whole gate: formatting, lints, every test, the browser tests
#   make check   the quick part of it
#   make bench   bare Pingora and Stepward side by side
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Tests use a profile without LTO; one job a core.
export CARGO_TERM_COLOR ?= auto
BROWSER_TESTS := tests/browser

.PHONY: help demo test check fmt lint unit browser bench deps deps-browser supply

help:
	@sed -n '2,5p' Makefile | cut -c3-

demo: deps
	cargo run --release --locked --bin stepward -- demo

test: deps fmt lint unit browser

check: fmt lint
	cargo run --locked --quiet --bin stepward -- check policies
	cargo run --locked --quiet --bin stepward -- test policies

fmt:
	cargo fmt --all -- --check

lint: deps
	cargo clippy --workspace --all-targets --locked -- -D warnings

# One linking of the integration tests; doc tests are what nextest leaves out.
unit: deps
	if command -v cargo-nextest >/dev/null; then cargo nextest run --workspace --locked --no-fail-fast; else cargo test --workspace --lib --bins --tests --locked --no-fail-fast; fi
	cargo test --workspace --doc --locked

browser: deps-browser
	if [ -f $(BROWSER_TESTS)/package.json ]; then cargo build --locked --bin stepward && cd $(BROWSER_TESTS) && npm ci --no-audit --no-fund && npm test; else echo "there are no browser tests"; fi

bench: deps
	cargo bench --locked

# Licences, bans and advisories; needs cargo-deny and the network for advisories. `tests/it/supply.rs` holds the bans.
supply:
	cargo deny check bans licenses sources

deps:
	./deploy/need.sh cmake:cmake cc:build-essential

deps-browser:
	if [ -f $(BROWSER_TESTS)/package.json ]; then ./deploy/need.sh chromium:chromium node:nodejs npm:npm; fi
