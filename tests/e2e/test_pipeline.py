"""A model over several ranks: the same text as one process, a part of the weights each, and one common end. The ranks are
a pipeline, or share each layer (--split tensor)."""

import concurrent.futures
import json
import math
import os
import pathlib
import random
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

PROMPT = "What is 46 plus 93?"
LIMIT = 2.0  # --step-limit
PATIENCE = LIMIT + 2.0  # then all has ended
SPLITS = ("pipeline", "tensor")
SLACK = 3.0  # for a machine that is busy with other tests


def ports(count):
    """Free ones below those that the system gives to who asks for any: nobody takes them before the ranks do."""
    found = []
    while len(found) < count:
        port = random.randrange(20000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


class Ranks:
    """Ranks as they would be started by hand. Rank 0's output is kept; all stderr is in `said`."""

    def __init__(self, glimt, tmp_path, environment, size, arguments, extra=None, addresses=None, within=None):
        hosts = tmp_path / f"hosts-{os.urandom(4).hex()}.json"
        hosts.write_text(json.dumps([[address] for address in addresses or (f"127.0.0.1:{port}" for port in ports(size))]))
        self.started = time.monotonic()
        self.processes = []
        self.said = [[] for _ in range(size)]
        self.readers = []
        for rank in range(size):
            env = {**environment, "MLX_HOSTFILE": str(hosts), "MLX_RANK": str(rank)}
            own = [*arguments, *((extra or {}).get(rank, []))]
            process = subprocess.Popen([*(within or {}).get(rank, []), glimt, *map(str, own)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True, env=env)
            reader = threading.Thread(target=self._read, args=(rank, process.stderr), daemon=True)
            reader.start()
            self.readers.append(reader)
            self.processes.append(process)

    def _read(self, rank, pipe):
        for line in pipe:
            self.said[rank].append(line.rstrip("\n"))

    def output(self):
        return self.processes[0].stdout.read()

    def statuses(self, timeout=60):
        end = time.monotonic() + timeout
        return [process.wait(max(0.1, end - time.monotonic())) for process in self.processes]

    def kill(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
        for process in self.processes:
            process.wait()
            process.stdout.close()
        for reader in self.readers:
            reader.join(10)

    def url(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            for line in list(self.said[0]):
                if "listens on" in line and any("is ready" in other for other in self.said[0]):
                    return line.split()[-1]
            assert self.processes[0].poll() is None, self.said
            time.sleep(0.02)
        raise AssertionError(self.said)


@pytest.fixture
def start(glimt, tmp_path, environment):
    groups = []

    def call(size, *arguments, **options):
        groups.append(Ranks(glimt, tmp_path, environment, size, arguments, **options))
        return groups[-1]

    yield call
    for group in groups:
        group.kill()


def serve(start, demo, size, *more):
    return start(size, "serve", demo, "--port", "0", "--threads", "1", "--cache-memory", "64MB", "--step-limit", LIMIT, *more)


def ask(url, body, timeout=60):
    request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def health(url):
    try:
        return urllib.request.urlopen(url + "/health", timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code


def chat(prompt, **more):
    return {"messages": [{"role": "user", "content": prompt}], "temperature": 0, **more}


@pytest.mark.parametrize("size", [2, 4])
def test_the_text_is_that_of_one_process(run, start, demo, size):
    for options in (["--temperature", "0"], ["--seed", "5"], ["--temperature", "0", "--format", "json"], ["--temperature", "0", "--exact"]):
        arguments = ["run", demo, PROMPT, "--max-tokens", "60", *options]
        alone = run(*arguments)
        assert alone.returncode == 0 and alone.stdout.strip(), alone.stderr
        ranks = start(size, *arguments)
        assert ranks.output() == alone.stdout, options
        assert ranks.statuses() == [0] * size, ranks.said


def test_a_session_file_is_that_of_one_process(run, start, demo, tmp_path):
    prompt = "Remember these words. " + "apple river stone cloud " * 40
    alone, several = tmp_path / "alone", tmp_path / "several"
    arguments = ["run", demo, prompt, "--temperature", "0", "--max-tokens", "8", "--session"]
    first = run(*arguments, alone)
    ranks = start(3, *arguments, several)
    assert ranks.output() == first.stdout
    assert ranks.statuses() == [0, 0, 0], ranks.said
    assert several.read_bytes() == alone.read_bytes()
    again = start(2, *arguments, alone)  # and the other way round
    assert again.output() == first.stdout
    assert again.statuses() == [0, 0], again.said
    assert any("need not be read again" in line for line in again.said[0]), again.said


def test_shared_layers_give_the_same_text_in_every_run(run, start, demo):
    for size, options in ((2, ["--temperature", "0"]), (3, ["--seed", "5"])):
        arguments = ["run", demo, PROMPT, "--max-tokens", "120", "--split", "tensor", *options]
        texts = []
        for _ in range(2):
            ranks = start(size, *arguments)
            texts.append(ranks.output())
            assert ranks.statuses() == [0] * size, ranks.said
        assert texts[0].strip() and texts[0] == texts[1]
    alone = run("run", demo, PROMPT, "--temperature", "0")
    assert "139" in alone.stdout, alone.stdout
    ranks = start(2, "run", demo, PROMPT, "--temperature", "0", "--split", "tensor")
    assert "139" in ranks.output()


def test_shared_layers_compute_the_reference(start):
    golden = pathlib.Path(__file__).parents[1] / "golden"
    for case, size in (("mtp", 2), ("no_q_lora", 2), ("bf16_exact_frequencies", 3), ("base_affine4_g32", 2), ("two_dense", 3)):
        folder = golden / ("bf16" if case.startswith("bf16") else case)
        ranks = start(size, "compare", folder, golden / case / "golden.safetensors", "--exact", "--split", "tensor")
        output = ranks.output()
        assert ranks.statuses() == [0] * size and "logits" in output, (case, output, ranks.said)


def test_a_session_moves_between_shared_layers_and_one_process(run, start, demo, tmp_path):
    prompt = "Remember these words. " + "apple river stone cloud " * 40
    arguments = ["run", demo, prompt, "--temperature", "0", "--max-tokens", "8", "--session"]
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    first = start(2, *arguments, shared, "--split", "tensor")
    text = first.output()
    assert first.statuses() == [0, 0], first.said
    again = run(*arguments, shared)
    assert again.returncode == 0 and "need not be read again" in again.stderr and again.stdout == text
    assert run(*arguments, alone).returncode == 0
    other = start(3, *arguments, alone, "--split", "tensor")
    assert other.output() == text
    assert other.statuses() == [0, 0, 0], other.said
    assert any("need not be read again" in line for line in other.said[0]), other.said


def test_many_at_once_and_prefixes(run, start, demo):
    story = "Once there was a small town by the sea. " * 20
    bodies = [chat(story + question, max_tokens=24) for question in ("Who lived there?", "What happened?", "Why?", PROMPT)]
    alone = start(1, "serve", demo, "--port", "0", "--threads", "1", "--cache-memory", "64MB")
    spread = serve(start, demo, 3)
    wanted = [ask(alone.url(), body) for body in bodies]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda body: ask(spread.url(), body), bodies * 2))
    for (status, answer), (_, reference) in zip(got, wanted * 2):
        assert status == 200
        assert answer["choices"] == reference["choices"]
    assert any(a["usage"]["prompt_tokens_details"]["cached_tokens"] > 100 for _, a in got)
    spread.processes[0].terminate()
    assert spread.statuses() == [0, 0, 0], spread.said


def mapped(pid, name):
    """Resident bytes of the mapping of a file."""
    resident, inside = 0, False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if "-" in line.split()[0] and not line.split()[0].endswith(":"):
            inside = line.endswith(name)
        elif inside and line.startswith("Rss:"):
            resident += int(line.split()[1]) * 1024
    return resident


def test_a_rank_holds_its_part_of_the_weights(start, demo):
    file = pathlib.Path(demo) / "model.safetensors"
    ranks = serve(start, demo, 2, "--layers", "2,2")
    text = "The quick brown fox jumps over the lazy dog. " * 60
    assert ask(ranks.url(), chat(text, max_tokens=40))[0] == 200
    resident = [mapped(process.pid, "model.safetensors") for process in ranks.processes]
    layers, total = layer_bytes(file), file.stat().st_size
    parts = [total - layers[2] - layers[3], layers[2] + layers[3]]
    for rank in range(2):
        assert resident[rank] < parts[rank] * 1.1 + 1e6, (rank, resident, parts)
        assert resident[rank] > parts[rank] * 0.5, (rank, resident, parts)


def layer_bytes(file):
    data = file.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    sums = {}
    for name, tensor in header.items():
        if name.startswith("model.layers."):
            layer = int(name.split(".")[2])
            sums[layer] = sums.get(layer, 0) + tensor["data_offsets"][1] - tensor["data_offsets"][0]
    return sums


def mlp(path, hidden, columns):
    return {f"{path}.gate_proj.weight": [columns, hidden], f"{path}.up_proj.weight": [columns, hidden],
            f"{path}.down_proj.weight": [hidden, columns]}


def zeros(demo, folder, hidden=512, columns=4096):
    """A model of zeros, of whose bytes 132 MB are MLPs and experts that every token takes."""
    folder.mkdir()
    for file in pathlib.Path(demo).iterdir():
        if file.is_file() and file.name != "model.safetensors":
            (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_size": hidden, "moe_intermediate_size": columns, "intermediate_size": 2 * columns, "n_routed_experts": 2,
               "num_nextn_predict_layers": 0}
    (folder / "config.json").write_text(json.dumps(config))
    shapes = {"model.embed_tokens.weight": [3072, hidden], "model.norm.weight": [hidden], "lm_head.weight": [3072, hidden]}
    for layer in range(4):
        path = f"model.layers.{layer}"
        shapes |= {f"{path}.{name}.weight": shape for name, shape in {
            "input_layernorm": [hidden], "post_attention_layernorm": [hidden], "self_attn.q_a_proj": [128, hidden],
            "self_attn.q_a_layernorm": [128], "self_attn.q_b_proj": [320, 128], "self_attn.kv_a_proj_with_mqa": [144, hidden],
            "self_attn.kv_a_layernorm": [128], "self_attn.kv_b_proj": [512, 128], "self_attn.o_proj": [hidden, 256]}.items()}
        if layer == 0:
            shapes |= mlp(f"{path}.mlp", hidden, 2 * columns)
            continue
        shapes |= {f"{path}.mlp.gate.weight": [2, hidden], f"{path}.mlp.gate.e_score_correction_bias": [2]}
        for part in ("experts.0", "experts.1", "shared_experts"):
            shapes |= mlp(f"{path}.mlp.{part}", hidden, columns)
    tensors, end = {}, 0
    for name, shape in shapes.items():
        size = 2 * math.prod(shape)
        tensors[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(tensors).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / "model.safetensors", "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        out.truncate(8 + len(text) + end)  # zeros that the disk need not store
    return sum(2 * math.prod(shape) for name, shape in shapes.items() if "_proj" in name and "mlp" in name)


def resident(pid):
    fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return 1024 * int(fields["VmRSS"].split()[0])


def test_a_rank_that_shares_layers_holds_its_part_of_the_weights(start, demo, tmp_path):
    """Of what is cut, half is in each rank's memory: lying in the file, or copied out of it, but not both."""
    cut = zeros(demo, tmp_path / "zeros")
    taken = {}
    for name, model in (("little", demo), ("much", tmp_path / "zeros")):
        ranks = serve(start, model, 2, "--split", "tensor")
        assert ask(ranks.url(), chat("Hi", max_tokens=8))[0] == 200
        taken[name] = [resident(process.pid) for process in ranks.processes]
        ranks.kill()
    for rank in range(2):
        part = (taken["much"][rank] - taken["little"][rank]) / cut
        assert 0.4 < part < 0.62, (rank, part, taken, cut)


@pytest.mark.parametrize("extra, what", [(["--exact"], "precision"), (["--expand-prompts"], "form of attention"), (["--layers", "1,3"], "cut of the layers"), (["--split", "tensor"], "split")])
def test_what_differs_at_the_start_is_named(start, demo, extra, what):
    ranks = start(2, "run", demo, PROMPT, "--layers", "2,2", extra={1: extra if len(extra) == 1 else []})
    if len(extra) > 1:
        ranks.kill()
        ranks = start(2, "run", demo, PROMPT, extra={0: ["--layers", "2,2"], 1: extra})
    assert all(status != 0 for status in ranks.statuses())
    for reader in ranks.readers:
        reader.join(10)
    assert f"rank 1" in "\n".join(ranks.said[0]) and what in "\n".join(ranks.said[0]), ranks.said
    assert what in "\n".join(ranks.said[1]), ranks.said


def test_flags_for_ranks_need_ranks(run, demo):
    for flag in (["--layers", "2,2"], ["--step-limit", "5"], ["--split", "tensor"], ["--split", "pipeline"]):
        alone = run("run", demo, PROMPT, *flag)
        assert alone.returncode == 2 and flag[0] in alone.stderr, alone.stderr


def test_what_shared_layers_cannot_be_is_refused_by_every_rank(start, demo):
    for size, flags, what in ((2, ["--layers", "2,2"], "--layers: is for --split pipeline"), (5, [], "5 ranks are too many for the heads of")):
        ranks = start(size, "run", demo, PROMPT, "--split", "tensor", *flags)
        assert ranks.statuses() == [2] * size, ranks.said
        for reader in ranks.readers:
            reader.join(10)
        assert all(what in "\n".join(said) for said in ranks.said), ranks.said


def test_one_model_is_served(start, demo):
    ranks = serve(start, demo, 2)
    url = ranks.url()
    assert ask(url, {**chat(PROMPT), "model": "another"})[0] == 404
    assert ask(url, chat(PROMPT, max_tokens=4))[0] == 200
    request = urllib.request.Request(url + "/api/generate", json.dumps({"model": "demo", "keep_alive": 0}).encode())
    urllib.request.urlopen(request, timeout=10).read()
    assert ask(url, chat(PROMPT, max_tokens=4))[0] == 200, "it stays"


def break_rank(ranks, victim, how):
    process = ranks.processes[victim]
    process.send_signal(signal.SIGSTOP if how == "stop" else signal.SIGKILL)
    return time.monotonic()


def check_end(ranks, url, victim, how, at, answers):
    """Everything has ended, or said that it cannot go on, in time."""
    unhealthy = None
    deadline = at + PATIENCE + SLACK
    while time.monotonic() < deadline and any(p.poll() is None for r, p in enumerate(ranks.processes) if r != victim):
        if victim != 0 and unhealthy is None:
            try:
                if health(url) == 503:
                    unhealthy = time.monotonic() - at
            except (OSError, urllib.error.URLError):
                pass
        time.sleep(0.02)
    left = [rank for rank, process in enumerate(ranks.processes) if rank != victim and process.poll() is None]
    assert not left, f"ranks {left} go on {PATIENCE} s after {how} of rank {victim}: {ranks.said}"
    assert all(p.returncode != 0 for r, p in enumerate(ranks.processes) if r != victim), ranks.said
    for answer in answers:
        answer.join(SLACK)
        assert not answer.is_alive(), "a request hangs"
    return unhealthy


class Asking(threading.Thread):
    def __init__(self, url, body, wanted):
        super().__init__(daemon=True)
        self.url, self.body, self.wanted, self.wrong, self.failed = url, body, wanted, None, False
        self.start()

    def run(self):
        try:
            while True:
                status, answer = ask(self.url, self.body)
                if status != 200:
                    self.failed = True
                    return
                if answer["choices"] != self.wanted["choices"]:
                    self.wrong = answer
                    return
        except (OSError, urllib.error.URLError, ValueError):
            self.failed = True


def inject(start, demo, seed, reference):
    chance = random.Random(seed)
    size = chance.choice([2, 3, 4])
    victim, how = chance.randrange(size), chance.choice(["kill", "stop"])
    split = SPLITS[seed % 2]
    ranks = serve(start, demo, size, "--split", split)
    url = ranks.url()
    body = chat("The quick brown fox jumps over the lazy dog. " * 10, max_tokens=30)
    wanted = reference.setdefault((split, size if split == "tensor" else 0), ask(url, body)[1])
    answers = [Asking(url, body, wanted) for _ in range(3)]
    time.sleep(chance.uniform(0, 1))
    at = break_rank(ranks, victim, how)
    check_end(ranks, url, victim, how, at, answers if not (victim == 0 and how == "stop") else [])
    ranks.kill()
    for answer in answers:
        answer.join(5)
        assert answer.wrong is None and answer.failed, (seed, split, size, victim, how)


@pytest.mark.parametrize("split, victim, how", [("pipeline", 1, "kill"), ("pipeline", 1, "stop"), ("pipeline", 0, "stop"),
                                                ("tensor", 1, "kill"), ("tensor", 2, "stop"), ("tensor", 0, "stop")])
def test_a_rank_that_is_lost_ends_all(start, demo, split, victim, how):
    ranks = serve(start, demo, 3, "--split", split)
    url = ranks.url()
    body = chat("The quick brown fox jumps over the lazy dog. " * 10, max_tokens=30)
    wanted = ask(url, body)[1]
    answers = [Asking(url, body, wanted) for _ in range(3)]
    time.sleep(0.3)
    at = break_rank(ranks, victim, how)
    unhealthy = check_end(ranks, url, victim, how, at, answers if victim != 0 else [])
    if victim == 0:
        return
    assert unhealthy is not None, "/health never said that the ranks are lost"
    assert all(answer.failed and answer.wrong is None for answer in answers)
    assert f"rank {victim}" in "\n".join(ranks.said[0]), ranks.said


class Network:
    """A machine of its own for rank 1, as far as the network is concerned: a cable that can be cut."""

    def __init__(self):
        self.name = f"glimt{os.getpid()}"
        self.cable = f"gl{os.getpid()}"
        try:
            self.ip("netns", "add", self.name)
            self.ip("link", "add", self.cable, "type", "veth", "peer", "name", "far", "netns", self.name)
            self.ip("addr", "add", "10.213.77.1/30", "dev", self.cable)
            self.ip("link", "set", self.cable, "up")
            self.ip("-n", self.name, "addr", "add", "10.213.77.2/30", "dev", "far")
            self.ip("-n", self.name, "link", "set", "far", "up")
        except (OSError, subprocess.CalledProcessError) as error:
            self.remove()
            pytest.skip(f"network namespaces are not permitted here: {error}")

    @staticmethod
    def ip(*arguments):
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    def cut(self):
        self.ip("link", "set", self.cable, "down")

    def remove(self):
        for arguments in (["netns", "del", self.name], ["link", "del", self.cable]):
            try:
                subprocess.run(["ip", *arguments], capture_output=True)
            except OSError:
                return


@pytest.fixture
def network():
    made = Network()
    yield made
    made.remove()


@pytest.mark.parametrize("split", SPLITS)
def test_a_network_that_is_lost_ends_all(start, demo, network, split):
    """Nobody says that a connection ended: packets just do not arrive any more."""
    arguments = ["serve", demo, "--split", split, "--port", "0", "--threads", "1", "--cache-memory", "64MB", "--step-limit", LIMIT]
    ranks = start(2, *arguments, addresses=[f"10.213.77.{rank + 1}:{port}" for rank, port in enumerate(ports(2))],
                  within={1: ["ip", "netns", "exec", network.name]})
    url = ranks.url()
    body = chat("The quick brown fox jumps over the lazy dog. " * 10, max_tokens=30)
    wanted = ask(url, body)[1]
    answers = [Asking(url, body, wanted) for _ in range(2)]
    time.sleep(0.3)
    network.cut()
    at = time.monotonic()
    assert check_end(ranks, url, None, "cut", at, answers) is not None
    assert all(answer.failed and answer.wrong is None for answer in answers)
    assert all("nothing was heard of it" in "\n".join(said) for said in ranks.said), ranks.said


@pytest.mark.skipif("GLIMT_FAULTS" not in os.environ, reason="GLIMT_FAULTS=N injects N faults, about 8 s each")
def test_faults_at_random_moments(start, demo):
    reference = {}
    first = int(os.environ.get("GLIMT_FAULTS_SEED", "0"))
    for seed in range(first, first + int(os.environ["GLIMT_FAULTS"])):
        inject(start, demo, seed, reference)
