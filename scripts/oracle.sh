#!/usr/bin/env bash
# Compares what glimt converts with what mlx_lm.convert converts, byte for byte, and loads it with mlx-lm; and which files
# glimt takes for safetensors with what the package of that name takes.
# usage: scripts/oracle.sh [MODEL]      MODEL: a small one in floats (default models/demo); installs 200 MB into .venv-oracle
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=.venv-oracle/bin/python
if ! "$python" -c 'import mlx_lm' 2> /dev/null; then
  .venv/bin/python -m venv --clear .venv-oracle
  "$python" -m pip install --quiet --disable-pip-version-check -r tests/oracle/requirements.txt
fi
cmake --build build --target safetensors_judge > /dev/null
"$python" tests/oracle/compare_safetensors.py build/tests/checkpoint/safetensors_judge
exec "$python" tests/oracle/compare_mlx_lm.py build/glimt "${1:-models/demo}"
