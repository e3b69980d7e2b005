#!/usr/bin/env bash
# Installs the wheel with pip into a new environment, which brings mlx and mlx-cpu (70 MB), and runs it there without
# compiler, libraries or PATH of its builder. usage: scripts/test_wheel.sh [WHEEL]     environment: PYTHON (python3)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
wheel=$(realpath "${1:-$(ls dist/glimt-*.whl)}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"${PYTHON:-.venv/bin/python}" -m venv "$folder/some where"
place="$folder/some where"
"$place/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: "$wheel"
echo "ok: pip installs it"
expect() {  # expect WHAT PATTERN ARGUMENTS...
  local what=$1 pattern=$2 output
  shift 2
  if output=$(cd / && env -i HOME="$folder" PATH=/nonexistent "$place/bin/glimt" "$@" 2>&1 < /dev/null) && grep -qE -- "$pattern" <<< "$output"; then
    echo "ok: $what"
  else
    printf 'FAILED: %s\n%s\n' "$what" "$output"
    exit 1
  fi
}
expect "starts" '[0-9]+\.[0-9]+\.[0-9]+' --version
expect "finds the demo model and answers" '[[:alnum:]]' run demo "What is the capital of France?"
program=$(echo "$place"/lib/python3*/site-packages/glimt/bin/glimt)
scripts/check_blas.sh "$program"
outside=$(ldd "$program" | sed -n 's/^\t\([^ ]*\) => \(\/[^ ]*\|not found\).*/\1 \2/p' | grep -v " $folder" \
  | grep -vE '^(libc|libm|libdl|librt|libpthread|libresolv|libutil)\.so' || true)
[ -z "$outside" ] || { printf 'FAILED: libraries of this machine:\n%s\n' "$outside"; exit 1; }
echo "ok: every library but glibc is from the environment"
for file in "$place"/lib/python3*/site-packages/glimt-*.dist-info/licenses/NOTICE.md "$place/share/man/man1/glimt.1"; do
  [ -s "$file" ] || { echo "FAILED: $file is not there"; exit 1; }
done
"$place/bin/python" -m pip uninstall --quiet --yes glimt
[ ! -e "$(dirname "$(dirname "$program")")" ] || { echo "FAILED: something stays behind"; exit 1; }
echo "ok: licences and man pages are there, and pip removes it"
