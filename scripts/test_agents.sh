#!/usr/bin/env bash
# Runs agents and SDKs as they come from npm (tests/agents/package.json) against the HTTP server. Separate from
# scripts/test.sh, since their packages are large: 1.2 GB in .cache/agents. Needs node and npm.
# usage: scripts/test_agents.sh [pytest arguments, e.g. -k codex]     environment: BUILD_DIR (default build)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build_dir=${BUILD_DIR:-build}
agents=$PWD/.cache/agents

command -v npm > /dev/null || { echo "test_agents: needs node and npm, which are not here" >&2; exit 1; }

wanted=$(sha256sum tests/agents/package-lock.json | cut -d' ' -f1)
if [ "$(cat "$agents/glimt-stamp" 2> /dev/null)" != "$wanted" ]; then
  echo "==> agents from npm into $agents (a few minutes)"
  mkdir -p "$agents"
  cp tests/agents/package.json tests/agents/package-lock.json "$agents"
  # Not `npm ci`: that wants the packages of all platforms in the lock.
  npm install --prefix "$agents" --no-save --no-audit --no-fund --loglevel error
  echo "$wanted" > "$agents/glimt-stamp"
fi

GLIMT=$PWD/$build_dir/glimt SCRIPTED_SERVER=$PWD/$build_dir/tests/server/scripted_server AGENTS=$agents \
  exec .venv-clients/bin/python -m pytest tests/agents -p no:cacheprovider --timeout 300 "$@"
