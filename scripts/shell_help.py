"""Makes man pages and completions for shells from the help texts of the program, so that no flag is listed twice.

usage: shell_help.py PROGRAM OUT_FOLDER
writes  OUT/man/glimt.1, OUT/man/glimt-COMMAND.1 …, OUT/bash/glimt, OUT/zsh/_glimt, OUT/fish/glimt.fish
"""

import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import time

MODELS = ("MODEL", "REFERENCE")  # values that `glimt list` knows
FILES = re.compile(r"(json\|)?FILE|FOLDER|PATH|OUT")
TEXT_COLUMN = 34  # where CLI11 begins what a flag does; a longer spelling has a line of its own


@dataclasses.dataclass
class Entry:
    """A flag, a positional or a command: how it is written, and what it does."""

    spelling: str
    text: str

    @property
    def names(self):
        return self.spelling.split()[0].split(",")

    @property
    def value(self):
        """What stands behind it: "" for a flag without a value."""
        words = re.sub(r"(:| Excludes:| Needs:).*", "", self.spelling).split()[1:]
        return words[0].split("=")[0] if words and words[0] not in ("REQUIRED", "...") else ""

    @property
    def choices(self):
        """The words of "cpu or gpu", "f32, bf16 (default), or q8", where the help names all that are allowed."""
        found = re.search(r": ((?:[\w-]+(?: \(default\))?,? )*(?:[\w-]+(?: \(default\))?),? or [\w-]+)\b", self.text)
        if not found or self.value in MODELS or FILES.match(self.value):
            return []
        return re.findall(r"[\w-]+", re.sub(r"\(default\)|\bor\b", "", found[1]))


@dataclasses.dataclass
class Help:
    name: str
    about: str
    usage: str
    sections: dict  # title -> [Entry]
    closing: str

    def entries(self, *without):
        return [entry for title, entries in self.sections.items() if title not in without for entry in entries]

    @property
    def flags(self):
        return self.entries("Positionals", "Subcommands")

    @property
    def commands(self):
        return self.sections.get("Subcommands", [])

    @property
    def positionals(self):
        return self.sections.get("Positionals", [])


def entry_of(line, is_command):
    """ "-h,--help", "--port N", "--context N:INT in [1 - 9]=32768", "models MODEL ... REQUIRED", "--raw Excludes: --decode" """
    spelling, text = line[2:].partition(" ")[::2] if is_command else (line[:TEXT_COLUMN], line[TEXT_COLUMN:])
    if not is_command and len(line) > TEXT_COLUMN and line[TEXT_COLUMN - 1] != " ":
        spelling, text = line, ""
    return Entry(spelling.strip(), text.strip())


def parse(name, text):
    """The help of CLI11: what it is about, usage, sections with entries whose text is wrapped, closing lines."""
    before, _, rest = text.partition("Usage: ")
    usage, _, rest = rest.partition("\n")
    sections, entries, closing = {}, None, []
    for line in rest.splitlines():
        if re.match(r"^\S.*:$", line):
            entries = sections.setdefault(line[:-1], [])
        elif line.startswith("    ") and entries:  # goes on
            entries[-1].text = f"{entries[-1].text} {line.strip()}".strip()
        elif line.startswith("  ") and entries is not None:
            entries.append(entry_of(line, is_command=entries is sections.get("Subcommands")))
        elif line.strip():
            closing.append(line)
    return Help(name, before.strip(), usage, sections, "\n".join(closing))


def read_helps(program):
    def help_of(*command):
        done = subprocess.run([program, *command, "--help"], capture_output=True, text=True, check=True)
        return parse(command[0] if command else "", done.stdout)

    top = help_of()
    if not top.commands or not top.flags:
        sys.exit(f"shell_help: the help of {program} has no commands or no flags")
    return top, [help_of(command.names[0]) for command in top.commands]


# ---- man pages ----


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in text.split("\n"))


def man_section(title, entries, mark=".B"):
    lines = [f'.SH "{roff(title.upper())}"']
    for entry in entries:
        lines += [".TP", f'{mark} "{roff(entry.spelling)}"', roff(entry.text)]
    return lines


def man_page(page, help_, version, date, extra):
    what = help_.about.split(". ")[0].rstrip(".")
    lines = [f'.TH "{page.upper()}" "1" "{date}" "glimt {version}" "User Commands"', ".SH NAME", f"{page} \\- {roff(what)}",
             ".SH SYNOPSIS", f".B {roff(help_.usage)}", ".SH DESCRIPTION", roff(help_.about)]
    for title, entries in help_.sections.items():
        lines += man_section({"Subcommands": "Commands"}.get(title, title), entries)
    if help_.closing:
        lines += [".SH NOTES", roff(help_.closing)]
    return "\n".join(lines + extra) + "\n"


EXITS = [".SH EXIT STATUS"] + [line for status, text in (
    ("0", "done"), ("1", "it broke while running"),
    ("2", "something to mend in the command line or the files; the message says what"), ("130", "interrupted"))
    for line in (".TP", f".B {status}", text)]


def write_man(folder, top, helps, version):
    # Reproducible where SOURCE_DATE_EPOCH says so.
    date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
    see = [".SH SEE ALSO"] + [f".BR glimt\\-{help_.name} (1)" + ("," if help_ is not helps[-1] else "") for help_ in helps]
    (folder / "glimt.1").write_text(man_page("glimt", top, version, date, EXITS + see))
    for help_ in helps:
        extra = EXITS + [".SH SEE ALSO", ".BR glimt (1)"]
        (folder / f"glimt-{help_.name}.1").write_text(man_page(f"glimt-{help_.name}", help_, version, date, extra))


# ---- shells ----


def kind_of(entry):
    value = entry.value.removesuffix("...")
    if entry.choices:
        return "words"
    return "models" if value in MODELS else "files" if FILES.match(value) else "none" if not entry.value else "any"


def single_quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def write_bash(folder, top, helps):
    """Words of a command; behind a flag with a value its choices, files, models, or nothing."""
    cases, values = [], []
    for help_ in helps:
        words = " ".join(name for entry in help_.flags for name in entry.names)
        kinds = {kind_of(entry) for entry in help_.positionals}
        cases.append(f"    {help_.name}) flags={single_quoted(words)} operands={'models' if 'models' in kinds else 'files'} ;;")
        for entry in help_.flags:
            if entry.value:
                kind = f"'words {' '.join(entry.choices)}'" if entry.choices else kind_of(entry)
                values += [f"    {help_.name}:{name}) value={kind} ;;" for name in entry.names]
    top_words = " ".join([entry.names[0] for entry in top.commands] + [name for entry in top.flags for name in entry.names])
    text = f"""# Completion of glimt for bash, made from its help texts.
_glimt_models() {{
  COMPREPLY=($(compgen -W "$(glimt list 2> /dev/null | awk 'NR > 1 {{ print $1 }}')" -- "$1"))
  COMPREPLY+=($(compgen -d -- "$1"))
}}

_glimt() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command=${{COMP_WORDS[1]}} flags operands value=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W {single_quoted(top_words)} -- "$word"))
    return
  fi
  case $command in
{chr(10).join(cases)}
    *) return ;;
  esac
  case $command:$before in
{chr(10).join(values)}
  esac
  case $value in
    'words '*) COMPREPLY=($(compgen -W "${{value#words }}" -- "$word")) ;;
    files) COMPREPLY=($(compgen -f -- "$word")) ;;
    models) _glimt_models "$word" ;;
    any) ;;
    *)
      if [[ $word == -* ]]; then COMPREPLY=($(compgen -W "$flags" -- "$word"))
      elif [ "$operands" = models ]; then _glimt_models "$word"
      else COMPREPLY=($(compgen -f -- "$word")); fi ;;
  esac
}}
complete -o filenames -o bashdefault -F _glimt glimt
"""
    (folder / "glimt").write_text(text)


def zsh_text(text):
    return re.sub(r"([\[\]:\\])", r"\\\1", text)


def zsh_action(entry):
    return {"models": "_glimt_models", "files": "_files", "words": f"({' '.join(entry.choices)})"}.get(kind_of(entry), " ")


def zsh_spec(entry):
    value = f":{zsh_text(entry.value)}:{zsh_action(entry)}" if entry.value else ""
    repeats = "*" if "repeatable" in entry.text or "..." in entry.spelling else ""
    return [single_quoted(f"{repeats}{name}[{zsh_text(entry.text)}]{value}") for name in entry.names]


def zsh_operand(entry):
    many = "*" if "..." in entry.spelling else ""
    return single_quoted(f"{many}:{zsh_text(entry.names[0].removesuffix('...'))}:{zsh_action(entry) if entry.value else '_files'}")


def write_zsh(folder, top, helps):
    commands = "\n".join(f"    {single_quoted(entry.names[0] + ':' + zsh_text(entry.text))}" for entry in top.commands)
    cases = []
    for help_ in helps:
        specs = [spec for entry in help_.flags for spec in zsh_spec(entry)] + [zsh_operand(entry) for entry in help_.positionals]
        cases.append(f"    {help_.name})\n      _arguments -s \\\n        " + " \\\n        ".join(specs) + " ;;")
    flags = " ".join(spec for entry in top.flags for spec in zsh_spec(entry))
    text = f"""#compdef glimt
# Completion of glimt for zsh, made from its help texts.
_glimt_models() {{
  local -a models
  models=(${{(f)"$(glimt list 2> /dev/null | awk 'NR > 1 {{ print $1 }}')"}})
  _alternative 'models:model:compadd -a models' 'folders:folder:_files -/'
}}

_glimt_command() {{
  local -a commands
  commands=(
{commands}
  )
  _describe command commands
}}

_glimt() {{
  local curcontext=$curcontext context state state_descr line
  typeset -A opt_args
  _arguments -C {flags} '1:command:_glimt_command' '*::argument:->rest'
  [ "$state" = rest ] || return
  case $line[1] in
{chr(10).join(cases)}
  esac
}}

if [ "$funcstack[1]" = _glimt ]; then _glimt "$@"; else compdef _glimt glimt; fi
"""
    (folder / "_glimt").write_text(text)


def fish_flag(entry):
    words = []
    for name in entry.names:
        words += ["-l", name[2:]] if name.startswith("--") else ["-s", name[1:]]
    action = {"none": [], "words": ["-x", "-a", single_quoted(" ".join(entry.choices))], "files": ["-r", "-F"],
              "models": ["-x", "-a", "'(__glimt_models)'"], "any": ["-x"]}[kind_of(entry)]
    return " ".join(words + action + ["-d", fish_text(entry.text)])


def fish_text(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def write_fish(folder, top, helps):
    lines = ["# Completion of glimt for fish, made from its help texts.",
             "function __glimt_models", "    glimt list 2>/dev/null | awk 'NR > 1 { print $1 }'",
             "    __fish_complete_directories (commandline -ct)", "end", "complete -c glimt -f"]
    lines += [f"complete -c glimt -n __fish_use_subcommand {fish_flag(entry)}" for entry in top.flags]
    lines += [f"complete -c glimt -n __fish_use_subcommand -a {entry.names[0]} -d {fish_text(entry.text)}" for entry in top.commands]
    for help_ in helps:
        inside = f"complete -c glimt -n '__fish_seen_subcommand_from {help_.name}'"
        lines += [f"{inside} {fish_flag(entry)}" for entry in help_.flags]
        if help_.positionals:
            models = any(kind_of(entry) == "models" for entry in help_.positionals)
            lines.append(f"{inside} " + ("-a '(__glimt_models)'" if models else "-F"))
    (folder / "glimt.fish").write_text("\n".join(lines) + "\n")


def main():
    program, out = sys.argv[1], pathlib.Path(sys.argv[2])
    top, helps = read_helps(program)
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    for name in ("man", "bash", "zsh", "fish"):
        (out / name).mkdir(parents=True, exist_ok=True)
    write_man(out / "man", top, helps, version)
    write_bash(out / "bash", top, helps)
    write_zsh(out / "zsh", top, helps)
    write_fish(out / "fish", top, helps)


if __name__ == "__main__":
    main()
