#!/usr/bin/env bash
# glimt beside llama.cpp on a synthetic model with the shapes of GLM-4.7-Flash, both in turns in one run.
# The tool that builds llama.cpp and the checkpoints lives outside this repository, in ../shared/bench.
# usage: bench/compare_llama.sh [peer.py's options, e.g. --prompt 512 --generate 32 --depth 0,4096 --rounds 5]
# environment: BUILD_DIR (default build), WORK (default /tmp/glimt-peer: about 15 GB), PYTHON (needs numpy and gguf)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
peer=../shared/bench/peer.py
if [ ! -f "$peer" ]; then
  echo "compare_llama.sh: $peer is not there; it comes with the full work space, not with this repository" >&2
  exit 2
fi
build_dir=${BUILD_DIR:-build}
work=${WORK:-/tmp/glimt-peer}
mkdir -p "$work" bench/results
cpu=$(lscpu | sed -n 's/^Model name: *//p' | head -n 1 | tr -cs 'A-Za-z0-9' '-' | sed 's/-*$//')
isa=$(grep -qw avx512_vnni /proc/cpuinfo && echo avx512 || echo avx2)
out=bench/results/$(date +%F)-${cpu:-cpu}-$isa.csv
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"${PYTHON:-python3}" "$peer" --glimt "$build_dir/glimt" --work "$work" "$@" | tee "$log"
revision=$(git rev-parse --short HEAD)
"${PYTHON:-python3}" - "$log" "$out" "$revision" <<'PY'
import csv, json, os, sys
log, out, revision = sys.argv[1:]
summary = json.loads([line for line in open(log) if line.startswith("{")][-1])
new = not os.path.exists(out)
with open(out, "a", newline="") as f:
    rows = csv.writer(f)
    if new:
        rows.writerow(["revision", "engine", "test", "depth", "tokens_per_second", "read_bandwidth_GBps", "roofline_tokens_per_second", "layers", "threads"])
    for key, value in summary.items():
        parts = key.split("/")
        if len(parts) == 3 and parts[0] != "ratio":
            rows.writerow([revision, *parts, value, summary["read_bandwidth_GBps"], summary["roofline_tg"], summary["layers"], summary["threads"]])
print(f"appended to {out}")
PY
