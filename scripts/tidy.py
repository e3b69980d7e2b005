"""Runs clang-tidy over the files of src/, two at a time, and remembers what was clean.

A file is checked again when it, a header of ours that it includes (at any depth), .clang-tidy or its compile command
changes. Headers are checked with it, those of every folder that src/layers.txt names. 
usage: python3 scripts/tidy.py [BUILD_DIR [FILE...]] [--all]        without files: all of them
environment: TIDY_SECONDS: after so many no other file is begun, and those that are left are counted; which come first
differs from revision to revision. Without it all are checked. JOBS (default 2).
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
STATE = ROOT / ".cache" / "tidy.json"
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


def header_filter():
    """A regular expression for the headers of src/."""
    folders = re.findall(r"^([a-z_]+):", (SRC / "layers.txt").read_text(encoding="utf-8"), re.MULTILINE)
    return f"/src/({'|'.join(folders)})/"


def closure(path, seen):
    """`path` and every file of src/ that it includes."""
    if path in seen or not path.is_file():
        return
    seen.add(path)
    for name in INCLUDE.findall(path.read_text(encoding="utf-8", errors="replace")):
        closure(SRC / name, seen)


def digest(path, command):
    files = set()
    closure(path, files)
    h = hashlib.sha256()
    for folder in reversed(path.relative_to(ROOT).parents):  # a folder may have its own beside the root's
        checks = ROOT / folder / ".clang-tidy"
        h.update(checks.read_bytes() if checks.is_file() else b"")
    h.update(header_filter().encode())
    h.update(command.encode())
    for file in sorted(files):
        h.update(str(file).encode() + b"\0" + file.read_bytes())
    return h.hexdigest()


def check(path, build, end):
    start = time.monotonic()
    if start >= end:
        return path, None, "", "", 0
    run = subprocess.run(
        ["clang-tidy", "--quiet", "--header-filter", header_filter(), "-p", str(build), str(path)],
        capture_output=True, text=True, cwd=ROOT, check=False)
    return path, run.returncode, run.stdout, run.stderr, time.monotonic() - start


def save(clean):
    """After each file: what was found clean outlives an interrupted run."""
    STATE.parent.mkdir(exist_ok=True)
    fresh = STATE.with_suffix(".new")
    fresh.write_text(json.dumps({name: key for name, key in clean.items() if (ROOT / name).is_file()}, indent=1))
    fresh.replace(STATE)


def main():
    arguments = [a for a in sys.argv[1:] if a != "--all"]
    build = ROOT / (arguments[0] if arguments else "build")
    commands = {pathlib.Path(entry["file"]): entry["command"]
                for entry in json.loads((build / "compile_commands.json").read_text())}
    try:
        clean = {} if "--all" in sys.argv else json.loads(STATE.read_text())
    except (OSError, ValueError):
        clean = {}
    wanted = {pathlib.Path(name).resolve() for name in arguments[1:]}
    unknown = [str(path) for path in wanted if path not in commands]
    if unknown:
        sys.exit(f"tidy: {build} does not compile {', '.join(unknown)}")
    digests = {path: digest(path, command) for path, command in commands.items()
               if SRC in path.parents and (not wanted or path in wanted)}
    todo = sorted((path for path, key in digests.items() if clean.get(str(path.relative_to(ROOT))) != key), key=digests.get)
    end = time.monotonic() + float(os.environ.get("TIDY_SECONDS", "inf"))
    print(f"clang-tidy: {len(todo)} of {len(digests)} files to check", flush=True)
    bad = left = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=int(os.environ.get("JOBS", "2"))) as pool:
        for job in concurrent.futures.as_completed([pool.submit(check, path, build, end) for path in todo]):
            path, code, out, err, seconds = job.result()
            name = str(path.relative_to(ROOT))
            if code is None:
                left += 1
            elif code == 0:
                clean[name] = digests[path]
                save(clean)
                print(f"  {name}  {seconds:.1f} s", flush=True)
            else:
                bad += 1
                print(f"  {name}  FAILED\n{out}{err}", flush=True)
    if left:
        print(f"clang-tidy: {left} files were not checked within TIDY_SECONDS; `make lint` checks them", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
