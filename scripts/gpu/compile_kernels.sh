#!/usr/bin/env bash
# Compiles the CUDA kernels in src/kernels/cuda for each architecture into build/cuda/KERNEL.ARCHITECTURE.cubin, which
# the next build embeds, and reports registers and spills. Needs no GPU: nvcc comes from NVIDIA's wheels, 110 MB, kept in
# .cache/cuda. usage: scripts/gpu/compile_kernels.sh [ARCHITECTURE...]      default: sm_80 sm_90a sm_120
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
architectures=("$@")
[ $# -gt 0 ] || architectures=(sm_80 sm_90a sm_120)
cache=.cache/cuda

if ! cmp -s scripts/gpu/nvcc.txt "$cache/installed"; then
  echo "==> nvcc from NVIDIA's wheels (110 MB)"
  rm -rf "$cache"
  mkdir -p "$cache"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --no-compile \
    --target "$cache/wheels" -r scripts/gpu/nvcc.txt
  chmod +x "$cache"/wheels/nvidia/cu13/bin/* "$cache"/wheels/nvidia/cu13/nvvm/bin/* 2> /dev/null || true
  cp scripts/gpu/nvcc.txt "$cache/installed"
fi
nv=$PWD/$cache/wheels/nvidia/cu13

mkdir -p build/cuda
for source in src/kernels/cuda/*.cu; do
  kernel=$(basename "$source" .cu)
  for architecture in "${architectures[@]}"; do
    image=build/cuda/$kernel.$architecture.cubin
    report=$("$nv/bin/nvcc" -std=c++20 -O3 -Xptxas -v -gencode="arch=compute_${architecture#sm_},code=$architecture" \
      -Isrc -I"$nv/include/cccl" -I"$nv/include" --cubin "$source" -o "$image.new" 2>&1) || { echo "$report" >&2; exit 1; }
    if cmp -s "$image.new" "$image"; then rm "$image.new"; else mv "$image.new" "$image"; fi
    printf '%-18s %-7s %6d bytes, %s registers, %s\n' "$kernel" "$architecture" "$(stat -c %s "$image")" \
      "$(grep -oE 'Used [0-9]+' <<< "$report" | cut -d' ' -f2)" "$(grep -oE '[0-9]+ bytes spill stores' <<< "$report")"
  done
done
