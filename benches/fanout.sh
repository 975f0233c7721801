#!/usr/bin/env bash
# Compares the data channel with libzmq's own proxy in C, and with a blind relay as the floor of the machine, all loaded by the generator in benches/compare/fanout.c.
#
# usage: benches/fanout.sh [SECONDS]
#
# All listen on loopback only. The relay gives everything to everybody, so it has no part where there are several topics or a subscriber that stops. Runs are interleaved, three rounds of each case: absolute figures of a shared machine are noise, ratios of interleaved
# runs are not. Needs a C compiler and libzmq's headers (libzmq3-dev).
set -euo pipefail

cd "$(dirname "$0")/.."
seconds=${1:-2}
out=target/compare
mkdir -p "$out"
cargo build --release --quiet
instep="${CARGO_TARGET_DIR:-target}/release/instep"
cc -O2 -Wall -o "$out/fanout" benches/compare/fanout.c
cc -O2 -Wall -o "$out/fan_relay" benches/compare/fan_relay.c
cc -O2 -Wall -o "$out/zmq_proxy" benches/compare/zmq_proxy.c -lzmq

pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done' EXIT
"$instep" --namespace N1 --bind 127.0.0.1:13300 --host localhost 2>"$out/instep.log" &
ours=$!
"$out/zmq_proxy" 15100 15099 >"$out/zmq_proxy.log" &
theirs=$!
pids=("$ours" "$theirs")
sleep 1

# Publishers, subscribers, bytes, topics that are gone through (0: one each), subscribers that read nothing.
while read -r publishers subscribers bytes topics stopped; do
    echo "== $publishers publishers, $subscribers subscribers, $bytes bytes, $topics topics, $stopped stopped"
    for _ in 1 2 3; do
        echo -n "instep "
        "$out/fanout" 12100 12099 "$publishers" "$subscribers" "$bytes" "$seconds" "$ours" "$topics" "$stopped"
        echo -n "libzmq "
        "$out/fanout" 15100 15099 "$publishers" "$subscribers" "$bytes" "$seconds" "$theirs" "$topics" "$stopped"
        if ((publishers == 1 && topics == 0 && stopped == 0)); then
            # A new one each time: what the last publisher has left in its socket would go to the next subscribers.
            "$out/fan_relay" 16100 16099 >"$out/fan_relay.log" &
            blind=$!
            sleep 0.3
            echo -n "blind  "
            "$out/fanout" 16100 16099 "$publishers" "$subscribers" "$bytes" "$seconds" "$blind" "$topics" "$stopped"
            kill "$blind"
            wait "$blind" || true
        fi
    done
done <<'CASES'
1 10 64 0 0
1 100 64 0 0
8 8 64 0 0
1 10 65536 0 0
8 8 65536 0 0
1 10 64 0 1
1 10 64 10 0
1 1000 64 10000 0
CASES
