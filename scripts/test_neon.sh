#!/usr/bin/env bash
# The NEON kernels on a machine that has none: cross-compiles src/kernels/cpu with its tests for aarch64 and runs them
# under qemu-user, once with the dot product of ARMv8.2 and once without. Needs Debian's g++-aarch64-linux-gnu, qemu-user,
# libgtest-dev, libgmock-dev and libfmt-dev; says which are missing (exit 2).
# usage: scripts/test_neon.sh [gtest options]     environment: NEON_DIR (default build-neon)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dir=${NEON_DIR:-build-neon}
cxx=aarch64-linux-gnu-g++
gtest=/usr/src/googletest

missing=()
command -v $cxx > /dev/null || missing+=(g++-aarch64-linux-gnu)
command -v qemu-aarch64 > /dev/null || missing+=(qemu-user)
[ -d $gtest/googletest ] || missing+=(libgtest-dev libgmock-dev)
[ -d /usr/include/fmt ] || missing+=(libfmt-dev)
if [ ${#missing[@]} -gt 0 ]; then
  echo "test_neon: skipped, needs: apt-get install ${missing[*]}" >&2
  exit 2
fi

# The x86 header directory is not on the path; fmt is headers only here.
mkdir -p "$dir/include"
ln -sfn /usr/include/fmt "$dir/include/fmt"
flags=(-std=c++20 -O2 -DFMT_HEADER_ONLY -Isrc -Itests -I"$dir/include" -I"$gtest/googletest/include" -I"$gtest/googlemock/include")
kernel_flags=(-O3 -ffp-contract=fast -fno-math-errno -fno-trapping-math -Wno-psabi)

objects=()
stale=()  # "object|source|flags"
add() {
  local source=$1 object
  shift
  object=$dir/$(tr '/' '_' <<< "$source").o
  objects+=("$object")
  stale+=("$object|$source|$*")
}
for name in isa_scalar isa_neon; do add "src/kernels/cpu/$name.cpp" "${kernel_flags[@]}"; done
add src/kernels/cpu/isa_neon_dotprod.cpp "${kernel_flags[@]}" -march=armv8.2-a+dotprod
for name in dispatch grouped_matmul read_order thread_pool bandwidth buffer attention attention_dispatch mla_rows norm; do
  add "src/kernels/cpu/$name.cpp"
done
add src/base/error.cpp
add src/base/control_groups.cpp
add src/base/machine.cpp
add $gtest/googletest/src/gtest-all.cc -I$gtest/googletest
add $gtest/googlemock/src/gmock-all.cc -I$gtest/googlemock
add $gtest/googletest/src/gtest_main.cc

compile() {
  IFS='|' read -r object source extra <<< "$1"
  # shellcheck disable=SC2086  # the flags are words
  "$cxx" "${flags[@]}" $extra -c "$source" -o "$object"
}
export cxx
for job in "${stale[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
  compile "$job" &
done
wait

status=0
for test in cpu_table_test attention_test; do
  "$cxx" "${flags[@]}" "tests/kernels/$test.cpp" "${objects[@]}" -static -o "$dir/$test"
  for cpu in max cortex-a53; do  # cortex-a53 has no dot product
    echo "==> $test on $cpu"
    qemu-aarch64 -cpu $cpu "$dir/$test" --gtest_brief=1 "$@" || status=1
  done
done
exit $status
