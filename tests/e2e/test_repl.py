"""The conversation in a terminal, through a pseudo-terminal as a user sees it."""

import json
import os
import re
import stat

import pexpect
import pytest

PROMPT = ">>> "


@pytest.fixture
def repl(glimt, demo, environment):
    children = []

    def start(*arguments, env=None):
        child = pexpect.spawn(
            glimt, ["run", demo, *arguments], env={**environment, "TERM": "xterm", **(env or {})}, encoding="utf-8",
            dimensions=(40, 200), timeout=60,
        )
        child.delaybeforesend = 0.05
        children.append(child)
        child.expect_exact(PROMPT)
        return child

    yield start
    for child in children:
        child.close(force=True)


def plain(text):
    """Without escape sequences, carriage returns and what the line editor echoes by moving the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


def say(child, line):
    """Types a line and returns what is shown until the next prompt."""
    child.sendline(line)
    child.expect_exact(PROMPT)
    return plain(child.before)


def end(child):
    child.sendline("/bye")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_answers_and_ends(repl):
    child = repl("--no-think", "--temperature", "0")
    shown = say(child, "Hello!")
    assert len(shown.split("Hello!", 1)[1].strip()) > 3
    end(child)


def test_ctrl_d_ends(repl):
    child = repl()
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_thinking_is_dimmed(repl):
    child = repl("--temperature", "0")
    child.sendline("What is 2 plus 3?")
    child.expect_exact("\033[2m")
    child.expect_exact("\033[0m")
    child.expect_exact(PROMPT)
    end(child)
    child = repl("--temperature", "0", env={"NO_COLOR": "1"})
    child.sendline("What is 2 plus 3?")
    child.expect_exact(PROMPT)
    assert "\033[2m" not in child.before
    end(child)


def test_ctrl_c_stops_the_answer_and_not_the_program(repl, endless):
    child = repl("--no-think", *endless)
    child.sendline("Tell me a story.")
    child.expect(r"story\.\s+\S+ \S+ \S+")
    child.sendintr()
    child.expect_exact("(stopped)")
    child.expect_exact(PROMPT)
    assert "prompt" in say(child, "/stats")
    child.sendline("And another one.")
    child.expect(r"one\.\s+\S+ \S+ \S+")
    child.sendintr()
    child.expect_exact(PROMPT)
    end(child)


def test_ctrl_c_drops_the_line(repl):
    child = repl("--no-think", "--temperature", "0")
    child.send("half a line")
    child.expect_exact("half a line")
    child.sendintr()
    child.expect_exact(PROMPT)
    for _ in range(5):  # also many times on an empty line
        child.sendintr()
        child.expect_exact(PROMPT)
    assert "listen" not in say(child, "/set")
    end(child)


def test_history_outlives_the_program(repl, tmp_path):
    child = repl()
    assert "thinking: on" in say(child, "/think")
    say(child, "/set top_k 17")
    end(child)
    file = tmp_path / ".local" / "state" / "glimt" / "history"
    assert "/set" in file.read_text() and "17" in file.read_text()
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    child = repl()
    child.send("\033[A\033[A")  # up: /bye, then /set
    child.sendline("")
    child.expect_exact(PROMPT)
    shown = say(child, "/set")
    assert re.search(r"top_k +17", shown)
    end(child)


def test_settings(repl):
    child = repl()
    assert "no such setting" in say(child, "/set warmth 3")
    assert "top_p: must be from 0 to 1" in say(child, "/set top_p 7")
    shown = say(child, "/set top_p")
    assert re.search(r"top_p +0\.95 ", shown) and "top_k" not in shown
    say(child, "/set top-p 0.25")
    say(child, "/set stop END")
    shown = say(child, "/set")
    assert re.search(r"top_p +0.25", shown) and '["END"]' in shown
    assert "no such command" in say(child, "/sing")
    shown = say(child, "/help")
    for command in ["/system", "/set", "/think", "/nothink", "/clear", "/save FILE", "/load FILE", "/session save FILE",
                    "/session load FILE", "/stats", "/bye", "/tools"]:
        assert command in shown
    assert "nothing has been answered" in say(child, "/stats")
    end(child)


def test_save_and_load(repl, tmp_path):
    file = tmp_path / "talk.json"
    child = repl("--temperature", "0")
    assert "thinking: off" in say(child, "/nothink")
    assert "Be brief." in say(child, "/system Be brief.")
    say(child, "My name is Ann.")
    assert "saved 2 messages" in say(child, f"/save {file}")
    assert file.stat().st_mode & 0o777 == 0o600
    talk = json.loads(file.read_text())
    assert [m["role"] for m in talk["messages"]] == ["system", "user", "assistant"]
    assert talk["messages"][1]["content"] == "My name is Ann." and talk["enable_thinking"] is False
    assert "forgot 2 messages" in say(child, "/clear")
    assert "saved 0 messages" in say(child, f"/save {tmp_path / 'empty.json'}")
    assert "loaded 2 messages" in say(child, f"/load {file}")
    say(child, f"/save {tmp_path / 'again.json'}")
    assert json.loads((tmp_path / "again.json").read_text()) == talk
    assert "nowhere.json" in say(child, f"/load {tmp_path / 'nowhere.json'}")
    assert "a file is wanted" in say(child, "/save")
    assert "cannot write" in say(child, "/save /nowhere/talk.json")
    end(child)


def test_a_session_goes_to_a_file_and_comes_back(repl, tmp_path):
    file, talk = tmp_path / "rows", tmp_path / "talk.json"
    flags = ["--no-think", "--temperature", "0", "--stats", "--max-tokens", "20"]
    child = repl(*flags)
    assert "nothing of this conversation" in say(child, f"/session save {file}")
    assert not file.exists()
    say(child, "Hi")
    assert "no full block" in say(child, f"/session save {file}")
    say(child, "Tell me about " + "the sea and the road " * 60)
    say(child, f"/save {talk}")
    shown = say(child, f"/session save {file}")
    tokens, size, unit = re.search(r"saved (\d+) tokens, ([0-9.]+) (kB|MB)", shown).groups()
    assert int(tokens) >= 256 and int(tokens) % 128 == 0
    assert abs(float(size) * {"kB": 1e3, "MB": 1e6}[unit] - file.stat().st_size) <= {"kB": 50, "MB": 5e4}[unit]
    say(child, "/clear")
    assert "nothing of this conversation" in say(child, f"/session save {tmp_path / 'none'}")
    end(child)

    child = repl(*flags)
    shown = say(child, f"/session load {file}")
    assert f"loaded {tokens} tokens, {size} {unit}" in shown
    say(child, f"/load {talk}")
    assert "nothing of this conversation" in say(child, f"/session save {tmp_path / 'none'}")  # its tokens are not known yet
    shown = say(child, "And now?")
    assert int(re.search(r"(\d+) of them kept from before", shown).group(1)) >= int(tokens) - 1
    end(child)


def test_a_bad_session_is_an_error_and_the_conversation_goes_on(repl, tmp_path):
    file = tmp_path / "rows"
    child = repl("--no-think", "--temperature", "0", "--max-tokens", "3")
    for line in ["/session", "/session save", "/session load", "/session keep x", "/session savefile"]:
        assert "save FILE or load FILE is wanted" in say(child, line)
    assert "rows" in say(child, f"/session load {file}")
    say(child, "Tell me about " + "the sea and the road " * 60)
    assert "cannot write" in say(child, "/session save /nowhere/rows")
    assert "saved" in say(child, f"/session save {file}")
    good = file.read_bytes()
    for bad, words in [(good[:-7], "rows: holds"), (b"", "rows: "), (b"no session at all" * 9, "not a session"),
                       (good[:9999] + bytes([good[9999] ^ 1]) + good[10000:], "rows: is damaged")]:
        file.write_bytes(bad)
        assert words in say(child, f"/session load {file}")
    file.write_bytes(good)
    assert "loaded" in say(child, f"/session load {file}")
    assert "glimt" not in say(child, "Hello!")
    end(child)
    child = repl("--cache-type", "q8")
    assert "is of another model, cache type" in say(child, f"/session load {file}")
    end(child)


def test_messages_of_several_lines(repl, tmp_path):
    child = repl("--no-think", "--temperature", "0", "--max-tokens", "3")
    child.sendline('"""Say this:')
    child.expect_exact("... ")
    child.sendline("  one")
    child.expect_exact("... ")
    child.sendline('two"""')
    child.expect_exact(PROMPT)
    child.sendline("first\\")
    child.expect_exact("... ")
    child.sendline("second")
    child.expect_exact(PROMPT)
    child.sendline('"""one line"""')
    child.expect_exact(PROMPT)
    child.sendline("größer 日本 🙂")
    child.expect_exact(PROMPT)
    child.sendline('"""dropped')
    child.expect_exact("... ")
    child.sendintr()
    child.expect_exact(PROMPT)
    file = tmp_path / "talk.json"
    say(child, f"/save {file}")
    spoken = [m["content"] for m in json.loads(file.read_text())["messages"] if m["role"] == "user"]
    assert spoken == ["Say this:\n  one\ntwo", "first\nsecond", "one line", "größer 日本 🙂"]
    end(child)


def test_the_conversation_is_remembered_and_its_prefix_reused(repl):
    child = repl("--no-think", "--temperature", "0", "--stats")
    say(child, "My name is Ann.")
    assert "kept from before" in say(child, "What is my name?")
    end(child)


def test_tool_results_can_be_typed(repl, tmp_path):
    tools = [{"type": "function", "function": {"name": "get_battery", "description": "Get the battery level",
                                               "parameters": {"type": "object", "properties": {}, "required": []}}}]
    (tmp_path / "tools.json").write_text(json.dumps(tools))
    child = repl("--no-think", "--temperature", "0", "--tools", str(tmp_path / "tools.json"))
    child.sendline("Check the battery.")
    if child.expect_exact(["result of get_battery> ", PROMPT]) == 1:
        pytest.skip("the demo model did not call the tool")
    child.sendline('{"result": "80 percent"}')
    child.expect_exact(PROMPT)
    file = tmp_path / "talk.json"
    say(child, f"/save {file}")
    assert [m["role"] for m in json.loads(file.read_text())["messages"]] == ["user", "assistant", "tool", "assistant"]
    end(child)


def test_an_error_does_not_end_the_conversation(repl, tmp_path):
    child = repl("--no-think", "--temperature", "0", "--context", "64")
    shown = say(child, "word " * 100)
    assert "glimt: prompt" in shown and "context" in shown
    say(child, "Hello!")
    file = tmp_path / "talk.json"
    assert "saved 2 messages" in say(child, f"/save {file}")
    end(child)
