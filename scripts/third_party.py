"""Collects the licences of everything inside a built glimt: shared libraries, headers, wheels, Rust crates.

usage: third_party.py OUT_FOLDER SHARED_LIBRARY...   writes OUT_FOLDER/NAME/* and OUT_FOLDER/THIRD-PARTY.md
A part whose licence text cannot be found is an error: nothing leaves here without one.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CRATE = ROOT / "rust" / "glimt_text" / "Cargo.toml"
# Debian packages of which only headers (or inlined code) end up in the program.
HEADERS = ["libboost1.81-dev", "libcli11-dev", "libfmt-dev"]
LICENCE_FILE = re.compile(r"(?i)^(licen[cs]e|copying|notice|copyright|unlicense)")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def debian_package(library):
    """(package, version) that owns a file, trying the paths from before /usr was merged."""
    real = os.path.realpath(library)
    for path in (real, real.removeprefix("/usr"), library):
        found = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True, check=False).stdout
        if found:
            package = found.split(":")[0]
            return package, run("dpkg-query", "-W", "-f", "${Version}\n", package).split("\n")[0]
    sys.exit(f"third_party: no Debian package owns {library}")


def debian_part(package, version):
    text = pathlib.Path("/usr/share/doc") / package / "copyright"
    licences = sorted(set(re.findall(r"^License: *(\S.*)$", text.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)))
    return package, version, "; ".join(licences)[:120] or "see its text", [text.resolve()]


def wheel_part(info):
    metadata = (info / "METADATA").read_text(encoding="utf-8")
    field = dict(re.findall(r"^(Name|Version|License|License-Expression): (.*)$", metadata, re.MULTILINE))
    texts = [path for path in (info / "licenses").rglob("*") if path.is_file()]
    return field["Name"], field["Version"], field.get("License-Expression", field.get("License", "see its text")), texts


def crate_parts():
    """Every crate that is linked in: the tree from glimt_text without build and test dependencies."""
    metadata = json.loads(run("cargo", "metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform",
                              run("rustc", "-vV").split("host: ")[1].split("\n")[0], "--manifest-path", str(CRATE)))
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    seen, todo = set(), [metadata["resolve"]["root"]]
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        todo += [dep["pkg"] for dep in nodes[node]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
    for node in sorted(seen - {metadata["resolve"]["root"]}, key=lambda node: packages[node]["name"]):
        package = packages[node]
        folder = pathlib.Path(package["manifest_path"]).parent
        texts = [path for path in sorted(folder.iterdir()) if path.is_file() and LICENCE_FILE.match(path.name)]
        # Bundled C code brings its own (Oniguruma in onig_sys).
        texts += [path for path in sorted(folder.glob("*/*")) if path.is_file() and path.name in ("COPYING", "LICENSE")]
        yield package["name"], package["version"], package["license"] or "see its text", texts


def main():
    out = pathlib.Path(sys.argv[1])
    site = next((ROOT / ".venv" / "lib").glob("python3*/site-packages")).resolve()
    parts = [wheel_part(info) for info in sorted(site.glob("mlx*.dist-info"))]
    packages = dict(debian_package(library) for library in sys.argv[2:] if str(site) not in os.path.realpath(library))
    for package in HEADERS:
        packages[package] = run("dpkg-query", "-W", "-f", "${Version}\n", package).split("\n")[0]
    # libmlx's wheel carries copies of these GCC and netlib libraries without their texts; Debian's are the same works.
    bundled = [library for library in sys.argv[2:] if "mlx_cpu.libs" in library]
    for prefix, package in (("libgfortran", "libgfortran5"), ("libquadmath", "libquadmath0"), ("libblas", "libopenblas0-openmp")):
        if any(os.path.basename(library).startswith(prefix) for library in bundled) and os.path.exists(f"/usr/share/doc/{package}"):
            packages.setdefault(package, "as in the mlx-cpu wheel")
    parts += [debian_part(package, version) for package, version in sorted(packages.items())]
    parts += crate_parts()

    common = pathlib.Path("/usr/share/common-licenses")
    lines = ["# What glimt is built from", "", "Licence texts are in the folders beside this file.", "",
             "| part | version | licence |", "|---|---|---|"]
    for name, version, licence, texts in parts:
        folder = out / f"{name}-{version}".replace(":", "_").replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        for text in texts:
            shutil.copyfile(text, folder / f"{text.parent.name}-{text.name}" if (folder / text.name).exists() else folder / text.name)
        if not texts:
            sys.exit(f"third_party: no licence text for {name} {version} ({licence})")
        lines.append(f"| {name} | {version} | {licence} |")
    (out / "THIRD-PARTY.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    # Debian's copyright files point here for the long texts.
    for name in ("Apache-2.0", "GPL-3", "LGPL-2.1", "LGPL-3", "BSD"):
        if (common / name).exists():
            (out / "common-licenses").mkdir(exist_ok=True)
            shutil.copyfile(common / name, out / "common-licenses" / name)
    print(f"    {len(parts)} parts with their licences")


if __name__ == "__main__":
    main()
