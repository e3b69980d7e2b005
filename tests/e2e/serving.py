"""A running server and plain sockets to it, for the tests of the HTTP server."""

import json
import os
import pathlib
import socket
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTED = pathlib.Path(os.environ.get("GLIMT", ROOT / "build" / "glimt")).resolve().parent / "tests" / "server" / "scripted_server"


class Running:
    """A server that prints its URL on stdout or says "listens on URL" on stderr. What it logs is in `log`."""

    def __init__(self, command, env=None):
        self.process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        self.log = []
        self.url = None
        self._said = threading.Event()
        for pipe in (self.process.stdout, self.process.stderr):
            threading.Thread(target=self._read, args=(pipe,), daemon=True).start()
        if not self._said.wait(60) or self.url is None:
            self.process.kill()
            raise AssertionError(f"no server: {self.log}")
        self.port = int(self.url.rsplit(":", 1)[1])

    def _read(self, pipe):
        for line in pipe:
            self.log.append(line.rstrip("\n"))
            if self.url is None and "://" in line:
                self.url = line[line.index("http"):].split()[0]
                self._said.set()
        self._said.set()

    def stop(self, patience=30):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(patience)

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        return 0

    def connect(self, timeout=10):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def ask(self, method, path, body=None, headers=(), timeout=30):
        """One request on its own connection: (status, headers, body)."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
        if body is not None:
            lines += [f"Content-Length: {len(data)}", "Content-Type: application/json"]
        with self.connect(timeout) as client:
            client.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
            return parse(read_all(client), method)

    def json(self, path, **options):
        status, _, body = self.ask("GET", path, **options)
        assert status == 200, (path, status, body)
        return json.loads(body)


def read_all(client):
    data = b""
    while True:
        try:
            got = client.recv(65536)
        except ConnectionResetError:
            break
        if not got:
            break
        data += got
    return data


def parse(data, method="GET"):
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if headers.get("transfer-encoding") == "chunked":
        body = dechunked(body)
    return int(lines[0].split()[1]), headers, body


def dechunked(data):
    """The body of chunks; raises where the last one is missing."""
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        n = int(size, 16)
        if n == 0:
            return body
        assert data[n:n + 2] == b"\r\n", "a chunk has another length"
        body, data = body + data[:n], data[n + 2:]


def events_of(body):
    """The data of server-sent events."""
    return [line[6:] for line in body.decode().split("\n") if line.startswith("data: ")]


def chat(stream=True, **more):
    return {"model": "demo", "messages": [{"role": "user", "content": "Hello"}], "stream": stream, **more}


def wait_until(condition, patience=10):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
