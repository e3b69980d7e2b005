#!/usr/bin/env bash
# Compares what glimt converts with what mlx_lm.convert converts, byte for byte, and loads it with mlx-lm.
# usage: scripts/oracle.sh [MODEL]      MODEL: a small one in floats (default models/demo); installs 200 MB into .venv-oracle
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=.venv-oracle/bin/python
if ! "$python" -c 'import mlx_lm' 2> /dev/null; then
  .venv/bin/python -m venv --clear .venv-oracle
  "$python" -m pip install --quiet --disable-pip-version-check -r tests/oracle/requirements.txt
fi
exec "$python" tests/oracle/compare_mlx_lm.py build/glimt "${1:-models/demo}"
