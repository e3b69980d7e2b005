#!/usr/bin/env python3
"""Tokens per second against context, glimt and llama.cpp, of the last revision in a CSV that compare_llama.sh wrote.

usage: bench/plot.py bench/results/FILE.csv OUT.png     needs matplotlib
"""
import collections
import csv
import statistics
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    points = collections.defaultdict(list)
    rows = list(csv.DictReader(open(sys.argv[1])))
    for row in rows:
        if row["revision"] != rows[-1]["revision"]:
            continue
        kind = "decode" if row["test"].startswith("tg") else "prefill"
        points[kind, row["engine"], int(row["depth"])].append(float(row["tokens_per_second"]))
    figure, axes = plt.subplots(1, 2, figsize=(10, 4))
    for axis, kind in zip(axes, ("prefill", "decode")):
        for engine in sorted({e for k, e, _ in points if k == kind}):
            depths = sorted(d for k, e, d in points if (k, e) == (kind, engine))
            axis.plot(depths, [statistics.median(points[kind, engine, d]) for d in depths], marker="o", label=engine)
        axis.set(title=kind, xlabel="tokens already in the cache", ylabel="tokens/s", ylim=(0, None))
        axis.grid(alpha=0.3)
        axis.legend()
    figure.tight_layout()
    figure.savefig(sys.argv[2], dpi=120)


if __name__ == "__main__":
    main()
