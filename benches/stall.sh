#!/usr/bin/env bash
# What it costs when a vendor stalls: a real gateway, 300 requests a second to an event that asks a vendor and as many to
# none, over loopback, for a minute. Prints a table; with --check fails where a bar is missed.
#
#   benches/stall.sh [--check]
set -euo pipefail
cd "$(dirname "$0")/.."

# PROFILE=dev tries the script out; its figures mean less.
PROFILE=${PROFILE:-release}
[ -n "${BUILT:-}" ] || cargo build --profile "$PROFILE" --bin stepward --example stall >&2
TARGET=${CARGO_TARGET_DIR:-target}/${PROFILE/dev/debug}
exec "$TARGET/examples/stall" "$TARGET/stepward" "$@"
