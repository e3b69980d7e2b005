"""glimt convert, as a user meets it: what comes out, what is refused, and what a kill leaves."""

import json
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import time

import pytest

WEIGHTS = "model.safetensors"


def files_of(folder):
    """Name -> content of a folder's files, without the manifest."""
    return {f.name: f.read_bytes() for f in pathlib.Path(folder).iterdir() if f.name != ".glimt-manifest.json"}


def header_of(file):
    with open(file, "rb") as stream:
        return json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))


def assert_refused(result, *words, status=2):
    assert result.returncode == status, result
    assert result.stderr.startswith("glimt: ") and result.stderr.count("\n") == 1, result.stderr
    for word in words:
        assert word in result.stderr, result.stderr


def assert_nothing_left(folder, *names):
    assert sorted(os.listdir(folder)) == sorted(names)


def test_the_default_recipe_makes_a_model_that_answers(run, demo, tmp_path):
    made = run("convert", demo, tmp_path / "made")
    assert made.returncode == 0, made.stderr
    assert "recipe balanced, scales searched" in made.stdout and "bits a weight" in made.stdout
    assert_nothing_left(tmp_path, "made")
    shown = run("show", tmp_path / "made").stdout
    assert "glimt convert, recipe balanced, scales searched, from " + demo in shown
    assert "affine 4 bits group 64" in shown and "affine 8 bits group 64" in shown
    assert "MTP layer" in shown and "no MTP layer" not in shown
    answer = run("run", tmp_path / "made", "What is my name?", "--temperature", "0")
    assert answer.returncode == 0 and "Your name is" in answer.stdout
    assert run("verify", tmp_path / "made").returncode == 0
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        assert (tmp_path / "made" / name).read_bytes() == (pathlib.Path(demo) / name).read_bytes()


@pytest.mark.parametrize("mode, bits, group", [("affine", 4, 64), ("mxfp4", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16)])
def test_modes_without_more_are_those_of_mlx(run, demo, tmp_path, mode, bits, group):
    assert run("convert", demo, tmp_path / "made", "--quantize", mode).returncode == 0
    source = json.loads((pathlib.Path(demo) / "config.json").read_text())
    config = json.loads((tmp_path / "made" / "config.json").read_text())
    assert config.pop("quantization") == config.pop("quantization_config") == {"group_size": group, "bits": bits, "mode": mode}
    assert config == source
    header = header_of(tmp_path / "made" / WEIGHTS)
    assert header["__metadata__"]["format"] == "mlx"
    assert header["model.layers.4.eh_proj.weight"]["dtype"] == "U32"
    assert header["model.layers.1.mlp.gate.weight"]["dtype"] == "BF16"
    index = json.loads((tmp_path / "made" / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"]) == set(header) - {"__metadata__"}
    assert run("run", tmp_path / "made", "Hello").returncode == 0


def test_a_name_goes_into_the_store(run, demo, tmp_path):
    assert run("convert", demo, "me/demo-4bit", "--quantize", "affine").returncode == 0
    assert "me/demo-4bit" in run("list").stdout
    assert run("verify", "me/demo-4bit").returncode == 0
    assert_refused(run("convert", demo, "me/demo-4bit"), "is there already")
    assert run("rm", "me/demo-4bit").returncode == 0


def test_quantized_models_are_made_again_only_when_told(run, demo, tmp_path):
    assert run("convert", demo, tmp_path / "four", "--quantize", "affine").returncode == 0
    assert_refused(run("convert", tmp_path / "four", tmp_path / "made"), "affine 4 bits group 64", "--repack", "--dequantize")
    assert run("convert", tmp_path / "four", tmp_path / "again", "--repack").returncode == 0
    four, again = header_of(tmp_path / "four" / WEIGHTS), header_of(tmp_path / "again" / WEIGHTS)
    del four["__metadata__"], again["__metadata__"]
    assert four == again
    assert run("convert", tmp_path / "four", tmp_path / "floats", "--dequantize").returncode == 0
    assert "quantization" not in json.loads((tmp_path / "floats" / "config.json").read_text())
    assert "affine" not in run("show", tmp_path / "floats").stdout
    assert run("convert", tmp_path / "four", tmp_path / "three", "--recipe", "small").returncode == 0
    assert_nothing_left(tmp_path, "four", "again", "floats", "three", *({".local"} & set(os.listdir(tmp_path))))


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--quantize", "affine", "--bits", "7"], ["7 bits", "2, 3, 4, 5, 6 or 8"]),
        (["--quantize", "affine", "--group-size", "48"], ["groups of 48"]),
        (["--quantize", "mxfp4", "--bits", "8"], ["mxfp4 with 8 bits"]),
        (["--quantize", "nvfp4", "--group-size", "32"], ["nvfp4"]),
        (["--quantize", "int4"], ["int4"]),
        (["--recipe", "tasty"], ["tasty"]),
        (["--bits", "4"], ["--quantize"]),
        (["--recipe", "small", "--quantize", "affine"], ["--recipe", "--quantize"]),
        (["--repack", "--dequantize"], ["--repack", "--dequantize"]),
        (["--repack", "--search"], ["--repack", "--search"]),
        (["--quantize", "mxfp4", "--search"], ["--search", "mxfp4"]),
        (["--quantize", "nvfp4", "--calibrate", "x.jsonl"], ["--calibrate", "nvfp4"]),
        (["--repack", "--calibrate", "x.jsonl"], ["--calibrate", "--repack"]),
        (["--no-search", "--calibrate", "x.jsonl"], ["--calibrate", "--no-search"]),
        (["--calibrate", "not-there.jsonl"], ["not-there.jsonl"]),
    ],
)
def test_what_cannot_be_made_is_refused_and_leaves_nothing(run, demo, tmp_path, arguments, words):
    assert_refused(run("convert", demo, tmp_path / "made", *arguments), *words)
    assert_nothing_left(tmp_path)


def test_targets_that_are_there_or_in_the_source_are_refused(run, demo, tmp_path):
    shutil.copytree(demo, tmp_path / "source")
    assert_refused(run("convert", tmp_path / "source", tmp_path / "source" / "inside"), "lies in the source")
    assert_refused(run("convert", tmp_path / "source", tmp_path / "source"), "is there already")
    (tmp_path / "file").write_text("mine")
    assert_refused(run("convert", tmp_path / "source", tmp_path / "file"), "is there already")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert_refused(run("convert", tmp_path / "source", tmp_path / "dangling"), "is there already")
    assert_refused(run("convert", tmp_path / "nothing", tmp_path / "made"), "nothing")
    assert_nothing_left(tmp_path, "source", "file", "dangling")


def test_a_value_that_is_not_finite_is_named(run, demo, tmp_path):
    shutil.copytree(demo, tmp_path / "source")
    header = header_of(tmp_path / "source" / WEIGHTS)
    name = next(n for n in sorted(header) if n.endswith("o_proj.weight"))
    start = header[name]["data_offsets"][0]
    with open(tmp_path / "source" / WEIGHTS, "r+b") as stream:
        stream.seek(8 + struct.unpack("<Q", stream.read(8))[0] + start + 2 * 5)
        stream.write(b"\xc0\x7f")  # NaN
    assert_refused(run("convert", tmp_path / "source", tmp_path / "made"), name, "row 0, column 5", "nan")
    assert_nothing_left(tmp_path, "source")


def start_convert(glimt, environment, *arguments):
    return subprocess.Popen([glimt, "convert", *map(str, arguments)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture(scope="session")
def conversations(demo, tmp_path_factory):
    """What the demo model is asked in its evaluation, with the answers, in two files."""
    lines = []
    for line in (pathlib.Path(demo) / "eval/questions.jsonl").read_text().splitlines():
        question = json.loads(line)
        if isinstance(question["expect"].get("content"), str):
            answer = {"role": "assistant", "content": question["expect"]["content"]}
            tools = {"tools": question["tools"]} if question.get("tools") else {}
            lines.append(json.dumps({"messages": [*question["messages"], answer], **tools}) + "\n")
    folder = tmp_path_factory.mktemp("conversations")
    files = [folder / "calibrate.jsonl", folder / "measure.jsonl"]
    for i, file in enumerate(files):
        file.write_text("".join(lines[i::2]))
    return files


def test_calibration_brings_the_result_nearer_to_its_source(run, demo, conversations, tmp_path):
    text, other = conversations
    made = run("convert", demo, tmp_path / "calibrated", "--quantize", "affine", "--calibrate", text)
    assert made.returncode == 0, made.stderr
    assert "calibrated" in made.stdout and "KL divergence from the source: 0.1" in made.stdout
    assert "glimt convert, affine 4 bits group 64, calibrated, from" in run("show", tmp_path / "calibrated").stdout
    assert run("convert", demo, tmp_path / "searched", "--quantize", "affine", "--search").returncode == 0
    distance = {}
    for name in ("calibrated", "searched"):
        report = json.loads(run("kl", demo, tmp_path / name, "--text", other, "--exact", "--json").stdout)
        distance[name] = report["kl"]["value"]
    assert distance["calibrated"] < 0.97 * distance["searched"], distance


def test_a_text_that_is_too_short_is_refused(run, demo, tmp_path):
    (tmp_path / "text").write_text("")
    assert_refused(run("convert", demo, tmp_path / "made", "--calibrate", tmp_path / "text"), "at least 2 tokens")
    assert_nothing_left(tmp_path, "text")


@pytest.mark.parametrize("calibrated", [False, True], ids=["", "calibrated"])
def test_a_kill_at_any_time_leaves_nothing_half_and_the_next_run_ends_it(glimt, run, environment, demo, tmp_path, conversations, calibrated):
    more = ["--threads", "1", *(["--calibrate", conversations[0]] if calibrated else [])]
    began = time.monotonic()
    assert run("convert", demo, tmp_path / "whole", *more).returncode == 0
    takes = time.monotonic() - began
    wanted = files_of(tmp_path / "whole")
    rounds = int(os.environ.get("GLIMT_KILLS", "2" if calibrated else "8"))
    for number in range(rounds):
        target = tmp_path / f"made{number}"
        for _ in range(3):
            process = start_convert(glimt, environment, demo, target, *more)
            time.sleep(random.uniform(0, takes))
            process.kill()
            process.communicate()
            if target.exists():  # it was done: then all is there
                assert files_of(target) == wanted
                break
        if not target.exists():
            result = run("convert", demo, target, *more)
            assert result.returncode == 0, result.stderr
        assert files_of(target) == wanted
        assert run("verify", target).returncode == 0
    # One that was killed between its last two steps has left an empty work folder to whoever converts next.
    assert run("convert", demo, tmp_path / "last", *more).returncode == 0
    assert_nothing_left(tmp_path, "whole", "last", *(f"made{number}" for number in range(rounds)))


def test_ctrl_c_says_that_it_can_go_on(glimt, run, environment, demo, tmp_path):
    for _ in range(20):
        process = start_convert(glimt, environment, demo, tmp_path / "made", "--threads", "1")
        time.sleep(0.15)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        if process.returncode == 130 and errors:
            break
        shutil.rmtree(tmp_path / "made", ignore_errors=True)
    else:
        pytest.skip("it is always done, or not yet begun, when the signal comes")
    assert b"goes on from there" in errors
    assert not (tmp_path / "made").exists()
    assert run("convert", demo, tmp_path / "made").returncode == 0
    assert_nothing_left(tmp_path, "made")
