"""The command `glimt`, as pip installs it: the program is in bin/ of this folder, MLX's library in the mlx-cpu wheel."""

import os
import pathlib
import sys


def main():
    folder = pathlib.Path(__file__).resolve().parent
    if not (folder.parent / "mlx" / "lib" / "libmlx.so").exists():
        sys.exit(f"glimt: mlx-cpu is not in {folder.parent}: install both into one place")
    program = str(folder / "bin" / "glimt")
    os.execv(program, ["glimt", *sys.argv[1:]])
