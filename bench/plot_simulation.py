#!/usr/bin/env python3
"""Runs bench/simulation over numbers of replicas and rates of new sessions, prints the results and plots them.

usage: bench/plot_simulation.py SIMULATE COSTS.json OUT.png     needs matplotlib
"""
import json
import subprocess
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

REPLICAS = (1, 4, 16, 64)
RATES = (0.002, 0.004, 0.006, 0.008, 0.010, 0.012)  # sessions a second for each replica
SECONDS = 3600  # of 16 and more replicas; fewer run longer, for as many sessions


def simulate(program, costs, replicas, rate, balance="hash"):
    seconds = SECONDS * max(1, 16 // replicas)
    command = [program, costs, "--json", "--replicas", replicas, "--rate", rate, "--seconds", seconds, "--parallel", 16, "--balance", balance]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    print(balance, rate, done.stdout.strip(), flush=True)
    return json.loads(done.stdout)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__.strip())
    program, costs, out = sys.argv[1:]
    figure, (first, between, hits) = plt.subplots(1, 3, figsize=(13, 4))
    for replicas in REPLICAS:
        reports = [simulate(program, costs, replicas, rate) for rate in RATES]
        busy = [100 * report["busy"] for report in reports]
        line, = first.plot(busy, [report["first_token"][1] for report in reports], marker="o", label=f"{replicas}")
        first.plot(busy, [report["first_token"][0] for report in reports], linestyle=":", color=line.get_color())
        between.plot(busy, [1000 * report["between"][1] for report in reports], marker="o", color=line.get_color())
        between.plot(busy, [1000 * report["between"][0] for report in reports], linestyle=":", color=line.get_color())
    for balance in ("hash", "round-robin"):
        reports = [simulate(program, costs, replicas, 0.006, balance) for replicas in REPLICAS]
        hits.plot(REPLICAS, [100 * report["hit_rate"] for report in reports], marker="o", label=balance)
    first.set(title="first token: p95, dotted p50", xlabel="busy, %", ylabel="seconds", yscale="log")
    between.set(title="between tokens: p95, dotted p50", xlabel="busy, %", ylabel="milliseconds", ylim=(0, None))
    hits.set(title="conversation found in the cache", xlabel="replicas", ylabel="%", xscale="log", ylim=(0, 105), xticks=REPLICAS)
    hits.set_xticklabels(REPLICAS)
    first.legend(title="replicas")
    hits.legend()
    for axis in (first, between, hits):
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main()
