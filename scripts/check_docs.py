"""Checks the Markdown pages: no line of text is longer than 120 columns, a link to a file leads to one, and a file that
is named in `code` is there (`engine/scheduler` stands for the header and the source in src/).

Tables, code, headings and lines that cannot be broken are excepted. With --fix, paragraphs with longer lines are wrapped.
usage: python3 scripts/check_docs.py [--fix] FILE...
"""

import pathlib
import re
import sys
import textwrap

COLUMNS = 120
ITEM = re.compile(r"^(\s*)([-*+]|\d+\.)\s+")
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`[^`]+`")
PATH = re.compile(r"`((?:[a-z0-9_]+/)+[a-z0-9_.]+)`")  # not `text/Tokenizer`, which is a class
ROOT = pathlib.Path(__file__).resolve().parent.parent
GLUE = "\x00"  # stands for a blank where a line must not end


def paragraphs(lines):
    """(first, end) of each paragraph and each item of a list: what may be wrapped."""
    start, fenced, in_list = None, False, False
    for number, line in enumerate([*lines, ""]):
        stripped = line.strip()
        fence = stripped.startswith("```")
        fenced ^= fence
        item = ITEM.match(line)
        indented_code = line.startswith("    ") and start is None and not in_list
        text = bool(stripped) and not (fence or fenced or indented_code or stripped[0] in "|#>")
        if start is not None and (not text or item):
            yield start, number
            start = None
        if text and start is None:
            start = number
        if stripped:
            in_list = bool(item) or (in_list and line.startswith(" "))


def wrapped(lines):
    item = ITEM.match(lines[0])
    first = item.group(0) if item else lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    text = " ".join(line.strip() for line in lines)
    if item:
        text = text[len(item.group(0).strip()):].strip()
    text = CODE.sub(lambda code: code.group(0).replace(" ", GLUE), text)
    text = re.sub(r" ([-*+#>|]|\d+\.) ", lambda mark: f"{GLUE}{mark.group(1)} ", text)  # would begin an item
    return [line.replace(GLUE, " ") for line in textwrap.wrap(
        text, COLUMNS, initial_indent=first, subsequent_indent=" " * len(first), break_long_words=False,
        break_on_hyphens=False)]


def is_there(name):
    """Whether a path from src/ or from the root leads to a file or folder, its ending left out or not."""
    return any(base.joinpath(name).exists() or any(base.joinpath(name).parent.glob(pathlib.Path(name).name + ".*"))
               for base in (ROOT / "src", ROOT))


def broken_names(path, line):
    """Links and names of files in a line that lead nowhere."""
    for target in LINK.findall(CODE.sub("", line)):
        file = target.split("#")[0]
        if file and "://" not in file and not (path.parent / file).exists():
            yield file
    for name in PATH.findall(line):
        top = name.split("/")[0]
        if ((ROOT / top).is_dir() or (ROOT / "src" / top).is_dir()) and top != "build" and not is_there(name):
            yield name


def is_long(line):
    return len(line) > COLUMNS and " " in line.strip()


def main():
    fix = "--fix" in sys.argv
    bad = 0
    for name in (argument for argument in sys.argv[1:] if argument != "--fix"):
        path = pathlib.Path(name)
        lines = path.read_text(encoding="utf-8").split("\n")
        for first, end in reversed(list(paragraphs(lines))):
            if not any(is_long(line) for line in lines[first:end]):
                continue
            if fix:
                lines[first:end] = wrapped(lines[first:end])
                continue
            number = next(n for n in range(first, end) if is_long(lines[n]))
            print(f"{path}:{number + 1}: {len(lines[number])} columns, at most {COLUMNS} (make format wraps it)")
            bad += 1
        for number, line in enumerate(lines):
            for file in broken_names(path, line):
                print(f"{path}:{number + 1}: there is no {file}")
                bad += 1
        if fix:
            path.write_text("\n".join(lines), encoding="utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
