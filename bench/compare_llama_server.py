#!/usr/bin/env python3
"""The server beside llama.cpp's llama-server, in turns: time to the first token of a long prompt, tokens/s of many clients.

    bench/compare_llama_server.py MODEL GGUF LLAMA_SERVER [--glimt build/glimt] [--rounds 3] [--threads N]

MODEL and GGUF are the same model for each; both must share a tokenizer, which glimt's `tokenize` counts with. The texts
are random words; sampling is the same (temperature 0.8, the 40 best, top_p 0.95). A prompt is never sent twice.
"""

import argparse
import json
import random
import re
import socket
import statistics
import subprocess
import threading
import time
import urllib.request

SAMPLING = {"temperature": 0.8, "top_k": 40, "top_p": 0.95}


def post(url, body):
    """The lines of a stream, with the time of each since the request."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    start = time.monotonic()
    with urllib.request.urlopen(request, timeout=600) as response:
        for line in response:
            if line.startswith(b"data: {"):
                yield time.monotonic() - start, json.loads(line[6:])


class Glimt:
    name = "glimt"

    def __init__(self, a):
        self.process = subprocess.Popen([a.glimt, "serve", a.model, "--port", "0", "--parallel", "16", "--threads", str(a.threads)],
                                        stderr=subprocess.PIPE, text=True)
        self.url = re.search(r"http://\S+", self.process.stderr.readline())[0]
        for line in self.process.stderr:
            if " is ready " in line:
                break
        threading.Thread(target=lambda: [None for _ in self.process.stderr], daemon=True).start()

    def stream(self, text, _, tokens):
        body = {"model": "", "prompt": text, "max_tokens": tokens, "stream": True, **SAMPLING}
        return post(self.url + "/v1/completions", body)


class Llama:
    name = "llama-server"

    def __init__(self, a):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [a.llama_server, "-m", a.gguf, "--port", str(port), "-t", str(a.threads), "-np", "16", "-c", str(16 * 2560), "-fa", "on"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.url = f"http://127.0.0.1:{port}"
        while True:
            try:
                urllib.request.urlopen(self.url + "/health").close()
                return
            except OSError:
                time.sleep(0.2)

    def stream(self, _, ids, tokens):
        return post(self.url + "/completion", {"prompt": ids, "n_predict": tokens, "ignore_eos": True, "stream": True, **SAMPLING})


def prompt(a, rng, tokens):
    """A text of about `tokens` tokens, and its ids."""
    text = " ".join("".join(rng.choices("abcdefghijklmnop", k=rng.randint(3, 8))) for _ in range(tokens))
    done = subprocess.run([a.glimt, "tokenize", a.model], input=text, capture_output=True, text=True, check=True)
    ids = [int(i) for i in re.findall(r"\d+", done.stdout)]
    share = tokens / len(ids)
    text = text[:int(len(text) * share)]
    done = subprocess.run([a.glimt, "tokenize", a.model], input=text, capture_output=True, text=True, check=True)
    return text, [int(i) for i in re.findall(r"\d+", done.stdout)]


def first_token(server, text, ids):
    return next(seconds for seconds, _ in server.stream(text, ids, 1))


def together(server, prompts, tokens):
    """Tokens/s of all clients between the first and the last token that anybody got."""
    times = [[] for _ in prompts]

    def client(i):
        times[i] = [time.monotonic() for _ in server.stream(*prompts[i], tokens)]

    clients = [threading.Thread(target=client, args=(i,)) for i in range(len(prompts))]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    first, last = max(t[0] for t in times), min(t[-1] for t in times)
    return sum(sum(first <= x <= last for x in t) for t in times) / (last - first)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("gguf")
    parser.add_argument("llama_server")
    parser.add_argument("--glimt", default="build/glimt")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rest", type=float, default=8, help="seconds between the start of a server and its first request")
    a = parser.parse_args()
    rng = random.Random(1)
    found = {}
    for _ in range(a.rounds):
        for make in (Glimt, Llama):
            server = make(a)
            time.sleep(a.rest)  # weights are moved into huge pages meanwhile
            try:
                text, ids = prompt(a, rng, 2000)
                found.setdefault(("first token, 2,000 tokens, s", make.name), []).append(first_token(server, text, ids))
                for clients in (1, 4, 16):
                    prompts = [prompt(a, rng, 32) for _ in range(clients)]
                    found.setdefault((f"tokens/s, {clients} clients", make.name), []).append(together(server, prompts, 64))
            finally:
                server.process.terminate()
                server.process.wait()
    for (what, name), values in sorted(found.items()):
        print(f"{what:32} {name:14} {statistics.median(values):8.2f}   {[round(v, 2) for v in values]}")


if __name__ == "__main__":
    main()
