"""What a kill at any change, and a disk that is full or fails at any change, leave of convert, cp, rm and pull.

faults.cpp, preloaded, counts what glimt changes below its home and makes the n-th change fail or the process die. Some of
the changes are tried here; GLIMT_LONG_TESTS=1 tries each of them.
"""

import errno
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import serving

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from fake_hub import Hub  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parents[1] / "tests" / "golden" / "mtp"
LONG = os.environ.get("GLIMT_LONG_TESTS")
COMMANDS = {
    "convert": ["convert", GOLDEN, "{home}/made", "--quantize", "affine", "--threads", "2"],
    "convert to a name": ["convert", GOLDEN, "me/made", "--quantize", "affine", "--group-size", "32"],
    "cp": ["cp", "me/there", "me/copy"],
    "rm": ["rm", "me/there"],
    "pull": ["pull", "org/model"],
    "pull of a newer commit": ["pull", "org/older"],
}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    if shutil.which("c++") is None:
        pytest.skip("needs a compiler")
    made = tmp_path_factory.mktemp("faults") / "faults.so"
    subprocess.run(["c++", "-std=c++20", "-O1", "-shared", "-fPIC", "-o", made, HERE / "faults.cpp", "-ldl"], check=True)
    return made


@pytest.fixture(scope="module")
def hub():
    tokenizer = json.dumps({"words": ["x"] * 1000}).encode()
    index = {"metadata": {}, "weight_map": {f"t{i}": f"model-0000{i}-of-00002.safetensors" for i in (1, 2)}}
    files = {name: os.urandom(150_000) for name in index["weight_map"].values()}
    config = (GOLDEN / "config.json").read_bytes()
    hub = Hub({"config.json": config, "tokenizer.json": tokenizer, "model.safetensors.index.json": json.dumps(index).encode(), **files})
    yield hub
    hub.close()


class World:
    """A home with a model me/there, an older commit of org/older, and the program, which finds nothing else."""

    def __init__(self, glimt, environment, hub, library, folder):
        self.glimt, self.hub, self.folder = glimt, hub, folder
        self.home = folder / "home"
        self.log = folder / "log"
        self.environment = {**environment, "HOME": str(self.home), "GLIMT_HOME": str(self.home / "glimt"), "HF_ENDPOINT": hub.url}
        self.environment |= {"GLIMT_PULL_BACKOFF": "1", "GLIMT_FAULT_UNDER": str(self.home), "GLIMT_FAULT_LOG": str(self.log)}
        self.preload = str(library)
        self.home.mkdir(parents=True)
        self.call(["convert", GOLDEN, "me/there", "--repack"])
        newer, hub.name = dict(hub.files), "org/older"
        hub.files["tokenizer.json"], hub.commit = b'{"words": []}', "1" * 40
        self.call(["pull", "org/older"])
        hub.files, hub.commit = newer, "2" * 40
        shutil.move(self.home, folder / "template")

    def begin(self):
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(self.folder / "template", self.home)

    def arguments(self, command):
        return [str(word).replace("{home}", str(self.home)) for word in command]

    def call(self, command, fault=None):
        self.log.unlink(missing_ok=True)
        self.hub.name = command[1] if command[0] == "pull" else self.hub.name
        more = {"LD_PRELOAD": self.preload, "GLIMT_FAULT": fault} if fault is not None else {}
        return subprocess.run([self.glimt, *self.arguments(command)], env={**self.environment, **more}, capture_output=True, text=True, timeout=120)

    def changes(self, command):
        """The changes that a command makes when nothing goes wrong: (call, path) each."""
        self.begin()
        assert self.call(command, "").returncode == 0
        return self.logged()

    def logged(self):
        return [tuple(line.split(" ", 1)) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def seen(self):
        """What a reader sees: path -> content of all files that are not hidden."""
        files = {}
        for folder, folders, names in os.walk(self.home):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in set(names) - {".filler"}:
                path = pathlib.Path(folder) / name
                files[str(path.relative_to(self.home))] = path.read_bytes()
        return files

    def hidden(self):
        """What lies unseen."""
        found = []
        for folder, folders, names in os.walk(self.home):
            if any(part in (".unfinished", ".removed") for part in pathlib.Path(folder).parts):
                found += [os.path.relpath(os.path.join(folder, name), self.home) for name in folders + names]
        return found

    def told(self, command):
        """The changes that the command makes, and what is seen before and behind it; then the world begins anew."""
        changes = self.changes(command)
        new = self.seen()
        self.begin()
        return changes, self.seen(), new


@pytest.fixture
def world(glimt, environment, hub, library, tmp_path):
    return World(glimt, environment, hub, library, tmp_path / "world")


def chosen(changes, most):
    """The numbers of the changes to try: all, or some, evenly spread."""
    numbers = list(range(1, len(changes) + 1))
    if LONG or len(changes) <= most:
        return numbers
    return [numbers[(2 * i + 1) * len(numbers) // (2 * most)] for i in range(most)]


def assert_retry_works(world, command, new):
    """The command again, without a fault: then all is as it should be and nothing is left over."""
    done = world.seen() == new
    result = world.call(command)
    if not (done and re.search("is there already|there is no such model", result.stderr)):
        assert result.returncode == 0, result.stderr
    assert world.seen() == new
    if world.hidden() == []:
        return
    # Whatever a process left that had done its work is swept by the next that changes something.
    for other in (["rm", "me/nothing"], ["convert", GOLDEN, world.home / "made", "--repack"], ["pull", world.hub.name]):
        world.call(other)
    assert world.hidden() == []


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_kill_at_any_change_leaves_old_or_new(world, command):
    changes, old, new = world.told(command)
    tried = 0
    for number in chosen(changes, 5):
        for fault in ("kill", "half") if LONG else ("half",):
            world.begin()
            result = world.call(command, f"{fault} {number}")
            at = f"{fault} {number} {changes[number - 1]}"
            assert result.returncode == -9 or number > len(world.logged()), (at, result)
            assert world.seen() in (old, new), at
            assert_retry_works(world, command, new)
            tried += 1
    print(f"{tried} kills at {len(changes)} changes")


def names_of(path):
    """What a message may call a file: itself, or what it is to become: .part of the hub's files, …/config.json.01234567."""
    path = pathlib.Path(path)
    return {path.name, re.sub(r"\.[0-9a-f]{8}$", "", path.name), path.parent.name}


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT"] if LONG else ["ENOSPC", "EIO"])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_an_error_at_any_change_is_said_and_leaves_old_or_new(world, command, error):
    changes, old, new = world.told(command)
    refused = 0
    for number in chosen(changes, 4):
        for mode in ("once", "on") if LONG else ("on",) if error == "ENOSPC" else ("once",):
            world.begin()
            result = world.call(command, f"{mode} {getattr(errno, error)} {number}")
            logged, at = world.logged(), f"{mode} {error} {number} {changes[number - 1]}: {result.stderr}"
            assert world.seen() in (old, new), at
            if result.returncode == 0:  # the change did not matter, as a folder that cannot be synced, or was made in another way
                assert world.seen() == new, at
                assert_retry_works(world, command, new)
                continue
            refused += 1
            assert result.returncode in (1, 2), at
            messages = [line for line in result.stderr.splitlines() if line.startswith("glimt: ")]
            assert len(messages) == 1, at
            assert os.strerror(getattr(errno, error)) in messages[0], at
            assert any(name in messages[0] for call, path in logged[number - 1 :] for name in names_of(path)), at
            if command[0] != "pull":  # which keeps what has arrived
                assert world.hidden() == [], at
            assert_retry_works(world, command, new)
    print(f"{refused} errors at {len(changes)} changes")


# --- a server goes on ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_a_server_pulls_again_after_an_error(world, error):
    """/api/pull fails at a change, and the same process does it when it is asked again."""
    world.changes(["pull", "org/model"])
    new, changes = world.seen(), world.logged()
    for number in chosen(changes, 2):
        world.begin()
        world.log.unlink(missing_ok=True)
        fault = {"LD_PRELOAD": world.preload, "GLIMT_FAULT": f"once {getattr(errno, error)} {number}"}
        server = serving.Running([world.glimt, "serve", "--port", 0], env={**world.environment, **fault})
        try:
            for attempt in range(2):
                _, _, body = server.ask("POST", "/api/pull", {"model": "org/model"})
                last = json.loads(body.splitlines()[-1])
                if last == {"status": "success"}:
                    break
                assert attempt == 0 and os.strerror(getattr(errno, error)) in last["error"], (number, last)
            assert last == {"status": "success"} and world.seen() == new
        finally:
            assert server.stop() == 0


# --- a small disk -------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(world):
    """Mounts a tmpfs of so many bytes as the home."""
    mounted = []

    def mount(size):
        unmount()
        world.home.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", world.home], capture_output=True)
        if done.returncode != 0:
            pytest.skip("may not mount a file system")
        mounted.append(world.home)
        shutil.copytree(world.folder / "template", world.home, dirs_exist_ok=True)

    def unmount():
        while mounted:
            subprocess.run(["umount", mounted.pop()], check=True)

    shutil.rmtree(world.home, ignore_errors=True)
    yield mount
    unmount()


@pytest.mark.parametrize("name", ["convert", "cp", "pull", "pull of a newer commit"])
def test_a_disk_that_is_full_at_any_size(world, small_disk, name):
    """A disk with a little more room each time, without the reserve that glimt wants to be free."""
    command = COMMANDS[name]
    world.changes(command)
    new = world.seen()
    world.begin()
    old = world.seen()
    refused = 0
    for step in range(40 if LONG else 3):
        small_disk(32 << 20)
        free = os.statvfs(world.home).f_bavail * 4096 - (step * (60_000 if LONG else 300_000))
        with open(world.home / ".filler", "wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, max(free, 4096))
        result = world.call(command)
        assert world.seen() in (old, new), result.stderr
        if result.returncode != 0:
            refused += 1
            messages = [line for line in result.stderr.splitlines() if line.startswith("glimt: ")]
            assert len(messages) == 1 and ("free" in messages[0] or "space" in messages[0]), result.stderr
            assert world.hidden() == [] or command[0] == "pull"
        (world.home / ".filler").unlink()
        assert_retry_works(world, command, new)
    assert refused > 0
