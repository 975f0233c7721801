#!/usr/bin/env bash
# How long a published message takes to each of ten subscribers, with and without one more that reads nothing, beside libzmq's own proxy in C; and how
# long a LECO round trip takes while the data channel is idle, and while it carries as much as it can.
#
# usage: benches/delay.sh [SECONDS]
#
# Runs are interleaved, five rounds: compare figures of one run. The round trips and the server go first where that is permitted (nice), or else on two
# cores they would wait for the program that loads the channel, and not for the server. Needs a C compiler and libzmq's headers (libzmq3-dev).
set -euo pipefail

cd "$(dirname "$0")/.."
seconds=${1:-4}
out=target/compare
mkdir -p "$out"
cargo build --release --quiet
instep="${CARGO_TARGET_DIR:-target}/release/instep"
cc -O2 -Wall -o "$out/fanout" benches/compare/fanout.c
cc -O2 -Wall -o "$out/delay" benches/compare/delay.c
cc -O2 -Wall -o "$out/zmq_proxy" benches/compare/zmq_proxy.c -lzmq

pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done' EXIT
first=()
if nice -n -15 true 2>/dev/null; then first=(nice -n -15); fi
"${first[@]}" "$instep" --namespace N1 --bind 127.0.0.1:13300 --host localhost 2>"$out/instep.log" &
pids+=("$!")
"$out/zmq_proxy" 15100 15099 >"$out/zmq_proxy.log" &
pids+=("$!")
sleep 1

for stopped in 0 1; do
    echo "== 1 publisher, 5,000 messages of 4 KiB in a second, 10 subscribers and $stopped stopped: microseconds"
    for _ in 1 2 3 4 5; do
        echo "instep $("$out/delay" 12100 12099 $((10 + stopped)) 4096 5000 "$seconds" "$stopped")"
        echo "libzmq $("$out/delay" 15100 15099 $((10 + stopped)) 4096 5000 "$seconds" "$stopped")"
    done
done
for load in idle saturated; do
    echo "== LECO round trips, 500 begun in a second, the data channel $load"
    for _ in 1 2 3 4 5; do
        if [ "$load" = saturated ]; then
            "$out/fanout" 12100 12099 1 10 64 $((seconds + 2)) >"$out/load" &
            sleep 1.5
        fi
        "${first[@]}" "$instep" bench latency 127.0.0.1:13300 --rate 500 --seconds "$seconds"
        if [ "$load" = saturated ]; then
            wait "$!"
            cat "$out/load"
        fi
    done
done
