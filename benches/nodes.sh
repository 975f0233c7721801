#!/usr/bin/env bash
# How long it takes until the members of sessions that are spread over ten nodes have all heard of a change: each node is told once, and spreads the
# word among its own.
#
# usage: benches/nodes.sh [SESSIONS [MEMBERS [TRIGGERS]]]
#
# A session has at most 4,095 members beside the one who drives it, so that more are several sessions at the same node. Each is loaded by a process of
# its own, `instep bench session --nodes`; triggers are pulled in all of them at once. All listen on loopback only. INSTEP names a program that is built
# already.
set -euo pipefail

cd "$(dirname "$0")/.."
sessions=${1:-3} members=${2:-3333} triggers=${3:-100}
nodes=10 first=13500
out=target/compare
mkdir -p "$out"
# What an earlier run left is none of this one's.
rm -f "$out"/nodes.[0-9]*.json
[ -n "${INSTEP:-}" ] || cargo build --release --quiet
INSTEP=${INSTEP:-${CARGO_TARGET_DIR:-target}/release/instep}
ulimit -n 16384

pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done' EXIT
addresses=()
for n in $(seq 0 $((nodes - 1))); do
    address=127.0.0.1:$((first + n * 20))
    join=()
    [ "$n" = 0 ] || join=(--coordinators "127.0.0.1:$first")
    "$INSTEP" serve --namespace "N$n" --bind "$address" --log-level error "${join[@]}" 2>>"$out/nodes.log" &
    pids+=("$!")
    addresses+=("$address")
done
# Each is to know all others.
for address in "${addresses[@]}"; do
    for _ in $(seq 200); do
        known=$("$INSTEP" ctl nodes --address "$address" --json 2>/dev/null | grep -o '"N[0-9]*"' | wc -l) || true
        [ "$known" -lt "$nodes" ] || break
        sleep 0.1
    done
    [ "$known" -ge "$nodes" ] || {
        echo "benches/nodes.sh: $address knows $known nodes of $nodes (see $out/nodes.log)" >&2
        exit 1
    }
done

list=$(IFS=,; echo "${addresses[*]}")
counter() { # name
    "$INSTEP" ctl counters --all --address "${addresses[0]}" --json | grep -o "\"$1\": *[0-9]*" | head -n 1 | grep -o "[0-9]*\$"
}
runs=()
before=$(counter multicasts_sent)
for n in $(seq "$sessions"); do
    "$INSTEP" bench session "${addresses[0]}" --nodes "$list" -m "$members" -n "$triggers" --json >"$out/nodes.$n.json" &
    runs+=("$!")
done
for run in "${runs[@]}"; do wait "$run"; done
echo "measured on $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg), $nodes nodes, $sessions sessions of $members members"
cat "$out"/nodes.[0-9]*.json
echo "copies that left the sessions' node: $(($(counter multicasts_sent) - before))"
