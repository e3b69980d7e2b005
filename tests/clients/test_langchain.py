"""LangChain's models of the three dialects: what it sends beside the SDKs beneath it."""

import langchain_anthropic
import langchain_ollama
import langchain_openai
import pydantic
import pytest
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

from servers import REPORTS

SUM = "What is 46 plus 93?"


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return REPORTS[city]


class Answer(pydantic.BaseModel):
    """An answer."""

    city: str
    days: int


def openai_model(server, **options):
    return langchain_openai.ChatOpenAI(base_url=server.openai, api_key="none", model="demo", temperature=0, max_retries=0, **options)


def anthropic_model(server):
    return langchain_anthropic.ChatAnthropic(base_url=server.url, api_key="none", model="demo", max_retries=0, max_tokens=800)


def ollama_model(server):
    return langchain_ollama.ChatOllama(base_url=server.url, model="demo", temperature=0)


MODELS = {
    "openai": openai_model,
    "responses": lambda server: openai_model(server, use_responses_api=True),
    "anthropic": anthropic_model,
    "ollama": ollama_model,
}


@pytest.fixture(params=MODELS)
def model(request, demo):
    return MODELS[request.param](demo)


def test_invoke(model):
    answer = model.invoke([SystemMessage("Be brief."), HumanMessage(SUM)])
    assert "139" in answer.text and answer.usage_metadata["total_tokens"] > 0


def test_stream(model):
    chunks = list(model.stream(SUM))
    assert len(chunks) > 3 and "139" in "".join(chunk.text for chunk in chunks)


def test_a_tool_loop(model):
    bound = model.bind_tools([get_weather])
    messages = [HumanMessage("What is the weather in Oslo and Lima?")]
    messages.append(bound.invoke(messages))
    assert sorted(call["args"]["city"] for call in messages[-1].tool_calls) == ["Lima", "Oslo"]
    for call in messages[-1].tool_calls:
        messages.append(ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]))
    assert bound.invoke(messages).text


def test_the_length_of_an_answer(demo):
    model = openai_model(demo, max_completion_tokens=3)
    assert model.invoke(SUM).response_metadata["finish_reason"] == "length"


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output(demo, method):
    model = openai_model(demo, max_tokens=600, seed=1)
    assert isinstance(model.with_structured_output(Answer, method=method).invoke("Oslo for 3 days"), Answer)


def test_structured_output_by_tools(demo):
    assert isinstance(anthropic_model(demo).with_structured_output(Answer).invoke("Oslo for 3 days"), Answer)


def test_an_agent_that_stops_at_a_word(demo):
    answer = openai_model(demo).bind(stop=["= 1"]).invoke(SUM)
    assert answer.text.endswith("93 ")


def test_embeddings(demo):
    texts = ["What is the weather in Oslo?", "What is 46 plus 93?"]
    options = {"model": "demo", "base_url": demo.openai, "api_key": "none", "check_embedding_ctx_length": False}
    vectors = langchain_openai.OpenAIEmbeddings(**options).embed_documents(texts)
    others = langchain_ollama.OllamaEmbeddings(model="demo", base_url=demo.url).embed_documents(texts)
    for vector, other in zip(vectors, others, strict=True):
        assert vector == pytest.approx(other, abs=1e-3)
