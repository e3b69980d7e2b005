"""What SDKs make of a server behind HAProxy (packaging/haproxy) that dies, or is stopped and does not wait longer, while
it streams; and of no server at all."""

import json
import signal

import anthropic
import httpx2
import openai
import pytest

import proxies
import servers

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def slow(environment, tmp_path):
    """A server that writes a token every 10 ms for ever, and lets answers end for half a second after SIGTERM."""
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"answer": "One.</think>Two. "}]))
    program = servers.program("SCRIPTED_SERVER", "build/tests/server/scripted_server")
    command = [program, "--script", str(script), "--repeat", "--step-us", "10000", "--drain-ms", "500"]
    server = servers.start(command, lambda line: line.startswith("http"), environment)
    yield server
    server.process.kill()
    server.process.wait()


@pytest.fixture
def proxy(slow, tmp_path):
    proxy = proxies.HaProxy(tmp_path, [int(slow.url.rsplit(":", 1)[1])] * 3)
    yield proxy
    proxy.stop()


def openai_stream(proxy):
    client = openai.OpenAI(base_url=proxy.url + "/v1", api_key="none", max_retries=0)
    return client.chat.completions.create(model="demo", messages=HELLO, stream=True)


def anthropic_stream(proxy):
    client = anthropic.Anthropic(base_url=proxy.url, api_key="none", max_retries=0)
    return client.messages.create(model="demo", messages=HELLO, max_tokens=2000, stream=True)


CASES = [
    (openai_stream, openai, signal.SIGKILL, openai.APIConnectionError, "Connection error"),
    # This SDK leaves the end of a connection to its HTTP library.
    (anthropic_stream, anthropic, signal.SIGKILL, httpx2.RemoteProtocolError, "without sending complete message"),
    (openai_stream, openai, signal.SIGTERM, openai.APIError, "the server stops"),
    (anthropic_stream, anthropic, signal.SIGTERM, anthropic.APIError, "the server stops"),
]


@pytest.mark.parametrize(("begin", "sdk", "number", "error", "text"), CASES)
def test_a_stream_that_breaks_is_an_error_of_the_sdk(proxy, slow, begin, sdk, number, error, text):
    stream = begin(proxy)
    next(iter(stream))
    slow.signal(number)
    with pytest.raises(error, match=text):
        for _ in stream:
            pass
    slow.process.wait(20)
    # No server is left: an error after which both SDKs try again by themselves.
    with pytest.raises(sdk.InternalServerError, match="try again") as without:
        begin(proxy)
    assert without.value.status_code == 503
