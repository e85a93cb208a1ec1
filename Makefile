# What people type. Everything else is cargo.
#   make demo    see it work: a bank, a gateway before it, a mailbox
#   make test    the whole gate: formatting, lints, every test, the browser tests
#   make check   the quick part of it
#   make bench   bare Pingora and Stepward side by side
#   make fuzz    a million mutated requests (FUZZ=...), none of which may reach what is protected
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Tests use a profile without LTO; one job a core.
export CARGO_TERM_COLOR ?= auto
BROWSER_TESTS := tests/browser
# The identity provider that the tests of `oidc` sign in at.
IDP := tests/idp

.PHONY: help demo test check fmt lint unit browser bench fuzz deps deps-browser supply

help:
	@sed -n '2,6p' Makefile | cut -c3-

demo: deps
	cargo run --locked --bin stepward -- demo

test: fmt lint unit

check: fmt lint
	cargo run --locked --quiet --bin stepward -- check policies
	cargo run --locked --quiet --bin stepward -- test policies

fmt:
	cargo fmt --all -- --check

lint: deps
	cargo clippy --workspace --all-targets --locked -- -D warnings

# Every test, those in the browser too: one linking of the integration tests. Doc tests are what nextest leaves out.
unit: deps deps-browser
	cargo test --workspace --doc --locked
	if command -v cargo-nextest >/dev/null; then cargo nextest run --workspace --locked --no-fail-fast; else cargo test --workspace --lib --bins --tests --locked --no-fail-fast; fi

browser: deps deps-browser
	cargo test --locked --test it browser -- --nocapture

bench: deps
	.ci/need wrk:wrk nginx:nginx-light curl:curl
	cargo bench --locked
	MANY=$${MANY:-0} benches/e2e.sh

# The suite sends a hundred thousand in half a minute; FUZZ_SEED makes others.
fuzz: deps
	STEPWARD_FUZZ_REQUESTS=$${FUZZ:-1000000} STEPWARD_FUZZ_SEED=$${FUZZ_SEED:-24301} cargo test --release --locked --test it no_mutated_request -- --nocapture

# Licences, bans and advisories; needs cargo-deny and the network for advisories. `tests/it/supply.rs` holds the bans.
supply:
	cargo deny check bans licenses sources

deps:
	.ci/need cmake:cmake cc:build-essential redis-server:redis-server

# Chromium, node and Python from Debian; packages from npm and PyPI by their lock files, again only when these changed.
deps-browser:
	.ci/need chromium:chromium node:nodejs npm:npm python3:python3 pip3:python3-pip
	for folder in $(BROWSER_TESTS) $(IDP); do (cd $$folder; [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund --ignore-scripts); done
	cd $(BROWSER_TESTS); [ python/.installed -nt requirements.txt ] || \
	    { python3 -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade --target python -r requirements.txt && touch python/.installed; }
