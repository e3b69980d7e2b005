"""What tests of clients share: a running server with the demo model, and servers whose model follows a script.

environment: GLIMT (else build/glimt), SCRIPTED_SERVER (else build/tests/server/scripted_server)
"""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Clients of this machine's user must not find keys or proxies of theirs, nor report anything.
for name in list(os.environ):
    if name.startswith(("OPENAI_", "ANTHROPIC_", "OLLAMA_", "LANGCHAIN_", "LANGSMITH_", "LITELLM_")) or name.lower().endswith("_proxy"):
        del os.environ[name]
os.environ["LANGSMITH_TRACING"] = "false"
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "true"

WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def program(variable, path):
    found = os.environ.get(variable, str(ROOT / path))
    if not os.access(found, os.X_OK):
        pytest.fail(f"{found} is not there: build it first, or set {variable}")
    return found


@dataclasses.dataclass
class Server:
    url: str
    process: subprocess.Popen
    log: list

    @property
    def openai(self):
        return self.url + "/v1"

    def signal(self, number):
        self.process.send_signal(number)


def start(command, is_url, environment):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    log = []
    found = threading.Event()

    def read():
        for line in process.stdout:
            log.append(line.rstrip())
            if is_url(line):
                found.set()
        found.set()

    threading.Thread(target=read, daemon=True).start()
    found.wait(60)
    urls = [line[line.index("http") :].strip() for line in log if is_url(line + "\n")]
    if not urls:
        process.kill()
        pytest.fail(f"{command[0]} did not start:\n" + "\n".join(log))
    return Server(urls[0], process, log)


def stop(server):
    server.process.send_signal(signal.SIGTERM)
    try:
        status = server.process.wait(20)
    except subprocess.TimeoutExpired:
        server.process.kill()
        pytest.fail("the server does not end:\n" + "\n".join(server.log[-20:]))
    assert status == 0, "\n".join(server.log[-20:])


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """A home of its own, so that no test touches the user's models."""
    home = str(tmp_path_factory.mktemp("home"))
    return {**os.environ, "HOME": home, "XDG_DATA_HOME": "", "XDG_STATE_HOME": "", "GLIMT_MODELS": "", "GLIMT_HOST": "", "OLLAMA_HOST": ""}


@pytest.fixture(scope="session")
def demo(environment):
    """The demo model behind the real engine."""
    command = [program("GLIMT", "build/glimt"), "serve", str(ROOT / "models" / "demo"), "--port", "0"]
    server = start(command, lambda line: "listens on http" in line, environment)
    yield server
    stop(server)


@pytest.fixture
def hub():
    """A hub that has the demo model as org/demo."""
    sys.path.insert(0, str(ROOT / "tests" / "e2e"))
    from fake_hub import Hub

    wanted = (".json", ".jinja", ".safetensors")
    hub = Hub({file.name: file.read_bytes() for file in (ROOT / "models" / "demo").iterdir() if file.name.endswith(wanted)}, "org/demo")
    yield hub
    hub.close()


@pytest.fixture
def empty(environment, hub, tmp_path):
    """A server without a model of its own, which pulls from `hub`."""
    more = {"GLIMT_HOME": str(tmp_path / "store"), "HF_ENDPOINT": hub.url, "HF_TOKEN": "", "GLIMT_PULL_BACKOFF": "5"}
    server = start([program("GLIMT", "build/glimt"), "serve", "--port", "0"], lambda line: "listens on http" in line, {**environment, **more})
    yield server
    stop(server)


@pytest.fixture
def scripted(environment, tmp_path):
    """scripted(script, *flags): a server that answers from the script, [{"when": text, "answer": text}, …]."""
    servers = []

    def make(script, *flags):
        file = tmp_path / f"script{len(servers)}.json"
        file.write_text(json.dumps(script))
        command = [program("SCRIPTED_SERVER", "build/tests/server/scripted_server"), "--script", str(file), *map(str, flags)]
        servers.append(start(command, lambda line: line.startswith("http"), environment))
        return servers[-1]

    yield make
    for server in servers:
        stop(server)


def call_of(name, **arguments):
    """A call as the model writes it."""
    pairs = "".join(f"<arg_key>{key}</arg_key><arg_value>{value}</arg_value>" for key, value in arguments.items())
    return f"<tool_call>{name}{pairs}</tool_call>"


# A tool loop of two calls at once, then the answer.
WEATHER_SCRIPT = [
    {"when": "<tool_response>", "answer": "Now I know.</think>Sun in Oslo, rain in Lima."},
    {"answer": "I call it twice.</think>One moment." + call_of("get_weather", city="Oslo") + call_of("get_weather", city="Lima")},
]
REPORTS = {"Oslo": "sun", "Lima": "rain"}
