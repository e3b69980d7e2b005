#!/usr/bin/env bash
# Many random requests of every operation of /openapi.json against the demo model: no 5xx, and every answer fits its
# schema. `make test` does the same with fewer.
#   scripts/test_schemas.sh [REQUESTS] [SEED]      20000 in all if not given, in portions of 2000
set -euo pipefail
cd "$(dirname "$0")/.."
requests=${1:-20000} seed=${2:-1}
operations=32 portion=2000
for ((done = 0; done < requests; done += portion)); do
  echo "$done of $requests, seed $seed"
  SCHEMA_SEED=$seed SCHEMA_EXAMPLES=$((portion / operations)) nice -n 10 \
    .venv-clients/bin/python -m pytest -q -p no:cacheprovider tests/clients/test_schemas.py
  seed=$((seed + 1))
done
