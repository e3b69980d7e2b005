#!/usr/bin/env bash
# Tokens per second of a model with the share of the machine's read bandwidth, then the kernels one by one
# (scripts/setup.sh --bench builds them).
# usage: scripts/bench.sh [MODEL]     environment: BUILD_DIR (default build)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build_dir=${BUILD_DIR:-build}
"$build_dir/glimt" bench "${1:-models/demo}"
for subject in matrix attention layer sampling all_sum; do  # share_bench wants a model and a number of ranks
  echo
  echo "==> ${subject}_bench"
  "$build_dir/bench/${subject}_bench"
done
