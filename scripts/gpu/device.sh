#!/usr/bin/env bash
# The first ten minutes on a GPU machine, in the root of the checkout (scripts/gpu/README.md). Prints a short table a
# section; all of it is in $OUT (default .gpu/out). Each section has its own limit, so that one that hangs leaves time for
# the others. environment: SECTIONS (default all), LAYERS of the noise model (47), TRACE_FROM (kernels to skip)
set -u
run=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-$PWD/.gpu/out}
mkdir -p "$out"
nvidia=$(python3 -c 'import nvidia; print(list(nvidia.__path__)[0])')
ln -sfn "$nvidia" "$run/nvidia"  # MLX's own run path and header search end there
export LD_LIBRARY_PATH=$nvidia/cu13/lib:$nvidia/cudnn/lib:$nvidia/nccl/lib MLX_PTX_CACHE_DIR=$run/jit
[ -e "$nvidia/cu13/include/cuda_fp16.h" ] || export CUDA_HOME=${CUDA_HOME:-/usr/local/cuda}
export glimt=$run/bin/glimt
model=/dev/shm/full
sections=" ${SECTIONS:-machine golden bf16 small bench trace} "
section() { [[ $sections == *" $1 "* ]] && echo "== $1 ($SECONDS s)"; }

if section machine; then
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv,noheader
  ldd "$glimt" | grep -i 'not found'
  find "$run/jit" -name '*.ptx' | wc -l
  df -h /dev/shm | tail -n1
  timeout 60 "$glimt" show models/demo | grep device
fi
# The model of the full size takes a while: made beside the tests, by the CPU.
maker=
if [[ $sections =~ \ (bench|trace)\  ]] && [ ! -e "$model/config.json" ]; then
  python3 "$run/full_size.py" "$model" --layers "${LAYERS:-47}" > "$out/full_size.log" 2>&1 &
  maker=$!
fi
one_golden() {  # CASE CHUNK: a line "ok CASE/CHUNK", or "BAD CASE/CHUNK" and what differs
  local text status
  text=$(timeout 120 "$glimt" compare "tests/golden/$1" "tests/golden/$1/golden.safetensors" --exact --chunk "$2" 2>&1)
  status=$?
  if [ $status = 0 ]; then
    echo "ok $1/$2"
  else
    printf 'BAD %s/%s exit %s\n%s\n' "$1" "$2" "$status" "$(grep -v '^ok' <<< "$text" | head -n 6)"
  fi
}
export -f one_golden
# shellcheck disable=SC2016  # bash -c expands $0 and $1
if section golden; then  # the reference's numbers in float32; 6 processes, because each has to start CUDA
  for chunk in 1 7 0; do
    for config in tests/golden/*/config.json; do echo "$(basename "$(dirname "$config")") $chunk"; done
  done | xargs -P 6 -n 2 bash -c 'one_golden "$0" "$1"' > "$out/golden.txt"
  echo "golden: $(grep -c '^ok' "$out/golden.txt") hold, $(grep -c '^BAD' "$out/golden.txt") do not"
  grep -v '^ok' "$out/golden.txt" | head -n 40
fi
if section bf16; then  # as answers are computed: how far off, not whether
  for case in base base_affine4_g64 mtp groups; do
    echo "$case: $(timeout 60 "$glimt" compare tests/golden/$case tests/golden/$case/golden.safetensors --tolerance 0.5 2>&1 \
      | grep -E 'logits|hidden' | tr -s ' ' | tr '\n' ';')"
  done
fi
if section small; then
  timeout 120 "$glimt" run models/demo "What is 46 plus 93?" --seed 1 < /dev/null 2>&1 | tail -n 4
  timeout 120 "$glimt" bench models/demo --prompt 256 --generate 32 --json
fi
[ -z "$maker" ] || wait "$maker"
if section bench; then
  du -sh "$model"
  for backend in "" mlx; do
    for arguments in "--prompt 512 --generate 64" "--prompt 512 --generate 32 --depth 4096" "--prompt 4096 --generate 0" \
      "--prompt 0 --generate 32 --parallel 8"; do
      # shellcheck disable=SC2086  # several words
      GLIMT_BACKEND=$backend timeout 150 "$glimt" bench "$model" $arguments --repeat 3 --json 2>&1 \
        | sed "s/^/${backend:-own}: /" | tee -a "$out/bench.txt"
    done
  done
fi
if section trace; then
  for backend in "" mlx; do
    GLIMT_BACKEND=$backend CUDA_INJECTION64_PATH=$run/lib/libtrace.so TRACE_FROM=${TRACE_FROM:-20000} timeout 100 \
      "$glimt" bench "$model" --prompt 0 --generate 24 --repeat 1 --json > "$out/trace.${backend:-own}.txt" 2>&1
    head -n 25 "$out/trace.${backend:-own}.txt"
  done
fi
tar -C "$run/jit" -cJf "$out/jit.tar.xz" . 2> /dev/null  # what was compiled there, for the next pack
echo "== end ($SECONDS s)"
