"""LiteLLM's providers of the three dialects: what it sends beside the SDKs."""

import json

import litellm
import pytest

from servers import REPORTS, WEATHER

TOOLS = [{"type": "function", "function": WEATHER}]
SUM = [{"role": "user", "content": "What is 46 plus 93?"}]

PROVIDERS = {
    "openai": lambda server: {"model": "openai/demo", "api_base": server.openai},
    "anthropic": lambda server: {"model": "anthropic/demo", "api_base": server.url},
    "ollama_chat": lambda server: {"model": "ollama_chat/demo", "api_base": server.url},
}


@pytest.fixture(params=PROVIDERS)
def options(request, demo):
    return {"api_key": "none", "temperature": 0, "num_retries": 0, **PROVIDERS[request.param](demo)}


def test_completion(options):
    answer = litellm.completion(messages=SUM, **options)
    assert "139" in answer.choices[0].message.content and answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens > 0


def test_stream(options):
    chunks = list(litellm.completion(messages=SUM, stream=True, **options))
    assert "139" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def test_a_tool_loop(options):
    messages = [{"role": "user", "content": "What is the weather in Oslo and Lima?"}]
    message = litellm.completion(messages=messages, tools=TOOLS, **options).choices[0].message
    cities = [json.loads(call.function.arguments)["city"] for call in message.tool_calls]
    assert cities == ["Oslo", "Lima"]
    messages.append(message.model_dump())
    for call, city in zip(message.tool_calls, cities):
        messages.append({"role": "tool", "tool_call_id": call.id, "name": "get_weather", "content": REPORTS[city]})
    assert litellm.completion(messages=messages, tools=TOOLS, **options).choices[0].message.content


def test_errors(demo):
    with pytest.raises(litellm.NotFoundError):
        litellm.completion(model="openai/nothing", api_base=demo.openai, api_key="none", messages=SUM, num_retries=0)
    long = [{"role": "user", "content": "a " * 5000}]
    with pytest.raises(litellm.ContextWindowExceededError):
        litellm.completion(model="openai/demo", api_base=demo.openai, api_key="none", messages=long, num_retries=0)
