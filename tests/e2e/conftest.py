"""What all end-to-end tests share: the program (environment GLIMT, else build/glimt) and the model that ships with it."""

import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def glimt():
    program = os.environ.get("GLIMT", str(ROOT / "build" / "glimt"))
    if not os.access(program, os.X_OK):
        pytest.fail(f"{program} is not there: build it first, or set GLIMT")
    return program


@pytest.fixture(scope="session")
def demo():
    return str(ROOT / "models" / "demo")


@pytest.fixture(scope="session")
def endless(demo):
    """Options that keep the demo model talking, so that there is an answer to stop: its end tokens are banned."""
    ends = json.loads((pathlib.Path(demo) / "generation_config.json").read_text())["eos_token_id"]
    return ["--temperature", "1.5", "--top-p", "1", "--seed", "1", *[word for end in ends for word in ("--logit-bias", f"{end}=-1000")]]


@pytest.fixture
def environment(tmp_path):
    """A home of its own, so that no test touches the user's history or models."""
    unset = ["XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "GLIMT_MODELS", "GLIMT_HOME", "OLLAMA_MODELS"]
    unset += [name for name in os.environ if name.startswith(("HF_", "HUGGING_FACE_"))]
    return {**os.environ, "HOME": str(tmp_path), **dict.fromkeys(unset, "")}


@pytest.fixture
def run(glimt, environment):
    """run("parse", "demo", input="…") -> CompletedProcess with text output. Without input, stdin is empty."""

    def call(*arguments, input="", timeout=120, env=None, text=True, **options):
        return subprocess.run(
            [glimt, *map(str, arguments)],
            input=input,
            capture_output=True,
            text=text,
            timeout=timeout,
            env={**environment, **(env or {})},
            **options,
        )

    return call
