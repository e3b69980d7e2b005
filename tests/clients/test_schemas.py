"""schemathesis on /openapi.json: whatever requests the document allows or forbids, no answer is a 5xx, and each fits its schema.

environment: SCHEMA_EXAMPLES, requests of each operation (24); scripts/test_schemas.sh asks for many more
"""

import os
import subprocess
import sys

import pytest

from servers import ROOT, program, start, stop

CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "24"))


@pytest.fixture
def server(environment, tmp_path):
    """The demo model with so small a context that answers are short; a store of its own, and no hub."""
    command = [program("GLIMT", "build/glimt"), "serve", str(ROOT / "models" / "demo"), "--port", "0", "--context", "128", "--parallel", "16"]
    more = {"GLIMT_HOME": str(tmp_path / "store"), "HF_HUB_OFFLINE": "1"}
    server = start(command, lambda line: "listens on http" in line, {**environment, **more})
    yield server
    stop(server)


@pytest.mark.timeout(120 + 3 * EXAMPLES * 40)
def test_every_answer_fits_its_schema(server, tmp_path):
    command = [sys.executable, "-m", "schemathesis.cli", "run", server.url + "/openapi.json", "--checks", ",".join(CHECKS)]
    command += ["--phases", "fuzzing", "--max-examples", str(EXAMPLES), "--seed", os.environ.get("SCHEMA_SEED", "1"), "--request-timeout", "60"]
    command += ["--generation-database", "none", "--warnings", "off", "--suppress-health-check", "all", "--continue-on-failure", "--no-shrink"]
    hooks = {**os.environ, "SCHEMATHESIS_HOOKS": str(ROOT / "tests" / "clients" / "schema_hooks.py")}
    result = subprocess.run(command, cwd=tmp_path, env=hooks, capture_output=True, text=True, timeout=110 + 3 * EXAMPLES * 40)
    assert result.returncode == 0, result.stdout[-20000:] + result.stderr[-2000:]
