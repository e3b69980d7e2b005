"""Exit codes, messages and the non-interactive commands."""

import json
import os
import signal
import subprocess
import time

import pytest

from usage import assert_usage_error

COMMANDS = ["run", "show", "prompt", "tokenize", "parse", "compare", "bench", "eval", "perplexity", "kl", "convert"]
TOOLS = [
    {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}},
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {
                "type": "object",
                "required": ["city"],
                "properties": {
                    "city": {"type": "string"},
                    "days": {"type": "integer"},
                    "unit": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                },
            },
        },
    },
]


@pytest.fixture
def tools(tmp_path):
    file = tmp_path / "tools.json"
    file.write_text(json.dumps(TOOLS))
    return file


# --- usage ------------------------------------------------------------------------------------------------------------


def test_version(run):
    result = run("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("glimt 0.") and result.stderr == ""


def test_help_lists_the_commands(run):
    result = run("--help")
    assert result.returncode == 0 and result.stderr == ""
    for command in COMMANDS:
        assert f"\n  {command} " in result.stdout
    assert len(result.stdout.splitlines()) <= 34


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run, command):
    result = run(command, "--help")
    assert result.returncode == 0 and result.stderr == ""
    assert "Usage:" in result.stdout and "MODEL" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 120


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], ["command", "glimt --help"]),
        (["sing"], ["sing", "glimt --help"]),
        (["--loud"], ["--loud", "glimt --help"]),
        (["run", "demo", "hello", "--loud"], ["--loud", "glimt run --help"]),
        (["run", "demo", "hello", "more"], ["more", "glimt run --help"]),
        (["run", "demo", "hello", "--top-k"], ["--top-k"]),
        (["run", "demo", "hello", "--top-k", "many"], ["top_k", "many"]),
        (["run", "demo", "hello", "--top-p", "1.5"], ["top_p", "from 0 to 1"]),
        (["run", "demo", "hello", "--temperature", "-1"], ["temperature"]),
        (["run", "demo", "hello", "--logit-bias", "7"], ["logit_bias", "TOKEN=BIAS"]),
        (["run", "demo", "hello", "--logit-bias", "99999999=1"], ["logit_bias", "vocabulary"]),
        (["run", "demo", "hello", "--stop", ""], ["stop"]),
        (["run", "demo", "hello", "--context", "99999999"], ["context"]),
        (["run", "demo", "hello", "--threads", "-1"], ["--threads"]),
        (["run", "demo", "hello", "--tools", "nowhere.json"], ["nowhere.json"]),
        (["run", "demo", ""], ["PROMPT", "empty"]),
        (["run", "demo", "hello " * 5000], ["prompt", "context"]),
        (["parse"], ["model", "glimt parse --help"]),
        (["parse", "demo", "--chunk", "-3"], ["--chunk"]),
        (["parse", "demo", "--tools", "nowhere.json"], ["nowhere.json"]),
        (["eval", "demo"], ["questions", "glimt eval --help"]),
        (["eval", "demo", "nowhere.jsonl"], ["nowhere.jsonl"]),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_usage_errors(run, arguments, words):
    assert_usage_error(run(*arguments, input="hello"), *words)


@pytest.mark.parametrize("command", [["run"], ["parse"], ["show"], ["bench"]])
def test_unknown_model_says_where_it_looked_and_what_is_there(run, tmp_path, command):
    result = run(*command, "no-such-model", input="hello", env={"GLIMT_MODELS": str(tmp_path)})
    assert_usage_error(result, "no-such-model", str(tmp_path), "demo")


def test_a_folder_or_file_that_is_no_model(run, tmp_path):
    assert_usage_error(run("run", tmp_path, "hello"), "config.json")
    file = tmp_path / "model.gguf"
    file.write_text("GGUF")
    assert_usage_error(run("run", file, "hello"), "folder")


def test_names_cannot_leave_the_store(run, tmp_path, demo):
    (tmp_path / "store").mkdir()
    os.symlink(demo, tmp_path / "outside")
    result = run("run", "../outside", "hello", env={"GLIMT_MODELS": str(tmp_path / "store")}, cwd=str(tmp_path / "store" / ".."))
    assert_usage_error(result)


def test_models_in_the_store_have_names(run, tmp_path, demo):
    (tmp_path / "me").mkdir()
    os.symlink(demo, tmp_path / "me" / "mine")
    result = run("run", "me/mine", "Hello!", "--no-think", "--max-tokens", "4", env={"GLIMT_MODELS": str(tmp_path)})
    assert result.returncode == 0 and result.stdout.strip()


def test_a_broken_model_is_named(run, tmp_path):
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "tokenizer.json").write_text("{}")
    result = run("run", tmp_path, "hello")
    assert_usage_error(result, str(tmp_path))


# --- parse ------------------------------------------------------------------------------------------------------------

OUTPUT = (
    "I need the weather. \n</think>\n\nLet me look.\n"
    "<tool_call>weather<arg_key>city</arg_key><arg_value> 42 Zürich</arg_value><arg_key>days</arg_key><arg_value>3</arg_value>"
    "<arg_key>unit</arg_key><arg_value>null</arg_value></tool_call>\n<tool_call>get_time</tool_call>"
)
PARSED = {
    "thinking": "I need the weather.",
    "content": "Let me look.",
    "tool_calls": [
        {"name": "weather", "arguments": {"city": " 42 Zürich", "days": 3, "unit": None}},
        {"name": "get_time", "arguments": {}},
    ],
}


def test_parse_does_not_depend_on_the_chunk(run, demo, tools):
    for chunk in [0, *range(1, 30), 64, 100, 200, 400, 10000]:
        result = run("parse", demo, "--tools", tools, "--chunk", chunk, input=OUTPUT)
        assert result.returncode == 0 and result.stderr == ""
        assert len(result.stdout.splitlines()) == 1
        assert json.loads(result.stdout) == PARSED, chunk


def test_parse_starts_outside_of_the_thinking(run, demo):
    result = run("parse", demo, "--no-think", input="Hi </think>there\n")  # a close of the thinking that comes again
    assert json.loads(result.stdout) == {"thinking": "", "content": "Hi there\n", "tool_calls": []}


def test_parse_keeps_unfinished_calls_as_text(run, demo, tools):
    whole = "<tool_call>weather<arg_key>city</arg_key><arg_value>Oslo</arg_value></tool_call>"
    for end in range(len("<tool_call>"), len(whole)):
        result = json.loads(run("parse", demo, "--no-think", "--tools", tools, input=whole[:end]).stdout)
        assert result == {"thinking": "", "content": whole[:end], "tool_calls": [], "call_cut": True}


def test_parse_of_nothing(run, demo):
    assert json.loads(run("parse", demo).stdout) == {"thinking": "", "content": "", "tool_calls": []}


def test_parse_refuses_what_is_not_utf8(run, demo):
    result = run("parse", demo, input=b"abc\xff", text=False)
    assert result.returncode == 2
    assert b"stdin" in result.stderr and b"byte 3" in result.stderr


def test_bad_tools_are_named(run, demo, tmp_path):
    file = tmp_path / "tools.json"
    for text, word in [("{}", "array"), ("[", "JSON"), ('[{"type": "function"}]', "name"), ("[3]", "tools[0]")]:
        file.write_text(text)
        assert_usage_error(run("parse", demo, "--tools", file, input="x"), word)


# --- run --------------------------------------------------------------------------------------------------------------


def test_run_answers_a_prompt(run, demo):
    result = run("run", demo, "Hello!", "--temperature", "0", "--no-think")
    assert result.returncode == 0
    assert result.stdout.strip() and result.stdout.endswith("\n")
    assert result.stderr == ""
    for tag in ["<think>", "</think>", "<|", "\033"]:
        assert tag not in result.stdout


def test_run_reads_the_prompt_from_stdin(run, demo):
    options = ["--temperature", "0", "--no-think"]
    assert run("run", demo, *options, input="Hello!").stdout == run("run", demo, "Hello!", *options).stdout


def test_run_without_a_model_takes_the_demo(run):
    assert run("run", input="Hello!").returncode == 0


def test_run_with_nothing_to_answer_shows_something_useful(run, demo):
    result = run("run", demo)
    assert result.returncode == 0
    assert len(result.stdout) > 100
    assert "terminal" in result.stdout
    result = run("run", demo, input=" \n\n")
    assert result.returncode == 0 and "terminal" in result.stdout


def test_run_survives_a_closed_stdin(glimt, demo, environment):
    result = subprocess.run(["sh", "-c", f'"{glimt}" run "{demo}" <&-'], capture_output=True, text=True, timeout=120, env=environment)
    assert result.returncode == 0 and "terminal" in result.stdout


def test_the_same_seed_gives_the_same_text(run, demo):
    def answer(seed):
        return run("run", demo, "Tell me a story.", "--temperature", "1.5", "--top-p", "1", "--seed", seed, "--max-tokens", "60").stdout

    assert answer(1) == answer(1)
    assert len({answer(seed) for seed in range(4)}) > 1


def test_max_tokens_and_stop(run, demo):
    full = run("run", demo, "Hello!", "--no-think", "--temperature", "0").stdout.strip()
    word = full.split()[1]
    assert run("run", demo, "Hello!", "--no-think", "--temperature", "0", "--stop", word).stdout.strip() == full.split(word)[0].strip()
    cut = run("run", demo, "Hello!", "--no-think", "--temperature", "0", "--max-tokens", "2")
    assert cut.returncode == 0 and full.startswith(cut.stdout.strip()) and cut.stdout.strip() != full
    assert "cut off" in cut.stderr


def test_logit_bias_changes_the_answer(run, demo):
    options = ["--no-think", "--temperature", "0", "--max-tokens", "1"]
    plain = run("run", demo, "Hello!", *options, "--logprobs", "--top-logprobs", "2")
    assert plain.returncode == 0
    token, logprob, *alternatives = plain.stderr.splitlines()[-1].split()
    assert json.loads(token) == plain.stdout.strip() and -1 < float(logprob) <= 0
    assert alternatives[:2] == [token, logprob] and float(alternatives[3]) < float(logprob)
    chosen = run("tokenize", demo, input=plain.stdout.strip()).stdout.split()[0].strip("[],")
    banned = run("run", demo, "Hello!", *options, "--logit-bias", f"{chosen}=-1000")
    assert banned.returncode == 0 and banned.stdout != plain.stdout


def test_stats_go_to_stderr(run, demo):
    result = run("run", demo, "Hello!", "--no-think", "--stats", "--max-tokens", "5")
    assert result.returncode == 0
    for word in ["prompt", "answer", "tokens/s", "memory", "load"]:
        assert word in result.stderr
        assert "tokens/s" not in result.stdout


def test_prompt_and_run_give_the_model_the_same(run, demo, tmp_path):
    """Whatever form the tools have."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "maximum": 1500000000000000000001}
    forms = [
        {"type": "function", "function": {"name": "weather", "description": "d", "parameters": schema}},
        {"name": "weather", "description": "d", "input_schema": schema},
        {"name": "weather", "description": "d", "inputSchema": schema},
    ]
    counts = set()
    for i, form in enumerate(forms):
        file = tmp_path / f"{i}.json"
        file.write_text(json.dumps([form]))
        request = {"messages": [{"role": "developer", "content": ["Be ", "brief."]}, {"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
                   "tools": [form]}  # fmt: skip
        tokens = json.loads(run("prompt", demo, "--tokens", input=json.dumps(request)).stdout)
        answer = run("run", demo, "Hi", "--system", "Be brief.", "--tools", file, "--stats", "--max-tokens", "1")
        assert f"prompt  {len(tokens)} tokens" in answer.stderr
        counts.add(len(tokens))
    assert len(counts) == 1
    assert "1500000000000000000001" in run("prompt", demo, input=json.dumps(request)).stdout


def test_help_fits_80_columns(run):
    for command in COMMANDS:
        shown = run(command, "--help").stdout
        assert all(len(line) <= 80 for line in shown.splitlines()), command
        assert "\n\n\n" not in shown
    shown = run("run", "--help").stdout
    assert all(f"\n{group}:\n" in shown for group in ("Answer", "Sampling", "Model"))
    assert "--tool-choice" in shown.split("\nAnswer:\n")[1].split("\nSampling:\n")[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_session_in_a_folder_that_may_not_be_read(run, demo, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    result = run("run", demo, "Hi", "--session", closed / "s.bin")
    assert result.returncode == 2 and str(closed) in result.stderr and "internal" not in result.stderr


def test_a_session_with_an_impossible_name(run, demo, tmp_path):
    result = run("run", demo, "Hi", "--session", tmp_path / ("x" * 300))
    assert result.returncode == 2 and "cannot be looked up" in result.stderr


def test_exact_and_thread_count_keep_the_answer(run, demo):
    options = ["--no-think", "--temperature", "0", "--max-tokens", "20"]
    answers = {run("run", demo, "Hello!", *options, "--threads", n).stdout for n in (1, 2, 3)}
    assert len(answers) == 1
    assert run("run", demo, "Hello!", *options, "--exact").returncode == 0


def test_tools_can_be_called(run, demo, tools):
    result = run("run", demo, "What is the weather in Oslo?", "--tools", tools, "--temperature", "0", "--max-tokens", "200")
    assert result.returncode == 0 and result.stdout.strip()


def test_ctrl_c_stops_a_single_answer_with_130(glimt, demo, environment, endless):
    process = subprocess.Popen(
        [glimt, "run", demo, "Tell me a story.", "--no-think", *endless],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
    )
    assert process.stdout.read(1)  # the answer has begun
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_a_closed_pipe_stops_the_answer_silently(glimt, demo, environment, endless):
    process = subprocess.Popen(
        [glimt, "run", demo, "Tell me a story.", "--no-think", *endless],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
    )
    assert process.stdout.read(1)
    process.stdout.close()
    started = time.time()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 141
    assert time.time() - started < 30


def test_a_full_disk_is_reported(glimt, demo, environment):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "w") as full:
        result = subprocess.run([glimt, "parse", demo], input="x", stdout=full, stderr=subprocess.PIPE, text=True, env=environment)
    assert result.returncode == 1
    assert "cannot write" in result.stderr


# --- compare and bench ------------------------------------------------------------------------------------------------


@pytest.fixture
def golden():
    folder = os.path.join(os.path.dirname(__file__), "..", "golden", "base")
    return [folder, os.path.join(folder, "golden.safetensors")]


@pytest.mark.parametrize("chunk", [[], ["--chunk", "7"], ["--chunk", "1"]])
def test_compare_is_within_the_tolerance(run, golden, chunk):
    result = run("compare", *golden, "--exact", *chunk)
    assert result.returncode == 0 and result.stderr == ""
    rows = [line.split() for line in result.stdout.splitlines()]
    assert {"logits", "hidden", "greedy"} <= {row[1] for row in rows}
    assert {row[0] for row in rows} == {"ok"}


def test_compare_says_what_differs(run, golden):
    result = run("compare", *golden, "--exact", "--tolerance", "1e-12")
    assert result.returncode == 1 and result.stderr == ""
    assert any(line.split()[:2] == ["BAD", "logits"] for line in result.stdout.splitlines())
    result = run("compare", *golden, "--tolerance", "0")
    assert result.returncode == 1 and "--exact" in result.stderr


def test_compare_needs_reference_numbers(run, golden, demo):
    assert_usage_error(run("compare", golden[0], os.path.join(demo, "model.safetensors")), "input_ids")
    assert_usage_error(run("compare", golden[0], os.path.join(demo, "config.json")), "config.json")
    assert_usage_error(run("compare", golden[0], "nowhere.safetensors"), "nowhere.safetensors")


def test_bench_prints_a_table(run, demo):
    result = run("bench", demo, "--prompt", "8", "--generate", "4", "--repeat", "1")
    assert result.returncode == 0
    assert [line.split()[0] for line in result.stdout.splitlines()[:3]] == ["test", "pp8", "tg4"]
    assert "read bandwidth" in result.stdout.splitlines()[-1]


def test_bench_as_json(run, demo):
    result = run("bench", demo, "--prompt", "8", "--generate", "4", "--depth", "16", "--repeat", "1", "--json")
    tests = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(t["test"], t["depth"]) for t in tests] == [("pp8", 16), ("tg4", 16)]
    assert all(t["tokens_per_second"] > 0 for t in tests)


def test_bench_measures_guesses_that_stand_as_often_as_asked(run, demo):
    arguments = ["--acceptance", "0.5", "--generate", "64", "--repeat", "1"]
    (line,) = run("bench", demo, *arguments, "--json").stdout.splitlines()
    result = json.loads(line)
    assert result["test"] == "tg64" and result["acceptance"] == 0.5
    assert result["plain_tokens_per_second"] > 0 and result["tokens_per_second"] > 0
    assert 0 < result["accepted_per_token"] < result["drafted_per_token"]
    assert "times" in run("bench", demo, *arguments).stdout
    assert_usage_error(run("bench", demo, "--acceptance", "1.1"), "--acceptance")
    assert_usage_error(run("bench", demo, "--acceptance", "0.5", "--parallel", "2"), "--parallel")


def test_a_long_prompt_in_the_expanded_form(run, demo):
    text = "Count the words. " + "one two three four five six seven " * 60
    arguments = ["run", demo, text, "--no-think", "--temperature", "0", "--max-tokens", "24", "--stats"]
    plain, expanded = run(*arguments), run(*arguments, "--expand-prompts")
    assert expanded.returncode == 0 and "prompt  491 tokens" in expanded.stderr, expanded
    assert expanded.stdout == plain.stdout
    result = run("bench", demo, "--prompt", "600", "--generate", "0", "--repeat", "1", "--expand-prompts", "--json")
    assert json.loads(result.stdout)["test"] == "pp600"
    assert_usage_error(run("bench", demo, "--acceptance", "0.5", "--expand-prompts"), "--expand-prompts")


def test_bench_that_cannot_be(run, demo):
    assert_usage_error(run("bench", demo, "--prompt", "0", "--generate", "0"), "nothing to measure")
    assert_usage_error(run("bench", demo, "--depth", "100000"), "context")
    assert_usage_error(run("bench", demo, "--repeat", "0"), "--repeat")


def test_an_instruction_set_that_is_not_there(run, demo):
    for command in (["run", demo, "hi"], ["bench", demo, "--prompt", "8"]):
        result = run(*command, env={"GLIMT_CPU_ISA": "sse9"})
        assert result.returncode == 2
        assert result.stderr.startswith("glimt: GLIMT_CPU_ISA: this CPU has scalar")


# --- eval -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def questions(demo):
    return os.path.join(demo, "eval", "questions.jsonl")


def test_eval_prints_a_table(run, demo, questions):
    result = run("eval", demo, questions, "--limit", "6", timeout=240)
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["task", "right", "total", "share"]
    row = next(line for line in lines if line.startswith("all ")).split()
    assert row[2] == "6"
    assert "MTP drafts accepted" in result.stdout and "tokens/s" in result.stdout


def test_eval_as_json(run, demo, questions):
    result = run("eval", demo, questions, "--limit", "4", "--json", timeout=240)
    report = json.loads(result.stdout)
    assert report["all"]["total"] == 4 and 0 <= report["all"]["right"] <= 4
    assert sum(task["total"] for task in report["tasks"].values()) == 4
    assert report["drafts"]["total"] > 0
    assert report["answer_tokens_per_second"] > 0


def test_eval_judges(run, demo, tmp_path):
    ask = {"task": "t", "messages": [{"role": "user", "content": "Hello!"}], "enable_thinking": False}
    answer = run("run", demo, "Hello!", "--no-think", "--temperature", "0").stdout.strip()
    file = tmp_path / "q.jsonl"
    file.write_text("\n".join(json.dumps({**ask, "expect": expect}) for expect in [{"content": answer}, {"content": "x" + answer}]))
    result = run("eval", demo, file, "--json", "--show-wrong")
    assert json.loads(result.stdout)["all"] == {"right": 1, "total": 2}
    assert result.stderr.count("wrong: ") == 1


def test_eval_names_the_bad_line(run, demo, tmp_path):
    file = tmp_path / "q.jsonl"
    file.write_text('{"task": "t", "messages": [], "expect": {"content": ""}}\n{"task": "t"}\n')
    assert_usage_error(run("eval", demo, file), f"{file}:2")
