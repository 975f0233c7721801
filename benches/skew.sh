#!/usr/bin/env bash
# How far apart 1,000 streams of a session hear of a change, beside a responder in C that writes a frame of the same length to 1,000 sockets and does
# nothing else; and the same while one more client of the session reads nothing, and another 64 bytes every tenth of a second.
#
# usage: benches/skew.sh [ROUNDS]
#
# All listen on loopback only and are loaded by the same generator, `instep bench c2sim --triggers`. Runs are interleaved: absolute figures of a shared
# machine are noise, ratios of interleaved runs are not. INSTEP names a program that is built already. Needs a C compiler and python3.
set -euo pipefail

cd "$(dirname "$0")/.."
rounds=${1:-5}
streams=1000 triggers=100
out=target/compare
mkdir -p "$out"
if [ -z "${INSTEP:-}" ]; then
    cargo build --release --quiet
    INSTEP="${CARGO_TARGET_DIR:-target}/release/instep"
fi
cc -O2 -Wall -o "$out/responder" benches/compare/responder.c
ulimit -n 8192

pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done' EXIT
"$INSTEP" --namespace N1 --bind 127.0.0.1:13400 --http-bind 127.0.0.1:13412 --log-level error 2>"$out/instep.log" &
pids+=("$!")
"$out/responder" 13413 &
pids+=("$!")
sleep 1

results="$out/skew.tsv"
: >"$results"
measure() { # what, words
    local what=$1; shift
    "$INSTEP" bench c2sim "$@" --streams "$streams" --triggers "$triggers" --json | python3 -c '
import json, sys
skew = json.load(sys.stdin)["skew"]
print(sys.argv[1], skew["p50_us"], skew["p99_us"], sep="\t")' "$what" >>"$results"
}
for _ in $(seq "$rounds"); do
    measure instep 127.0.0.1:13412
    measure C 127.0.0.1:13413 --blind
    python3 benches/compare/stalled.py http://127.0.0.1:13412 &
    stalled=$!
    measure stalled 127.0.0.1:13412
    wait "$stalled"
done
echo "measured on $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg), $rounds interleaved rounds of $triggers triggers, $streams streams, medians"
python3 - "$results" <<'PY'
import statistics
import sys

rows = {}
for line in open(sys.argv[1]):
    what, *figures = line.split("\t")
    rows.setdefault(what, []).append([float(figure) for figure in figures])
for n, quantile in enumerate(["p50", "p99"]):
    figures = {what: [run[n] for run in runs] for what, runs in rows.items()}
    median = {what: statistics.median(runs) for what, runs in figures.items()}
    ratio = {what: statistics.median(a / b for a, b in zip(runs, figures["C"])) for what, runs in figures.items()}
    print(f"skew us, {quantile}: instep {median['instep']:.0f}, C {median['C']:.0f}, ratio {ratio['instep']:.2f};"
          f" with two that stall {median['stalled']:.0f}, ratio {ratio['stalled']:.2f}")
PY
