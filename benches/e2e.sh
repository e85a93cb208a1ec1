#!/usr/bin/env bash
# Ratios Stepward / bare Pingora over loopback. Prints a table, and with --check fails where a bar is missed.
#
# Every proxy runs on core 0, the app (nginx) and the load (wrk) on core 1; rounds are interleaved and medians are
# taken, because absolute figures of a shared machine mean nothing. Needs wrk, nginx and curl from Debian.
#
#   benches/e2e.sh [--check] [rounds] [seconds a round]
set -euo pipefail
cd "$(dirname "$0")/.."

CHECK=0
if [ "${1:-}" = --check ]; then CHECK=1; shift; fi
ROUNDS=${1:-5} SECONDS_EACH=${2:-4} CONNECTIONS=${CONNECTIONS:-64}
PROXY_CORE=${PROXY_CORE:-0} LOAD_CORE=${LOAD_CORE:-1}
for tool in wrk nginx curl taskset; do
  command -v "$tool" >/dev/null || { echo "benches/e2e.sh needs $tool" >&2; exit 2; }
done

# PROFILE=dev tries the script out; its figures mean nothing.
PROFILE=${PROFILE:-release}
[ -n "${BUILT:-}" ] || cargo build --profile "$PROFILE" --bin stepward --example bare >&2
TARGET=${CARGO_TARGET_DIR:-target}/${PROFILE/dev/debug}
WORK=$(mktemp -d)
PIDS=()
# Nobody waits for open connections to drain: there is nothing in this folder that must last.
trap 'kill -KILL "${PIDS[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$WORK"' EXIT

start() { # core, log, command...
  local core=$1 log=$2; shift 2
  taskset -c "$core" "$@" >"$WORK/$log.log" 2>&1 &
  PIDS+=($!); LAST=$!
}

await() { # port, path
  for _ in $(seq 1200); do
    curl -so /dev/null "http://127.0.0.1:$1$2" && return
    sleep 0.05
  done
  echo "nothing answers on port $1" >&2; tail -n 5 "$WORK"/*.log >&2; exit 1
}

cat >"$WORK/nginx.conf" <<NGINX
master_process off;
daemon off;
error_log $WORK/nginx.err warn;
pid $WORK/nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  keepalive_timeout 300s;
  client_body_temp_path $WORK; proxy_temp_path $WORK; fastcgi_temp_path $WORK; uwsgi_temp_path $WORK; scgi_temp_path $WORK;
  server {
    listen 127.0.0.1:18080 backlog=4096;
    location / { default_type text/plain; return 200 "hello, this is the app behind, answering one request\n"; }
  }
}
NGINX
start "$LOAD_CORE" nginx nginx -c "$WORK/nginx.conf" -p "$WORK"
await 18080 /

# A policy for the requests that are an event (of an app that wants the signed assertion, and of one that does without),
# one that signs in, and so many other events beside them (in policies of
# up to 100 covers each, since what is measured is matching, not loading).
policies() { # folder, how many events
  mkdir -p "$1"
  cat >"$1/event.yaml" <<'POLICY'
event: measured
after: [login]
covers: [GET /event, GET /unsigned]
when_unsure: block
otherwise: block
steps:
  - decide: who asks, and from where
    rules:
      - rule: very many accounts
        when: ip.subjects_1h > 1000000
        then: block
      - rule: somebody who signed in
        when: subject.kind == "human"
        then: forward
POLICY
  # Reads nothing but the session, so that over Redis a snapshot of it can answer.
  cat >"$1/plain.yaml" <<'POLICY'
event: plain
covers: [GET /plain]
when_unsure: block
otherwise: block
steps:
  - decide: who asks
    rules:
      - rule: somebody who signed in
        when: subject.kind == "human"
        then: forward
POLICY
  cat >"$1/login.yaml" <<'POLICY'
event: login
covers: [GET /login]
facts:
  user: { from: query.user, type: text, identifies: subject }
succeeded: response.status == 200
when_unsure: block
otherwise: forward
steps:
  - finish: in
    then: forward
POLICY
  awk -v n="$2" -v folder="$1" 'BEGIN {
    for (first = 1; first < n; first += 100) {
      file = folder "/e" first ".yaml"
      printf "event: e%d\ncovers:\n", first > file
      for (i = first; i < first + 100 && i < n; i++) printf "  - POST /area%d/item%d/{id}\n", i % 977, i > file
      printf "when_unsure: block\notherwise: block\nsteps:\n  - finish: no\n    then: block\n" > file
      close(file)
    }
  }'
}

# The session of somebody who signed in at that port.
signed_in() { # port
  curl -so /dev/null -D - "http://127.0.0.1:$1/login?user=ada" | sed -n 's/^[Ss]et-[Cc]ookie: \(stepward=[^;]*\).*/\1/p' | tr -d '\r'
}

# The same with a snapshot of that session, where there are any; it holds for a minute.
with_snapshot() { # port, cookie
  local snapshot
  snapshot=$(curl -so /dev/null -D - -H "Cookie: $2" "http://127.0.0.1:$1/plain" |
    sed -n 's/^[Ss]et-[Cc]ookie: \(stepward-snapshot=[^;]*\).*/\1/p' | tr -d '\r')
  echo "$2${snapshot:+; $snapshot}"
}

stepward() { # name, port, how many events, state
  policies "$WORK/$1" "$3"
  cat >"$WORK/$1.yaml" <<SETTINGS
listen: [{ address: 127.0.0.1:$2 }]
upstreams:
  app: { url: http://127.0.0.1:18080 }
  believer: { url: http://127.0.0.1:18080, assertion: false }
routes: [{ host: "127.0.0.1", path: /unsigned, upstream: believer }, { host: "127.0.0.1", upstream: app }]
state: { ${4:-store: embedded}, path: $WORK/$1-state }
policies: $WORK/$1
decision_log: { file: /dev/null }
SETTINGS
  start "$PROXY_CORE" "$1" "$TARGET/stepward" run -c "$WORK/$1.yaml"
  await "$2" /
}

start "$PROXY_CORE" bare "$TARGET/examples/bare" 127.0.0.1:18100 127.0.0.1:18080; BARE=$LAST
await 18100 /
stepward few 18101 10; FEW=$LAST
stepward some 18102 1000; SOME=$LAST
CONTENDERS="bare:18100:/:$BARE none-of-10:18101:/:$FEW none-of-1000:18102:/:$SOME event-of-10:18101:/event:$FEW"
CONTENDERS="$CONTENDERS event-of-1000:18102:/event:$SOME event-unsigned:18101:/unsigned:$FEW"
if [ "${MANY:-1}" = 1 ]; then
  stepward many 18103 100000; MANY_PID=$LAST
  CONTENDERS="$CONTENDERS none-of-100000:18103:/:$MANY_PID event-of-100000:18103:/event:$MANY_PID"
fi
if command -v redis-server >/dev/null; then
  start "$LOAD_CORE" redis redis-server --port 18200 --save "" --appendonly no
  export REDIS_URL=redis://127.0.0.1:18200/0
  stepward shared 18104 10 "store: redis, url: { env: REDIS_URL }"; SHARED=$LAST
  stepward asked 18105 10 "store: redis, url: { env: REDIS_URL }, prefix: asked, snapshots: never"; ASKED=$LAST
  stepward copied 18106 10 "store: redis, url: { env: REDIS_URL }, prefix: copied, snapshots: 60s"; COPIED=$LAST
  CONTENDERS="$CONTENDERS event-redis:18104:/event:$SHARED"
  CONTENDERS="$CONTENDERS redis-asked:18105:/plain:$ASKED redis-snapshot:18106:/plain:$COPIED"
fi
rss() { awk '/VmRSS/ {printf "%.1f", $2 / 1024}' "/proc/$1/status"; }
IDLE="idle MiB: bare $(rss "$BARE"), stepward $(rss "$FEW")"

wrk_on() { # URL, seconds, port
  taskset -c "$LOAD_CORE" wrk -t1 -c"$CONNECTIONS" -d"$2"s --latency -H "Cookie: ${COOKIES[$3]:-none=1}" "$1"
}
declare -A COOKIES
for port in 18101 18102 18103 18104 18105 18106; do COOKIES[$port]=$(signed_in $port || true); done
cpu() { awk '{print $14 + $15}' "/proc/$1/stat"; }
for contender in $CONTENDERS; do
  IFS=: read -r _ port path _ <<<"$contender"
  wrk_on "http://127.0.0.1:$port$path" 1 "$port" >/dev/null
done
for _ in $(seq "$ROUNDS"); do
  for contender in $CONTENDERS; do
    IFS=: read -r name port path pid <<<"$contender"
    [ "$name" != redis-snapshot ] || COOKIES[$port]=$(with_snapshot "$port" "${COOKIES[$port]%%;*}")
    before=$(cpu "$pid")
    wrk_on "http://127.0.0.1:$port$path" "$SECONDS_EACH" "$port" >"$WORK/wrk.out"
    after=$(cpu "$pid")
    awk -v name="$name" -v ticks=$((after - before)) '
      function us(text) { return text ~ /us$/ ? text + 0 : text ~ /ms$/ ? text * 1e3 : text * 1e6 }
      / 50%/ { p50 = us($2) } / 99%/ { p99 = us($2) } /requests in/ { count = $1 } /Requests\/sec/ { rate = $2 }
      /Non-2xx/ { bad = $NF } /Socket errors/ { bad += $4 + $6 + $8 + $10 }
      END { printf "%s %s %s %s %.2f %d\n", name, rate, p50, p99, ticks * 10000 / count, bad }
    ' "$WORK/wrk.out" >>"$WORK/rounds"
  done
done

awk -v check="$CHECK" '
  function median(list, n,   i, j, swap) {
    for (i = 2; i <= n; i++) for (j = i; j > 1 && list[j] < list[j - 1]; j--) { swap = list[j]; list[j] = list[j - 1]; list[j - 1] = swap }
    return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
  }
  { if (!($1 in seen)) { order[++names] = $1 } seen[$1]++; for (k = 2; k <= 5; k++) value[$1, k, seen[$1]] = $k; bad += $6 }
  function of(name, k,   i, list) { for (i = 1; i <= seen[name]; i++) list[i] = value[name, k, i]; return median(list, seen[name]) }
  END {
    printf "%-16s %9s %7s %8s %8s %7s %8s %7s\n", "", "req/s", "ratio", "p50 us", "p99 us", "ratio", "cpu us", "ratio"
    for (i = 1; i <= names; i++) {
      name = order[i]
      rate = of(name, 2); p99 = of(name, 4); cpu = of(name, 5)
      printf "%-16s %9.0f %7.3f %8.0f %8.0f %7.3f %8.1f %7.3f\n", name, rate, rate / of("bare", 2), of(name, 3), p99, p99 / of("bare", 4), cpu, cpu / of("bare", 5)
      bar = name ~ /^none/ ? 0.97 : name ~ /redis/ ? 0.6 : name ~ /^event/ ? 0.85 : 0
      if (check && rate / of("bare", 2) < bar) { printf "  below the bar of %.2f\n", bar; failed = 1 }
    }
    if (bad) { print bad " answers were not 2xx, or broke off"; failed = check }
    exit failed
  }
' "$WORK/rounds" && STATUS=0 || STATUS=$?
echo "$IDLE"
exit "$STATUS"
