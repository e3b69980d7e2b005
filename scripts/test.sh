#!/usr/bin/env bash
# Runs the unit tests (ctest) and the end-to-end tests (pytest) of a built tree, shows both, then sums up.
# usage: scripts/test.sh [ctest arguments, e.g. -R json]     environment: BUILD_DIR (default build), JOBS (default 2)
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
build_dir=${BUILD_DIR:-build}
jobs=${JOBS:-2}
logs=$build_dir/Testing
mkdir -p "$logs"
status=0
passed=0 failed=0 skipped=0

# Tests share the cores: more OpenMP threads than cores for all of them together only makes each wait.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(( ($(nproc) + jobs - 1) / jobs ))}

echo "==> unit tests (ctest)"
ctest --test-dir "$build_dir" -j "$jobs" --output-on-failure --no-tests=error "$@" 2>&1 | tee "$logs/ctest.log" \
  | sed -u '/^ *Start *[0-9]*:/d;s/\.\{12,\}/ ......... /' || status=1
# "98% tests passed, 2 tests failed out of 100"
closing=$(grep -E '^[0-9]+% tests passed' "$logs/ctest.log" || echo "ctest did not finish")
if [[ $closing =~ ,\ ([0-9]+)\ tests?\ failed\ out\ of\ ([0-9]+) ]]; then
  failed=$((failed + BASH_REMATCH[1]))
  passed=$((passed + BASH_REMATCH[2] - BASH_REMATCH[1]))
fi
not_run=$(grep -c '\*\*\*Skipped' "$logs/ctest.log" || true)

closing_e2e=""
if [ $# -eq 0 ] && compgen -G 'tests/e2e/test_*.py' > /dev/null; then
  echo
  echo "==> end-to-end tests (pytest)"
  GLIMT=$PWD/$build_dir/glimt .venv/bin/python -m pytest tests/e2e -q -p no:cacheprovider --timeout 300 --color no 2>&1 \
    | tee "$logs/pytest.log" || status=1
  closing_e2e=$(grep -E '^(=+ )?[0-9]+ (passed|failed|error|skipped|xfailed).* in ' "$logs/pytest.log" | tail -n1 || echo "pytest did not finish")
  count() { grep -oE "[0-9]+ $1" <<< "$closing_e2e" | head -n1 | cut -d' ' -f1; }
  passed=$((passed + $(count passed || true) + 0))
  failed=$((failed + $(count failed || true) + $(count error || true) + 0))
  skipped=$((skipped + $(count skipped || true) + 0))
fi

echo
echo "ctest:  $closing"
[ -z "$closing_e2e" ] || echo "pytest: $closing_e2e"
skipped=$((skipped + not_run))
passed=$((passed - not_run))
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] || status=1
exit $status
