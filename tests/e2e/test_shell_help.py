"""Man pages and completions: made from the help texts, they must have every command and flag, and work in their shells."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made(glimt, tmp_path_factory):
    out = tmp_path_factory.mktemp("made")
    subprocess.run([sys.executable, ROOT / "scripts/shell_help.py", glimt, out], check=True,
                   env={**os.environ, "SOURCE_DATE_EPOCH": "0"})
    return out


def flags_in(text):
    """The flags of a help text, read without the script: "  -h,--help …", "  --port N …"."""
    return [flag for line in text.splitlines() if line.startswith("  -") for flag in line.split()[0].split(",")]


@pytest.fixture(scope="module")
def flags(glimt):
    """command -> its flags; "" -> those of the program."""
    top = subprocess.run([glimt, "--help"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^  ([a-z][\w-]*)(?: |$)", top.split("Subcommands:")[1], re.MULTILINE)
    helps = {name: subprocess.run([glimt, name, "--help"], capture_output=True, text=True, check=True).stdout for name in commands}
    found = {"": flags_in(top), **{name: flags_in(text) for name, text in helps.items()}}
    assert len(commands) > 10 and "--port" in found["serve"] and "--version" in found[""]
    return found


def has_word(text, word):
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None


def test_every_flag_has_its_place_in_the_man_pages(made, flags):
    for command, wanted in flags.items():
        page = (made / "man" / f"glimt{'-' * bool(command)}{command}.1").read_text().replace("\\-", "-")
        assert [flag for flag in wanted if not has_word(page, flag)] == [], command
        assert ".SH NAME" in page and ".SH SYNOPSIS" in page
    overview = (made / "man" / "glimt.1").read_text().replace("\\-", "-")
    assert all(f'.B "{command}"' in overview and f"glimt-{command} (1)" in overview for command in flags if command)
    assert len(list((made / "man").iterdir())) == len(flags)


def in_shell(name, *arguments, env=None):
    shell = shutil.which(name)
    if shell is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run([shell, *arguments], capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})})
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def test_man_shows_them_without_a_warning(made):
    in_shell("mandoc", "-T", "lint", "-W", "warning", *sorted((made / "man").iterdir()))


@pytest.fixture
def with_glimt(glimt, tmp_path):
    """The environment in which `glimt` is the program, and its store is empty."""
    (tmp_path / "glimt").symlink_to(os.path.abspath(glimt))
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "GLIMT_MODELS": str(tmp_path / "none")}


def bash_words(made, env, *words):
    script = f"""source {made}/bash/glimt; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _glimt; printf '%s\\n' "${{COMPREPLY[@]}}" """
    return in_shell("bash", "-c", script, "bash", *words, env=env).split()


def test_bash(made, flags, with_glimt):
    assert set(bash_words(made, with_glimt, "glimt", "")) == {command for command in flags if command} | set(flags[""])
    for command in filter(None, flags):
        assert set(bash_words(made, with_glimt, "glimt", command, "-")) == set(flags[command])
    assert bash_words(made, with_glimt, "glimt", "serve", "--de") == ["--device"]
    assert bash_words(made, with_glimt, "glimt", "serve", "--device", "") == ["cpu", "gpu"]
    assert bash_words(made, with_glimt, "glimt", "run", "--cache-type", "") == ["f32", "bf16", "q8"]
    assert bash_words(made, with_glimt, "glimt", "run", "--seed", "") == []
    assert "LICENSE" in bash_words(made, with_glimt, "glimt", "serve", "--tls-cert", "LIC")
    assert "demo" in bash_words(made, with_glimt, "glimt", "show", "de")


def test_fish(made, flags, with_glimt):
    def words(line):
        out = in_shell("fish", "--no-config", "-c", f"source {made}/fish/glimt.fish; complete -C '{line}'", env=with_glimt)
        return {row.split("\t")[0] for row in out.splitlines()}

    assert words("glimt ") >= {command for command in flags if command}
    for command in filter(None, flags):
        assert words(f"glimt {command} -") >= {flag for flag in flags[command]}
    assert words("glimt serve --device ") == {"cpu", "gpu"}


def test_zsh(made, flags):
    file = made / "zsh" / "_glimt"
    in_shell("zsh", "-n", file)
    cases = re.split(r"^    (\S+)\)$", file.read_text(), flags=re.MULTILINE)
    by_command = dict(zip(cases[1::2], cases[2::2]))
    for command in filter(None, flags):
        assert [flag for flag in flags[command] if not re.search(rf"^ +'\*?{flag}\[", by_command[command], re.MULTILINE)] == []
    # And it loads.
    in_shell("zsh", "-f", "-c", f"autoload -Uz compinit && compinit -u -D && source {file} && whence -w _glimt")
