"""The Anthropic SDK: messages, counting, models."""

import json
import signal

import anthropic
import pydantic
import pytest

from servers import REPORTS, WEATHER, WEATHER_SCRIPT

TOOLS = [{"name": WEATHER["name"], "description": WEATHER["description"], "input_schema": WEATHER["parameters"]}]
SUM = [{"role": "user", "content": "What is 46 plus 93?"}]
THINK = {"type": "adaptive"}


def client_of(server, **options):
    return anthropic.Anthropic(base_url=server.url, max_retries=0, **{"api_key": "none", **options})


@pytest.fixture
def client(demo):
    return client_of(demo)


def create(client, **options):
    return client.messages.create(**{"model": "demo", "max_tokens": 500, "messages": SUM, "extra_body": {"temperature": 0}, **options})


def test_message(client):
    answer = create(client, system="Be brief.")
    assert answer.type == "message" and answer.role == "assistant" and answer.model == "demo" and answer.id.startswith("msg_")
    assert [block.type for block in answer.content] == ["text"] and "139" in answer.content[0].text
    assert answer.stop_reason == "end_turn" and answer.stop_sequence is None and answer._request_id
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0


def test_usage_counts_what_is_cached_apart(client):
    first, second = create(client, system="Count."), create(client, system="Count.")
    assert second.usage.cache_read_input_tokens > 0
    total = second.usage.input_tokens + second.usage.cache_read_input_tokens + second.usage.cache_creation_input_tokens
    assert total == first.usage.input_tokens + first.usage.cache_read_input_tokens + first.usage.cache_creation_input_tokens


def test_stream(client):
    whole = create(client, thinking=THINK)
    with client.messages.stream(model="demo", max_tokens=500, messages=SUM, thinking=THINK, extra_body={"temperature": 0}) as stream:
        events = [event.type for event in stream]
        final = stream.get_final_message()
    assert events[0] == "message_start" and events[-1] == "message_stop"
    assert [block.type for block in final.content] == ["thinking", "text"]
    assert [getattr(block, block.type) for block in final.content] == [getattr(block, block.type) for block in whole.content]
    assert final.content[0].signature and final.stop_reason == "end_turn" and final.usage.output_tokens == whole.usage.output_tokens


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_loop(client, streamed):
    options = {"model": "demo", "max_tokens": 500, "tools": TOOLS, "thinking": THINK, "extra_body": {"temperature": 0}}
    messages = [{"role": "user", "content": "What is the weather in Oslo and Lima?"}]
    if streamed:
        with client.messages.stream(messages=messages, **options) as stream:
            first = stream.get_final_message()
    else:
        first = client.messages.create(messages=messages, **options)
    assert first.stop_reason == "tool_use"
    calls = [block for block in first.content if block.type == "tool_use"]
    assert [call.input for call in calls] == [{"city": "Oslo"}, {"city": "Lima"}]
    assert all(call.name == "get_weather" and call.id.startswith("toolu_") for call in calls)
    messages.append({"role": "assistant", "content": first.content})
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": REPORTS[call.input["city"]]} for call in calls]
    messages.append({"role": "user", "content": results})
    second = client.messages.create(messages=messages, **options)
    assert second.stop_reason == "end_turn" and second.content
    said = first.usage.input_tokens + first.usage.cache_read_input_tokens + first.usage.output_tokens
    assert second.usage.cache_read_input_tokens >= said - 8


def test_a_tool_loop_of_a_script(scripted):
    client = client_of(scripted(WEATHER_SCRIPT))
    messages = [{"role": "user", "content": "Weather?"}]
    first = create(client, messages=messages, tools=TOOLS)
    assert [block.type for block in first.content] == ["text", "tool_use", "tool_use"]
    result = {"type": "tool_result", "tool_use_id": first.content[1].id, "content": [{"type": "text", "text": "sun"}], "is_error": True}
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    assert create(client, messages=messages, tools=TOOLS).content[0].text == "Sun in Oslo, rain in Lima."


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True}])
def test_a_call_can_be_required(client, choice):
    answer = create(client, tools=TOOLS, tool_choice=choice)
    assert answer.content[-1].type == "tool_use" and answer.content[-1].name == "get_weather"


def test_no_call(client):
    messages = [{"role": "user", "content": "What is the weather in Oslo?"}]
    for options in ({"tools": TOOLS, "tool_choice": {"type": "none"}}, {"tools": []}, {}):
        answer = create(client, messages=messages, max_tokens=200, **options)
        assert all(block.type == "text" for block in answer.content)


def test_stop_sequences_and_lengths(client):
    stopped = create(client, stop_sequences=["xyz", "= 1"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "= 1")
    cut = create(client, max_tokens=3)
    assert cut.stop_reason == "max_tokens" and cut.usage.output_tokens == 3
    assert create(client, max_tokens=20_000).stop_reason == "end_turn"  # far beyond the context


def test_an_output_format(client):
    class Answer(pydantic.BaseModel):
        city: str
        days: int

    schema = {**Answer.model_json_schema(), "additionalProperties": False}
    answer = create(client, extra_body={"output_config": {"format": {"type": "json_schema", "schema": schema}}})
    if answer.stop_reason == "end_turn":
        Answer.model_validate_json(answer.content[0].text)


def test_what_claude_code_sends(client):
    system = [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.197.66f; cc_entrypoint=cli; cch=1a2b;"},
        {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
    ]
    messages = [SUM[0], {"role": "system", "content": "Stay brief."}]
    extra = {
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "medium"},
        "temperature": 0,
    }
    answer = client.messages.create(
        model="claude-opus-4-8", max_tokens=20_000, system=system, messages=messages, thinking=THINK, metadata={"user_id": "u"}, extra_body=extra
    )
    assert answer.model == "claude-opus-4-8" and answer.content
    counted = client.messages.count_tokens(model="demo", system=system[1:], messages=messages, thinking=THINK).input_tokens
    assert counted == answer.usage.input_tokens + answer.usage.cache_read_input_tokens  # the header is dropped


def test_count_tokens(client):
    counted = client.messages.count_tokens(model="demo", messages=SUM).input_tokens
    usage = create(client).usage
    assert counted == usage.input_tokens + usage.cache_read_input_tokens
    assert client.messages.count_tokens(model="demo", messages=SUM, tools=TOOLS).input_tokens > counted


def test_models(client):
    models = list(client.models.list())
    assert [model.id for model in models] == ["demo"] and models[0].type == "model"
    assert client.models.retrieve("demo").display_name == "demo"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("nothing")


# ---- errors ----


def test_errors_have_their_types(client):
    def refused(kind, **options):
        with pytest.raises(kind) as error:
            create(client, **options)
        assert error.value.request_id
        return error.value

    assert "temprature" in refused(anthropic.BadRequestError, extra_body={"temprature": 1}).message
    long = refused(anthropic.BadRequestError, messages=[{"role": "user", "content": "a " * 5000}])
    assert long.type == "invalid_request_error" and "prompt is too long: " in long.message and " tokens > 2048 maximum" in long.message
    assert refused(anthropic.NotFoundError, model="nothing").type == "not_found_error"
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}
    error = refused(anthropic.BadRequestError, messages=[{"role": "user", "content": [{"type": "text", "text": "?"}, image]}])
    assert "messages.0.content.1" in error.message
    refused(anthropic.BadRequestError, max_tokens=0)


@pytest.mark.parametrize("header", ["api_key", "auth_token"])
def test_a_key_is_asked_for(scripted, tmp_path, header):
    keys = tmp_path / "keys"
    keys.write_text("secret-key-of-ann\n")
    keys.chmod(0o600)
    server = scripted([{"answer": "</think>Hi"}], "--keys", keys)
    with pytest.raises(anthropic.AuthenticationError) as error:
        create(client_of(server))
    assert error.value.type == "authentication_error"
    client = client_of(server, **{"api_key": None, header: "secret-key-of-ann"})
    assert create(client).content[0].text == "Hi"


def test_a_stream_that_breaks_raises(scripted):
    server = scripted([{"answer": "word " * 50}], "--step-us", 10000, "--repeat")
    with pytest.raises(anthropic.APIStatusError) as error:
        for count, _ in enumerate(create(client_of(server), stream=True)):
            if count == 8:
                server.signal(signal.SIGUSR2)  # the engine fails
    assert error.value.type == "api_error" and json.loads(json.dumps(error.value.body))["type"] == "error"


def test_a_full_queue_is_overloaded(scripted):
    server = scripted([{"answer": "word " * 50}], "--step-us", 10000, "--repeat", "--parallel", 1, "--queue", 1)
    client = client_of(server)
    streams = [create(client, stream=True) for _ in range(2)]
    with pytest.raises(anthropic.APIStatusError) as error:
        create(client)
    assert error.value.status_code == 503 and error.value.type == "overloaded_error"
    for stream in streams:
        stream.close()
