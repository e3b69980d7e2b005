"""The server under clients that are many, slow, rude or gone; with a scripted model, so that the engine is no part of it."""

import contextlib
import json
import os
import random
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

import serving
from serving import chat, events_of, wait_until


@contextlib.contextmanager
def running(*flags):
    server = serving.Running([serving.SCRIPTED, *flags])
    try:
        yield server
    finally:
        assert server.stop() == 0


def request(path, body, *fields):
    data = json.dumps(body).encode()
    head = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(data)}", *fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + data


def slots(server):
    return (server.json("/slots") or [{"running": 0, "waiting": 0}])[0]  # empty before the model is loaded


def idle(server):
    return wait_until(lambda: slots(server)["running"] + slots(server)["waiting"] == 0)


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


# ---- answers ----


def test_an_answer_in_each_dialect():
    with running() as server:
        for path, body, end in (
            ("/v1/chat/completions", chat(), b"data: [DONE]"),
            ("/v1/messages", chat(max_tokens=64, thinking={"type": "enabled", "budget_tokens": 1024}), b"event: message_stop"),
            ("/v1/responses", {"model": "demo", "input": "Hello", "stream": True}, b"response.completed"),
        ):
            status, headers, data = server.ask("POST", path, body)
            assert (status, headers["content-type"]) == (200, "text/event-stream")
            assert headers["x-request-id"] == headers["request-id"]
            assert headers["cache-control"] == "no-cache"
            assert end in data
            assert b"Hello" in data


def test_choices_have_their_own_ends_and_seeds():
    with running() as server:
        _, _, data = server.ask("POST", "/v1/chat/completions", chat(n=3, seed=5))
        chunks = [json.loads(event) for event in events_of(data)[:-1]]
        ends = [chunk["choices"][0]["index"] for chunk in chunks if chunk["choices"][0]["finish_reason"]]
        assert sorted(ends) == [0, 1, 2]


def test_the_tokens_of_logprobs_are_the_content(tmp_path):
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"answer": "Think.</think>\n\n Ein Käse für 3 €, 日本 🎉 and the end STOP here"}]))
    with running("--script", script) as server:
        for stop in (None, ["STOP"], ["ST"], ["日"], [" and the"]):
            body = chat(stream=False, logprobs=True, top_logprobs=2, stop=stop)
            choice = json.loads(server.ask("POST", "/v1/chat/completions", body)[2])["choices"][0]
            tokens = choice["logprobs"]["content"]
            assert b"".join(bytes(token["bytes"]) for token in tokens).decode() == choice["message"]["content"]
            assert all(len(token["top_logprobs"]) == 2 for token in tokens)
            assert stop is None or stop[0] not in choice["message"]["content"]
            parts = [json.loads(event) for event in events_of(server.ask("POST", "/v1/chat/completions", {**body, "stream": True})[2])[:-1]]
            streamed = [token for part in parts for token in ((part["choices"][0].get("logprobs") or {}).get("content") or [])]
            assert streamed == tokens


def test_headers_and_the_first_event_come_before_the_prompt_is_read():
    with running("--prefill-ms", 3000, "--keep-alive-ms", 300) as server, server.connect() as client:
        start = time.monotonic()
        client.sendall(request("/v1/chat/completions", chat()))
        first = client.recv(65536)
        assert time.monotonic() - start < 1
        assert b"200 OK" in first
        rest = b""
        while b"[DONE]" not in rest:
            rest += client.recv(65536)
        waited = (first + rest).split(b"Hello")[0]
        assert waited.count(b"\r\n: ") + waited.count(b"\n\n: ") >= 5, "comments say that the server lives"


@pytest.mark.parametrize("path, sign, end", [
    ("/v1/chat/completions", b": still at it\n", b"[DONE]"),
    ("/v1/messages", b"event: ping\n", b"message_stop"),
    ("/v1/responses", b": keep-alive\n", b"response.completed"),
    ("/api/chat", b'"content": ""}, "done": false}\n', b'"done": true'),
])
def test_a_stream_lives_while_its_model_is_being_loaded(path, sign, end):
    body = {"model": "demo", "input": "Hello", "stream": True} if "responses" in path else chat(max_tokens=50)
    with running("--load-ms", 1500, "--keep-alive-ms", 200) as server:
        start = time.monotonic()
        with server.connect() as client:
            client.sendall(request(path, body | ({"options": {}} if "api" in path else {}), "Connection: close"))
            assert b"200 OK" in client.recv(65536)
            assert time.monotonic() - start < 1
            assert server.ask("GET", "/health")[0] == 503
            assert server.json("/v1/status")["Status"] == "loading"
            rest = serving.read_all(client)
        assert rest.count(sign) >= 3
        assert b"Hello" in rest and end in rest
        assert server.ask("GET", "/health")[0] == 200


def told(data):
    """What a stream with "glimt": true says before its first token, and its other chunks."""
    chunks = [json.loads(event) for event in events_of(data) if event != "[DONE]"]
    news = [chunk["glimt"] for chunk in chunks if chunk["choices"] and "glimt" in chunk]
    assert len({chunk["id"] for chunk in chunks}) == 1
    return news, [chunk for chunk in chunks if "glimt" not in chunk or not chunk["choices"]]


def test_a_stream_that_asks_is_told_where_it_is():
    with running("--load-ms", 1600, "--prefill-ms", 700, "--parallel", 1) as server:
        asks = {**chat(), "glimt": True, "stream_options": {"include_usage": True}}
        news, chunks = told(server.ask("POST", "/v1/chat/completions", asks)[2])
        loaded = [one["loading"] for one in news if "loading" in one]
        assert len(loaded) >= 3 and loaded == sorted(set(loaded)) and 0 <= loaded[0] < loaded[-1] <= 1
        (prefill,) = [one["prefill"] for one in news if "prefill" in one]
        assert prefill == {"done": 0, "total": chunks[-1]["usage"]["prompt_tokens"]}
        assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        results = [None] * 3
        threads = []
        for i in range(3):
            threads.append(threading.Thread(target=lambda i=i: results.__setitem__(i, server.ask("POST", "/v1/chat/completions", asks)[2])))
            threads[-1].start()
            time.sleep(0.1)
        for thread in threads:
            thread.join()
        places = [[one["queued"] for one in told(data)[0] if "queued" in one] for data in results]
        assert places[1] == [1] and places[2] == [2, 1]
        for data in results:
            assert any("prefill" in one for one in told(data)[0])
        assert not told(server.ask("POST", "/v1/chat/completions", chat())[2])[0]
        assert "glimt" not in json.loads(server.ask("POST", "/v1/chat/completions", chat(stream=False))[2])


@pytest.mark.parametrize("path, error", [("/v1/chat/completions", b'data: {"error"'), ("/v1/messages", b"event: error"),
                                         ("/v1/responses", b"event: response.failed")])
def test_a_model_that_cannot_be_loaded_is_told_in_the_stream(path, error):
    body = {"model": "demo", "input": "Hello", "stream": True} if "responses" in path else chat(max_tokens=10)
    with running("--load-ms", 500, "--keep-alive-ms", 100, "--broken") as server:
        status, _, data = server.ask("POST", path, body)
        assert (status, error in data) == (200, True)
        assert wait_until(lambda: any("cut short" in line for line in server.log))
    with running("--broken") as server:
        assert server.ask("POST", path, body)[0] == 500


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_prompt_beyond_the_context_names_both_numbers(path):
    with running("--context", 300) as server:
        for text in ("word " * 600, "word " * 60000):
            body = {"model": "demo", "max_tokens": 10, "messages": [{"role": "user", "content": text}], "stream": True}
            status, _, data = server.ask("POST", path, body)
            error = json.loads(data)["error"]
            assert status == 400
            assert error["message"].startswith("prompt is too long: ")
            assert error["message"].endswith(" tokens > 300 maximum")
        assert error.get("code", "context_length_exceeded") == "context_length_exceeded"


def test_more_tokens_than_the_context_holds_are_fewer():
    with running("--context", 100, "--repeat") as server:
        answer = json.loads(server.ask("POST", "/v1/chat/completions", chat(stream=False, max_tokens=64000))[2])
        assert answer["choices"][0]["finish_reason"] == "length"
        assert answer["usage"]["total_tokens"] == 100


def test_a_body_of_many_bytes_is_asked_for_and_read():
    with running() as server, server.connect() as client:
        text = "word " * 200_000
        data = json.dumps({"content": text}).encode()
        client.sendall(b"POST /v1/tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
                       b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(data))
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(data)
        status, _, body = serving.parse(serving.read_all(client))
        assert status == 200
        assert len(json.loads(body)["tokens"]) > 150_000


def test_tokens_and_back():
    with running() as server:
        tokens = json.loads(server.ask("POST", "/v1/tokenize", {"content": "Hi € <|user|>"})[2])["tokens"]
        assert json.loads(server.ask("POST", "/v1/detokenize", {"tokens": tokens})[2]) == {"content": "Hi € <|user|>"}
        assert server.ask("POST", "/v1/detokenize", {"tokens": [10**9]})[0] == 400
        assert server.ask("POST", "/v1/detokenize", {"tokens": ["a"]})[0] == 400


# ---- clients that go ----


@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["closed", "reset"])
@pytest.mark.parametrize("flags", [("--repeat", "--step-us", 2000), ("--prefill-ms", 60000)], ids=["writing", "nothing to write"])
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_a_client_that_goes_is_noticed(leave, flags, stream):
    with running(*flags) as server:
        client = server.connect()
        client.sendall(request("/v1/chat/completions", chat(stream=stream)))
        assert wait_until(lambda: slots(server)["running"] == 1)
        start = time.monotonic()
        leave(client)
        assert wait_until(lambda: slots(server)["running"] == 0)
        assert time.monotonic() - start < 0.25 + 0.1, "with a little for the question itself"
        assert "glimt_answers_cancelled_total 1" in server.ask("GET", "/metrics")[2].decode()


def test_pipelined_requests_do_not_hide_that_a_client_goes():
    with running("--repeat", "--step-us", 2000) as server:
        client = server.connect()
        client.sendall(request("/v1/chat/completions", chat()) + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        assert wait_until(lambda: slots(server)["running"] == 1)
        client.close()
        assert idle(server)


def test_a_client_that_does_not_read_is_given_up():
    with running("--repeat", "--unsent", 20000, "--step-us", 20) as server:
        before = server.resident()
        client = server.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(request("/v1/chat/completions", chat()))
        assert wait_until(lambda: any("does not read" in line for line in server.log))
        assert idle(server)
        assert server.resident() - before < 32 << 20
        client.close()


def test_a_client_that_stops_reading_a_short_answer_is_closed():
    with running("--repeat", "--write-ms", 500, "--step-us", 50) as server:
        client = server.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(request("/v1/chat/completions", chat(max_tokens=30000)))
        assert wait_until(lambda: slots(server)["running"] == 1)
        assert idle(server)
        client.close()


# ---- many ----


def test_200_clients_stream_at_once():
    with running("--step-us", 2000) as server:
        answers = [b""] * 200

        def stream(i):
            with server.connect(60) as client:
                client.sendall(request("/v1/chat/completions", chat(), "Connection: close"))
                answers[i] = serving.read_all(client)

        threads = [threading.Thread(target=stream, args=(i,)) for i in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(b"[DONE]" in answer and serving.parse(answer)[0] == 200 for answer in answers)
        assert idle(server)


def test_nothing_is_left_of_clients_that_go_at_any_time():
    count = int(os.environ.get("GLIMT_DISCONNECTS", "300"))
    with running("--step-us", 300, "--connections", 600) as server:
        server.ask("POST", "/v1/chat/completions", chat())
        time.sleep(0.3)
        threads, descriptors, resident = server.threads(), server.descriptors(), server.resident()

        def visit(seed):
            rng = random.Random(seed)
            path, body = rng.choice([
                ("/v1/chat/completions", chat(stream=rng.random() < 0.7, n=rng.randint(1, 3))),
                ("/v1/messages", chat(max_tokens=50)),
                ("/v1/responses", {"model": "demo", "input": "Hello", "stream": True}),
                ("/v1/tokenize", {"content": "Hello " * rng.randint(1, 20000)}),
            ])
            data = request(path, body)
            try:
                with server.connect(20) as client:
                    client.sendall(data[:rng.randint(1, len(data))] if rng.random() < 0.3 else data)
                    time.sleep(rng.random() * 0.03)
                    if rng.random() < 0.5:
                        client.settimeout(0.02)
                        client.recv(rng.randint(1, 4096))
                    if rng.random() < 0.5:
                        reset(client)
            except OSError:
                pass

        workers = 16
        def work(number):
            for i in range(number, count, workers):
                visit(i)

        crowd = [threading.Thread(target=work, args=(i,)) for i in range(workers)]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
        assert idle(server)
        assert wait_until(lambda: server.descriptors() <= descriptors, 15), "descriptors are left"
        assert server.threads() == threads
        assert server.resident() - resident < 64 << 20
        assert b"[DONE]" in server.ask("POST", "/v1/chat/completions", chat())[2]


def test_beyond_the_limit_of_connections_others_are_turned_away():
    with running("--connections", 3) as server:
        held = [server.connect() for _ in range(3)]
        time.sleep(0.2)
        status, headers, _ = server.ask("GET", "/health")
        assert (status, headers["retry-after"]) == (503, "1")
        for client in held:
            client.close()
        assert wait_until(lambda: server.ask("GET", "/health")[0] == 200)


def test_a_full_queue_says_so_at_once():
    with running("--parallel", 1, "--queue", 1, "--repeat", "--step-us", 2000) as server:
        clients = [server.connect() for _ in range(2)]
        for client in clients:
            client.sendall(request("/v1/chat/completions", chat()))
            time.sleep(0.2)
        assert slots(server)["waiting"] == 1
        for path, kind in (("/v1/chat/completions", "server_error"), ("/v1/messages", "overloaded_error")):
            start = time.monotonic()
            status, headers, data = server.ask("POST", path, chat(max_tokens=10))
            assert time.monotonic() - start < 0.1
            assert (status, json.loads(data)["error"]["type"]) == (503, kind)
            assert int(headers["retry-after"]) >= 1
        for client in clients:
            client.close()


def test_the_bodies_of_all_requests_are_bounded():
    with running("--bodies", 100_000) as server:
        clients = []
        for _ in range(2):
            client = server.connect()
            client.sendall(b"POST /v1/tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60001\r\n\r\n" + b"x" * 60000)
            clients.append(client)
            time.sleep(0.2)
        assert b"503" in clients[1].recv(1000)
        clients[0].sendall(b"x")
        assert b"200 OK" in clients[0].recv(1000)
        for client in clients:
            client.close()
        assert server.ask("POST", "/v1/tokenize", {"content": "a"})[0] == 200


# ---- time ----


def test_a_header_must_come_in_time():
    with running("--header-ms", 300) as server, server.connect() as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: local")
        start = time.monotonic()
        assert b"408" in client.recv(1000)
        assert 0.2 < time.monotonic() - start < 2
        assert client.recv(1000) == b""


def test_a_body_must_come_in_time():
    with running("--body-ms", 300) as server, server.connect() as client:
        client.sendall(b"POST /v1/tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab")
        assert b"408" in client.recv(1000)
        assert client.recv(1000) == b""


def test_idle_connections_are_closed():
    with running("--idle-ms", 300) as server, server.connect() as client:
        start = time.monotonic()
        assert client.recv(1000) == b""
        assert 0.2 < time.monotonic() - start < 2


# ---- an engine that fails ----


def test_a_stalled_engine_is_seen_by_health():
    with running("--repeat", "--step-us", 2000) as server:
        assert server.ask("GET", "/health")[0] == 200 or wait_until(lambda: server.ask("GET", "/health")[0] == 200)
        server.ask("POST", "/v1/chat/completions", chat(max_tokens=2))
        server.process.send_signal(signal.SIGUSR1)
        assert wait_until(lambda: server.ask("GET", "/health")[0] == 503, 5)
        assert json.loads(server.ask("GET", "/health")[2]) == {"status": "stalled"}
        server.process.send_signal(signal.SIGUSR1)
        assert wait_until(lambda: server.ask("GET", "/health")[0] == 200, 5)


@pytest.mark.parametrize("stream", [True, False])
def test_answers_of_a_stalled_engine_end_with_an_error(stream):
    with running("--repeat", "--step-us", 2000, "--keep-alive-ms", 300) as server, server.connect() as client:
        client.sendall(request("/v1/chat/completions", chat(stream=stream), "Connection: close"))
        assert wait_until(lambda: slots(server)["running"] == 1)
        server.process.send_signal(signal.SIGUSR1)
        start = time.monotonic()
        data = serving.read_all(client)
        assert time.monotonic() - start < 3
        assert b'"server_error"' in data
        assert (b"500 Internal" in data) == (not stream)
        server.process.send_signal(signal.SIGUSR1)


def test_vectors_of_a_stalled_engine_end_with_an_error():
    with running("--repeat", "--step-us", 2000, "--keep-alive-ms", 300) as server:
        server.ask("POST", "/v1/chat/completions", chat(max_tokens=1))
        server.process.send_signal(signal.SIGUSR1)
        assert server.ask("POST", "/v1/embeddings", {"model": "demo", "input": "Hello"}, timeout=5)[0] == 500
        server.process.send_signal(signal.SIGUSR1)


@pytest.mark.parametrize("path, error", [
    ("/v1/chat/completions", b'data: {"error": {"message"'),
    ("/v1/messages", b"event: error"),
    ("/v1/responses", b"event: response.failed"),
])
def test_a_stream_that_breaks_says_so_in_its_dialect(path, error):
    with running("--repeat", "--step-us", 2000) as server, server.connect() as client:
        body = {"model": "demo", "input": "Hello", "stream": True} if "responses" in path else chat(max_tokens=100000)
        client.sendall(request(path, body))
        assert b"200 OK" in client.recv(65536)
        server.process.send_signal(signal.SIGUSR2)
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            data += client.recv(65536)
        assert error in data
        assert b"NaN" not in data, "what broke inside is for the log"
        assert wait_until(lambda: any("NaN" in line for line in server.log))
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in client.recv(1000), "the connection goes on"


def test_a_whole_answer_that_breaks_is_a_500_that_need_not_be_repeated():
    with running("--repeat", "--step-us", 2000) as server, server.connect() as client:
        client.sendall(request("/v1/chat/completions", chat(stream=False), "Connection: close"))
        assert wait_until(lambda: slots(server)["running"] == 1)
        server.process.send_signal(signal.SIGUSR2)
        status, headers, body = serving.parse(serving.read_all(client))
        assert (status, headers["x-should-retry"]) == (500, "false")
        assert json.loads(body)["error"]["type"] == "server_error"


# ---- the end ----


def test_sigterm_lets_answers_end(tmp_path):
    with running("--step-us", 100_000) as server, server.connect() as client, server.connect() as other:
        client.sendall(request("/v1/chat/completions", chat()))
        assert b"200 OK" in client.recv(65536)
        server.process.terminate()
        assert other.recv(100) == b"", "a connection without a request ends at once"
        with pytest.raises(ConnectionRefusedError):
            wait_until(lambda: server.connect().close(), 2)
        data = b""
        while got := client.recv(65536):
            data += got
        assert b"[DONE]" in data
        assert server.process.wait(10) == 0


@pytest.mark.parametrize("path, error", [("/v1/chat/completions", b'data: {"error"'), ("/v1/messages", b"event: error"),
                                         ("/v1/responses", b"event: response.failed")])
def test_sigterm_ends_answers_that_take_too_long(path, error):
    with running("--repeat", "--step-us", 2000, "--drain-ms", 300) as server, server.connect() as client:
        body = {"model": "demo", "input": "Hello", "stream": True} if "responses" in path else chat(max_tokens=100000)
        client.sendall(request(path, body))
        assert b"200 OK" in client.recv(65536)
        start = time.monotonic()
        server.process.terminate()
        data = serving.read_all(client)
        assert error in data
        assert data.endswith(b"0\r\n\r\n")
        assert server.process.wait(10) == 0
        assert time.monotonic() - start < 5


def test_a_second_signal_ends_at_once():
    with running("--repeat", "--step-us", 2000) as server, server.connect() as client:
        client.sendall(request("/v1/chat/completions", chat()))
        assert b"200 OK" in client.recv(65536)
        server.process.terminate()
        time.sleep(0.2)
        start = time.monotonic()
        server.process.terminate()
        assert server.process.wait(10) == 0
        assert time.monotonic() - start < 5


# ---- keys, TLS, the log ----


@pytest.fixture
def keys(tmp_path):
    file = tmp_path / "keys"
    file.write_text("# who may\nsecret-one name=ann\nsecret-two name=bob requests=2\nsecret-three name=cid tokens=10\n")
    return file


def bearer(key):
    return [f"Authorization: Bearer {key}"]


def test_keys(keys):
    with running("--keys", keys) as server:
        assert server.ask("HEAD", "/")[0] == 200
        assert server.ask("GET", "/health")[0] == 200
        for wrong in ([], bearer("secret-on"), bearer("secret-one2"), bearer(""), ["x-api-key: secret"]):
            status, headers, data = server.ask("POST", "/v1/chat/completions", chat(), headers=wrong)
            assert (status, json.loads(data)["error"]["code"]) == (401, "invalid_api_key")
            assert server.ask("GET", "/nothing", headers=wrong)[0] == 401, "what is there is not told"
        for path in ("/v1/messages", "/v1/messages/count_tokens"):
            assert json.loads(server.ask("POST", path, chat())[2])["error"]["type"] == "authentication_error"
        for right in (bearer("secret-one"), ["x-api-key: secret-one"], ["authorization: bearer secret-one"]):
            assert server.ask("POST", "/v1/chat/completions", chat(), headers=right)[0] == 200
        assert wait_until(lambda: any("key=ann" in line for line in server.log))
        assert not any("secret" in line for line in server.log)


def test_limits_of_a_key(keys):
    with running("--keys", keys) as server:
        statuses = [server.ask("POST", "/v1/chat/completions", chat(), headers=bearer("secret-two"))[0] for _ in range(3)]
        assert statuses == [200, 200, 429]
        status, headers, data = server.ask("POST", "/v1/messages", chat(max_tokens=9), headers=bearer("secret-two"))
        assert (status, json.loads(data)["error"]["type"]) == (429, "rate_limit_error")
        assert 0 < int(headers["retry-after"]) <= 60
        statuses = [server.ask("POST", "/v1/chat/completions", chat(), headers=bearer("secret-three"))[0] for _ in range(2)]
        assert statuses == [200, 429]
        assert server.ask("POST", "/v1/chat/completions", chat(), headers=bearer("secret-one"))[0] == 200


def test_keys_share_no_prefix(keys):
    with running("--keys", keys) as server:
        def reused(key):
            answer = json.loads(server.ask("POST", "/v1/chat/completions", chat(stream=False), headers=bearer(key))[2])
            return answer["usage"]["prompt_tokens_details"]["cached_tokens"]

        assert reused("secret-one") == 0
        assert reused("secret-one") > 0
        assert reused("secret-two") == 0


def certificate(folder, name):
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-keyout", key, "-out", cert, "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    return cert, key


def test_tls_and_a_new_certificate(tmp_path):
    import ssl

    cert, key = certificate(tmp_path, "one")
    with running("--cert", cert, "--key", key) as server:
        assert server.url.startswith("https://")

        def ask():
            context = ssl.create_default_context(cafile=cert)
            with context.wrap_socket(server.connect(), server_hostname="127.0.0.1") as client:
                name = client.getpeercert()["subject"][0][0][1]
                client.sendall(request("/v1/chat/completions", chat(), "Connection: close"))
                return serving.read_all(client), name

        data, name = ask()
        assert (b"[DONE]" in data, name) == (True, "one")
        context = ssl.create_default_context(cafile=cert)
        with context.wrap_socket(server.connect(), server_hostname="127.0.0.1", suppress_ragged_eofs=False) as client:
            client.sendall(b"GET /api/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            start = time.monotonic()
            assert b"200 OK" in serving.read_all(client), "the end is said: close_notify"
            assert time.monotonic() - start < 1
        new_cert, new_key = certificate(tmp_path, "two")
        new_cert.rename(cert)
        new_key.rename(key)
        server.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: any("read again" in line for line in server.log))
        assert ask()[1] == "two"
        cert.write_text("no certificate")
        server.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: any("stays as it was" in line for line in server.log))
        with server.connect() as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200" not in serving.read_all(plain)


def test_the_log_has_one_line_a_request_and_no_content():
    with running("--json") as server:
        server.ask("POST", "/v1/chat/completions?key=SECRET", chat(user="Bob"), headers=["X-Custom: SECRET"])
        server.ask("GET", "/a%0ab%1b[31m", headers=[])
        assert wait_until(lambda: len(server.log) >= 3)
        records = [json.loads(line) for line in server.log if line.startswith("{")]
        assert [(r["method"], r["path"], r["status"]) for r in records] == [
            ("POST", "/v1/chat/completions", 200), ("GET", "/a?b?[31m", 404)]
        assert records[0]["generated_tokens"] > 0
        text = "\n".join(server.log)
        assert "SECRET" not in text and "Hello" not in text and "think" not in text


def test_browsers():
    with running() as server:
        asked = ["Origin: http://localhost:3000", "Access-Control-Request-Method: POST",
                 "Access-Control-Request-Headers: authorization, x-stainless-os"]
        status, headers, body = server.ask("OPTIONS", "/v1/chat/completions", headers=asked)
        assert (status, body) == (204, b"")
        assert headers["access-control-allow-origin"] == "http://localhost:3000"
        assert headers["access-control-allow-headers"] == "authorization, x-stainless-os"
        assert "Origin" in headers["vary"]
        for wrong in ("https://evil.example", "null"):
            status, headers, _ = server.ask("OPTIONS", "/v1/chat/completions", headers=[f"Origin: {wrong}", *asked[1:]])
            assert status == 403
            assert not any(name.startswith("access-control") for name in headers)
        headers = server.ask("OPTIONS", "/health", headers=[*asked[:2], "Access-Control-Request-Headers: a b"])[1]
        assert "access-control-allow-headers" not in headers


def test_errors_are_told_in_the_dialect_of_the_path():
    with running() as server:
        assert json.loads(server.ask("GET", "/api/nothing")[2]).keys() == {"error"}
        assert isinstance(json.loads(server.ask("GET", "/api/nothing")[2])["error"], str)
        assert json.loads(server.ask("GET", "/v1/messages/nothing")[2])["type"] == "error"
        assert "param" in json.loads(server.ask("GET", "/v1/nothing")[2])["error"]
        status, headers, _ = server.ask("GET", "/v1/chat/completions")
        assert (status, headers["allow"]) == (405, "POST")
        for body in (b"", b"{", b"[]", b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", b"\xff\xfe", b'{"model": "\xff"}'):
            assert server.ask("POST", "/v1/chat/completions", body)[0] == 400, body
        assert server.ask("POST", "/chat/completions", chat())[0] == 200, "the same without /v1"
        status, _, data = server.ask("POST", "/v1/chat/completions", {**chat(), "model": "nope"})
        assert (status, json.loads(data)["error"]["code"]) == (404, "model_not_found")
