#!/usr/bin/env bash
# Every check that needs no test run: format, clang-tidy, cargo fmt and clippy, shellcheck, Python syntax, Markdown. All
# run, then a table says which failed. usage: scripts/lint.sh [--fix-format]     environment: BUILD_DIR (default build)
# shellcheck disable=SC2317  # the functions are called through check
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
build_dir=${BUILD_DIR:-build}
PATH=$PATH:$HOME/.cargo/bin

# Tracked and new files, not what git ignores.
files() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do [ -f "$file" ] && echo "$file"; done; }
mapfile -t cpp < <(files 'src/*.cpp' 'src/*.h' 'tests/*.cpp' 'tests/*.h' 'bench/*.cpp' 'fuzz/*.cpp')
mapfile -t shell < <(files 'scripts/*.sh' '.ci/run')
mapfile -t pages < <(files '*.md' '**/*.md')
mapfile -t python < <(files 'scripts/*.py' 'tests/*.py' 'models/*.py' 'bench/*.py')

if [ "${1:-}" = --fix-format ]; then
  clang-format -i "${cpp[@]}" || exit 1
  cargo fmt --manifest-path rust/glimt_text/Cargo.toml || exit 1
  python3 scripts/check_docs.py --fix "${pages[@]}" || exit 1
  echo "formatted ${#cpp[@]} C++ files, rust/glimt_text and ${#pages[@]} pages"
  exit 0
fi

results=()
status=0
# check NAME COMMAND...: runs it, shows what it prints, keeps the verdict.
check() {
  local name=$1 start=$SECONDS verdict=ok
  shift
  echo "==> $name"
  "$@" || { verdict=FAILED; status=1; }
  results+=("$(printf '%-14s %-6s %4d s' "$name" "$verdict" $((SECONDS - start)))")
}

python_syntax() {
  python3 - "$@" << 'END'
import ast, sys
bad = 0
for path in sys.argv[1:]:
    try:
        ast.parse(open(path, encoding="utf-8").read(), path)
    except SyntaxError as error:
        print(f"{path}:{error.lineno}: {error.msg}")
        bad = 1
sys.exit(bad)
END
}

rust_format() { cargo fmt --manifest-path rust/glimt_text/Cargo.toml --check; }
rust_clippy() {
  CARGO_TARGET_DIR=$PWD/$build_dir/rust cargo clippy --locked --all-targets --quiet --manifest-path rust/glimt_text/Cargo.toml -- -D warnings
}

check clang-format clang-format --dry-run -Werror "${cpp[@]}"
check shellcheck shellcheck "${shell[@]}"
check docs python3 scripts/check_docs.py "${pages[@]}"
check python python_syntax "${python[@]}"
if cargo fmt --version > /dev/null 2>&1; then check "cargo fmt" rust_format; else results+=("cargo fmt      not here (rustup component add rustfmt)"); fi
if cargo clippy --version > /dev/null 2>&1; then check clippy rust_clippy; else results+=("clippy         not here (rustup component add clippy)"); fi
# LINT_TIDY=report shows what clang-tidy finds and does not fail on it.
if [ "${LINT_TIDY:-}" = report ]; then
  echo "==> clang-tidy (report only)"
  python3 scripts/tidy.py "$build_dir" || results+=("clang-tidy     has findings, see above")
else
  check clang-tidy python3 scripts/tidy.py "$build_dir"
fi

echo
printf '%s\n' "${results[@]}"
exit $status
