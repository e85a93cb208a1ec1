#!/usr/bin/env bash
# What a Redis Cluster of one, two and three masters does for Stepward: events a second, commands for each event, and how
# evenly they fall on the masters. Prints a table.
#
# Everything shares this machine's cores, so that events a second hardly grow with the masters: what grows is told by the
# share of the work that the busiest master has. Needs redis-server, redis-cli, wrk, nginx and curl from Debian.
#
#   benches/cluster.sh [accounts] [seconds a round]
set -euo pipefail
cd "$(dirname "$0")/.."

ACCOUNTS=${1:-200} SECONDS_EACH=${2:-5}
for tool in redis-server redis-cli wrk nginx curl; do
  command -v "$tool" >/dev/null || { echo "benches/cluster.sh needs $tool" >&2; exit 2; }
done
PROFILE=${PROFILE:-release}
[ -n "${BUILT:-}" ] || cargo build --profile "$PROFILE" --bin stepward >&2
STEPWARD=$(realpath "${CARGO_TARGET_DIR:-target}/${PROFILE/dev/debug}/stepward")
WORK=$(mktemp -d)
PIDS=()
trap 'kill -KILL "${PIDS[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$WORK"' EXIT

start() { # log, command...
  local log=$1; shift
  "$@" >"$WORK/$log.log" 2>&1 &
  PIDS+=($!)
}

await() { # what, command that succeeds once it is there
  local what=$1; shift
  for _ in $(seq 600); do "$@" >/dev/null 2>&1 && return; sleep 0.05; done
  echo "$what did not come up" >&2; tail -n 5 "$WORK"/*.log >&2; exit 1
}

cat >"$WORK/nginx.conf" <<NGINX
master_process off;
daemon off;
error_log $WORK/nginx.err warn;
pid $WORK/nginx.pid;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000;
  client_body_temp_path $WORK; proxy_temp_path $WORK; fastcgi_temp_path $WORK; uwsgi_temp_path $WORK; scgi_temp_path $WORK;
  server { listen 127.0.0.1:18480; location / { default_type text/plain; return 200 "hello\n"; } } }
NGINX
start nginx nginx -c "$WORK/nginx.conf" -p "$WORK"
await nginx curl -so /dev/null http://127.0.0.1:18480/

mkdir "$WORK/policies"
cat >"$WORK/policies/login.yaml" <<'POLICY'
event: login
covers: [GET /login]
facts:
  user: { from: query.user, type: text, identifies: subject }
succeeded: response.status == 200
when_unsure: block
otherwise: forward
POLICY
cat >"$WORK/policies/event.yaml" <<'POLICY'
event: measured
covers: [GET /event]
when_unsure: block
otherwise: block
steps:
  - decide: seldom, and signed in
    rules:
      - rule: too often
        when: subject.tries_1h > 1000000
        then: block
      - rule: somebody who signed in
        when: subject.kind == "human"
        then: forward
POLICY

# Asks in turn with the cookies of all accounts.
cat >"$WORK/all.lua" <<LUA
local cookies, at = {}, 0
for line in io.lines("$WORK/cookies") do cookies[#cookies + 1] = line end
request = function()
  at = at % #cookies + 1
  return wrk.format("GET", "/event", { Cookie = cookies[at] })
end
LUA

commands() { # ports...
  for port in "$@"; do redis-cli -p "$port" info stats | tr -d '\r' | sed -n 's/^total_commands_processed://p'; done
}

printf "%-8s %10s %14s %22s %8s\n" masters "events/s" "commands/event" "busiest master's share" "not 2xx"
for masters in 1 2 3; do
  ports=(); urls=""
  for number in $(seq "$masters"); do
    port=$((18400 + masters * 10 + number)); ports+=("$port"); urls="$urls,127.0.0.1:$port"
    mkdir "$WORK/redis-$port"
    start "redis-$port" redis-server --port "$port" --bind 127.0.0.1 --save "" --appendonly no --cluster-enabled yes \
      --cluster-require-full-coverage no --dir "$WORK/redis-$port"
    await "redis on $port" redis-cli -p "$port" ping
  done
  # By hand: redis-cli makes no cluster of fewer than three masters.
  each=$((16384 / masters))
  for number in $(seq "$masters"); do
    first=$(((number - 1) * each)) last=$((number == masters ? 16383 : number * each - 1))
    redis-cli -p "${ports[number - 1]}" cluster addslotsrange "$first" "$last" >/dev/null
    redis-cli -p "${ports[number - 1]}" cluster set-config-epoch "$number" >/dev/null
  done
  for port in "${ports[@]:1}"; do redis-cli -p "${ports[0]}" cluster meet 127.0.0.1 "$port" >/dev/null; done
  for port in "${ports[@]}"; do
    await "the cluster" sh -c "redis-cli -p $port cluster info | grep -q cluster_state:ok && [ \$(redis-cli -p $port cluster slots | grep -c '^[0-9]*\$') -ge $masters ]"
  done
  gateway=$((18490 + masters))
  cat >"$WORK/stepward-$masters.yaml" <<SETTINGS
listen: [{ address: 127.0.0.1:$gateway }]
upstreams: { app: { url: http://127.0.0.1:18480, assertion: false } }
routes: [{ host: "127.0.0.1", upstream: app }]
state: { store: redis, topology: cluster, url: { env: REDIS_URL }, path: $WORK/state-$masters, snapshots: never }
policies: $WORK/policies
decision_log: { file: /dev/null }
SETTINGS
  export REDIS_URL=redis://${urls#,}
  start "stepward-$masters" "$STEPWARD" run -c "$WORK/stepward-$masters.yaml"
  await "stepward" curl -so /dev/null "http://127.0.0.1:$gateway/"
  : >"$WORK/cookies"
  for account in $(seq "$ACCOUNTS"); do
    curl -so /dev/null -D - "http://127.0.0.1:$gateway/login?user=customer-$account" |
      sed -n 's/^[Ss]et-[Cc]ookie: \(stepward=[^;]*\).*/\1/p' | tr -d '\r' >>"$WORK/cookies"
  done
  [ "$(wc -l <"$WORK/cookies")" = "$ACCOUNTS" ] || { echo "not everybody could sign in" >&2; tail -n 5 "$WORK/stepward-$masters.log" >&2; exit 1; }
  wrk -t1 -c32 -d1s -s "$WORK/all.lua" "http://127.0.0.1:$gateway/event" >/dev/null
  mapfile -t before < <(commands "${ports[@]}")
  wrk -t1 -c32 -d"$SECONDS_EACH"s -s "$WORK/all.lua" "http://127.0.0.1:$gateway/event" >"$WORK/wrk.out"
  mapfile -t after < <(commands "${ports[@]}")
  awk -v masters="$masters" -v before="${before[*]}" -v after="${after[*]}" '
    /requests in/ { count = $1 } /Requests\/sec/ { rate = $2 } /Non-2xx/ { bad = $NF }
    END {
      n = split(before, b); split(after, a)
      for (i = 1; i <= n; i++) { made = a[i] - b[i]; all += made; if (made > most) most = made }
      printf "%-8d %10.0f %14.1f %21.0f%% %8d\n", masters, rate, all / count, 100 * most / all, bad
    }' "$WORK/wrk.out"
done
