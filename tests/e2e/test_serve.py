"""`glimt serve` with the demo model: what a user starts, and what clients find there."""

import base64
import contextlib
import json
import math
import os
import resource
import socket
import struct
import subprocess
import time

import pytest

import serving
from serving import chat, events_of


@contextlib.contextmanager
def serve(glimt, environment, *flags, env=None):
    server = serving.Running([glimt, "serve", *flags], env={**environment, **(env or {})})
    try:
        yield server
    finally:
        assert server.stop() == 0


@pytest.fixture(scope="module")
def server(glimt, demo, tmp_path_factory):
    home = str(tmp_path_factory.mktemp("home"))
    environment = {**os.environ, "HOME": home, "XDG_STATE_HOME": "", "XDG_DATA_HOME": "", "GLIMT_MODELS": ""}
    with serve(glimt, environment, demo, "--port", 0) as running:
        yield running


def post(server, path, body, **options):
    status, headers, data = server.ask("POST", path, body, **options)
    return status, json.loads(data)


def test_models_in_each_dialect(server):
    assert [model["id"] for model in server.json("/v1/models")["data"]] == ["demo"]
    assert server.json("/v1/models/demo")["id"] == "demo"
    assert server.json("/models")["object"] == "list"
    anthropic = server.json("/v1/models?limit=20", headers=["anthropic-version: 2023-06-01"])
    assert (anthropic["data"][0]["type"], anthropic["has_more"]) == ("model", False)
    assert server.json("/v1/models/demo", headers=["anthropic-version: 2023-06-01"])["display_name"] == "demo"
    tags = server.json("/api/tags")["models"][0]
    assert tags["name"] == "demo:latest" and len(tags["digest"]) == 64 and tags["size"] > 1_000_000
    for body in ({"model": "demo"}, {"name": "demo:latest"}):
        show = post(server, "/api/show", body)[1]
        assert show["model_info"]["glm4_moe_lite.context_length"] == 2048
        assert "tools" in show["capabilities"]
    for path in ("/v1/models/nope", "/v1/models/org%2Fnope"):
        assert server.ask("GET", path)[0] == 404
    assert post(server, "/api/show", {"model": "nope"})[0] == 404
    status, _, lines = server.ask("POST", "/api/pull", {"model": "demo:latest"})
    assert status == 200 and json.loads(lines.split(b"\n")[-2]) == {"status": "success"}
    assert post(server, "/api/pull", {"model": "demo", "stream": False})[1] == {"status": "success"}
    assert post(server, "/api/pull", {"model": "nope"})[0] == 400, "no hub has a name without an owner"
    assert server.json("/api/version")["version"].count(".") == 2
    for path in ("/api/create", "/api/push"):
        assert server.ask("POST", path, {"model": "demo"})[0] == 501


def test_loading_and_unloading_by_a_request(server):
    status, answer = post(server, "/api/chat", {"model": "demo", "messages": [], "stream": False})
    assert (status, answer["done_reason"]) == (200, "load")
    assert [model["name"] for model in server.json("/api/ps")["models"]] == ["demo:latest"]
    status, answer = post(server, "/api/generate", {"model": "demo", "keep_alive": 0, "stream": False})
    assert (status, answer["done_reason"]) == (200, "unload")
    assert serving.wait_until(lambda: server.json("/api/ps")["models"] == [])
    assert post(server, "/v1/chat/completions", chat(stream=False, max_tokens=1))[0] == 200


def test_names_of_vendors_mean_the_default_model(server):
    for name in ("claude-opus-4-8", "gpt-5", "DEMO", "demo:latest"):
        status, answer = post(server, "/v1/chat/completions", {**chat(stream=False, max_tokens=1), "model": name})
        assert (status, answer["model"]) == (200, name)


def test_the_same_seed_gives_the_same_text_streamed_and_whole(server):
    body = chat(stream=False, max_tokens=40, seed=3, temperature=1)
    whole = post(server, "/v1/chat/completions", body)[1]["choices"][0]["message"]
    events = events_of(server.ask("POST", "/v1/chat/completions", {**body, "stream": True})[2])[:-1]
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events]
    for key in ("reasoning_content", "content"):
        assert "".join(delta.get(key) or "" for delta in deltas) == (whole.get(key) or "")


def test_a_second_turn_reuses_the_first(server):
    text = "Tell me about " + "cats and dogs and birds, " * 30
    body = {"model": "demo", "messages": [{"role": "user", "content": text}], "max_tokens": 8, "stream": False}
    post(server, "/v1/chat/completions", body)
    usage = post(server, "/v1/chat/completions", body)[1]["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] > usage["prompt_tokens"] // 2


def test_completions(server):
    body = {"model": "demo", "prompt": ["One, two,", "A, B,"], "n": 2, "max_tokens": 5, "temperature": 0}
    status, answer = post(server, "/v1/completions", body)
    assert status == 200
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    assert answer["choices"][0]["text"] == answer["choices"][1]["text"]


def test_vectors(server):
    status, floats = post(server, "/v1/embeddings", {"model": "demo", "input": ["a cat", "a dog", "seven"], "encoding_format": "float"})
    assert status == 200
    vectors = [item["embedding"] for item in floats["data"]]
    assert all(abs(math.hypot(*vector) - 1) < 1e-4 for vector in vectors)
    packed = post(server, "/v1/embeddings", {"model": "demo", "input": "a cat", "encoding_format": "base64"})[1]
    raw = base64.b64decode(packed["data"][0]["embedding"])
    assert struct.unpack(f"<{len(raw) // 4}f", raw) == pytest.approx(vectors[0], abs=1e-4)
    ollama = post(server, "/api/embed", {"model": "demo", "input": ["a cat", "a dog"]})[1]
    assert ollama["embeddings"][1] == pytest.approx(vectors[1], abs=1e-4)
    assert post(server, "/api/embeddings", {"model": "demo", "prompt": "a cat"})[1]["embedding"] == pytest.approx(vectors[0], abs=1e-4)
    many = post(server, "/v1/embeddings", {"model": "demo", "input": [f"text {i}" for i in range(40)]})
    assert many[0] == 200 and [item["index"] for item in many[1]["data"]] == list(range(40))
    status, error = post(server, "/v1/embeddings", {"model": "demo", "input": "word " * 5000})
    assert (status, error["error"]["code"]) == (400, "context_length_exceeded")
    assert post(server, "/api/embed", {"model": "demo", "input": "word " * 5000})[0] == 200


def test_tool_calls_and_schemas_go_through(server):
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"city": {"enum": ["Oslo", "Rome"]}}, "required": ["city"]}}}
    body = chat(stream=False, tools=[tool], tool_choice="required", max_tokens=300)
    choice = post(server, "/v1/chat/completions", body)[1]["choices"][0]
    if choice["finish_reason"] == "tool_calls":
        assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"])["city"] in ("Oslo", "Rome")
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "properties": {
        "ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False}}}
    body = chat(stream=False, response_format=schema, reasoning_effort="none", max_tokens=100)
    assert set(json.loads(post(server, "/v1/chat/completions", body)[1]["choices"][0]["message"]["content"])) == {"ok"}


def test_the_numbers_of_prometheus(server):
    text = server.ask("GET", "/metrics")[2].decode()
    for name in ("glimt_time_to_first_token_seconds_bucket", "glimt_time_between_tokens_seconds_bucket", "glimt_queue_seconds_bucket",
                 "glimt_prompt_tokens_bucket", "glimt_answer_tokens_bucket", 'glimt_cache_blocks{model="demo"}'):
        assert name in text


def test_every_route_of_the_document_is_there(server):
    document = server.json("/openapi.json")
    assert document["openapi"].startswith("3.")
    for path, operations in document["paths"].items():
        for method in operations:
            status, headers, _ = server.ask("OPTIONS", path.replace("{id}", "x"))
            assert status == 204 and method.upper() in headers["allow"], (method, path)


# ---- starting ----


def test_the_status_remembers_the_tokens_of_the_last_minutes(glimt, demo, environment):
    question = {"messages": [{"role": "user", "content": "What is 46 plus 93?"}]}
    with serve(glimt, environment, demo) as server:
        usage = json.loads(server.ask("POST", "/v1/chat/completions", question)[2])["usage"]
        history = lambda: server.json("/v1/status")["history"]
        assert len(history()["generated"]) == len(history()["prompt"]) == 120 and history()["seconds"] == 5
        assert serving.wait_until(lambda: sum(history()["generated"]) > 0, 8)
        assert abs(sum(history()["generated"]) - usage["completion_tokens"]) <= 1  # the end token
        assert sum(history()["prompt"]) == usage["prompt_tokens"]


def test_where_it_listens(glimt, demo, environment):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        free = taken.getsockname()[1]
    for env in ({"GLIMT_HOST": f"127.0.0.1:{free}"}, {"OLLAMA_HOST": f"http://127.0.0.1:{free}/"},
                {"OLLAMA_HOST": "example.invalid:1", "GLIMT_HOST": f"localhost:{free}"}):
        with serve(glimt, environment, demo, env=env) as server:
            assert server.port == free
            assert server.ask("GET", "/")[2] == b"Ollama is running"


@pytest.mark.parametrize("flags, env, says", [
    (["--host", "0.0.0.0"], {}, "--api-key-file"),
    (["--host", "nowhere.invalid"], {}, "--api-key-file"),
    ([], {"GLIMT_HOST": "127.0.0.1:port"}, "GLIMT_HOST"),
    (["--api-key-file", "/nonexistent/keys"], {}, "/nonexistent/keys"),
    (["--tls-cert", "/nonexistent/cert"], {}, "--tls-key"),
    (["--tls-cert", "/nonexistent/cert", "--tls-key", "/nonexistent/key"], {}, "/nonexistent/cert"),
    (["--keep-alive", "soon"], {}, "--keep-alive"),
    (["--step-time", "-1"], {}, "--step-time"),
    (["--mask-time", "0"], {}, "--mask-time"),
    (["--port", "70000"], {}, "--port"),
    (["no-such-model"], {}, "no-such-model"),
])
def test_a_start_that_cannot_work_is_one_line(run, flags, env, says):
    start = time.monotonic()
    result = run("serve", "--port", 0, *flags, env=env) if "--port" not in flags else run("serve", *flags, env=env)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1 and says in result.stderr
    assert time.monotonic() - start < 2


def test_a_port_that_is_taken(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = run("serve", "--port", taken.getsockname()[1])
    assert (result.returncode, "--port" in result.stderr, result.stderr.count("\n")) == (2, True, 1)


def test_too_few_files(glimt, environment):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))

    result = subprocess.run([glimt, "serve", "--port", "0"], env=environment, preexec_fn=few, capture_output=True, text=True, timeout=20)
    assert (result.returncode, "ulimit -n" in result.stderr) == (2, True)


def test_a_model_that_cannot_be_loaded_ends_the_server(run, tmp_path, demo):
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in ("config.json", "tokenizer.json", "chat_template.jinja", "tokenizer_config.json"):
        if os.path.exists(os.path.join(demo, file)):
            (broken / file).write_bytes(open(os.path.join(demo, file), "rb").read())
    result = run("serve", broken, "--port", 0)
    assert result.returncode == 2
    assert "broken" in result.stderr.splitlines()[-1] or "broken" in result.stderr


def test_errors_are_utf8_whatever_they_name(server):
    for method, path, body in (("GET", "/v1/models/%ff%fe", None), ("POST", "/api/show", {"model": "a" + "é" * 200}),
                               ("GET", "/v1/responses/" + "a" + "%C3%A9" * 100, None), ("POST", "/api/copy", {"source": "é" * 200, "destination": "x"})):
        status, _, data = server.ask(method, path, body)
        assert status == 404 and json.loads(data.decode())
