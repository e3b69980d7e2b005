"""Three servers with the demo model behind the proxies of packaging/: who gets which conversation, and what becomes of
requests when a server dies or is stopped."""

import collections
import concurrent.futures
import http.client
import json
import os
import threading
import time

import pytest

import proxies
import serving

SYSTEM = "You are a helpful assistant. Answer in one short sentence, and think of what the user said before."
TEMPLATE_TOKENS = 8  # at most so many at the end of a prompt are other ones once the answer is a message of the past


@pytest.fixture
def replicas(glimt, demo, tmp_path):
    """Three servers, each with one thread."""
    home = {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": "", "XDG_DATA_HOME": "", "GLIMT_MODELS": ""}
    flags = [demo, "--port", "0", "--threads", "1", "--cache-memory", "256MB"]
    servers = [serving.Running([glimt, "serve", *flags], env={**home, "OMP_NUM_THREADS": "1"}) for _ in range(3)]
    yield servers
    for server in servers:
        server.process.kill()
        server.process.wait()


@pytest.fixture
def behind(replicas, tmp_path):
    """behind(proxies.HaProxy): the proxy in front of the three."""
    started = []

    def start(kind):
        started.append(kind(tmp_path, [server.port for server in replicas]))
        return started[-1]

    yield start
    for proxy in started:
        proxy.stop()


def request(proxy, body, headers=None, timeout=60, path="/v1/chat/completions"):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=timeout)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **(headers or {})})
    return connection.getresponse()


def ask(proxy, messages, headers=None, **more):
    """(the server's name, the answer) of a request that must not fail."""
    body = {"model": "demo", "messages": messages, "max_tokens": 8, "reasoning_effort": "none", "temperature": 0, **more}
    response = request(proxy, body, headers)
    answer = json.loads(response.read())
    assert response.status == 200, answer
    return response.headers["x-served-by"], answer


Turn = collections.namedtuple("Turn", "server prompt cached")


def converse(proxy, name, turns=5, between=lambda: None):
    """A conversation, which one client in four names in its own way; one leaves it to the proxy."""
    number = int(name)
    headers = {"x-session-id": f"s{name}"} if number % 4 == 1 else {"authorization": f"Bearer key-{name}"} if number % 8 == 0 else {}
    more = {2: {"prompt_cache_key": f"k{name}"}, 3: {"user": f"u{name}"}}.get(number % 4, {})
    messages = [{"role": "system", "content": SYSTEM},
                {"role": "user", "content": f"Hello, my number is {name}. What is {number % 9} plus {number % 7}?"}]
    seen = []
    for turn in range(turns):
        server, answer = ask(proxy, messages, headers, **more)
        usage = answer["usage"]
        seen.append(Turn(server, usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]))
        messages += [{"role": "assistant", "content": answer["choices"][0]["message"]["content"]},
                     {"role": "user", "content": f"And what is {turn} plus {number % 5}?"}]
        between()
    return seen


def hits(conversation):
    """For each turn after the first whether it found all of the turn before."""
    return [turn.cached >= before.prompt - TEMPLATE_TOKENS for before, turn in zip(conversation, conversation[1:])]


def all_at_once(proxy, conversations, at_once=24, **options):
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda name: converse(proxy, str(name), **options), range(conversations)))


def test_turns_find_the_server_with_their_prefix(behind):
    conversations = all_at_once(behind(proxies.HaProxy), 200)
    found = [hit for conversation in conversations for hit in hits(conversation)]
    shares = collections.Counter(turn.server for conversation in conversations for turn in conversation)
    print(f"{sum(found)} of {len(found)} turns found their prefix; requests of each server: {dict(shares)}")
    assert len(found) == 800 and sum(found) >= 0.95 * len(found)
    assert len(shares) == 3 and min(shares.values()) > 0.15 * 1000, shares


def test_nginx_does_the_same(behind):
    conversations = all_at_once(behind(proxies.Nginx), 40)
    found = [hit for conversation in conversations for hit in hits(conversation)]
    assert len(found) == 160 and sum(found) >= 0.95 * len(found)
    assert len({conversation[0].server for conversation in conversations}) == 3


class Stream:
    """A long streamed answer: begins, then is read in a thread until it ends or breaks."""

    def __init__(self, proxy, name, bans, max_tokens=1000):
        body = {"model": "demo", "messages": [{"role": "user", "content": f"Tell me a story, number {name}."}], "stream": True,
                "max_tokens": max_tokens, "temperature": 1, "seed": 1, "logit_bias": bans}
        response = request(proxy, body, {"x-session-id": f"long-{name}"})
        assert response.status == 200
        self.server = response.headers["x-served-by"]
        self.times = []  # of each event
        self.broken = False
        self._text = response.read1()
        self._thread = threading.Thread(target=self._read, args=(response,), daemon=True)
        self._thread.start()

    def _read(self, response):
        try:
            while data := response.read1():
                self._text += data
                self.times += [time.monotonic()] * data.count(b"data: ")
        except (http.client.IncompleteRead, ConnectionError):
            self.broken = True

    @property
    def ended(self):
        return self._text.endswith(b"data: [DONE]\n\n")

    def join(self):
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self


@pytest.fixture
def bans(endless):
    """The logit_bias under which an answer goes on to its last token."""
    return {word.split("=")[0]: -100 for word in endless if "=-1000" in word}


def whole_answer(proxy, name, bans, tokens=300):
    """The server of a long answer that is not streamed."""
    return ask(proxy, [{"role": "user", "content": f"Count, number {name}."}], {"x-session-id": f"whole-{name}"},
               max_tokens=tokens, temperature=1, seed=1, logit_bias=bans)[0]


def requests_at(servers):
    return sum(len(engine["requests"]) for server in servers for engine in server.json("/slots"))


def test_no_request_is_lost_when_a_server_dies_and_one_is_stopped(behind, replicas, bans):
    proxy = behind(proxies.HaProxy)
    by_name = dict(zip("abc", replicas))
    calm = threading.Event()  # conversations go on, one turn in 0.3 s, until both servers are gone
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        conversations = pool.submit(all_at_once, proxy, 24, between=lambda: calm.wait(0.3))

        # One dies. Its streams break; what had not begun is answered by another one.
        homes = [whole_answer(proxy, name, {}, tokens=1) for name in range(9)]
        streams = [Stream(proxy, name, bans) for name in range(9)]
        assert "b" in homes and "b" in {stream.server for stream in streams}
        whole = [pool.submit(whole_answer, proxy, name, bans) for name in range(9)]
        assert serving.wait_until(lambda: requests_at(replicas) >= 18)
        by_name["b"].process.kill()
        for stream in streams:
            assert (stream.join().broken, stream.ended) == (stream.server == "b", stream.server != "b")
        assert {answer.result() for answer in whole} == {"a", "c"}

        # One is stopped. Its streams end as they would, and it exits; what comes goes to the one that is left.
        streams = [Stream(proxy, name, bans) for name in range(9, 18)]
        assert {stream.server for stream in streams} == {"a", "c"}
        by_name["c"].process.terminate()
        assert serving.wait_until(lambda: any("stopping" in line for line in by_name["c"].log))
        assert {whole_answer(proxy, name, bans) for name in range(9, 12)} == {"a"}
        assert all(stream.join().ended for stream in streams)
        assert by_name["c"].process.wait(30) == 0
        calm.set()

        # A conversation loses its prefix when its server goes, and then only.
        for conversation in conversations.result():
            moves = sum(turn.server != before.server for before, turn in zip(conversation, conversation[1:]))
            assert hits(conversation).count(False) <= moves, conversation


@pytest.fixture
def scripted_behind(tmp_path):
    """scripted_behind(kind, flags…): the proxy in front of three servers that write a token every 20 ms."""
    proxy, servers = [], []

    def start(kind, *flags):
        servers.extend(serving.Running([serving.SCRIPTED, "--repeat", "--step-us", "20000", *flags]) for _ in range(3))
        proxy.append(kind(tmp_path, [server.port for server in servers]))
        return proxy[0], servers

    yield start
    for running in proxy:
        running.stop()
    for server in servers:
        server.process.kill()
        server.process.wait()


# A request that is refused goes on to one more server in HAProxy, and to all in nginx.
@pytest.mark.parametrize(("kind", "asked"), [(proxies.HaProxy, 2), (proxies.Nginx, 3)])
def test_a_full_server_passes_requests_on(scripted_behind, kind, asked):
    """Each runs one request and lets one wait. When all that are asked are full, the client learns when to come back."""
    proxy, servers = scripted_behind(kind, "--parallel", "1", "--queue", "1")
    for number in range(2 * asked):
        Stream(proxy, "same", {})
        assert requests_at(servers) == number + 1
    response = request(proxy, serving.chat(stream=False, max_tokens=1), {"x-session-id": "long-same"})
    assert response.status == 503 and int(response.headers["Retry-After"]) > 0
    assert "queue is full" in json.loads(response.read())["error"]["message"]
    assert [bool(requests_at([server])) for server in servers].count(True) == asked


@pytest.mark.parametrize("kind", [proxies.HaProxy, proxies.Nginx])
def test_what_had_not_begun_is_answered_by_another(scripted_behind, kind):
    proxy, servers = scripted_behind(kind)

    def whole(number):
        response = request(proxy, serving.chat(stream=False, max_tokens=60), {"x-session-id": f"whole-{number}"})
        return response.status, json.loads(response.read())["usage"]["completion_tokens"]

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(whole, number) for number in range(12)]
        assert serving.wait_until(lambda: requests_at(servers) == 12) and requests_at(servers[:1]) > 0
        servers[0].process.kill()
        assert [answer.result() for answer in answers] == [(200, 60)] * 12


def message(role, text, parts=False):
    return {"role": role, "content": [{"type": "text", "text": text}] if parts else text}


def history(name, turns, first=(), parts=False, long=False):
    """A conversation whose first message of the user has its name."""
    said = [message("user", f"I am {name}, \\ \"and\" so on.", parts)]
    for turn in range(turns):
        said += [message("assistant", f"Answer {turn}.", parts), message("user", "word " * (70000 if long else 5), parts)]
    return {"model": "demo", "max_tokens": 1, "messages": [*first, *said]}


CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
# What a client says: (path, headers, body) of the turn of a conversation.
NAMED = {
    "x-session-id": lambda name, turn: (CHAT, {"x-session-id": name}, history(turn, turn)),
    "session_id": lambda name, turn: (CHAT, {"session_id": name}, history(turn, turn)),
    "prompt_cache_key": lambda name, turn: (CHAT, {}, {**history(turn, turn), "prompt_cache_key": name}),
    "metadata.user_id": lambda name, turn: (MESSAGES, {}, {**history(turn, turn), "metadata": {"user_id": name}}),
    "user": lambda name, turn: (CHAT, {}, {**history(turn, turn), "user": name}),
    "key": lambda name, turn: ("/v1/completions", {"authorization": f"Bearer {name}"}, {"model": "demo", "prompt": f"{turn}"}),
    "first message": lambda name, turn: (CHAT, {}, history(name, turn)),
    "behind a system message": lambda name, turn: (CHAT, {}, history(name, turn, [message("system", SYSTEM)])),
    "behind a developer's": lambda name, turn: (CHAT, {}, history(name, turn, [message("developer", SYSTEM)])),
    "in parts": lambda name, turn: (CHAT, {}, history(name, turn, [message("system", SYSTEM, True)], parts=True)),
    "longer than is read": lambda name, turn: (CHAT, {}, history(name, 1, long=turn == 2)),
    "of this key": lambda name, turn: (CHAT, {"x-api-key": name}, history("the same", turn)),
}


@pytest.mark.parametrize("kind", [proxies.HaProxy, proxies.Nginx])
def test_what_names_a_conversation(scripted_behind, kind):
    """Two turns with one name find one server, and 16 names find all three."""
    proxy, _ = scripted_behind(kind, "--step-us", "0", "--context", "1000000")
    wrong = {}
    for what, turn in NAMED.items():
        def server(name, number):
            path, headers, body = turn(name, number)
            response = request(proxy, body, headers, path=path)
            assert response.status == 200, (what, response.read())
            return response.headers["x-served-by"]
        found = [{server(f"name-{name}", number) for number in (1, 2)} for name in range(16)]
        if any(len(servers) != 1 for servers in found) or len(set.union(*found)) != 3:
            wrong[what] = found
    # nginx drops fields with an underscore in their names, and does not read bodies that it has written to a file.
    assert sorted(wrong) == ([] if kind is proxies.HaProxy else ["longer than is read", "session_id"]), wrong


def test_without_any_server_the_proxy_answers_in_json(behind, replicas):
    kinds = [behind(kind) for kind in (proxies.HaProxy, proxies.Nginx)]
    for server in replicas:
        server.process.kill()
        server.process.wait()
    for proxy in kinds:
        response = request(proxy, serving.chat())
        assert response.status == 503 and int(response.headers["Retry-After"]) > 0
        assert "try again" in json.loads(response.read())["error"]["message"]


@pytest.mark.parametrize("kind", [proxies.HaProxy, proxies.Nginx])
def test_each_event_of_a_stream_goes_through_at_once(tmp_path, kind):
    """The server writes a token every 20 ms; buffered, they would come together."""
    server = serving.Running([serving.SCRIPTED, "--repeat", "--step-us", "20000"])
    proxy = kind(tmp_path, [server.port] * 3)
    try:
        stream = Stream(proxy, "0", {}, max_tokens=60).join()
    finally:
        proxy.stop()
        server.process.kill()
    assert stream.ended
    assert len(set(stream.times)) >= 40 and stream.times[-1] - stream.times[0] > 0.8
