#!/usr/bin/env bash
# Tokens per second of a model with the share of the machine's read bandwidth, then the kernels one by one.
# usage: scripts/bench.sh [MODEL]     environment: BUILD_DIR (default build)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build_dir=${BUILD_DIR:-build}
"$build_dir/glimt" bench "${1:-models/demo}"
if compgen -G 'bench/*.cpp' > /dev/null; then
  cmake "$build_dir" -DGLIMT_BENCH=ON > /dev/null
  cmake --build "$build_dir"
  for program in "$build_dir"/bench/*; do
    if [ -f "$program" ] && [ -x "$program" ]; then
      echo
      echo "==> $(basename "$program")"
      "$program"
    fi
  done
fi
