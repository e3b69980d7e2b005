"""Ollama's /api/pull, /api/copy and /api/delete of `glimt serve`, from a hub that does what hubs do."""

import contextlib
import json
import pathlib
import random
import threading
import time

import pytest

import serving
from fake_hub import Hub
from serving import wait_until

DEMO = pathlib.Path(__file__).resolve().parents[2] / "models" / "demo"
NAME = "org/model"
KEYS = "chatting-key name=ann\nchanging-key name=bob models=change\n"


def the_demo():
    wanted = (".json", ".jinja", ".safetensors")
    return {file.name: file.read_bytes() for file in DEMO.iterdir() if file.name.endswith(wanted)}


def large_model(weights):
    """A repository that glimt takes for a model; it cannot be loaded."""
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index = {"metadata": {}, "weight_map": {f"t{i}": name for i, name in enumerate(shards)}}
    files = {name: (DEMO / name).read_bytes() for name in ("config.json", "chat_template.jinja")}
    files["tokenizer.json"] = b"{}"
    files["model.safetensors.index.json"] = json.dumps(index).encode()
    for i, name in enumerate(shards):
        files[name] = random.Random(i).randbytes(weights)
    return files


@pytest.fixture
def hub():
    hub = Hub(the_demo())
    yield hub
    hub.close()


@pytest.fixture
def home(tmp_path):
    return tmp_path / "glimt"


@pytest.fixture
def serve(glimt, environment, home, hub):
    @contextlib.contextmanager
    def make(*flags, **more):
        variables = {**environment, "GLIMT_HOME": str(home), "HF_ENDPOINT": hub.url, "GLIMT_PULL_BACKOFF": "5", "HF_HUB_DOWNLOAD_TIMEOUT": "2", **more}
        server = serving.Running([glimt, "serve", "--port", 0, *flags], env=variables)
        try:
            yield server
        finally:
            assert server.stop() == 0

    return make


def pull(server, name=NAME, headers=(), **more):
    status, _, body = server.ask("POST", "/api/pull", {"model": name, **more}, headers)
    return status, [json.loads(line) for line in body.splitlines()]


def names(server):
    return [model["name"] for model in server.json("/api/tags")["models"]]


def begin_pull(server, name=NAME):
    """A client of a streamed pull, whose answer has begun."""
    client = server.connect()
    body = json.dumps({"model": name})
    client.sendall(f"POST /api/pull HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    assert b"200 OK" in client.recv(65536)
    return client


def test_a_pull_tells_its_progress_in_ollamas_words(serve, hub, home):
    with serve() as server:
        hub.rate = 2_000_000
        status, events = pull(server)
        assert status == 200
        assert events[0] == {"status": "pulling manifest"} and events[-1] == {"status": "success"}
        assert [event["status"] for event in events[-3:-1]] == ["verifying sha256 digest", "writing manifest"]
        files = {}
        for event in events:
            if "digest" in event:
                assert event["status"].startswith("pulling ") and event["completed"] <= event["total"]
                files.setdefault(event["digest"], []).append(event["completed"])
        assert len(files) == len(the_demo())
        assert all(counts == sorted(counts) for counts in files.values())
        assert max(len(counts) for counts in files.values()) > 2
        assert (home / "models" / NAME / "config.json").exists()
        assert pull(server, NAME + ":latest", stream=False) == (200, [{"status": "success"}])
        asked = len(hub.requests)
        assert pull(server)[1] == [{"status": "pulling manifest"}, {"status": "success"}]
        assert len(hub.requests) == asked, "what is here is not asked for again"


def test_a_pull_without_a_stream(serve):
    with serve() as server:
        assert pull(server, stream=False) == (200, [{"status": "success"}])


def test_other_requests_are_answered_meanwhile(serve, hub):
    with serve() as server:
        hub.rate = 200_000
        with contextlib.ExitStack() as stack:
            stack.enter_context(begin_pull(server))
            start = time.monotonic()
            for _ in range(20):
                assert server.ask("GET", "/health")[0] == 200
                assert server.ask("GET", "/api/tags")[0] == 200
            assert time.monotonic() - start < 2


def test_a_client_that_goes_ends_its_pull_and_the_next_one_goes_on(serve, hub, home):
    hub.files = large_model(6_000_000)
    with serve() as server:
        hub.rate = 2_000_000
        client = begin_pull(server)
        assert wait_until(lambda: hub.sent > 2_000_000)
        client.close()
        assert wait_until(lambda: server.threads() < 10, 5), "its threads have ended"
        time.sleep(0.5)
        sent = hub.sent
        time.sleep(0.5)
        assert hub.sent == sent, "nothing more is fetched"
        assert names(server) == ["demo:latest"]
        hub.rate = None
        assert pull(server)[1][-1] == {"status": "success"}
        size = sum(len(content) for name, content in hub.files.items())
        assert hub.sent < size + 1_500_000, "what had arrived was kept"
        assert not list((home / "models" / ".unfinished").iterdir())


def test_two_clients_share_a_pull(serve, hub):
    hub.files = large_model(2_000_000)
    with serve() as server:
        hub.rate = 1_000_000
        results = [None, None]
        first = begin_pull(server)
        assert wait_until(lambda: hub.sent > 500_000)
        threads = [threading.Thread(target=lambda i=i, name=name: results.__setitem__(i, pull(server, name))) for i, name in enumerate((NAME, NAME + "@main"))]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        first.close()  # the others go on
        for thread in threads:
            thread.join()
        for status, events in results:
            assert status == 200 and events[-1] == {"status": "success"}
            assert events[0] == {"status": "pulling manifest"}, "who comes late hears the beginning"
        size = sum(len(content) for name, content in hub.files.items())
        assert hub.sent < size + 100_000
        assert len(hub.asked("/revision/")) == 1


def test_a_pull_ends_with_the_server(serve, hub):
    hub.files = large_model(6_000_000)
    with serve() as server:
        hub.rate = 500_000
        with begin_pull(server) as client:
            assert wait_until(lambda: hub.sent > 500_000)
            start = time.monotonic()
            server.process.terminate()
            data = serving.read_all(client)
            assert b'"error": "the server stops' in data and data.endswith(b"0\r\n\r\n")
        assert server.process.wait(10) == 0
        assert time.monotonic() - start < 5


def test_errors_of_a_pull(serve, hub):
    with serve() as server:
        assert pull(server, "nope")[0] == 400
        assert pull(server, "")[0] == 400
        assert server.ask("POST", "/api/pull", b"{")[0] == 400
        status, events = pull(server, "org/other")
        assert status == 200 and "no such model" in events[-1]["error"]
        status, (event,) = pull(server, "org/other", stream=False)
        assert status == 404 and "no such model" in event["error"]
        hub.files["config.json"] = json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}).encode()
        status, (event,) = pull(server, stream=False)
        assert status == 400 and "LlamaForCausalLM" in event["error"]
        hub.files = the_demo()
        hub.wrong_hash["model.safetensors"] = "a" * 64
        status, (event,) = pull(server, stream=False)
        assert status == 500 and "sha256 must be aaaa" in event["error"]
        hub.wrong_hash.clear()
        hub.fail("/api/", 503, times=10**6)
        assert pull(server, stream=False)[0] == 503
        assert names(server) == ["demo:latest"]


def test_only_some_pulls_at_once(serve, hub):
    with serve() as server, contextlib.ExitStack() as stack:
        hub.answers.append(lambda handler, path: time.sleep(3))
        for i in range(4):
            stack.enter_context(begin_pull(server, f"org/model{i}"))
        status, (event,) = pull(server, "org/one-more")
        assert status == 503 and "limit pulls: at most 4" in event["error"]


def test_copy_and_delete(serve, hub, home):
    def change(method, path, body, headers=()):
        status, _, data = server.ask(method, path, body, headers)
        return status, json.loads(data)["error"] if data else ""

    with serve() as server:
        assert pull(server)[1][-1] == {"status": "success"}
        assert change("POST", "/api/copy", {"source": NAME, "destination": "mine:4bit"}) == (200, "")
        assert names(server) == ["demo:latest", "mine:4bit", NAME + ":latest"]
        status, error = change("POST", "/api/copy", {"source": NAME, "destination": "mine:4bit"})
        assert status == 400 and "is there already" in error
        status, error = change("POST", "/api/copy", {"source": NAME, "destination": "../x"})
        assert status == 400 and "a name is wanted" in error
        assert change("POST", "/api/copy", {"source": "nope", "destination": "x"}) == (404, "model 'nope' not found")
        assert change("POST", "/api/copy", {"source": str(DEMO), "destination": "x"})[0] == 404, "folders are no names"
        assert change("DELETE", "/api/delete", {"model": NAME + ":latest"}) == (200, "")
        assert not (home / "models" / "org").exists()
        assert change("DELETE", "/api/delete", {"name": NAME}) == (404, f"model '{NAME}' not found")
        assert change("DELETE", "/api/delete", {"model": "gpt-5"})[0] == 404, "vendors' names mean no model here"
        status, error = change("DELETE", "/api/delete", {"model": "demo"})
        assert status == 400 and "not glimt's to remove" in error
        assert change("DELETE", "/api/delete", {"model": "mine:4bit"}) == (200, "")
        assert names(server) == ["demo:latest"]


def test_a_model_that_is_removed_goes_from_memory(serve, hub):
    with serve("--keep-alive", "-1") as server:
        assert server.ask("POST", "/api/copy", {"source": "demo", "destination": "mine"})[0] == 200
        body = {"model": "mine", "messages": [], "stream": False}
        assert server.ask("POST", "/api/chat", body)[0] == 200
        assert [model["name"] for model in server.json("/api/ps")["models"]] == ["mine:latest"]
        assert server.ask("DELETE", "/api/delete", {"model": "mine"})[0] == 200
        assert server.ask("POST", "/api/chat", body)[0] == 404
        assert wait_until(lambda: server.json("/v1/status")["models"] == [])


def test_the_model_that_the_server_began_with_can_be_removed(serve, glimt, home, environment, run):
    assert run("cp", "demo", "mine", env={"GLIMT_HOME": str(home)}).returncode == 0
    with serve("mine") as server:
        assert wait_until(lambda: server.ask("GET", "/health")[0] == 200)
        assert server.ask("DELETE", "/api/delete", {"model": "mine"})[0] == 200
        assert names(server) == ["demo:latest"]
        chat = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        assert server.ask("POST", "/v1/chat/completions", {"model": "demo", **chat})[0] == 200
        assert server.ask("POST", "/v1/chat/completions", {"model": "mine", **chat})[0] == 404


def asks(server, headers, host="localhost"):
    """The statuses of a pull, a copy and a removal of what is not here, and of a pull of what is here."""
    statuses = []
    for method, path, body in (
        ("POST", "/api/pull", {"model": "org/other", "stream": False}),
        ("POST", "/api/copy", {"source": "nope", "destination": "x"}),
        ("DELETE", "/api/delete", {"model": "nope"}),
        ("POST", "/api/pull", {"model": "demo", "stream": False}),
    ):
        data = json.dumps(body)
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", f"Content-Length: {len(data)}", *headers]
        with server.connect() as client:
            client.sendall(("\r\n".join(lines) + "\r\n\r\n" + data).encode())
            statuses.append(serving.parse(serving.read_all(client))[0])
    return statuses


def test_who_may_change_the_models(serve, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text(KEYS)
    keys.chmod(0o600)
    with serve("--api-key-file", keys) as server:
        assert asks(server, []) == [401] * 4
        assert asks(server, ["x-api-key: chatting-key"]) == [403, 403, 403, 200]
        assert asks(server, ["Authorization: Bearer changing-key"]) == [404, 404, 404, 200]
    with serve("--fixed-models") as server:
        assert asks(server, []) == [403, 403, 403, 200]
    with serve("--allow-host", "glimt.example", "--allow-origin", "https://chat.example") as server:
        assert asks(server, []) == [404, 404, 404, 200]
        assert asks(server, ["Origin: http://localhost:3000"]) == [404, 404, 404, 200]
        for header in ("X-Forwarded-For: 1.2.3.4", "Origin: https://chat.example"):
            assert asks(server, [header]) == [403, 403, 403, 200]
        assert asks(server, [], host="glimt.example") == [403, 403, 403, 200]
