#!/usr/bin/env python3
"""What HTTP costs on top of the engine: the server and its stream beside `glimt run` and `glimt bench`, in turns.

    bench/server_bench.py [MODEL] [--glimt build/glimt] [--rounds 5] [--tokens 1500] [--rest 0] [--temperature 1.5]

Prints time a token of one stream (server, and `glimt run` with the same prompt and sampling), the tokens/s of 32 streams
together beside `glimt bench --parallel 32`, and, with `wrk` installed, the latency of /health while the streams run.
With --temperature 0 the streams take the likeliest token, as `glimt bench` does, and guess nothing ahead, as it does not.
curl reads the streams, one process each, so that the clients cost as little as clients can.
"""

import argparse
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
import time


def prompt(seed):
    """Another one for each stream: streams with one text would share their experts' weights as well."""
    return f"What is {seed + 3} + 4?"


def listening(process):
    """The address in the server's line "glimt listens on http://…"."""
    return re.search(r"http://\S+", process.stderr.readline())[0]


def end_tokens(model):
    """They are banned, so that each answer has the tokens that were asked for."""
    return json.loads((pathlib.Path(model) / "generation_config.json").read_text())["eos_token_id"]


def speculation(temperature):
    return "adaptive" if temperature else "off"


def body(model, tokens, seed, temperature):
    return json.dumps({
        "model": pathlib.Path(model).name, "messages": [{"role": "user", "content": prompt(seed)}], "max_tokens": tokens,
        "temperature": temperature, "top_p": 1, "seed": seed, "logit_bias": {str(end): -100 for end in end_tokens(model)}, "stream": True,
        "stream_options": {"include_usage": True}})


def streams(url, model, count, tokens, temperature):
    """Seconds that `count` streams take together, and the tokens that they brought."""
    with tempfile.TemporaryDirectory() as folder:
        clients = []
        start = time.monotonic()
        for i in range(count):
            clients.append(subprocess.Popen(
                ["curl", "-sN", "-o", f"{folder}/{i}", "-w", "%{time_starttransfer} %{time_total}", f"{url}/v1/chat/completions",
                 "-H", "Content-Type: application/json", "-d", body(model, tokens, i, temperature)], stdout=subprocess.PIPE, text=True))
        times = [[float(t) for t in client.communicate()[0].split()] for client in clients]
        total, seconds = 0, time.monotonic() - start
        for i in range(count):
            chunks = [line[6:] for line in open(f"{folder}/{i}", encoding="utf-8") if line.startswith("data: {")]
            usage = json.loads(chunks[-1]).get("usage")
            if not usage or usage["completion_tokens"] < tokens:
                raise SystemExit(f"stream {i} ended early: {chunks[-1]}")
            total += usage["completion_tokens"]
    return seconds, total, times


def run_alone(glimt, model, tokens, temperature):
    """Milliseconds a token of `glimt run`, by its own clock."""
    done = subprocess.run(
        [glimt, "run", model, prompt(0), "--stats", "--max-tokens", str(tokens), "--temperature", str(temperature), "--top-p", "1", "--seed", "0",
         "--speculation", speculation(temperature), *[word for end in end_tokens(model) for word in ("--logit-bias", f"{end}=-100")]], capture_output=True, text=True, check=True)
    answer = re.search(r"^answer +\d+ tokens, [\d.]+ s, ([\d.]+) tokens/s", done.stderr, re.MULTILINE)
    return 1000 / float(answer[1])


def bench(glimt, model, tokens):
    """Tokens/s of 32 sequences together, by `glimt bench`."""
    done = subprocess.run([glimt, "bench", model, "--prompt", "0", "--generate", str(tokens), "--parallel", "32", "--repeat", "1", "--json"],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])["tokens_per_second"]


def health_latency(url, seconds):
    """The 99th percentile of /health in ms, by wrk with two connections; None without wrk."""
    if not shutil.which("wrk"):
        return None
    done = subprocess.run(["wrk", "-t1", "-c2", f"-d{seconds}s", "--latency", url + "/health"], capture_output=True, text=True, check=True)
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout).groups()
    return float(number) * {"us": 1e-3, "ms": 1, "s": 1000}[unit]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?", default="models/demo")
    parser.add_argument("--glimt", default="build/glimt")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=1500)
    parser.add_argument("--rest", type=float, default=0, help="seconds for a large model's weights to move into huge pages")
    parser.add_argument("--temperature", type=float, default=1.5)
    a = parser.parse_args()
    alone, served, together, benched, health = [], [], [], [], []
    for _ in range(a.rounds):
        alone.append(run_alone(a.glimt, a.model, a.tokens, a.temperature))
        benched.append(bench(a.glimt, a.model, a.tokens))
        server = subprocess.Popen([a.glimt, "serve", a.model, "--port", "0", "--parallel", "32", "--speculation", speculation(a.temperature)], stderr=subprocess.PIPE, text=True)
        try:
            url = listening(server)
            streams(url, a.model, 1, 16, a.temperature)
            time.sleep(a.rest)
            _, _, [[first, total]] = streams(url, a.model, 1, a.tokens, a.temperature)
            served.append(1000 * (total - first) / (a.tokens - 1))
            seconds, tokens, _ = streams(url, a.model, 32, a.tokens, a.temperature)
            together.append(tokens / seconds)
            busy = threading.Thread(target=streams, args=(url, a.model, 32, a.tokens, a.temperature))
            busy.start()
            health.append(health_latency(url, max(2, int(seconds / 2))))
            busy.join()
        finally:
            server.terminate()
            server.communicate()
    median = statistics.median
    print(f"one stream      {median(served):.3f} ms a token, `glimt run` {median(alone):.3f}: "
          f"{median(s - r for s, r in zip(served, alone)):+.3f}")
    print(f"32 streams      {median(together):,.0f} tokens/s, `glimt bench --parallel 32` {median(benched):,.0f}: "
          f"{100 * median(t / b for t, b in zip(together, benched)):.0f} %")
    if None not in health:
        print(f"/health         {median(health):.1f} ms at the 99th percentile, asked by wrk while 32 streams run")


if __name__ == "__main__":
    main()
