"""Agents as they come from npm, each with a task of several tool turns, against the server with a scripted model; and
npm's SDKs against the demo model.

environment: AGENTS (the folder whose node_modules has them; scripts/test_agents.sh sets it)
"""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from servers import ROOT, call_of

CONTEXT = 200_000


@pytest.fixture(params=["scripted", "engine"])
def flags(request, tmp_path):
    """Of a server that answers from a script: a scripted model, or the engine with the demo model, which is let to read
    far more than it was trained for and is held to the script by grammars."""
    if request.param == "scripted":
        return ["--context", CONTEXT]
    folder = tmp_path / "demo"
    shutil.copytree(ROOT / "models" / "demo", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": CONTEXT}))
    return ["--model", folder]


def agents_folder():
    return pathlib.Path(os.environ.get("AGENTS", ".cache/agents")).resolve()


@pytest.fixture
def run(environment, tmp_path):
    """run("claude", "-p", …, variables={…}) -> what it wrote, in an empty home and folder."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()

    def call(name, *arguments, variables):
        kept = {key: value for key, value in environment.items() if not key.startswith("XDG_")}
        result = subprocess.run(
            [str(agents_folder() / "node_modules" / ".bin" / name), *arguments],
            cwd=work,
            env={**kept, "HOME": str(home), "PWD": str(work), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
        )
        assert result.returncode == 0, result.stdout[-4000:]
        return result.stdout

    call.work = work
    call.home = home
    return call


LOG = re.compile(r" POST (?P<path>\S+) (?P<status>\d+) .*?(?:prompt=(?P<prompt>\d+) reused=(?P<reused>\d+) generated=(?P<generated>\d+)|$)")


def requests_of(server, least_prompt=0):
    """The POSTs of the access log, those with a long prompt only."""
    found = [match.groupdict() for match in map(LOG.search, server.log) if match]
    numbers = [{key: int(value) if value and value.isdigit() else value for key, value in request.items()} for request in found]
    return [request for request in numbers if (request["prompt"] or 0) >= least_prompt]


def check_requests(server, turns):
    """None was refused, and each turn repeats the prompt and the answer of the one before it to the token."""
    assert [request for request in requests_of(server) if request["status"] != 200] == [], "\n".join(server.log)
    loop = requests_of(server, least_prompt=2000)
    assert len(loop) >= turns, "\n".join(server.log)
    for before, after in zip(loop, loop[1:]):
        assert after["reused"] >= before["prompt"] + before["generated"] - 8, "\n".join(server.log)


def test_sdks_of_npm(demo):
    script = shutil.copy(pathlib.Path(__file__).with_name("sdks.mjs"), agents_folder())
    result = subprocess.run(["node", script, demo.url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200)
    assert result.returncode == 0, result.stdout


def claude_variables(server):
    return {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_AUTH_TOKEN": "none", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}


def test_claude_code(scripted, flags, run):
    file = run.work / "first.txt"
    server = scripted(
        [
            {"when": "fourth-step", "answer": "It is there.</think>All is done."},
            {"when": "has been updated", "answer": "I look.</think>" + call_of("Bash", command="cat first.txt; echo fourth-step", description="Show")},
            # Claude Code puts replace_all in front of the other arguments; a model that writes it there keeps the prefix.
            {"when": "beta", "answer": "I change it.</think>" + call_of("Edit", replace_all="false", file_path=file, old_string="beta", new_string="gamma")},
            {"when": "created successfully", "answer": "I read it.</think>" + call_of("Read", file_path=file)},
            {"answer": "I write it.</think>First I write." + call_of("Write", file_path=file, content="alpha\nbeta\n")},
        ],
        *flags,
    )
    out = run(
        "claude",
        "-p",
        "Write a file and change it.",
        "--model",
        "demo",
        "--allowedTools",
        "Write,Read,Edit,Bash",
        variables=claude_variables(server),
    )
    assert "All is done." in out
    assert file.read_text() == "alpha\ngamma\n"
    check_requests(server, 5)


def test_claude_code_searches_for_a_tool(scripted, run):
    """It keeps most of its tools back until the model looks for them: tool_reference blocks then name what was found."""
    server = scripted(
        [
            {"when": "The tool CronList is there", "answer": "I call it.</think>" + call_of("CronList")},
            {"when": "List my jobs", "answer": "I look for it.</think>" + call_of("ToolSearch", query="select:CronList")},
            {"answer": "None.</think>All is done."},
        ],
        "--context",
        CONTEXT,
    )
    out = run("claude", "-p", "List my jobs.", "--model", "demo", "--allowedTools", "CronList", variables=claude_variables(server))
    assert "All is done." in out
    statuses = [request["status"] for request in requests_of(server)]
    assert statuses == [200] * 3, "\n".join(server.log)


def codex_home(server, run):
    """Codex' configuration as docs say to write it."""
    (run.home / "config.toml").write_text(
        f"""
model = "demo"
model_provider = "local"
model_context_window = {CONTEXT}

[model_providers.local]
name = "glimt"
base_url = "{server.openai}"
wire_api = "responses"
env_key = "GLIMT_KEY"
"""
    )
    return {"CODEX_HOME": str(run.home), "GLIMT_KEY": "none"}


def run_codex(server, run, model):
    """The items of its answer."""
    options = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--json", "--model", model]
    out = run("codex", "exec", *options, "Write a file and look at it.", variables=codex_home(server, run))
    assert "unsupported call" not in out, out
    items = [json.loads(line).get("item", {}) for line in out.splitlines() if line.startswith("{")]
    assert [item["text"] for item in items if item.get("type") == "agent_message"][-1] == "All is done.", out
    assert (run.work / "first.txt").read_text() == "alpha\n"
    return items


def test_codex(scripted, flags, run):
    server = scripted(
        [
            {"when": "fourth-step", "answer": "It is there.</think>All is done."},
            {"when": "third-step", "answer": "I look.</think>" + call_of("exec_command", cmd="cat first.txt; echo fourth-step")},
            # A tool of a namespace: it fails as it should, since there is no such agent, and not for its name.
            {"when": "alpha", "answer": "I try it.</think>" + call_of("close_agent", target="third-step")},
            {"answer": "I write it.</think>First I write." + call_of("exec_command", cmd="echo alpha > first.txt; cat first.txt")},
        ],
        *flags,
    )
    items = run_codex(server, run, "demo")
    assert "First I write." in [item.get("text") for item in items]
    check_requests(server, 4)


# What Codex knows of a model decides which tools it declares, and how.
PATCH = "*** Begin Patch\n*** Add File: first.txt\n+alpha\n*** End Patch\n"
SCRIPT = 'const r = await tools.exec_command({cmd: "echo alpha > first.txt; echo Success"}); text(r.output);'


@pytest.mark.parametrize(
    ("model", "call"),
    [
        ("gpt-5.5", call_of("apply_patch", input=PATCH)),  # a custom tool
        ("gpt-6.1-sol", call_of("exec", input=SCRIPT)),  # a custom tool in a namespace, declared by an item of the input
    ],
)
def test_codex_with_a_model_that_it_knows(scripted, run, model, call):
    script = [{"when": "Success", "answer": "</think>All is done."}, {"answer": "I write it.</think>" + call}]
    server = scripted(script, "--context", CONTEXT)
    run_codex(server, run, model)
    check_requests(server, 2)


def test_opencode(scripted, flags, run):
    file = run.work / "first.txt"
    server = scripted(
        [
            {"when": "Generate a title", "answer": "</think>Files"},
            {"when": "fourth-step", "answer": "It is there.</think>All is done."},
            {"when": "Edit applied", "answer": "I look.</think>" + call_of("bash", command="cat first.txt; echo fourth-step", description="Show")},
            {"when": "beta", "answer": "I change it.</think>" + call_of("edit", filePath=file, oldString="beta", newString="gamma")},
            {"when": "Wrote file", "answer": "I read it.</think>" + call_of("read", filePath=file)},
            {"answer": "I write it.</think>First I write." + call_of("write", filePath=file, content="alpha\nbeta\n")},
        ],
        *flags,
    )
    (run.work / "opencode.json").write_text(
        json.dumps(
            {
                "provider": {
                    "glimt": {
                        "npm": "@ai-sdk/openai-compatible",
                        "options": {"baseURL": server.openai, "apiKey": "none"},
                        "models": {"demo": {"limit": {"context": CONTEXT, "output": 32_000}}},
                    }
                },
                "model": "glimt/demo",
                "small_model": "glimt/demo",
                "autoupdate": False,
                "share": "disabled",
                "permission": {"edit": "allow", "bash": "allow"},
            }
        )
    )
    out = run("opencode", "run", "Write a file and change it.", variables={})
    assert "All is done." in out
    assert file.read_text() == "alpha\ngamma\n"
    check_requests(server, 5)
