"""glimt launch: ranks as processes of this machine, and behind a pretended ssh; none is left behind, however it ends."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pexpect
import pytest

QUESTION = "What is 46 plus 93?"
SERVE = ["serve", "--port", "0", "--threads", "1", "--cache-memory", "64MB"]

# Like ssh: a process of its own between this machine and the other one, whose death the program there sees as the end
# of its input and no more. Its arguments are kept.
SSH = """#!/bin/sh
printf '%s\\n' "$@" > "$FAKE_SSH_LOG"
for command; do :; done
[ "$HOST_IS_DOWN" ] && { echo 'ssh: connect to host elsewhere port 22: No route to host' >&2; exit 255; }
cd / && exec 3<&0 && { sh -c "$command" <&3 & } && wait $!
"""


@pytest.fixture
def hostfile(tmp_path):
    path = tmp_path / "hosts.json"
    path.write_text(json.dumps({"hosts": [{"ssh": "127.0.0.1", "ips": ["127.0.0.1"]}, {"ssh": "me@elsewhere", "ips": ["127.0.0.1"]}],
                                "envs": ["FROM_THE_FILE=yes"]}))
    return str(path)


@pytest.fixture
def ssh(tmp_path, environment):
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(SSH)
    program.chmod(0o755)
    return {**environment, "PATH": f"{program.parent}:{os.environ['PATH']}", "FAKE_SSH_LOG": str(tmp_path / "ssh.log")}


def environment_of(pid):
    try:
        variables = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    return dict(variable.decode().split("=", 1) for variable in variables if b"=" in variable)


def ranks(mark):
    """rank -> pid, of the launch whose environment has this variable."""
    found = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        variables = environment_of(folder.name)
        if variables.get("MARK") == mark and "MLX_RANK" in variables:
            found[int(variables["MLX_RANK"])] = int(folder.name)
    return found


def processes(mark):
    return [folder.name for folder in pathlib.Path("/proc").glob("[0-9]*") if environment_of(folder.name).get("MARK") == mark]


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def is_healthy(url):
    try:
        return urllib.request.urlopen(url, timeout=10).status == 200
    except urllib.error.HTTPError:
        return False


class Launch:
    """A launch that goes on in the background, marked so that its processes can be found wherever they hang."""

    def __init__(self, command, env):
        self.mark = os.urandom(8).hex()
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env={**env, "MARK": self.mark})

    def wait_for_ranks(self, count):
        until(lambda: len(ranks(self.mark)) == count)
        return ranks(self.mark)

    def end(self, seconds=60):
        """(status, what it said), once no process of it is left."""
        _, errors = self.process.communicate(timeout=seconds)
        until(lambda: not processes(self.mark))
        return self.process.returncode, errors


@pytest.fixture
def launch(glimt, environment):
    started = []

    def start(*arguments, env=None):
        started.append(Launch([glimt, "launch", *arguments], env or environment))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
        until(lambda: not processes(one.mark))


def test_rank_zero_answers_as_if_alone(run, demo):
    alone = run("run", demo, QUESTION, "--temperature", "0")
    for command, input in ((["run", demo, QUESTION, "--temperature", "0"], ""), (["run", demo, "--temperature", "0"], QUESTION)):
        done = run("launch", "--local", "2", "--", *command, input=input)
        assert (done.returncode, done.stdout) == (0, alone.stdout), done.stderr
        assert all(re.match(r"\[[01]\] ", line) for line in done.stderr.splitlines()), done.stderr


def test_a_rank_alone_is_no_rank(run, demo):
    done = run("launch", "--local", "1", "--", "bench", demo, "--threads", "1", "--prompt", "16", "--generate", "2", "--repeat", "1", "--json")
    assert done.returncode == 0 and json.loads(done.stdout.splitlines()[0])["tokens_per_second"] > 0, done.stderr


@pytest.mark.parametrize("arguments, message", [
    (["--", "run"], "launch: either --local N or --hostfile FILE is wanted"),
    (["--local", "2", "--hostfile", "x", "--", "run"], "either --local N or --hostfile FILE"),
    (["--local", "2"], "-- and one of run, serve, bench"),
    (["--local", "2", "--", "list"], "got 'list'"),
    (["--local", "2", "--", "launch", "--local", "2"], "got 'launch'"),
    (["--local", "0", "--", "run"], "--local"),
    (["--local", "65", "--", "run"], "--local"),
    (["--hostfile", "/no/such/file", "--", "run"], "/no/such/file"),
    (["--local", "2", "--grace", "-1", "--", "run"], "--grace"),
    (["--watch-rank"], "--watch-rank: a line with the settings of a rank is wanted"),
])
def test_what_is_wrong_is_said(run, arguments, message):
    done = run("launch", *arguments)
    assert done.returncode == 2 and message in done.stderr and done.stdout == "", done.stderr


def test_the_message_of_a_rank_says_whose_it_is(run):
    done = run("launch", "--local", "2", "--", "run", "no/such/model", "hello")
    assert done.returncode == 2, done.stderr
    assert re.search(r"^\[[01]\] glimt: no/such/model", done.stderr, re.MULTILINE), done.stderr
    assert re.search(r"^glimt launch: rank [01] exited with status 2", done.stderr, re.MULTILINE), done.stderr


def test_ranks_know_their_place(launch, demo):
    one = launch("--local", "3", "--grace", "1", "--", *SERVE, demo)
    pids = one.wait_for_ranks(3)
    variables = {rank: environment_of(pid) for rank, pid in pids.items()}
    assert len({all_["GLIMT_LAUNCH_TOKEN"] for all_ in variables.values()}) == 1 and len(variables[0]["GLIMT_LAUNCH_TOKEN"]) == 32
    for rank, pid in pids.items():
        number = variables[rank]["MLX_HOSTFILE"].removeprefix("/dev/fd/")
        hosts = json.loads(pathlib.Path(f"/proc/{pid}/fd/{number}").read_text())
        assert len({host for [host] in hosts}) == 3 and all(host.startswith("127.0.0.1:") for [host] in hosts)
    one.process.kill()
    assert one.end()[0] == -signal.SIGKILL, "and nothing of it is left"


def test_a_rank_that_is_killed_ends_all(launch, demo):
    for victim in (0, 1):
        one = launch("--local", "2", "--grace", "1", "--", *SERVE, demo)
        os.kill(one.wait_for_ranks(2)[victim], signal.SIGKILL)
        status, errors = one.end()
        assert status == 128 + signal.SIGKILL
        assert f"glimt launch: rank {victim} was ended by signal 9 (Killed); the others end" in errors


def test_a_server_ends_in_order(launch, demo):
    one = launch("--local", "2", "--", *SERVE, demo)
    said = next(line for line in one.process.stderr if line.startswith("[0] glimt listens on "))
    url = said.split()[-1] + "/health"
    until(lambda: is_healthy(url))
    one.process.terminate()
    status, errors = one.end()
    assert status == 0, errors


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGHUP, 129), (signal.SIGTERM, 143)])
def test_signals_end_all(launch, demo, endless, number, status):
    one = launch("--local", "2", "--", "run", demo, "Say something.", "--threads", "1", *endless)
    one.wait_for_ranks(2)
    one.process.stdout.read(10)
    one.process.send_signal(number)
    assert one.end()[0] == status


def test_ctrl_c_in_a_terminal(glimt, demo, environment):
    mark = os.urandom(8).hex()
    chat = pexpect.spawn(glimt, ["launch", "--local", "2", "--", "run", demo, "--threads", "1"], env={**environment, "MARK": mark}, timeout=60)
    chat.expect(">>> ")
    chat.sendintr()
    chat.expect(pexpect.EOF)
    chat.close()
    assert chat.exitstatus == 130
    until(lambda: not processes(mark))


# ---- other machines ----


def test_a_rank_elsewhere(glimt, launch, demo, ssh, hostfile, tmp_path):
    one = launch("--hostfile", hostfile, "--starting-port", "41990", "--", *SERVE, demo, env=ssh)
    pids = one.wait_for_ranks(2)
    there = environment_of(pids[1])
    assert there["FROM_THE_FILE"] == "yes" and there["GLIMT_LAUNCH_TOKEN"] == environment_of(pids[0])["GLIMT_LAUNCH_TOKEN"]
    number = there["MLX_HOSTFILE"].removeprefix("/dev/fd/")
    assert json.loads(pathlib.Path(f"/proc/{pids[1]}/fd/{number}").read_text()) == [["127.0.0.1:41990"], ["127.0.0.1:41991"]]
    assert os.readlink(f"/proc/{pids[1]}/cwd") == os.getcwd(), "the folder of the launch, where there is one"
    said = (tmp_path / "ssh.log").read_text()
    assert "me@elsewhere\n" in said and "BatchMode=yes" in said and there["GLIMT_LAUNCH_TOKEN"] not in said
    assert f"exec '{os.path.realpath(glimt)}' launch --watch-rank" in said
    one.process.terminate()
    assert one.end()[0] == 0


def test_a_rank_elsewhere_ends_when_the_launch_is_killed(launch, demo, ssh, hostfile):
    one = launch("--hostfile", hostfile, "--", *SERVE, demo, env=ssh)
    one.wait_for_ranks(2)
    one.process.kill()
    assert one.end()[0] == -signal.SIGKILL


def test_a_rank_elsewhere_that_is_killed_ends_all(launch, demo, ssh, hostfile):
    one = launch("--hostfile", hostfile, "--grace", "1", "--", *SERVE, demo, env=ssh)
    os.kill(one.wait_for_ranks(2)[1], signal.SIGKILL)
    status, errors = one.end()
    assert status == 128 + signal.SIGKILL
    assert "[1] glimt: rank 1 was ended by signal 9 (Killed)" in errors
    assert "glimt launch: rank 1 (me@elsewhere) exited with status 137; the others end" in errors


def test_a_rank_elsewhere_that_fails_says_so_once(launch, ssh, hostfile):
    one = launch("--hostfile", hostfile, "--grace", "1", "--", "run", "no/such/model", "hello", env=ssh)
    status, errors = one.end()
    assert status == 2 and "[1] glimt: no/such/model" in errors and "[1] glimt: rank 1" not in errors, errors


def test_a_machine_that_is_down_is_told(launch, demo, ssh, hostfile):
    one = launch("--hostfile", hostfile, "--grace", "1", "--", *SERVE, demo, env={**ssh, "HOST_IS_DOWN": "1"})
    status, errors = one.end()
    assert status == 255
    assert "[1] ssh: connect to host elsewhere port 22: No route to host" in errors
    assert "glimt launch: rank 1 (me@elsewhere) exited with status 255; the others end" in errors


def test_glimt_that_is_not_there_is_told(launch, demo, ssh, hostfile):
    one = launch("--hostfile", hostfile, "--program", "/no/such/glimt", "--grace", "1", "--", *SERVE, demo, env=ssh)
    status, errors = one.end()
    assert status == 127 and re.search(r"^\[1\] .*/no/such/glimt: not found", errors, re.MULTILINE), errors
