#!/usr/bin/env python3
"""What a network between the ranks of a model costs: glimt bench over ranks of this machine whose connections pass through
a relay that holds every byte for some milliseconds, each way.

    bench/delayed_ranks.py models/demo --ranks 2 --delay 0 0.1 0.5 10 -- --prompt 512 --generate 32
    bench/delayed_ranks.py models/demo --delay 0 0.2 1 -- --split tensor
"""

import argparse
import collections
import json
import os
import pathlib
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]


def listen():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    return server


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def carry(source, target, delay):
    """Bytes from one socket to the other, each `delay` seconds late, in order and without a limit of rate."""
    waiting = collections.deque()
    is_open = True
    while is_open or waiting:
        timeout = max(0.0, waiting[0][0] - time.perf_counter()) if waiting else None
        if is_open and select.select([source], [], [], timeout)[0]:
            data = source.recv(1 << 20)
            is_open = bool(data)
            waiting.append((time.perf_counter() + delay, data))
        elif not is_open and timeout:
            time.sleep(timeout)
        while waiting and waiting[0][0] <= time.perf_counter():
            data = waiting.popleft()[1]
            try:
                target.sendall(data) if data else target.shutdown(socket.SHUT_WR)
            except OSError:
                return


class Relay:
    """Listens in front of `port`."""

    def __init__(self, port, delay):
        self.server, self.target, self.delay = listen(), port, delay
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, far = self.server.accept()[0], None
            while far is None:  # the rank may not listen yet
                try:
                    far = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    time.sleep(0.02)
            for one, other in ((near, far), (far, near)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=carry, args=(one, other, self.delay), daemon=True).start()


def measure(glimt, model, ranks, delay, options):
    ports = [free_port() for _ in range(ranks)]
    with tempfile.TemporaryDirectory() as folder:
        processes = []
        for rank in range(ranks):
            # A rank calls those below it: these it sees behind a relay.
            seen = [Relay(port, delay).port if delay > 0 and other < rank else port for other, port in enumerate(ports)]
            hosts = pathlib.Path(folder) / f"{rank}.json"
            hosts.write_text(json.dumps([[f"127.0.0.1:{port}"] for port in seen]))
            env = {**os.environ, "MLX_HOSTFILE": str(hosts), "MLX_RANK": str(rank)}
            processes.append(subprocess.Popen([glimt, "bench", model, "--json", *options], env=env, stdout=subprocess.PIPE, text=True))
        lines = processes[0].communicate()[0].splitlines()
        if any(process.wait() != 0 for process in processes):
            raise SystemExit("a rank failed")
    return [json.loads(line) for line in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--delay", type=float, nargs="+", default=[0.0], help="milliseconds, each way")
    parser.add_argument("--glimt", default=os.environ.get("GLIMT", str(ROOT / "build" / "glimt")))
    own, options = (sys.argv[1:], []) if "--" not in sys.argv else (sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :])
    arguments = parser.parse_args(own)
    for delay in arguments.delay:
        for test in measure(arguments.glimt, arguments.model, arguments.ranks, delay / 1e3, options):
            stages = " ".join(f"{1e3 * seconds:.2f}" for seconds in test["stage_seconds"])
            print(f"delay {delay:g} ms  {test['test']:<6} {test['tokens_per_second']:10.1f} tokens/s   a pass {1e3 * test['pass_seconds']:.2f} ms, "
                  f"stages {stages} ms, {test['sent_bytes'] / 1e3:.1f} KB"
                  + (f", {test['sums']:.0f} sums {1e3 * test['sum_seconds']:.2f} ms" if "sums" in test else ""), flush=True)


if __name__ == "__main__":
    main()
