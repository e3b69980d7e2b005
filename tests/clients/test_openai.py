"""The OpenAI SDK: chat completions, responses, completions, models."""

import asyncio
import json
import signal

import openai
import pydantic
import pytest

from servers import REPORTS, WEATHER, WEATHER_SCRIPT, call_of

TOOLS = [{"type": "function", "function": WEATHER}]
FLAT_TOOLS = [{"type": "function", "strict": False, **WEATHER}]
SUM = [{"role": "user", "content": "What is 46 plus 93?"}]


def client_of(server, **options):
    return openai.OpenAI(base_url=server.openai, api_key="none", max_retries=0, **options)


@pytest.fixture
def client(demo):
    return client_of(demo)


class Answer(pydantic.BaseModel):
    city: str
    days: int


# ---- chat completions ----


def test_chat(client):
    answer = client.chat.completions.create(model="demo", messages=SUM, temperature=0)
    message = answer.choices[0].message
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-") and answer.model == "demo"
    assert answer.system_fingerprint and answer._request_id
    assert "139" in message.content and "139" in message.reasoning_content
    assert message.role == "assistant" and message.tool_calls is None and answer.choices[0].finish_reason == "stop"
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert 0 < usage.completion_tokens_details.reasoning_tokens < usage.completion_tokens
    again = client.chat.completions.create(model="demo", messages=SUM, temperature=0)
    assert again.choices[0].message.content == message.content and again.usage.prompt_tokens_details.cached_tokens > 0


def test_chat_stream(client):
    whole = client.chat.completions.create(model="demo", messages=SUM, temperature=0).choices[0].message
    chunks = list(client.chat.completions.create(model="demo", messages=SUM, temperature=0, stream=True, stream_options={"include_usage": True}))
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens > 10
    deltas = [chunk.choices[0].delta for chunk in chunks[:-1]]
    assert [delta.role for delta in deltas] == ["assistant"] + [None] * (len(deltas) - 1)
    assert "".join(delta.content or "" for delta in deltas) == whole.content
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == whole.reasoning_content
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(deltas) - 1) + ["stop"]


def test_a_stream_without_usage_has_choices_in_every_chunk(client):
    for chunk in client.chat.completions.create(model="demo", messages=SUM, stream=True, max_tokens=5):
        assert len(chunk.choices) == 1 and chunk.usage is None


def weather_loop(client, **options):
    messages = [{"role": "user", "content": "What is the weather in Oslo and Lima?"}]
    first = client.chat.completions.create(model="demo", messages=messages, tools=TOOLS, temperature=0, **options)
    assert first.choices[0].finish_reason == "tool_calls"
    message = first.choices[0].message
    messages.append(message.model_dump())
    cities = []
    for call in message.tool_calls:
        assert call.type == "function" and call.id.startswith("call_") and call.function.name == "get_weather"
        cities.append(json.loads(call.function.arguments)["city"])
        messages.insert(2, {"role": "tool", "tool_call_id": call.id, "content": REPORTS[cities[-1]]})
    assert cities == ["Oslo", "Lima"] and len({call.id for call in message.tool_calls}) == 2
    second = client.chat.completions.create(model="demo", messages=messages, tools=TOOLS, temperature=0)
    return first, second


def test_a_tool_loop(client):
    first, second = weather_loop(client)
    assert second.choices[0].finish_reason == "stop" and second.choices[0].message.content
    # What was said before is a prefix, to the token.
    assert second.usage.prompt_tokens_details.cached_tokens >= first.usage.total_tokens - 8


def test_a_tool_loop_of_a_script(scripted):
    _, second = weather_loop(client_of(scripted(WEATHER_SCRIPT)))
    assert second.choices[0].message.content == "Sun in Oslo, rain in Lima."


def test_calls_stream_in_pieces_that_join(client):
    calls = {}
    messages = [{"role": "user", "content": "What is the weather in Oslo and Lima?"}]
    for chunk in client.chat.completions.create(model="demo", messages=messages, tools=TOOLS, temperature=0, stream=True):
        for delta in chunk.choices[0].delta.tool_calls or []:
            if delta.index not in calls:
                assert delta.id and delta.type == "function" and delta.function.name == "get_weather"
                calls[delta.index] = ""
            else:
                assert delta.id is None and delta.function.name is None
            calls[delta.index] += delta.function.arguments or ""
    assert [json.loads(calls[index]) for index in (0, 1)] == [{"city": "Oslo"}, {"city": "Lima"}]


def test_the_sdks_own_accumulation(client):
    messages = [{"role": "user", "content": "What is the weather in Oslo?"}]
    with client.chat.completions.stream(model="demo", messages=messages, tools=TOOLS, temperature=0) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "Oslo"}


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_a_call_can_be_required(client, choice):
    answer = client.chat.completions.create(model="demo", messages=SUM, tools=TOOLS, tool_choice=choice, max_tokens=300)
    assert answer.choices[0].message.tool_calls[0].function.name == "get_weather"


@pytest.mark.parametrize("options", [{"tools": TOOLS, "tool_choice": "none"}, {"tools": []}, {}])
def test_no_call_without_tools(client, options):
    messages = [{"role": "user", "content": "What is the weather in Oslo?"}]
    answer = client.chat.completions.create(model="demo", messages=messages, temperature=0, max_tokens=200, **options)
    assert answer.choices[0].message.tool_calls is None


def test_one_call_at_most(client):
    messages = [{"role": "user", "content": "What is the weather in Oslo and Lima?"}]
    answer = client.chat.completions.create(model="demo", messages=messages, tools=TOOLS, temperature=0, parallel_tool_calls=False)
    assert len(answer.choices[0].message.tool_calls) == 1 and answer.choices[0].finish_reason == "tool_calls"


def test_parsed_answers(client):
    answer = client.chat.completions.parse(model="demo", messages=SUM, response_format=Answer, max_tokens=400, seed=1, reasoning_effort="none")
    assert isinstance(answer.choices[0].message.parsed, Answer)


def test_json_mode(client):
    answer = client.chat.completions.create(model="demo", messages=SUM, response_format={"type": "json_object"}, max_tokens=400, seed=3, reasoning_effort="none")
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(answer.choices[0].message.content), dict)


def test_several_answers_with_one_seed(client):
    def answers():
        answer = client.chat.completions.create(model="demo", messages=SUM, n=3, seed=7, temperature=2, max_tokens=60)
        assert [choice.index for choice in answer.choices] == [0, 1, 2]
        return [choice.message.model_dump() for choice in answer.choices]

    first = answers()
    assert first == answers()
    assert first[0] != first[1] or first[0] != first[2]


def test_stop_strings_and_lengths(client):
    stopped = client.chat.completions.create(model="demo", messages=SUM, temperature=0, stop=["= 1"])
    assert stopped.choices[0].finish_reason == "stop" and stopped.choices[0].message.content.endswith("93 ")
    cut = client.chat.completions.create(model="demo", messages=SUM, temperature=0, max_completion_tokens=4)
    assert cut.choices[0].finish_reason == "length" and cut.usage.completion_tokens == 4


def test_logprobs_join_to_the_content(client):
    answer = client.chat.completions.create(model="demo", messages=SUM, temperature=0, logprobs=True, top_logprobs=2)
    tokens = answer.choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == answer.choices[0].message.content
    assert all(len(token.top_logprobs) == 2 and token.top_logprobs[0].logprob == token.logprob for token in tokens)
    assert all(bytes(token.bytes).decode() == token.token for token in tokens)


def test_thinking_can_be_off(client):
    answer = client.chat.completions.create(model="demo", messages=SUM, temperature=0, reasoning_effort="none")
    assert answer.usage.completion_tokens_details.reasoning_tokens == 0
    assert getattr(answer.choices[0].message, "reasoning_content", None) is None


def test_vendors_names_mean_the_default_model(client):
    assert client.chat.completions.create(model="gpt-5", messages=SUM, max_tokens=2).model == "gpt-5"


# ---- responses ----


def test_responses(client):
    answer = client.responses.create(model="demo", input="What is 46 plus 93?", temperature=0)
    assert answer.status == "completed" and "139" in answer.output_text
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert "139" in answer.output[0].summary[0].text
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert answer.usage.output_tokens_details.reasoning_tokens > 0


def test_responses_stream(client):
    events = list(client.responses.create(model="demo", input="What is 46 plus 93?", temperature=0, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    final = events[-1].response
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == final.output_text
    thinking = "".join(event.delta for event in events if event.type == "response.reasoning_summary_text.delta")
    assert thinking == final.output[0].summary[0].text
    with client.responses.stream(model="demo", input="What is 46 plus 93?", temperature=0) as stream:
        assert stream.get_final_response().output_text == final.output_text


@pytest.mark.parametrize("how", ["previous_response_id", "items", "item_reference"])
def test_responses_tool_loop(client, how):
    question = {"role": "user", "content": "What is the weather in Oslo and Lima?"}
    first = client.responses.create(
        model="demo", input=[question], tools=FLAT_TOOLS, temperature=0, store=how != "items", include=["reasoning.encrypted_content"]
    )
    calls = [item for item in first.output if item.type == "function_call"]
    assert [json.loads(call.arguments)["city"] for call in calls] == ["Oslo", "Lima"]
    outputs = [{"type": "function_call_output", "call_id": call.call_id, "output": REPORTS[json.loads(call.arguments)["city"]]} for call in calls]
    if how == "items":
        options = {"input": [question, *[item.model_dump(exclude_none=True) for item in first.output], *outputs], "store": False}
    elif how == "item_reference":
        options = {"input": [question, *[{"type": "item_reference", "id": item.id} for item in first.output], *outputs]}
    else:
        options = {"input": outputs, "previous_response_id": first.id}
    second = client.responses.create(model="demo", tools=FLAT_TOOLS, temperature=0, **options)
    assert second.status == "completed" and second.output_text
    assert second.usage.input_tokens_details.cached_tokens >= first.usage.total_tokens - 8


def test_responses_are_kept(client):
    answer = client.responses.create(model="demo", input="What is 4 plus 5?", temperature=0)
    assert client.responses.retrieve(answer.id).output_text == answer.output_text
    client.responses.delete(answer.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(answer.id)
    with pytest.raises(openai.BadRequestError) as error:
        client.responses.create(model="demo", input="And 6?", previous_response_id=answer.id)
    assert error.value.code == "previous_response_not_found"


def test_what_a_response_answered(client):
    words = ["One.", "Two.", "Three.", "What is 4 plus 5?"]
    answer = client.responses.create(model="demo", input=[{"role": "user", "content": word} for word in words], max_output_tokens=2)
    items = list(client.responses.input_items.list(answer.id, limit=3, order="asc"))  # pages through
    assert [item.content[0].text for item in items] == words
    assert [item.role for item in items] == ["user"] * 4 and len({item.id for item in items}) == 4
    assert [item.id for item in client.responses.input_items.list(answer.id)] == [item.id for item in reversed(items)]
    with pytest.raises(openai.NotFoundError):
        client.responses.input_items.list("resp_nothing")


def test_responses_parse(client):
    answer = client.responses.parse(model="demo", input="Oslo", text_format=Answer, max_output_tokens=400, reasoning={"effort": "none"})
    assert answer.status == "incomplete" or isinstance(answer.output_parsed, Answer)


def test_responses_that_are_cut(client):
    answer = client.responses.create(model="demo", input="What is 46 plus 93?", temperature=0, max_output_tokens=3)
    assert answer.status == "incomplete" and answer.incomplete_details.reason == "max_output_tokens"
    events = list(client.responses.create(model="demo", input="What is 46 plus 93?", max_output_tokens=3, stream=True))
    assert events[-1].type == "response.incomplete"


def test_responses_logprobs(client):
    answer = client.responses.create(
        model="demo", input="What is 46 plus 93?", temperature=0, top_logprobs=2, include=["message.output_text.logprobs"]
    )
    text = answer.output[-1].content[0]
    assert "".join(token.token for token in text.logprobs) == text.text and len(text.logprobs[0].top_logprobs) == 2


def test_tools_of_namespaces_and_custom_tools(scripted):
    client = client_of(scripted([{"answer": "</think>" + call_of("spawn", task="x") + call_of("patch", input="*** Begin\n+a")}]))
    spawn = {"type": "function", "name": "spawn", "parameters": {"type": "object", "properties": {"task": {"type": "string"}}}}
    tools = [{"type": "namespace", "name": "agents", "description": "", "tools": [spawn]}, {"type": "custom", "name": "patch"}, {"type": "web_search"}]
    events = list(client.responses.create(model="demo", input="Go", tools=tools, stream=True))
    call, custom = events[-1].response.output
    assert (call.type, call.name, call.namespace, call.arguments) == ("function_call", "spawn", "agents", '{"task": "x"}')
    assert (custom.type, custom.name, custom.input) == ("custom_tool_call", "patch", "*** Begin\n+a")


# ---- others ----


def test_completions(client):
    answer = client.completions.create(model="demo", prompt=["What is", "The weather"], max_tokens=3)
    assert [choice.index for choice in answer.choices] == [0, 1] and answer.object == "text_completion"
    chunks = list(client.completions.create(model="demo", prompt="What is", max_tokens=3, stream=True, temperature=0))
    text = client.completions.create(model="demo", prompt="What is", max_tokens=3, temperature=0).choices[0].text
    assert "".join(chunk.choices[0].text for chunk in chunks) == text


def test_models(client):
    assert [model.id for model in client.models.list()] == ["demo"]
    assert client.models.retrieve("demo").object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing/here")


def test_embeddings(client):
    texts = ["What is the weather in Oslo?", "What is 46 plus 93?"]
    packed = client.embeddings.create(model="demo", input=texts)  # base64, which the SDK asks for and unpacks
    plain = client.embeddings.create(model="demo", input=texts, encoding_format="float")
    assert [item.index for item in packed.data] == [0, 1] and packed.usage.prompt_tokens > 0
    for first, second in zip(packed.data, plain.data):
        assert first.embedding == pytest.approx(second.embedding, abs=1e-6)
        assert sum(x * x for x in first.embedding) == pytest.approx(1, abs=1e-4)
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="demo", input=[[1, 2, 3]])


def test_async(demo):
    async def ask(client, a):
        stream = await client.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": f"What is {a} plus 5?"}], temperature=0, stream=True
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def ask_all():
        async with openai.AsyncOpenAI(base_url=demo.openai, api_key="none") as client:
            return await asyncio.gather(*[ask(client, a) for a in range(10, 18)])

    for a, text in zip(range(10, 18), asyncio.run(ask_all())):
        assert str(a + 5) in text


# ---- errors ----


def test_errors_have_their_types(client):
    def refused(kind, **options):
        with pytest.raises(kind) as error:
            client.chat.completions.create(**{"model": "demo", "messages": SUM, **options})
        return error.value

    assert refused(openai.BadRequestError, extra_body={"temprature": 1}).code == "unknown_parameter"
    assert refused(openai.BadRequestError, n=99).param == "n"
    assert refused(openai.BadRequestError, messages=[{"role": "user", "content": "a " * 5000}]).code == "context_length_exceeded"
    assert refused(openai.NotFoundError, model="nothing").code == "model_not_found"
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]
    assert "text only" in refused(openai.BadRequestError, messages=image).message


def test_a_key_is_asked_for(scripted, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("secret-key-of-ann\n")
    keys.chmod(0o600)
    server = scripted([{"answer": "</think>Hi"}], "--keys", keys)
    with pytest.raises(openai.AuthenticationError) as error:
        client_of(server).chat.completions.create(model="demo", messages=SUM)
    assert error.value.code == "invalid_api_key"
    client = openai.OpenAI(base_url=server.openai, api_key="secret-key-of-ann")
    assert client.chat.completions.create(model="demo", messages=SUM).choices[0].message.content == "Hi"


def broken_stream(server, stream):
    pieces = 0
    for _ in stream:
        pieces += 1
        if pieces == 5:
            server.signal(signal.SIGUSR2)  # the engine fails


def test_a_stream_that_breaks_raises(scripted):
    server = scripted([{"answer": "word " * 50}], "--step-us", 10000, "--repeat")
    with pytest.raises(openai.APIError) as error:
        broken_stream(server, client_of(server).chat.completions.create(model="demo", messages=SUM, stream=True))
    assert error.value.type == "server_error"


def test_a_response_that_breaks_fails(scripted):
    server = scripted([{"answer": "word " * 50}], "--step-us", 10000, "--repeat")
    events = []

    def collected(stream):
        for event in stream:
            events.append(event)
            yield event

    broken_stream(server, collected(client_of(server).responses.create(model="demo", input="Hi", stream=True)))
    assert events[-1].type == "response.failed" and events[-1].response.error.code == "server_error"


def test_a_full_queue_is_overloaded(scripted):
    server = scripted([{"answer": "word " * 50}], "--step-us", 10000, "--repeat", "--parallel", 1, "--queue", 1)
    client = client_of(server)
    streams = [client.chat.completions.create(model="demo", messages=SUM, stream=True) for _ in range(2)]
    with pytest.raises(openai.InternalServerError) as error:
        client.chat.completions.create(model="demo", messages=SUM)
    assert error.value.status_code == 503 and int(error.value.response.headers["retry-after"]) > 0
    for stream in streams:
        stream.close()
