#!/usr/bin/env bash
# Fails unless libmlx's calls of cblas_sgemm in PROGRAM go to OpenBLAS and not to the slow BLAS inside the mlx-cpu wheel.
# usage: scripts/check_blas.sh PROGRAM
set -euo pipefail
bindings=$(LD_BIND_NOW=1 LD_DEBUG=bindings "$1" --version 2>&1 | grep -E "libmlx\.so .* to .*symbol .cblas_sgemm'" || true)
if [[ $bindings =~ \ to\ (.*libopenblas[^ ]*) ]]; then
  echo "cblas_sgemm of libmlx.so comes from ${BASH_REMATCH[1]}"
else
  echo "cblas_sgemm of libmlx.so does not come from OpenBLAS: ${bindings:-no such binding}" >&2
  exit 1
fi
