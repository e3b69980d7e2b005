#!/usr/bin/env bash
# Tokens per second of a model with the share of the machine's read bandwidth, then the kernels one by one
# (scripts/setup.sh --bench builds them).
# usage: scripts/bench.sh [MODEL]     environment: BUILD_DIR (default build)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build_dir=${BUILD_DIR:-build}
"$build_dir/glimt" bench "${1:-models/demo}"
for program in "$build_dir"/bench/*_bench; do
  [ -x "$program" ] || continue
  echo
  echo "==> $(basename "$program")"
  "$program"
done
