"""glimt pull from a hub that does what hubs do, and glimt list, cp, rm, verify, du on what came."""

import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from fake_hub import COMMIT, Hub, git_blob  # noqa: E402

CONFIG = json.loads((pathlib.Path(__file__).resolve().parents[2] / "models/demo/config.json").read_text())
LONG = os.environ.get("GLIMT_LONG_TESTS")


def random_bytes(size, seed=1):
    return random.Random(seed).randbytes(size)


def model_files(sizes=(700_000, 300_000)):
    """A repository with what a model needs and what it does not."""
    names = [f"model-{i + 1:05}-of-{len(sizes):05}.safetensors" for i in range(len(sizes))]
    files = {
        "config.json": json.dumps(CONFIG).encode(),
        "tokenizer.json": random_bytes(200_000, 9).hex().encode(),
        "chat_template.jinja": b"{{ messages }}",
        "model.safetensors.index.json": json.dumps({"metadata": {}, "weight_map": {f"t{i}": name for i, name in enumerate(names)}}).encode(),
        "README.md": b"# a model",
        "pytorch_model.bin": b"not wanted",
        "onnx/model.onnx": b"not wanted",
        "original/params.json": b"{}",
        "consolidated.safetensors": random_bytes(150_000, 5),
    }
    for i, (name, size) in enumerate(zip(names, sizes)):
        files[name] = random_bytes(size, i)
    return files


WANTED = {"config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors.index.json"}


@pytest.fixture
def make_hub():
    hubs = []

    def make(files=None, **attributes):
        hub = Hub(model_files() if files is None else files)
        for name, value in attributes.items():
            setattr(hub, name, value)
        hubs.append(hub)
        return hub

    yield make
    for hub in hubs:
        hub.close()


@pytest.fixture
def hub(make_hub):
    return make_hub()


@pytest.fixture
def home(tmp_path):
    return tmp_path / "glimt"


@pytest.fixture
def variables(environment, home):
    def of(hub, **more):
        return {**environment, "GLIMT_HOME": str(home), "HF_ENDPOINT": hub.url, "GLIMT_PULL_BACKOFF": "5", "HF_HUB_DOWNLOAD_TIMEOUT": "1", **more}

    return of


@pytest.fixture
def pull(glimt, variables):
    def call(hub, name="org/model", *options, timeout=60, **more):
        return subprocess.run([glimt, "pull", name, *options], env=variables(hub, **more), capture_output=True, text=True, timeout=timeout)

    return call


@pytest.fixture
def listed(run, home):
    def call():
        lines = run("list", env={"GLIMT_HOME": str(home)}).stdout.splitlines()[1:]
        return [line.split()[0] for line in lines if not line.startswith("demo ")]

    return call


def assert_whole(home, hub, name="org/model"):
    folder = home / "models" / name
    there = {path.name for path in folder.iterdir()} - {".glimt-manifest.json"}
    weights = {path for path in hub.files if path.startswith("model-")}
    assert there == (WANTED & set(hub.files)) | weights
    for path in there:
        assert (folder / path).read_bytes() == hub.files[path], path
    assert not list((home / "models" / ".unfinished").iterdir())


def assert_refused(result, *words):
    assert result.returncode in (1, 2), result
    lines = result.stderr.splitlines()
    errors = [line for line in lines if line.startswith("glimt: ")]
    assert len(errors) == 1, result.stderr
    for word in words:
        assert word in errors[0], errors[0]


# --- what goes well ---------------------------------------------------------------------------------------------------


def test_a_model_comes_whole(hub, pull, home, listed, run):
    result = pull(hub)
    assert result.returncode == 0, result.stderr
    assert_whole(home, hub)
    assert listed() == ["org/model"]
    assert COMMIT in result.stdout
    manifest = json.loads((home / "models/org/model/.glimt-manifest.json").read_text())
    assert manifest["commit"] == COMMIT and manifest["source"] == hub.url
    for file in manifest["files"]:
        content = hub.files[file["path"]]
        assert file["size"] == len(content)
        assert file.get("sha256") == hashlib.sha256(content).hexdigest() or file.get("blob") == git_blob(content)
    assert not hub.asked("README") and not hub.asked("onnx") and not hub.asked("consolidated")
    everything = [path for path, _ in hub.requests]
    last_small = max(i for i, path in enumerate(everything) if any(word in path for word in WANTED))
    first_weights = min(i for i, path in enumerate(everything) if "model-0" in path)
    assert last_small < first_weights


def test_a_second_pull_fetches_nothing(hub, pull):
    assert pull(hub).returncode == 0
    sent = hub.sent
    assert pull(hub).returncode == 0
    assert hub.sent == sent and len(hub.asked("/resolve/")) == len(set(hub.asked("/resolve/")))


def test_a_new_commit_fetches_only_what_changed(hub, pull, home):
    assert pull(hub).returncode == 0
    sent = hub.sent
    hub.commit = "f" * 40
    hub.files["chat_template.jinja"] = b"{{ other }}"
    assert pull(hub).returncode == 0
    assert hub.sent - sent == len(b"{{ other }}")
    assert_whole(home, hub)


def test_revisions_are_models_of_their_own(hub, pull, home, listed):
    assert pull(hub, "org/model@v1").returncode == 0
    assert pull(hub, f"org/model@{COMMIT}").returncode == 0
    assert listed() == [f"org/model@{COMMIT}", "org/model@v1"]
    assert_whole(home, hub, "org/model@v1")


def test_one_file_without_an_index(make_hub, pull, home):
    files = model_files(())
    del files["model.safetensors.index.json"]
    hub = make_hub({**files, "model.safetensors": random_bytes(200_000), "adapter_model.safetensors": random_bytes(150_000, 3)})
    assert pull(hub).returncode == 0
    assert (home / "models/org/model/model.safetensors").read_bytes() == hub.files["model.safetensors"]
    assert not (home / "models/org/model/adapter_model.safetensors").exists()
    assert not (home / "models/org/model/consolidated.safetensors").exists()


def test_large_files_come_in_ranges(make_hub, pull, home):
    hub = make_hub(model_files((40_000_000,)))
    assert pull(hub).returncode == 0
    assert_whole(home, hub)
    assert len(hub.asked("/cdn/model-00001")) >= 3


def test_pages_of_a_mirror_are_followed(make_hub, pull, home):
    hub = make_hub(page_size=2)
    assert pull(hub).returncode == 0
    assert_whole(home, hub)


def test_empty_files_and_equal_files(make_hub, pull, home):
    files = model_files((150_000, 150_000))
    files["model-00002-of-00002.safetensors"] = files["model-00001-of-00002.safetensors"]
    files["generation_config.json"] = b""
    hub = make_hub(files)
    assert pull(hub).returncode == 0
    assert (home / "models/org/model/generation_config.json").read_bytes() == b""
    for name in ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"):
        assert (home / "models/org/model" / name).read_bytes() == files[name]


def test_json_lines_are_ollamas_events(hub, pull):
    result = pull(hub, "org/model", "--json")
    assert result.returncode == 0 and result.stderr == ""
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert events[0] == {"status": "pulling manifest"} and events[-1] == {"status": "success"}
    assert [e["status"] for e in events[-3:]] == ["verifying sha256 digest", "writing manifest", "success"]
    last = {e["file"]: e for e in events if "digest" in e}
    assert {e["completed"] == e["total"] for e in last.values()} == {True}
    assert last["model-00001-of-00002.safetensors"]["digest"] == "sha256:" + hashlib.sha256(hub.files["model-00001-of-00002.safetensors"]).hexdigest()


# --- tokens and redirects ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HOME"])
def test_a_token_goes_only_to_the_hub(hub, pull, tmp_path, place):
    hub.token = "hf_secret"
    (tmp_path / "token").write_text("hf_secret\n")
    value = {"HF_TOKEN_PATH": str(tmp_path / "token"), "HF_HOME": str(tmp_path)}.get(place, " hf_secret\n")
    result = pull(hub, **{place: value})
    assert result.returncode == 0, result.stderr
    for path, headers in hub.requests:
        assert ("Authorization" in headers) == ("/cdn/" not in path), path
    assert "hf_secret" not in result.stdout + result.stderr


def test_a_wrong_token_is_named_by_its_place(hub, pull):
    hub.token = "hf_right"
    result = pull(hub, HF_TOKEN="hf_wrong")
    assert_refused(result, "token from HF_TOKEN")
    assert "hf_wrong" not in result.stderr


def redirect_in_circles(hub):
    hub.send_elsewhere("/resolve/", lambda path: path)


def redirect_to_a_file(hub):
    hub.send_elsewhere("/resolve/", lambda path: "file:///etc/passwd")


def redirect_nowhere(hub):
    hub.send_elsewhere("/resolve/", lambda path: "")


def relative_redirect(hub):
    hub.send_elsewhere("/resolve/", lambda path: "/api/other" + path.replace("resolve", "cache"))

    def answer(handler, path):
        if not path.startswith("/api/other"):
            return False
        hub.content(handler, path.split("/")[-1])
        return True

    hub.answers.append(answer)


def answer_with_another_commit(hub):
    hub.resolve = lambda handler, path: hub.content(handler, path, {"X-Repo-Commit": "9" * 40})


# --- faults: what the hub does, and what must come of it --------------------------------------------------------------


def once(status, word="/resolve/", **more):
    return lambda hub: hub.fail(word, status, **more)


def always(status, word="/resolve/", **more):
    return lambda hub: hub.fail(word, status, times=10**6, **more)


def cut_each_file_twice(hub):
    seen = {}

    def cut(path, begin, length):
        with hub.lock:
            seen[path] = seen.get(path, 0) + 1
            return length // 2 if seen[path] <= 2 else None

    hub.cut = cut


def cut_at_once_forever(hub):
    hub.cut = lambda path, begin, length: 0


def stall(word, times):
    def set_up(hub):
        left = [times]

        def answer(handler, path):
            if word not in path:
                return False
            with hub.lock:
                if left[0] == 0:
                    return False
                left[0] -= 1
            time.sleep(3)
            handler.close_connection = True
            return True

        hub.answers.append(answer)

    return set_up


def flip_once(hub):
    seen = set()

    def body(path, content):
        if path in seen or not path.startswith("model-"):
            return content
        seen.add(path)
        return bytes([content[0] ^ 1]) + content[1:]

    hub.body = body


def flip_always(hub):
    hub.body = lambda path, content: bytes([content[0] ^ 1]) + content[1:] if path.startswith("model-") else content


def flip_differently(hub):
    count = [0]

    def body(path, content):
        if not path.startswith("model-"):
            return content
        count[0] += 1
        return bytes([content[0] ^ count[0]]) + content[1:]

    hub.body = body


def flip_a_small_file(hub):
    hub.body = lambda path, content: content.replace(b"messages", b"massages") if path == "chat_template.jinja" else content


def ignore_range(hub):
    hub.range_is_ignored = True
    cut_each_file_twice(hub)


def lie_about_the_hash(hub):
    hub.wrong_hash["model-00001-of-00002.safetensors"] = "a" * 64


def lie_about_the_size(difference):
    def set_up(hub):
        path = "model-00001-of-00002.safetensors"
        hub.wrong_size[path] = len(hub.files[path]) + difference

    return set_up


def wrong_range(hub):
    def answer(handler, path):
        if "/cdn/" not in path or "Range" not in handler.headers:
            return False
        content = hub.files[path.split("?")[0].removeprefix("/cdn/")]
        hub.send(handler, 206, content, {"Content-Range": f"bytes 0-{len(content) - 1}/{len(content)}"})
        return True

    hub.answers.append(answer)
    cut_each_file_twice(hub)


def list_entry(**entry):
    return lambda hub: hub.extra_entries.append({"type": "file", "size": 3, "oid": git_blob(b"bad"), **entry})


def pages_without_end(hub):
    def answer(handler, path):
        if "/tree/" not in path:
            return False
        hub.json(handler, [], {"Link": f'<{handler.path}&x=1>; rel="next"'})
        return True

    hub.answers.append(answer)


def no_json(hub):
    def answer(handler, path):
        if "/api/" not in path:
            return False
        hub.send(handler, 200, b"<html>log in</html>")
        return True

    hub.answers.append(answer)


def index_names_more(hub):
    hub.files["model.safetensors.index.json"] = json.dumps({"weight_map": {"a": "model-00009.safetensors"}}).encode()


def index_leaves_the_folder(hub):
    hub.files["model.safetensors.index.json"] = json.dumps({"weight_map": {"a": "../model.safetensors"}}).encode()


def only_gguf(hub):
    hub.files = {"config.json": hub.files["config.json"], "model.gguf": b"GGUF"}


def another_architecture(hub):
    hub.files["config.json"] = json.dumps({**CONFIG, "architectures": ["LlamaForCausalLM"], "model_type": "llama"}).encode()


FINE = None
SCENARIOS = {
    "500 once": (once(500), FINE),
    "502 in the listing": (once(502, "/tree/"), FINE),
    "503 at the beginning": (once(503, "/revision/"), FINE),
    "504 from the other origin": (once(504, "/cdn/"), FINE),
    "408 once": (once(408), FINE),
    "429 once": (once(429, "/tree/", headers={"Retry-After": "1"}), FINE),
    "429 with a window": (once(429, headers={"RateLimit": '"resolvers";r=0;t=1'}), FINE),
    "429 with a date": (once(429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), FINE),
    "429 for an hour": (once(429, headers={"Retry-After": "3600"}), ["3600 s"]),
    "500 for ever": (always(500), ["500"]),
    "503 for ever in the listing": (always(503, "/tree/"), ["503"]),
    "401 without a token": (always(401, "/api/", code="RepoNotFound", message="no"), ["HF_TOKEN"]),
    "401 gated": (always(401, "/resolve/", code="GatedRepo", message="gated"), ["accept", "org/model", "HF_TOKEN"]),
    "403 gated": (always(403, "/resolve/", code="GatedRepo", message="gated"), ["accept"]),
    "403 taken down": (always(403, "/api/", code="", message=""), ["403"]),
    "403 from the other origin once": (once(403, "/cdn/"), FINE),
    "403 from the other origin for ever": (always(403, "/cdn/"), ["403"]),
    "404 no such model": (always(404, "/api/", code="RepoNotFound"), ["no such model"]),
    "404 no such file": (always(404, "model-00001", code="EntryNotFound"), ["lacks model-00001-of-00002.safetensors"]),
    "416 once": (once(416, "/cdn/"), FINE),
    "416 for ever": (always(416, "/cdn/"), ["range"]),
    "cuts": (cut_each_file_twice, FINE),
    "cuts for ever": (cut_at_once_forever, [""]),
    "stalls": (stall("/cdn/model-00001", 1), FINE),
    "stalls in the listing": (stall("/tree/", 1), FINE),
    "a bit flips once": (flip_once, FINE),
    "a bit flips always": (flip_always, ["sha256 must be", "twice"]),
    "bits flip differently": (flip_differently, ["two different hashes", "memory"]),
    "a bit flips in a small file": (flip_a_small_file, ["chat_template.jinja", "git id must be"]),
    "ranges are ignored": (ignore_range, FINE),
    "another range is sent": (wrong_range, ["bytes from"]),
    "the listing lies about a hash": (lie_about_the_hash, ["sha256 must be aaaa"]),
    "longer than listed": (lie_about_the_size(-1), ["must have 699999 bytes, the hub sends 700000"]),
    "shorter than listed": (lie_about_the_size(1), ["must have 700001 bytes, the hub sends 700000"]),
    "redirects in circles": (redirect_in_circles, ["redirects"]),
    "a redirect to a file": (redirect_to_a_file, ["https://"]),
    "a redirect nowhere": (redirect_nowhere, ["redirects without saying where"]),
    "a relative redirect": (relative_redirect, FINE),
    "lists a path upwards": (list_entry(path="../evil.json"), ["leaves the folder"]),
    "lists an absolute path": (list_entry(path="/etc/evil.json"), ["leaves the folder"]),
    "lists a dot inside": (list_entry(path="a/./b.json"), ["leaves the folder"]),
    "lists a file twice": (list_entry(path="config.json"), ["twice"]),
    "lists no hash": (list_entry(path="x.json", oid="zz"), ["hash of 40 digits"]),
    "pages without end": (pages_without_end, ["no end"]),
    "a login page": (no_json, ["no JSON"]),
    "the index names a file that is not there": (index_names_more, ["model-00009.safetensors"]),
    "the index leaves the folder": (index_leaves_the_folder, ["../model.safetensors"]),
    "only GGUF": (only_gguf, ["model.gguf is GGUF"]),
    "another architecture": (another_architecture, ["LlamaForCausalLM"]),
    "another commit": (answer_with_another_commit, [COMMIT, "answers with commit 9999"]),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_fault(hub, pull, home, listed, name):
    set_up, words = SCENARIOS[name]
    set_up(hub)
    result = pull(hub)
    outside = [path for path in home.parent.rglob("*evil*")]
    assert not outside
    if words is FINE:
        assert result.returncode == 0, result.stderr
        assert_whole(home, hub)
    else:
        assert_refused(result, *words)
        assert not (home / "models/org/model").exists()


def test_retry_after_is_waited(hub, pull):
    hub.fail("/tree/", 429, headers={"Retry-After": "2"})
    start = time.monotonic()
    assert pull(hub).returncode == 0
    assert time.monotonic() - start >= 2


def test_an_architecture_is_refused_before_the_weights(hub, pull):
    another_architecture(hub)
    assert_refused(pull(hub), "LlamaForCausalLM")
    assert not hub.asked("model-0")


def test_what_somebody_put_there_is_not_replaced(hub, pull, home):
    folder = home / "models/org/model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("mine")
    assert_refused(pull(hub), "was not pulled by glimt")
    assert (folder / "config.json").read_text() == "mine"


def test_what_was_made_or_copied_here_is_not_replaced(make_hub, pull, run, demo, home):
    env = {"GLIMT_HOME": str(home)}
    assert run("convert", demo, "org/model", "--quantize", "affine", env=env).returncode == 0
    made = {path.name: path.read_bytes() for path in (home / "models/org/model").iterdir()}
    hub = make_hub()
    refused = pull(hub)
    assert_refused(refused, "org/model", "made here from", "`glimt cp org/model NEW-NAME`", "`glimt rm org/model`")
    assert not hub.asked("/resolve/")
    assert {path.name: path.read_bytes() for path in (home / "models/org/model").iterdir()} == made
    assert run("cp", "org/model", "me/kept", env=env).returncode == 0
    assert run("rm", "org/model", env=env).returncode == 0
    assert pull(hub).returncode == 0
    assert run("cp", "org/model", "org/copy", env=env).returncode == 0
    hub.name = "org/copy"
    assert_refused(pull(hub, "org/copy"), "made here from org/model")
    assert run("verify", "me/kept", env=env).returncode == 0


def test_offline_asks_nobody(hub, pull):
    assert_refused(pull(hub, HF_HUB_OFFLINE="1"), "HF_HUB_OFFLINE")
    assert not hub.requests


def test_nobody_there(hub, pull):
    result = pull(hub, HF_ENDPOINT="http://127.0.0.1:1")
    assert_refused(result, "127.0.0.1")


@pytest.mark.parametrize("name", ["model", "a/b/c", "../x", "a/b--c", "a b/c", "", "x:y:z"])
def test_a_name_that_no_hub_has(hub, pull, name):
    assert_refused(pull(hub, name), "owner/name")
    assert not hub.requests


def test_a_disk_too_small_is_said_before_the_weights(make_hub, pull):
    hub = make_hub()
    hub.wrong_size["model-00001-of-00002.safetensors"] = 1 << 48
    assert_refused(pull(hub), "GB of the disk are free")
    assert not hub.asked("model-0")


# --- cuts, kills, two at once -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(200 if LONG else 4))
def test_random_cuts(make_hub, pull, home, seed):
    hub = make_hub(model_files((20_000_000, 300_000)))
    hub.cut_randomly(seed, share=0.4)
    result = pull(hub)
    assert result.returncode == 0, result.stderr
    assert_whole(home, hub)


@pytest.mark.parametrize("seed", range(40 if LONG else 3))
def test_a_killed_pull_is_continued(make_hub, glimt, variables, home, listed, seed):
    hub = make_hub(model_files((8_000_000, 8_000_000)), rate=1_500_000)  # longer than the four delays together
    total = sum(len(c) for p, c in hub.files.items() if p in WANTED or p.startswith("model-"))
    kills = 0
    delays = random.Random(seed)
    while True:
        process = subprocess.Popen([glimt, "pull", "org/model"], env=variables(hub), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            process.wait(delays.uniform(0.2, 1.2) if kills < 4 else 60)
            assert process.returncode == 0, process.stderr.read()
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            assert listed() == []
    assert_whole(home, hub)
    assert hub.sent < 1.5 * total, "what had arrived was fetched again"


def test_two_at_once_do_no_harm(make_hub, glimt, variables, home):
    hub = make_hub(model_files((3_000_000, 3_000_000)), rate=3_000_000)
    both = [subprocess.Popen([glimt, "pull", "org/model"], env=variables(hub), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.wait(60) == 0, process.stderr.read()
    assert_whole(home, hub)


def test_ctrl_c_keeps_what_has_arrived(make_hub, glimt, variables, pull, home):
    hub = make_hub(model_files((6_000_000,)), rate=3_000_000)
    process = subprocess.Popen([glimt, "pull", "org/model"], env=variables(hub), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while hub.sent < 1_500_000:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    assert "goes on from there" in process.stderr.read()
    hub.rate = None
    assert pull(hub).returncode == 0
    assert hub.sent < 9_000_000
    assert_whole(home, hub)


# --- what is done with a model ----------------------------------------------------------------------------------------


def test_a_model_is_copied_checked_and_removed(hub, pull, run, home, listed):
    assert pull(hub).returncode == 0
    env = {"GLIMT_HOME": str(home)}
    assert run("verify", "org/model", env=env).returncode == 0
    assert run("cp", "org/model", "mine", env=env).returncode == 0
    assert listed() == ["mine", "org/model"]
    assert "total" in run("du", env=env).stdout
    weights = home / "models/org/model/model-00002-of-00002.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    result = run("verify", "org/model", env=env)
    assert result.returncode == 1 and result.stdout.startswith("model-00002-of-00002.safetensors: sha256 must be")
    assert run("verify", "mine", env=env).returncode == 0
    assert run("rm", "org/model", env=env).returncode == 0
    assert listed() == ["mine"]
    assert run("rm", "org/model", env=env).returncode == 2


def test_rm_drops_what_an_unfinished_pull_left(make_hub, pull, run, home):
    hub = make_hub()
    cut_at_once_forever(hub)
    pull(hub)
    env = {"GLIMT_HOME": str(home)}
    assert "unfinished" in run("du", env=env).stdout
    hub.cut = lambda path, begin, length: length // 2 if path.startswith("model-") else None
    hub.fail("/cdn/", 404, times=10**6)
    pull(hub)
    assert run("rm", "org/model", env=env).returncode == 0
    assert not list((home / "models/.unfinished").iterdir())


def kill_points(glimt, arguments, env, calls):
    """How often a command makes each of these system calls."""
    trace = subprocess.run(["strace", "-f", "-c", "-e", "trace=" + calls, glimt, *arguments], env=env, capture_output=True, text=True)
    assert trace.returncode == 0, trace.stderr
    return sum(int(line.split()[3]) for line in trace.stderr.splitlines() if line.strip().endswith(tuple(calls.split(","))))


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("command", ["cp", "rm", "pull"])
def test_a_kill_at_any_change_leaves_old_or_new(hub, pull, glimt, variables, home, listed, command):
    """SIGKILL at the n-th rename, link, fsync, unlink …: after each, what is listed is whole."""
    calls = "rename,renameat2,link,fsync,unlink,unlinkat,rmdir,mkdir,ftruncate"
    env = variables(hub)
    if command != "pull":
        assert pull(hub).returncode == 0
    arguments = {"cp": ["cp", "org/model", "new"], "rm": ["rm", "org/model"], "pull": ["pull", "org/model"]}[command]
    for call in calls.split(","):
        for when in range(1, 100 if LONG else 4):
            inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={when}"]
            result = subprocess.run([*inject, glimt, *arguments], env=env, capture_output=True, text=True, timeout=60)
            killed = result.returncode not in (0, 1, 2)
            there = listed()
            for name in there:
                check = subprocess.run([glimt, "verify", name], env=env, capture_output=True, text=True)
                assert check.returncode == 0, (call, when, name, check.stdout)
            if command == "cp":
                assert "org/model" in there
                if "new" in there:
                    assert subprocess.run([glimt, "rm", "new"], env=env, capture_output=True).returncode == 0
            elif command == "rm" and "org/model" not in there:
                assert pull(hub).returncode == 0
            elif command == "pull" and "org/model" in there:
                assert subprocess.run([glimt, "rm", "org/model"], env=env, capture_output=True).returncode == 0
            if not killed:
                break
    last = subprocess.run([glimt, *arguments], env=env, capture_output=True, text=True)
    assert last.returncode == 0, last.stderr


def test_a_model_of_hugging_faces_cache_is_used_in_place(run, demo, tmp_path):
    cache = tmp_path / "hub/models--org--cached"
    snapshot = cache / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (cache / "blobs").mkdir()
    (cache / "refs").mkdir()
    (cache / "refs/main").write_text(COMMIT)
    for path in pathlib.Path(demo).iterdir():
        if path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            shutil.copy(path, cache / "blobs" / digest)
            (snapshot / path.name).symlink_to(f"../../blobs/{digest}")
    env = {"HF_HUB_CACHE": str(tmp_path / "hub")}
    assert "org/cached " in run("list", env=env).stdout
    assert run("tokenize", "org/cached", "hello", env=env).returncode == 0
    assert run("verify", "org/cached", env=env).returncode == 0
    assert run("show", "org/cached", env=env).returncode == 0


def test_a_model_that_is_not_here_says_how_to_get_it(run):
    for command in ("run", "show", "serve"):
        result = run(command, "org/absent")
        assert result.returncode == 2 and "`glimt pull org/absent`" in result.stderr, result.stderr
