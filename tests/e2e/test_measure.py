"""glimt perplexity and glimt kl with the demo model."""

import json
import math
import pathlib
import shutil

import pytest

from usage import assert_usage_error

# What the demo model was made for, so that its perplexity is that of a model and not of noise.
CONVERSATIONS = [
    [{"role": "user", "content": f"Tell me a story about a {thing}."}, {"role": "assistant", "content": answer}]
    for thing, answer in [
        ("cat", "Once upon a time, there was a cat who lived in a small house."),
        ("dog", "Once upon a time, there was a dog who wanted to play in the park."),
        ("boy", "One day, a boy went to the park with his mom. He was very happy."),
    ]
]


@pytest.fixture
def text(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("Once upon a time, there was a little girl named Lily. She liked to play in the park. " * 20)
    return file


@pytest.fixture
def conversations(tmp_path):
    file = tmp_path / "conversations.jsonl"
    file.write_text("".join(json.dumps({"messages": messages}) + "\n" for messages in CONVERSATIONS))
    return file


def measured(run, *arguments, **options):
    result = run(*arguments, "--json", **options)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("exact", [[], ["--exact"]])
def test_a_model_does_not_diverge_from_itself(run, demo, text, exact):
    report = measured(run, "kl", demo, demo, "--text", text, "--context", 64, *exact)
    assert report["kl"] == {"value": 0, "error": 0, "median": 0, "p99": 0, "largest": 0}
    assert report["same_top"] == {"value": 1, "error": 0}
    assert report["perplexity"]["reference"] == report["perplexity"]["model"]
    assert report["perplexity"]["ratio"] == {"value": 1, "error": 0}


def test_perplexity_is_the_same_alone_and_beside_another(run, demo, text):
    report = measured(run, "perplexity", demo, "--text", text, "--context", 64)
    assert measured(run, "kl", demo, demo, "--text", text, "--context", 64)["perplexity"]["model"] == report["perplexity"]
    assert report["perplexity"]["value"] == pytest.approx(math.exp(report["loss"]["value"]))
    assert report["perplexity"]["error"] == pytest.approx(report["perplexity"]["value"] * report["loss"]["error"])
    assert 1 < report["perplexity"]["value"] < 3072 and report["windows"] > 2


def test_longer_texts_add_the_losses_of_their_tokens(run, demo, tmp_path):
    file = tmp_path / "short.txt"
    file.write_text("Once upon a time, there was a little girl.")
    count = len(json.loads(run("tokenize", demo, file.read_text()).stdout))
    sums = []
    for limit in range(2, count + 1):
        report = measured(run, "perplexity", demo, "--text", file, "--limit", limit)
        assert report["tokens"] == limit - 1 and report["windows"] == 1 and report["loss"]["error"] is None
        sums.append(report["loss"]["value"] * report["tokens"])
    assert all(after > before for before, after in zip([0, *sums], sums))
    assert measured(run, "perplexity", demo, "--text", file)["tokens"] == count - 1


def test_conversations_are_read_with_their_control_tokens(run, demo, conversations, tmp_path):
    report = measured(run, "perplexity", demo, "--text", conversations)
    rendered = tmp_path / "rendered.txt"
    with rendered.open("w") as file:
        for messages in CONVERSATIONS:
            file.write(run("prompt", demo, input=json.dumps({"messages": messages, "add_generation_prompt": False})).stdout)
    same = measured(run, "perplexity", demo, "--text", rendered, "--raw")
    assert same["loss"] == report["loss"] and same["tokens"] == report["tokens"]
    assert measured(run, "perplexity", demo, "--text", rendered)["perplexity"]["value"] > report["perplexity"]["value"]


def test_tables_name_everything(run, demo, text):
    table = run("kl", demo, demo, "--text", text, "--context", 64).stdout
    for word in ["KL divergence", "mean", "median", "99 %", "largest", "same top token", "perplexity", "ratio", "windows of up to 64", "standard error"]:
        assert word in table
    table = run("perplexity", demo, "--text", text, "--limit", 50).stdout
    assert "49 tokens predicted, in 1 window of" in table and "no standard error" in table


def test_what_cannot_be_measured_is_named(run, demo, text, tmp_path):
    one = tmp_path / "one.txt"
    one.write_text("a")
    empty = tmp_path / "empty.txt"
    empty.write_text("")
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"caf\xe9")
    assert_usage_error(run("perplexity", demo), "--text")
    assert_usage_error(run("perplexity", demo, "--text", tmp_path / "none.txt"), "none.txt")
    assert_usage_error(run("perplexity", demo, "--text", one), "at least 2 tokens")
    assert_usage_error(run("perplexity", demo, "--text", empty), "at least 2 tokens")
    assert_usage_error(run("perplexity", demo, "--text", latin), "latin.txt", "UTF-8")
    assert_usage_error(run("perplexity", demo, "--text", text, "--context", 4096), "4096", "2048")
    assert_usage_error(run("perplexity", demo, "--text", text, "--context", 1), "--context")
    assert_usage_error(run("kl", demo, "no-such-model", "--text", text), "no-such-model")


def test_models_of_other_vocabularies_are_named(run, demo, text, tmp_path):
    small = tmp_path / "small"
    shutil.copytree(pathlib.Path(__file__).resolve().parents[1] / "golden" / "base", small)
    tokenizer = (pathlib.Path(demo) / "tokenizer.json").read_text()
    (small / "tokenizer.json").write_text(tokenizer)
    assert_usage_error(run("kl", demo, small, "--text", text), "vocabulary", "320", "3072")
    (small / "tokenizer.json").write_text(tokenizer.replace("<|user|>", "<|USER|>"))
    assert_usage_error(run("kl", demo, small, "--text", text), "tokenizer", "<|USER|>")
