"""A hub on 127.0.0.1 that speaks Hugging Face's protocol, and misbehaves as it is told."""

import functools
import hashlib
import http.server
import json
import random
import threading
import time
import urllib.parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SMALL = 100_000  # bytes; larger files are LFS files, which come from another origin


@functools.lru_cache(maxsize=64)
def sha256(content):
    return hashlib.sha256(content).hexdigest()


def git_blob(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub:
    """Serves `files` as org/model. Attributes change what it does; `requests` has what was asked: (path, headers)."""

    def __init__(self, files, name="org/model"):
        self.files = dict(files)
        self.name = name
        self.commit = COMMIT
        self.requests = []
        self.sent = 0  # bytes of files' content
        self.lock = threading.Lock()
        self.token = None  # that is needed
        self.extra_entries = []  # of the listing
        self.page_size = 1000
        self.wrong_hash = {}  # path -> hash in the listing
        self.wrong_size = {}
        self.answers = []  # functions(handler, path) -> True if they have answered; asked in order
        self.cut = lambda path, begin, length: None  # how many bytes of a body are sent before a cut
        self.body = lambda path, content: content
        self.rate = None  # bytes a second and connection
        self.range_is_ignored = False
        self.cdn = None
        self.main = self._serve()
        self.cdn = self._serve()

    def _serve(self):
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                try:
                    hub.answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *arguments):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    def close(self):
        for server in (self.main, self.cdn):
            server.shutdown()
            server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.main.server_port}"

    @property
    def cdn_url(self):
        return f"http://127.0.0.1:{self.cdn.server_port}"

    def asked(self, word):
        return [path for path, _ in self.requests if word in path]

    # --- answers ---

    def answer(self, handler):
        path = urllib.parse.unquote(handler.path)
        with self.lock:
            self.requests.append((handler.path, dict(handler.headers)))
        for answer in list(self.answers):
            if answer(handler, path):
                return
        if handler.server is self.cdn:
            return self.content(handler, path.split("?")[0].removeprefix("/cdn/"))
        if self.token and handler.headers.get("Authorization") != f"Bearer {self.token}":
            return self.error(handler, 401, "RepoNotFound", "Invalid credentials in Authorization header" if "Authorization" in handler.headers else "Repository not found")
        api = f"/api/models/{self.name}"
        if path.startswith(api + "/revision/"):
            if path.split("/revision/")[1] not in ("main", "v1", self.commit):
                return self.error(handler, 404, "RevisionNotFound", "Invalid rev id")
            return self.json(handler, {"sha": self.commit, "siblings": []})
        if path.startswith(f"{api}/tree/{self.commit}"):
            return self.tree(handler)
        resolve = f"/{self.name}/resolve/{self.commit}/"
        if path.startswith(resolve):
            return self.resolve(handler, path.removeprefix(resolve))
        return self.error(handler, 404, "RepoNotFound", "Repository not found")

    def entries(self):
        for path, content in sorted(self.files.items()):
            size = self.wrong_size.get(path, len(content))
            if len(content) > SMALL:
                sha = self.wrong_hash.get(path, sha256(content))
                yield {"type": "file", "path": path, "size": size, "oid": "0" * 40, "lfs": {"oid": sha, "size": size, "pointerSize": 130}}
            else:
                yield {"type": "file", "path": path, "size": size, "oid": self.wrong_hash.get(path, git_blob(content))}
        yield from self.extra_entries

    def tree(self, handler):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(handler.path).query)
        start = int(query.get("cursor", ["0"])[0])
        entries = list(self.entries())
        headers = {}
        if start + self.page_size < len(entries):
            # As a mirror answers: with the address of the hub that it mirrors.
            headers["Link"] = f'<https://huggingface.co/api/models/{self.name}/tree/{self.commit}?recursive=true&cursor={start + self.page_size}>; rel="next"'
        self.json(handler, entries[start : start + self.page_size], headers)

    def resolve(self, handler, path):
        if path not in self.files:
            return self.error(handler, 404, "EntryNotFound", "Entry not found")
        content = self.files[path]
        headers = {"X-Repo-Commit": self.commit}
        if len(content) <= SMALL:
            return self.content(handler, path, headers)
        headers["X-Linked-Etag"] = f'"{sha256(content)}"'
        return self.redirect(handler, f"{self.cdn_url}/cdn/{path}?signature=x", headers)

    def content(self, handler, path, headers=()):
        content = self.body(path, self.files[path])
        begin, end, status = 0, len(content), 200
        wanted = handler.headers.get("Range")
        headers = dict(headers)
        if wanted and not self.range_is_ignored:
            first, last = wanted.removeprefix("bytes=").split("-")
            begin, end, status = int(first), min(int(last) + 1, len(content)), 206
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(content)}"
        cut = self.cut(path, begin, end - begin)
        self.send(handler, status, content[begin:end], headers, cut)

    def send(self, handler, status, body, headers=(), cut=None):
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **dict(headers)}.items():
            handler.send_header(name, value)
        handler.end_headers()
        rest = memoryview(body)[: len(body) if cut is None else cut]
        piece = 1 << 20 if self.rate is None else max(1, self.rate // 20)
        while rest:
            handler.wfile.write(rest[:piece])
            with self.lock:
                self.sent += len(rest[:piece])
            rest = rest[piece:]
            if self.rate is not None:
                time.sleep(0.05)
        if cut is not None and cut < len(body):
            handler.close_connection = True
            handler.connection.shutdown(2)

    def json(self, handler, value, headers=()):
        body = json.dumps(value).encode()
        self.send(handler, 200, body, {"Content-Type": "application/json", **dict(headers)})
        with self.lock:
            self.sent -= len(body)

    def error(self, handler, status, code="", message="", headers=()):
        more = {"X-Error-Code": code, "X-Error-Message": message} if code else {}
        self.send(handler, status, b"", {**more, **dict(headers)})

    def redirect(self, handler, location, headers=()):
        self.send(handler, 302, b"", {"Location": location, **dict(headers)})

    # --- how to misbehave ---

    def fail(self, word, status, times=1, code="", message="", headers=()):
        """The next `times` requests whose path has `word` get this status."""
        left = [times]

        def answer(handler, path):
            if word not in path:
                return False
            with self.lock:
                if left[0] == 0:
                    return False
                left[0] -= 1
            self.error(handler, status, code, message, headers)
            return True

        self.answers.append(answer)

    def send_elsewhere(self, word, location):
        def answer(handler, path):
            if word not in path:
                return False
            self.redirect(handler, location(path))
            return True

        self.answers.append(answer)

    def cut_randomly(self, seed, share=0.5):
        rng = random.Random(seed)

        def cut(path, begin, length):
            with self.lock:
                return rng.randrange(length) if length > 0 and rng.random() < share else None

        self.cut = cut
