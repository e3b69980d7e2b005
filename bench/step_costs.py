#!/usr/bin/env python3
"""Measures with `glimt bench` how long steps of the engine take, for bench/simulation.

usage: bench/step_costs.py GLIMT MODEL OUT.json
environment: QUICK=1 for a small model: depths a sixteenth as deep
"""
import datetime
import json
import os
import pathlib
import subprocess
import sys

DIVIDE = 16 if os.environ.get("QUICK") else 1
# (sequences, tokens of a prompt's step or 0, decode steps or 0, depth)
RUNS = [(1, 512, 32, 0), (1, 64, 0, 0), (1, 256, 0, 0), (1, 256, 16, 4096), (2, 0, 32, 0), (4, 0, 32, 0), (8, 0, 32, 0),
        (16, 0, 16, 0), (32, 0, 16, 0), (8, 0, 16, 1024)]


def measure(glimt, model, sequences, prompt, decode, depth):
    depth //= DIVIDE
    command = [glimt, "bench", model, "--json", "--parallel", sequences, "--prompt", prompt, "--generate", decode, "--depth", depth,
               *(["--chunk", prompt] if prompt else [])]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        test = json.loads(line)
        tokens = prompt if test["test"].startswith("pp") else 1
        yield {"sequences": sequences, "tokens": tokens, "depth": depth,
               "seconds": round(sequences * tokens / test["tokens_per_second"], 6)}


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    name = next(line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name"))
    return f"{os.cpu_count()} cores of {name}"


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__.strip())
    glimt, model, out = sys.argv[1:]
    config = json.loads((pathlib.Path(model) / "config.json").read_text())
    steps = [step for run in RUNS for step in measure(glimt, model, *run)]
    lines = ",\n".join("    " + json.dumps(step) for step in steps)
    layers = config["num_hidden_layers"]
    row_bytes = layers * (config["kv_lora_rank"] + config["qk_rope_head_dim"]) * 2  # bfloat16
    head = {"machine": machine(), "date": datetime.date.today().isoformat(),
            "model": f"{layers} layers of the shapes of GLM-4.7-Flash" if config["hidden_size"] == 2048 else pathlib.Path(model).name,
            "layers": layers, "row_bytes": row_bytes}
    body = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items())
    pathlib.Path(out).write_text(f"{{\n{body},\n  \"steps\": [\n{lines}\n  ]\n}}\n")


if __name__ == "__main__":
    main()
