"""Grammars against random answers: what a grammar lets end must satisfy the schema, as jsonschema sees it."""

import json
import os
import pathlib
import subprocess

import jsonschema
import pytest

CORPORA = pathlib.Path(__file__).resolve().parents[1] / "grammar" / "data"
SAMPLES = 200


def corpus(name):
    return [json.loads(line) for line in (CORPORA / name).read_text(encoding="utf-8").splitlines()]


def validator(schema):
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


@pytest.fixture(scope="module")
def answers(glimt):
    """answers("schemas.jsonl") -> the finished ones by line of the corpus; most are."""
    program = pathlib.Path(glimt).parent / "tests" / "grammar" / "grammar_samples"
    if not os.access(program, os.X_OK):
        pytest.skip("a build without unit tests")

    def run(name):
        done = subprocess.run([program, CORPORA / name, str(SAMPLES)], capture_output=True, encoding="utf-8", check=True)
        everything = [json.loads(line) for line in done.stdout.splitlines()]
        by_line = [[] for _ in corpus(name)]
        for answer in everything:
            if answer["finished"]:
                by_line[answer["line"]].append(answer)
        # Cut at the limit of tokens is allowed, but must not be how the check passes.
        assert len(everything) == SAMPLES * len(by_line)
        assert sum(map(len, by_line)) > 0.95 * len(everything)
        assert min(map(len, by_line)) > SAMPLES / 4
        return by_line

    return run


def test_json_fits_its_schema(answers):
    entries = corpus("schemas.jsonl")
    assert len(entries) >= 100
    wrong = []
    for entry, texts in zip(entries, answers("schemas.jsonl"), strict=True):
        judge = validator(entry["schema"])
        for text in (answer["text"] for answer in texts):
            try:
                judge.validate(json.loads(text))
            except (ValueError, jsonschema.ValidationError) as error:
                wrong.append((entry["name"], text, str(error).splitlines()[0]))
    assert wrong == []


def test_calls_fit_their_tools(answers):
    wrong = []
    for entry, calls_of_line in zip(corpus("tools.jsonl"), answers("tools.jsonl"), strict=True):
        functions = [tool.get("function", tool) for tool in entry["tools"]]
        judges = {}
        for function in functions:
            parameters = function.get("parameters", {"properties": {}})
            closed = {"additionalProperties": False} if "additionalProperties" not in parameters else {}
            judges[function["name"]] = validator({**parameters, **closed})
        for answer in calls_of_line:
            assert answer["calls"], answer["text"]
            for call in answer["calls"]:
                error = next(judges[call["name"]].iter_errors(call["arguments"]), None)
                if error is not None:
                    wrong.append((entry["name"], answer["text"], error.message))
    assert wrong == []
