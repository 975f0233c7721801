#!/usr/bin/env bash
# Compares instep with a blind byte relay (the floor of this machine), a C broker on libzmq's ROUTER and pyleco's Coordinator; and as a C2SIM
# session server with a responder in C that answers every request over HTTP alike.
#
# usage: benches/compare.sh [--quick] [--no-pyleco]
#
# All listen on loopback only and are loaded by the same generator, `instep bench`. Runs are interleaved, round by
# round, and each figure is the median of its rounds: absolute figures of a shared machine are noise, ratios of interleaved
# runs are not. Needs a C compiler; installs libzmq3-dev by apt where it is missing, and pyleco into target/pyleco.
set -euo pipefail

cd "$(dirname "$0")/.."
quick=0
with_pyleco=1
for word in "$@"; do
    case "$word" in
        --quick) quick=1 ;;
        --no-pyleco) with_pyleco=0 ;;
        -h|--help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "compare.sh: '$word' is not a flag (try: --help)" >&2; exit 2 ;;
    esac
done

out=target/compare
mkdir -p "$out"
pids=()
cleanup() {
    trap - EXIT INT TERM
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    sleep 0.2
    for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# ---- Building ----

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
has_zmq() { echo '#include <zmq.h>' | cc -E -x c - >/dev/null 2>&1; }

with_zmq=1
if ! has_zmq; then
    echo "installing libzmq3-dev" >&2
    { as_root apt-get update && as_root apt-get install -y --no-install-recommends libzmq3-dev; } >"$out/apt.log" 2>&1 || true
    has_zmq || { echo "libzmq3-dev is not to be had: its column stays empty (see $out/apt.log)" >&2; with_zmq=0; }
fi
if [ "$with_pyleco" = 1 ] && [ ! -x target/pyleco/bin/coordinator ]; then
    echo "installing pyleco" >&2
    { python3 -m venv target/pyleco && timeout 120 target/pyleco/bin/pip install -q pyleco; } >"$out/pip.log" 2>&1 \
        || { echo "pyleco is not to be had: its column stays empty (see $out/pip.log)" >&2; with_pyleco=0; }
fi
cargo build --release --quiet
target_dir="${CARGO_TARGET_DIR:-target}"
instep="$target_dir/release/instep"
cc -O2 -Wall -o "$out/relay" benches/compare/relay.c
cc -O2 -Wall -o "$out/responder" benches/compare/responder.c
[ "$with_zmq" = 0 ] || cc -O2 -Wall -o "$out/zmq_broker" benches/compare/zmq_broker.c -lzmq

# ---- Starting ----

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
# Whether somebody accepts connections there. The relay would pair a connection that only looks, so it says "ready" itself.
is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

declare -A port pid
names=()
start() { # name, command with PORT in the place of the port
    local name=$1; shift
    port[$name]=$(free_port)
    "${@//PORT/${port[$name]}}" >"$out/$name.log" 2>&1 &
    pid[$name]=$!
    pids+=("$!")
    for _ in $(seq 100); do
        if [ "$name" = relay ]; then
            grep -q ready "$out/$name.log" && break
        elif is_open "${port[$name]}"; then
            break
        fi
        kill -0 "${pid[$name]}" 2>/dev/null || { echo "$name did not start:" >&2; cat "$out/$name.log" >&2; exit 1; }
        sleep 0.1
    done
    names+=("$name")
}

http_port=$(free_port)
start instep "$instep" serve --bind 127.0.0.1:PORT --http-bind "127.0.0.1:$http_port" --namespace N1 --log-level warn
start relay "$out/relay" PORT
[ "$with_zmq" = 0 ] || start libzmq "$out/zmq_broker" PORT
[ "$with_pyleco" = 0 ] || start pyleco target/pyleco/bin/python -m pyleco.coordinators.coordinator --port PORT --namespace N1 --host 127.0.0.1 -q -q
start responder "$out/responder" PORT

# Those that route messages.
routers=()
for name in "${names[@]}"; do [ "$name" = responder ] || routers+=("$name"); done

rss_kib() { awk '/^VmRSS/ {print $2}' "/proc/${pid[$1]}/status"; }
hwm_kib() { awk '/^VmHWM/ {print $2}' "/proc/${pid[$1]}/status"; }

# ---- Measuring ----

if [ "$quick" = 1 ]; then
    rounds=1 seconds=0.2 pair_counts=(1 8)
else
    rounds=5 seconds=1 pair_counts=(1 8 64)
fi
payloads=(64 65536)
# In flight for each pair: 64 KiB payloads get fewer, so that 64 pairs hold 64 MiB and not 1 GiB. The same for all.
window_of() { if [ "$1" = 64 ]; then echo 256; else echo 16; fi; }

results="$out/results.tsv"
: >"$results"
field() { grep -o "\"$1\":[0-9.eE+-]*" | head -n 1 | cut -d: -f2; }
# Writes "metric <tab> server <tab> value" lines. A server that fails a run gets no value there, and the reason is kept.
bench() { # metric, server, field, words
    local metric=$1 server=$2; shift 2
    local fields=$1; shift
    local relay=()
    [ "$server" != relay ] || relay=(--relay)
    local said
    if ! said=$(timeout 60 "$instep" bench "$1" "127.0.0.1:${port[$server]}" "${@:2}" "${relay[@]}" --json 2>>"$out/bench.log"); then
        echo "$metric: $server failed (see $out/bench.log)" >&2
        return 0
    fi
    local name
    for name in $fields; do
        printf '%s%s\t%s\t%s\n' "$metric" "${name#*:}" "$server" "$(field "${name%%:*}" <<<"$said")" >>"$results"
    done
}

# Reports over HTTP: to instep, heard by so many streams; to the responder, which knows no streams.
bench_reports() { # streams
    local row="reports/s, heard by $1" said words
    for server in instep responder; do
        if [ "$server" = instep ]; then words=("127.0.0.1:$http_port" --streams "$1"); else words=("127.0.0.1:${port[responder]}" --blind); fi
        if ! said=$(timeout 60 "$instep" bench c2sim "${words[@]}" --connections 8 --seconds "$seconds" --json 2>>"$out/bench.log"); then
            echo "$row: $server failed (see $out/bench.log)" >&2
            continue
        fi
        printf '%s\t%s\t%s\n' "$row" "$server" "$(field reports_per_s <<<"$said")" >>"$results"
        printf '%s\t%s\t%s\n' "report us, p99, $1" "$server" "$(field p99_us <<<"$said")" >>"$results"
    done
}

: >"$out/bench.log"
for server in "${names[@]}"; do printf 'resident KiB, idle\t%s\t%s\n' "$server" "$(rss_kib "$server")" >>"$results"; done
for round in $(seq "$rounds"); do
    [ ! -t 2 ] || printf '\rround %s of %s ' "$round" "$rounds" >&2
    for pairs in "${pair_counts[@]}"; do
        for payload in "${payloads[@]}"; do
            for server in "${routers[@]}"; do
                bench "msg/s, $pairs x $payload B" "$server" messages_per_s: throughput \
                    --pairs "$pairs" --payload "$payload" --window "$(window_of "$payload")" --seconds "$seconds"
            done
        done
    done
    for server in "${routers[@]}"; do
        bench "round trip us, " "$server" "p50_us:p50 p99_us:p99 p999_us:p99.9" latency --payload 64 --seconds "$seconds"
    done
    bench_reports 0
    bench_reports 10
done
[ ! -t 2 ] || printf '\r\033[K' >&2
for server in "${names[@]}"; do printf 'resident KiB, after\t%s\t%s\n' "$server" "$(rss_kib "$server")" >>"$results"; done
for server in "${names[@]}"; do printf 'resident KiB, peak\t%s\t%s\n' "$server" "$(hwm_kib "$server")" >>"$results"; done

# ---- The table ----

echo "measured on $(nproc) cores ($(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)), $(uname -sr), load $(cut -d' ' -f1 /proc/loadavg)"
echo "$rounds interleaved round(s) of $seconds s, medians; window $(window_of 64) for 64 B, $(window_of 65536) for 64 KiB; $("$instep" --version)"
echo "the columns behind each other server: its figure, and how many times instep's figure that is"
echo
awk -F'\t' '
function median(list,    parts, n, i, j, t) {
    n = split(list, parts, " ")
    if (n == 0) return ""
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && parts[j] + 0 < parts[j - 1] + 0; j--) { t = parts[j]; parts[j] = parts[j - 1]; parts[j - 1] = t }
    return n % 2 ? parts[(n + 1) / 2] : (parts[n / 2] + parts[n / 2 + 1]) / 2
}
function shown(value) { return value >= 1000 ? sprintf("%.0f", value) : sprintf("%.1f", value) }
$3 != "" {
    if (!($1 in seen)) { seen[$1] = 1; order[++rows] = $1 }
    if (!($2 in known)) { known[$2] = 1; servers[++columns] = $2 }
    values[$1, $2] = values[$1, $2] " " $3
}
END {
    printf "%-24s", ""
    for (c = 1; c <= columns; c++) printf servers[c] == "instep" ? "%12s" : "%12s  ratio ", servers[c]
    printf "%14s\n", "instep/relay"
    for (r = 1; r <= rows; r++) {
        printf "%-24s", order[r]
        own = median(values[order[r], "instep"])
        for (c = 1; c <= columns; c++) {
            value = median(values[order[r], servers[c]])
            if (servers[c] == "instep") printf "%12s", value == "" ? "-" : shown(value)
            else if (value == "" || own + 0 == 0) printf "%12s %6s ", "-", "-"
            else printf "%12s %6.3f ", shown(value), value / own
        }
        floor = median(values[order[r], "relay"])
        if (floor + 0 > 0 && own != "") printf "%14.3f", own / floor
        printf "\n"
    }
}' "$results"
