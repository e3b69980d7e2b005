"""Answers that are made to fit, budgets, sessions and cache flags, through the program."""
import json
import re

import pytest

GREEDY = ["--temperature", "0", "--no-think"]

WEATHER = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather in a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
                "required": ["city"],
            },
        },
    }
]


def test_a_schema_decides_the_answer(run, demo, tmp_path):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0, "maximum": 99}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(schema))
    for seed in range(3):
        result = run("run", demo, "Who are you?", "--no-think", "--format", file, "--seed", seed)
        answer = json.loads(result.stdout)
        assert set(answer) == {"name", "age"} and 0 <= answer["age"] <= 99 and len(answer["name"]) <= 8


def test_any_json_object(run, demo):
    result = run("run", demo, "Who are you?", *GREEDY, "--format", "json", "--max-tokens", 200)
    if "cut off" not in result.stderr:
        assert isinstance(json.loads(result.stdout), dict)


def test_a_regex_and_a_grammar(run, demo, tmp_path):
    assert re.fullmatch(r"[A-Z]{3}-\d{4}\n", run("run", demo, "Hi", *GREEDY, "--regex", r"[A-Z]{3}-[0-9]{4}").stdout)
    file = tmp_path / "list.lark"
    file.write_text('start: "(" item ("," item)~2 ")"\nitem: /[0-9]/\n')
    assert re.fullmatch(r"\(\d,\d,\d\)\n", run("run", demo, "Hi", *GREEDY, "--grammar", file).stdout)


def test_thinking_stays_free_before_a_constraint(run, demo):
    result = run("run", demo, "What is 46 plus 93?", "--temperature", "0", "--think", "--regex", "[0-9]{3}")
    assert re.fullmatch(r"\d{3}\n", result.stdout)


def test_a_tool_has_to_be_called(run, demo, tmp_path):
    tools = tmp_path / "tools.json"
    tools.write_text(json.dumps(WEATHER))
    for choice in ("required", "get_weather"):
        result = run("run", demo, "Hello, who are you?", *GREEDY, "--tools", tools, "--tool-choice", choice)
        call = re.search(r"\[call\] get_weather (\{.*\})", result.stdout)
        arguments = json.loads(call.group(1))
        assert isinstance(arguments["city"], str) and 1 <= arguments.get("days", 1) <= 9


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--regex", "(a"], ["regex"]),
        (["--regex", "a", "--format", "json"], ["only one"]),
        (["--format", "/nowhere.json"], ["/nowhere.json"]),
        (["--tool-choice", "required"], ["no tools to call"]),
        (["--cache-type", "q9"], ["--cache-type", "q9"]),
        (["--cache-memory", "10"], ["cache memory", "two blocks"]),
        (["--cache-memory", "lots"], ["--cache-memory"]),
        (["--speculation", "perhaps"], ["--speculation", "perhaps"]),
    ],
)
def test_impossible_constraints_are_named(run, demo, arguments, words):
    result = run("run", demo, "hello", *arguments)
    assert result.returncode == 2 and result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    for word in words:
        assert word in result.stderr


def test_a_schema_that_is_not_supported_is_named(run, demo, tmp_path):
    file = tmp_path / "schema.json"
    file.write_text('{"type": "object", "properties": {"a": {"not": {"type": "string"}}}}')
    result = run("run", demo, "hello", "--format", file)
    assert result.returncode == 2 and "/properties/a" in result.stderr and "not" in result.stderr


def test_a_thinking_budget_closes_the_thinking(run, demo):
    question = ["run", demo, "What is 46 plus 93?", "--temperature", "0", "--think"]
    free = run(*question).stdout
    short = run(*question, "--thinking-budget", "3").stdout
    assert short and short != free


def test_the_answer_does_not_depend_on_speculation(run, demo):
    question = ["run", demo, "Write a poem about a knife.", "--no-think", "--seed", "3"]
    answers = {run(*question, *flags).stdout for flags in ([], ["--speculation", "off"], ["--cache-memory", "2MB"])}
    assert len(answers) == 1 and answers.pop().strip()


def test_a_cache_in_eight_bits_answers_and_takes_less(run, demo):
    question = ["run", demo, "What is 46 plus 93?", *GREEDY]
    assert "139" in run(*question, "--cache-type", "q8").stdout


def test_a_session_is_kept_in_a_file(run, demo, tmp_path):
    file = tmp_path / "session"
    question = ["run", demo, "Tell me about " + "the sea and the road " * 60, *GREEDY, "--session", file, "--stats"]
    first = run(*question)
    assert "keeps" in first.stderr and file.exists()
    assert file.stat().st_mode & 0o777 == 0o600
    second = run(*question)
    assert second.stdout == first.stdout
    kept = int(re.search(r"(\d+) of them kept from before", second.stderr).group(1))
    assert kept >= 127
    file.write_bytes(file.read_bytes()[:-7])
    broken = run(*question)
    assert broken.returncode == 2 and str(file) in broken.stderr
    short = run("run", demo, "Hi", *GREEDY, "--session", tmp_path / "other")
    assert "too short" in short.stderr and not (tmp_path / "other").exists()
