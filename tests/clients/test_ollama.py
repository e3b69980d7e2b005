"""The Ollama SDK: chat, generate, models, vectors."""

import json
import signal

import ollama
import pydantic
import pytest

from servers import REPORTS, WEATHER, WEATHER_SCRIPT

TOOLS = [{"type": "function", "function": WEATHER}]
SUM = [{"role": "user", "content": "What is 46 plus 93?"}]
GREEDY = {"temperature": 0}


@pytest.fixture
def client(demo):
    return ollama.Client(host=demo.url)


def test_chat(client):
    answer = client.chat(model="demo", messages=SUM, options=GREEDY)
    assert "139" in answer.message.content and "139" in answer.message.thinking
    assert answer.message.role == "assistant" and answer.done and answer.done_reason == "stop" and answer.model == "demo"
    assert answer.prompt_eval_count > 0 and answer.eval_count > 0 and answer.total_duration > answer.eval_duration > 0
    assert answer.created_at.endswith("Z")


def test_chat_stream(client):
    whole = client.chat(model="demo:latest", messages=SUM, options=GREEDY).message
    parts = list(client.chat(model="demo", messages=SUM, options=GREEDY, stream=True))
    assert "".join(part.message.content for part in parts) == whole.content
    assert "".join(part.message.thinking or "" for part in parts) == whole.thinking
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert all(part.message.content is not None for part in parts)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_loop(client, streamed):
    messages = [{"role": "user", "content": "What is the weather in Oslo and Lima?"}]
    if streamed:
        calls, thinking = [], ""
        for part in client.chat(model="demo", messages=messages, tools=TOOLS, options=GREEDY, stream=True):
            calls += part.message.tool_calls or []
            thinking += part.message.thinking or ""
        messages.append({"role": "assistant", "thinking": thinking, "tool_calls": calls})
    else:
        message = client.chat(model="demo", messages=messages, tools=TOOLS, options=GREEDY).message
        calls = message.tool_calls
        messages.append(message)
    assert [dict(call.function.arguments) for call in calls] == [{"city": "Oslo"}, {"city": "Lima"}]
    for call in calls:
        messages.append({"role": "tool", "tool_name": call.function.name, "content": REPORTS[call.function.arguments["city"]]})
    answer = client.chat(model="demo", messages=messages, tools=TOOLS, options=GREEDY)
    assert answer.message.content and answer.done_reason == "stop"


def test_functions_of_python_are_tools(scripted):
    def get_weather(city: str) -> str:
        """The weather in a city.

        Args:
          city: its name
        """
        return REPORTS[city]

    client = ollama.Client(host=scripted(WEATHER_SCRIPT).url)
    message = client.chat(model="demo", messages=SUM, tools=[get_weather]).message
    results = [get_weather(**call.function.arguments) for call in message.tool_calls]
    assert results == ["sun", "rain"] and message.content == "One moment."


@pytest.mark.parametrize("think", [True, False, "low", "high"])
def test_thinking(client, think):
    answer = client.chat(model="demo", messages=SUM, options=GREEDY, think=think)
    assert bool(answer.message.thinking) == bool(think)


def test_an_output_format(client):
    class Answer(pydantic.BaseModel):
        city: str
        days: int

    answer = client.chat(model="demo", messages=SUM, format=Answer.model_json_schema(), think=False, options={"num_predict": 400, "seed": 1})
    if answer.done_reason == "stop":
        Answer.model_validate_json(answer.message.content)
    answer = client.chat(model="demo", messages=SUM, format="json", think=False, options={"num_predict": 400, "seed": 1})
    if answer.done_reason == "stop":
        json.loads(answer.message.content)


def test_generate(client):
    answer = client.generate(model="demo", prompt=SUM[0]["content"], options=GREEDY)
    assert "139" in answer.response and answer.thinking and answer.done
    parts = list(client.generate(model="demo", prompt=SUM[0]["content"], options=GREEDY, stream=True))
    assert "".join(part.response for part in parts) == answer.response
    raw = client.generate(model="demo", prompt="What is", raw=True, options={"num_predict": 3, **GREEDY})
    assert raw.done_reason == "length" and raw.eval_count == 3


def test_options(client):
    stopped = client.chat(model="demo", messages=SUM, options={**GREEDY, "stop": ["= 1"]})
    assert stopped.message.content.endswith("93 ") and stopped.done_reason == "stop"
    many = {"num_ctx": 32768, "seed": 1, "top_k": 5, "top_p": 0.9, "min_p": 0.05, "repeat_penalty": 1.1, "num_gpu": 1, "num_thread": 4, "num_predict": 4}
    first, second = (client.chat(model="demo", messages=SUM, options=many).message for _ in range(2))
    assert first == second
    answer = client.chat(model="demo", messages=SUM, logprobs=True, top_logprobs=2, options=GREEDY)
    assert "".join(token.token for token in answer.logprobs) == answer.message.content


def test_models(client):
    (model,) = client.list().models
    assert model.model == "demo:latest" and len(model.digest) == 64 and model.size > 0 and model.details.family == "glm4_moe_lite"
    shown = client.show("demo")
    assert {"completion", "tools", "thinking"} <= set(shown.capabilities)
    assert shown.modelinfo["general.architecture"] == "glm4_moe_lite" and shown.modelinfo["glm4_moe_lite.context_length"] == 2048
    client.chat(model="demo", messages=SUM, keep_alive="5m", options={"num_predict": 1})
    (running,) = client.ps().models
    assert running.model == "demo:latest" and running.context_length == 2048
    assert client.pull("demo").status == "success"
    assert [part.status for part in client.pull("demo", stream=True)][-1] == "success"


def test_embeddings(client):
    answer = client.embed(model="demo", input=["What is the weather?", "What is 4 plus 5?"])
    assert len(answer.embeddings) == 2 and answer.prompt_eval_count > 0
    assert sum(x * x for x in answer.embeddings[0]) == pytest.approx(1, abs=1e-4)
    (single,) = client.embed(model="demo", input="What is the weather?").embeddings
    assert single == pytest.approx(answer.embeddings[0], abs=1e-4)
    assert len(client.embeddings(model="demo", prompt="What is the weather?").embedding) == len(single)


def test_loading_and_unloading(client):
    assert client.generate(model="demo", keep_alive=0).done_reason == "unload"
    assert client.generate(model="demo").done_reason == "load"
    assert client.chat(model="demo", messages=[]).done_reason == "load"


# ---- models that come and go ----


def test_pulling_copying_and_deleting(empty, hub):
    client = ollama.Client(host=empty.url)
    hub.rate = 2_000_000
    parts = list(client.pull("org/demo", stream=True))
    assert parts[0].status == "pulling manifest" and parts[-1].status == "success"
    loads = [part for part in parts if part.digest]
    assert all(0 <= part.completed <= part.total for part in loads) and any(0 < part.completed < part.total for part in loads)
    assert client.copy("org/demo", "mine").status == "success"
    assert {model.model for model in client.list().models} == {"demo:latest", "mine:latest", "org/demo:latest"}
    assert "139" in client.chat(model="mine", messages=SUM, options=GREEDY).message.content
    for name in ("mine", "org/demo:latest"):
        assert client.delete(name).status == "success"
    assert {model.model for model in client.list().models} == {"demo:latest"}
    with pytest.raises(ollama.ResponseError, match="model 'mine' not found"):
        client.delete("mine")


def test_a_pull_that_fails_raises(empty, hub):
    client = ollama.Client(host=empty.url)
    with pytest.raises(ollama.ResponseError, match="no such model"):
        list(client.pull("org/nothing", stream=True))
    with pytest.raises(ollama.ResponseError, match="no such model") as error:
        client.pull("org/nothing")
    assert error.value.status_code == 404
    hub.body = lambda path, content: content[:-1] + b"x" if path.endswith(".safetensors") else content
    with pytest.raises(ollama.ResponseError, match="sha256 must be"):
        client.pull("org/demo")
    hub.body = lambda path, content: content
    assert client.pull("org/demo").status == "success"


# ---- errors ----


def test_errors_have_their_status(client):
    def refused(status, call, **options):
        with pytest.raises(ollama.ResponseError) as error:
            call(**options)
        assert error.value.status_code == status and error.value.error
        return error.value.error

    assert "nothing" in refused(404, client.chat, model="nothing", messages=SUM)
    refused(404, client.show, model="nothing")
    assert refused(404, client.delete, model="nothing") == "model 'nothing' not found"
    assert refused(404, client.copy, source="nothing", destination="x") == "model 'nothing' not found"
    refused(400, client.delete, model="demo")  # it ships with the program
    refused(400, client.pull, model="nothing")
    refused(400, client.chat, model="demo", messages=SUM, options={"temperature": -1})
    refused(400, client.chat, model="demo", messages=SUM, options={"mirostat": 2})
    assert "prompt is too long" in refused(400, client.chat, model="demo", messages=[{"role": "user", "content": "a " * 5000}])
    refused(400, client.generate, model="demo", prompt="a", suffix="b")


def test_a_stream_that_breaks_raises(scripted):
    server = scripted([{"answer": "word " * 50}], "--step-us", 10000, "--repeat")
    with pytest.raises(ollama.ResponseError):
        for count, _ in enumerate(ollama.Client(host=server.url).chat(model="demo", messages=SUM, stream=True)):
            if count == 5:
                server.signal(signal.SIGUSR2)  # the engine fails
