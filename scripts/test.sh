#!/usr/bin/env bash
# Runs the unit tests (ctest), the end-to-end tests and those of clients (pytest) of a built tree, then sums up.
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
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(( ($(getconf _NPROCESSORS_ONLN) + jobs - 1) / jobs ))}

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

count() { grep -oE "[0-9]+ $2" <<< "$1" | head -n1 | cut -d' ' -f1; }

# run_pytest NAME TITLE PYTHON FOLDER: adds its results to the sums and to `closings`.
closings=()
run_pytest() {
  local closing
  echo
  echo "==> $2 (pytest)"
  GLIMT=$PWD/$build_dir/glimt SCRIPTED_SERVER=$PWD/$build_dir/tests/server/scripted_server \
    "$3" -m pytest "$4" -q -p no:cacheprovider --timeout 300 --color no 2>&1 | tee "$logs/$1.log" || status=1
  closing=$(grep -E '^(=+ )?[0-9]+ (passed|failed|error|skipped|xfailed).* in ' "$logs/$1.log" | tail -n1 || echo "pytest did not finish")
  passed=$((passed + $(count "$closing" passed || true) + 0))
  failed=$((failed + $(count "$closing" failed || true) + $(count "$closing" error || true) + 0))
  skipped=$((skipped + $(count "$closing" skipped || true) + 0))
  closings+=("pytest $4: $closing")
}

# run_vitest NAME TITLE ARGUMENTS: the same for tests of the page. "      Tests  1 failed | 125 passed | 2 skipped (128)"
run_vitest() {
  local name=$1 closing
  echo
  echo "==> $2 (vitest)"
  shift 2
  (cd web && GLIMT=$folder/$build_dir/glimt PAGE=$folder/$build_dir/web/dist/index.html NO_COLOR=1 \
    timeout 900 npx --no-install vitest run "$@" 2>&1) | tee "$logs/$name.log" || status=1
  closing=$(grep -E '^ *Tests  ' "$logs/$name.log" | tail -n1 | sed 's/^ *//' || echo "vitest did not finish")
  passed=$((passed + $(count "$closing" passed || true) + 0))
  failed=$((failed + $(count "$closing" failed || true) + 0))
  skipped=$((skipped + $(count "$closing" skipped || true) + 0))
  closings+=("vitest $name: $closing")
}

if [ $# -eq 0 ]; then
  run_pytest pytest "end-to-end tests" .venv/bin/python tests/e2e
  run_pytest clients "SDKs as clients" .venv-clients/bin/python tests/clients
fi
# The page: its modules without a browser, then all of it in Chromium. Left out where setup found no node.
folder=$PWD
if [ $# -eq 0 ] && [ -x web/node_modules/.bin/vitest ] && [ -f "$build_dir/web/dist/index.html" ]; then
  run_vitest web "the web page's modules"
  run_vitest browser "the web page in a browser" --config vitest.e2e.config.ts
fi

echo
echo "ctest:  $closing"
[ ${#closings[@]} -eq 0 ] || printf '%s\n' "${closings[@]}"
skipped=$((skipped + not_run))
passed=$((passed - not_run))
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] || status=1
exit $status
