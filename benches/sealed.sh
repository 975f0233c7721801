#!/usr/bin/env bash
# Compares what a message costs under CURVE: instep, and a C broker on libzmq's ROUTER, both loaded by `instep bench` with the same keys.
#
# usage: benches/sealed.sh [SECONDS]
#
# Both listen on loopback only. Rounds are interleaved; each line has microseconds of the server's CPU, all its threads, for each message that it has
# routed: times of a shared machine are noise, CPU is less so. Needs a C compiler and libzmq's headers (libzmq3-dev).
set -euo pipefail

cd "$(dirname "$0")/.."
seconds=${1:-2}
out=target/compare
mkdir -p "$out"
instep=${INSTEP_BIN:-${CARGO_TARGET_DIR:-target}/release/instep}
[ -n "${INSTEP_BIN:-}" ] || cargo build --release --quiet
cc -O2 -Wall -o "$out/zmq_broker" benches/compare/zmq_broker.c -lzmq

keys=$(mktemp -d)
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; rm -rf "$keys"' EXIT
"$instep" key new "$keys/server" >/dev/null
"$instep" key new "$keys/client" >/dev/null
cat >"$keys/instep.toml" <<SETTINGS
auth = "all"
server_key = "$keys/server.secret"

[[users]]
name = "bench"
role = "component"
names = ["*"]
key = "$(cat "$keys/client.public")"
SETTINGS
"$instep" --namespace N1 --bind 127.0.0.1:13300 --host localhost --config "$keys/instep.toml" 2>"$out/instep.log" &
ours=$!
"$out/zmq_broker" 15300 "$keys/server.secret" >"$out/zmq_broker.log" &
theirs=$!
pids=("$ours" "$theirs")
sleep 1

ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
while read -r pairs bytes window; do
    echo "== $pairs pairs, $bytes bytes"
    for _ in 1 2 3; do
        for who in "instep 13300 $ours" "libzmq 15300 $theirs"; do
            read -r name port pid <<<"$who"
            before=$(ticks "$pid")
            said=$("$instep" bench throughput "127.0.0.1:$port" --pairs "$pairs" --payload "$bytes" --window "$window" --seconds "$seconds" --json \
                --key "$keys/client.secret" --server-key "$keys/server.public")
            after=$(ticks "$pid")
            python3 -c '
import json, sys
name, before, after, hertz, said = sys.argv[1], *map(int, sys.argv[2:5]), json.loads(sys.argv[5])
print("%s %.0f messages/s, cpu %.2f us" % (name, said["messages_per_s"], 1e6 * (after - before) / hertz / said["messages"]))
' "$name" "$before" "$after" "$(getconf CLK_TCK)" "$said"
        done
    done
done <<'CASES'
8 64 64
8 65536 4
CASES
