"""HTTP as bytes: what the server lets in, what it refuses, and whether the connection goes on. h11 reads the same bytes
and must agree on what a request is, but for the cases that say why not."""

import h11
import pytest

import serving

OK = b"Host: localhost\r\n"
GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
TOKENIZE = b"POST /v1/tokenize HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def server():
    running = serving.Running([serving.SCRIPTED])
    yield running
    assert running.stop() == 0


def get(target=b"/health", version=b"HTTP/1.1", fields=OK, method=b"GET"):
    return method + b" " + target + b" " + version + b"\r\n" + fields + b"\r\n"


def post(body, fields):
    return TOKENIZE + fields + b"\r\n" + body


def chunked(body, extra=b""):
    return post(body, b"Transfer-Encoding: chunked\r\n" + extra)


def field(line):
    return get(fields=OK + line + b"\r\n")


def origin(value, **more):
    return get(fields=OK + b"Origin: " + value + b"\r\n", **more)


# name, bytes, statuses of the responses, whether the connection goes on. `h11`: what h11 makes of it where that differs
# from whether we take all of it for requests, and why.
CASES = [
    # ---- requests ----
    ("get", GET, [200], True),
    ("head", get(method=b"HEAD"), [200], True),
    ("head of the root", get(b"/", method=b"HEAD"), [200], True),
    ("query", get(b"/health?x=1&y=%20"), [200], True),
    ("empty query", get(b"/health?"), [200], True),
    ("query with slashes", get(b"/health?a=/b//c?d"), [200], True),
    ("escaped path", get(b"/%68ealth"), [200], True),
    ("escaped slash", get(b"/v1%2Fstatus"), [200], True),
    ("names in capitals", get(fields=b"HOST: LOCALHOST\r\n"), [200], True),
    ("names in small letters", get(fields=b"host: localhost\r\n"), [200], True),
    ("no space behind the colon", get(fields=b"Host:localhost\r\n"), [200], True),
    ("space around a value", get(fields=b"Host: \t localhost \t \r\n"), [200], True),
    ("empty value", field(b"X-Empty:"), [200], True),
    ("value of many bytes", field(b"X-Long: " + b"a" * 15000), [200], True),
    ("value beyond ASCII", field(b"X-Name: \xc3\xa4\xff"), [200], True),
    ("every character of a name", field(b"!#$%&'*+-.^_`|~09azAZ: x"), [200], True),
    ("99 fields", get(fields=OK + b"".join(b"X-%d: y\r\n" % i for i in range(98))), [200], True),
    ("two requests at once", GET + GET, [200, 200], True),
    ("nine requests at once", GET * 9, [200] * 9, True),
    ("an empty line first", b"\r\n" + GET, [200], True, "refuses: RFC 9112 2.2 allows it"),
    ("a request behind a body and an empty line", post(b"a", b"Content-Length: 1\r\n") + b"\r\n" + GET, [200, 200], True,
     "refuses: RFC 9112 2.2 allows it"),
    ("close", field(b"Connection: close"), [200], False),
    ("close in capitals", field(b"Connection: CLOSE"), [200], False),
    ("close in a list", field(b"Connection: x, close"), [200], False),
    ("keep-alive", field(b"Connection: keep-alive"), [200], True),
    ("HTTP/1.0", get(version=b"HTTP/1.0"), [200], False),
    ("HTTP/1.0 without Host", get(version=b"HTTP/1.0", fields=b""), [200], False),
    ("HTTP/1.0 that stays", get(version=b"HTTP/1.0", fields=OK + b"Connection: keep-alive\r\n"), [200], True,
     "same"),
    ("absolute target", get(b"http://localhost/health"), [200], True),
    ("absolute target without a path", get(b"http://localhost"), [400], False, "accepts: it does not look at targets"),
    ("absolute target of another host", get(b"http://evil.example/health"), [400], False, "accepts: it does not look at targets"),
    ("upgrade is ignored", field(b"Connection: Upgrade\r\nUpgrade: websocket"), [200], True),
    ("h2c is ignored", field(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA"), [200], True),
    ("body of a length", post(b"ab", b"Content-Length: 2\r\n"), [200], True),
    ("body of length 0", post(b"", b"Content-Length: 0\r\n"), [200], True),
    ("no body", post(b"", b""), [200], True),
    ("length with zeros", post(b"ab", b"Content-Length: 002\r\n"), [200], True),
    ("body of a GET", get(fields=OK + b"Content-Length: 2\r\n") + b"ab" + GET, [200, 200], True),
    ("two bodies", post(b"ab", b"Content-Length: 2\r\n") * 2, [200, 200], True),
    ("body that looks like a request", post(GET, b"Content-Length: %d\r\n" % len(GET)), [200], True),
    ("continue", post(b"ab", b"Content-Length: 2\r\nExpect: 100-continue\r\n"), [200], True),
    ("Continue", post(b"ab", b"Content-Length: 2\r\nExpect: 100-Continue\r\n"), [200], True),
    ("another expectation", post(b"ab", b"Content-Length: 2\r\nExpect: tea\r\n"), [417], False, "accepts: leaves it to others"),
    # ---- chunks ----
    ("a chunk", chunked(b"2\r\nab\r\n0\r\n\r\n"), [200], True),
    ("three chunks", chunked(b"1\r\na\r\n1\r\nb\r\n3\r\ncde\r\n0\r\n\r\n"), [200], True),
    ("no chunk", chunked(b"0\r\n\r\n"), [200], True),
    ("chunk with zeros", chunked(b"0002\r\nab\r\n000\r\n\r\n"), [200], True),
    ("chunk size in capitals", chunked(b"A\r\n0123456789\r\n0\r\n\r\n"), [200], True),
    ("chunk size in small letters", chunked(b"a\r\n0123456789\r\n0\r\n\r\n"), [200], True),
    ("chunk extension", chunked(b"2;x=y\r\nab\r\n0\r\n\r\n"), [200], True),
    ("chunk extension in quotes", chunked(b'2;x="y z"\r\nab\r\n0\r\n\r\n'), [200], True),
    ("trailer", chunked(b"2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n"), [200], True),
    ("trailer that names a length", chunked(b"2\r\nab\r\n0\r\nX-Length: 9\r\n\r\n") + GET, [200, 200], True),
    ("a request behind chunks", chunked(b"2\r\nab\r\n0\r\n\r\n") + GET, [200, 200], True),
    ("Chunked", post(b"2\r\nab\r\n0\r\n\r\n", b"Transfer-Encoding: Chunked\r\n"), [200], True),
    ("chunk size that is none", chunked(b"x\r\nab\r\n0\r\n\r\n"), [400], False),
    ("chunk size that is empty", chunked(b"\r\nab\r\n0\r\n\r\n"), [400], False),
    ("chunk size below 0", chunked(b"-2\r\nab\r\n0\r\n\r\n"), [400], False),
    ("chunk size with a sign", chunked(b"+2\r\nab\r\n0\r\n\r\n"), [400], False),
    ("chunk size with 0x", chunked(b"0x2\r\nab\r\n0\r\n\r\n"), [400], False),
    ("chunk size with a space first", chunked(b" 2\r\nab\r\n0\r\n\r\n"), [400], False),
    ("chunk size beyond 64 bits", chunked(b"10000000000000002\r\nab\r\n0\r\n\r\n"), [400], False,
     "accepts: waits for so many bytes"),
    ("chunk that is longer", chunked(b"2\r\nabc\r\n0\r\n\r\n"), [400], False),
    ("chunk that ends in LF", chunked(b"2\r\nab\n0\r\n\r\n"), [400], False),
    ("chunk's line that ends in LF", chunked(b"2\nab\r\n0\r\n\r\n"), [400], False),
    ("chunk's line that is too long", chunked(b"2;" + b"x" * 70000 + b"\r\nab\r\n0\r\n\r\n"), [400], False,
     "accepts: it limits what is incomplete"),
    ("chunk of 33 MB", chunked(b"2100000\r\nab"), [None], False, "same"),
    # ---- lengths that two readers could read differently ----
    ("length and chunks", post(b"0\r\n\r\n", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), [400], False,
     "accepts: chunks win there"),
    ("chunks and length", post(b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), [400], False,
     "accepts: chunks win there"),
    ("two lengths", post(b"abcde", b"Content-Length: 2\r\nContent-Length: 5\r\n"), [400], False),
    ("the same length twice", post(b"ab", b"Content-Length: 2\r\nContent-Length: 2\r\n"), [400], False,
     "accepts: they agree"),
    ("the same length in a list", post(b"ab", b"Content-Length: 2, 2\r\n"), [400], False, "accepts: they agree"),
    ("length with a sign", post(b"ab", b"Content-Length: +2\r\n"), [400], False),
    ("length below 0", post(b"ab", b"Content-Length: -2\r\n"), [400], False),
    ("length in hex", post(b"ab", b"Content-Length: 0x2\r\n"), [400], False),
    ("length with a space inside", post(b"ab", b"Content-Length: 2 2\r\n"), [400], False),
    ("length of no digits", post(b"ab", b"Content-Length:\r\n"), [400], False),
    ("length as a fraction", post(b"ab", b"Content-Length: 2.0\r\n"), [400], False),
    ("length beyond 64 bits", post(b"ab", b"Content-Length: 18446744073709551618\r\n"), [400], False,
     "accepts: waits for so many bytes"),
    ("length of 33 MB", post(b"", b"Content-Length: 34603008\r\n"), [413], False, "accepts: has no limit"),
    ("length of 33 MB to be continued", post(b"", b"Content-Length: 34603008\r\nExpect: 100-continue\r\n"), [413], False,
     "accepts: has no limit"),
    ("identity", post(b"ab", b"Transfer-Encoding: identity\r\n"), [501], False),
    ("gzip", post(b"ab", b"Transfer-Encoding: gzip\r\n"), [501], False),
    ("gzip and chunks", post(b"0\r\n\r\n", b"Transfer-Encoding: gzip, chunked\r\n"), [501], False),
    ("chunks twice", post(b"0\r\n\r\n", b"Transfer-Encoding: chunked, chunked\r\n"), [501], False),
    ("chunks in two fields", post(b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), [400], False),
    ("chunks with a parameter", post(b"0\r\n\r\n", b"Transfer-Encoding: chunked;q=1\r\n"), [501], False),
    ("chunks in quotes", post(b"0\r\n\r\n", b'Transfer-Encoding: "chunked"\r\n'), [400, 501], False),
    ("chunks with a vertical tab", post(b"0\r\n\r\n", b"Transfer-Encoding: \x0bchunked\r\n"), [400], False),
    ("chunks behind a space in the name", post(b"0\r\n\r\n", b"Transfer-Encoding : chunked\r\n"), [400], False),
    ("chunks in a folded line", post(b"0\r\n\r\n", b"Transfer-Encoding:\r\n chunked\r\n"), [200], True),
    ("HTTP/1.0 with chunks", get(version=b"HTTP/1.0", fields=OK + b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n", [400], False,
     "accepts: chunks win there"),
    # ---- first lines that are none ----
    ("nothing but an end", b"\r\n\r\n", [400], False),
    ("garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", [400], False),
    ("words", b"hello world how are you\r\n\r\n", [400], False),
    ("no version", b"GET /health\r\n" + OK + b"\r\n", [400], False),
    ("no target", b"GET HTTP/1.1\r\n" + OK + b"\r\n", [400], False),
    ("no method", b"/health HTTP/1.1\r\n" + OK + b"\r\n", [400], False),
    ("a space first", b" " + GET, [400], False),
    ("two spaces", get(b" /health"), [400], False),
    ("a space in the target", get(b"/he alth"), [400], False),
    ("tabs", b"GET\t/health\tHTTP/1.1\r\n" + OK + b"\r\n", [400], False),
    ("a space at the end", get(version=b"HTTP/1.1 "), [400], False),
    ("a method with a colon", get(method=b"G:T"), [400], False),
    ("a method in small letters", get(method=b"get"), [405], True),
    ("a long method", get(method=b"X" * 100), [405], True),
    ("HTTP/2.0", get(version=b"HTTP/2.0"), [400], False, "accepts: leaves versions to others"),
    ("HTTP/3", get(version=b"HTTP/3"), [400], False),
    ("HTTP/0.9", get(version=b"HTTP/0.9"), [400], False, "accepts: leaves versions to others"),
    ("HTTP/1.2", get(version=b"HTTP/1.2"), [400], False, "same"),
    ("HTTP/1.11", get(version=b"HTTP/1.11"), [400], False),
    ("http/1.1", get(version=b"http/1.1"), [400], False),
    ("HTTPS/1.1", get(version=b"HTTPS/1.1"), [400], False),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400], False),
    ("a target without a slash", get(b"health"), [400], False, "accepts: it does not look at targets"),
    ("a target *", get(b"*"), [400], False, "accepts: it does not look at targets"),
    ("a target with a fragment", get(b"/health#x"), [400], False, "accepts: it does not look at targets"),
    ("a target with a NUL", get(b"/he\0alth"), [400], False),
    ("a target with an escaped NUL", get(b"/health%00"), [400], False, "accepts: it does not look at targets"),
    ("a target with half an escape", get(b"/health%2"), [400], False, "accepts: it does not look at targets"),
    ("a target with bytes beyond ASCII", get(b"/h\xc3\xa4"), [404], True, "refuses: we answer what is not there"),
    ("CONNECT", get(b"localhost:80", method=b"CONNECT"), [400], False, "accepts: it does not look at targets"),
    ("lines that end in LF", GET.replace(b"\r\n", b"\n"), [400], False, "accepts: is tolerant there"),
    ("a first line that ends in LF", GET.replace(b"\r\n", b"\n", 1), [400], False, "accepts: is tolerant there"),
    ("lines that end in CR", GET.replace(b"\r\n", b"\r"), [400], False, "same"),
    # ---- fields that are none ----
    ("a field without a colon", field(b"X-Nothing"), [400], False),
    ("a field without a name", field(b": x"), [400], False),
    ("a space in front of the colon", field(b"X-Name : x"), [400], False),
    ("a space in a name", field(b"X Name: x"), [400], False),
    ("a name beyond ASCII", field(b"X-N\xc3\xa4me: x"), [400], False),
    ("a name with a NUL", field(b"X-\0: x"), [400], False),
    ("a name in brackets", field(b"X(1): x"), [400], False),
    ("a value with a NUL", field(b"X-Name: a\0b"), [400], False),
    ("a value with a CR", field(b"X-Name: a\rb"), [400], False),
    ("a value with DEL", field(b"X-Name: a\x7fb"), [400], False, "accepts: it looks for NUL and line ends only"),
    ("a value with a bell", field(b"X-Name: a\x07b"), [400], False, "accepts: it looks for NUL and line ends only"),
    ("a folded first field", get(fields=b" x: y\r\n" + OK), [400], False),
    ("101 fields", get(fields=OK + b"".join(b"X-%d: y\r\n" % i for i in range(100))), [431], False, "accepts: has no such limit"),
    ("a field of 17 KB", field(b"X-Long: " + b"a" * 17000), [431], False, "accepts: it limits what is incomplete"),
    ("a target of 17 KB", get(b"/" + b"a" * 17000), [431], False, "accepts: it limits what is incomplete"),
    ("17 KB without an end", b"GET /" + b"a" * 17000, [431], False),
    ("no Host", get(fields=b""), [400], False),
    ("two Hosts", get(fields=OK + OK), [400], False),
    # ---- Host and Origin ----
    ("Host with a port", get(fields=b"Host: localhost:8080\r\n"), [200], True),
    ("Host as an address", get(fields=b"Host: 127.0.0.1\r\n"), [200], True),
    ("Host as another loopback address", get(fields=b"Host: 127.9.9.9:1\r\n"), [200], True),
    ("Host as an IPv6 address", get(fields=b"Host: [::1]:11434\r\n"), [200], True),
    ("Host below localhost", get(fields=b"Host: chat.localhost\r\n"), [200], True),
    ("Host of a site", get(fields=b"Host: evil.example\r\n"), [403], True),
    ("Host that begins like one", get(fields=b"Host: localhost.evil.example\r\n"), [403], True),
    ("Host that begins like an address", get(fields=b"Host: 127.0.0.1.evil.example\r\n"), [403], True),
    ("Host of another address", get(fields=b"Host: 192.168.1.7\r\n"), [403], True),
    ("Host that is empty", get(fields=b"Host:\r\n"), [403], True),
    ("Host with a user", get(fields=b"Host: localhost@evil.example\r\n"), [403], True),
    ("Host with a port of letters", get(fields=b"Host: localhost:x\r\n"), [403], True, "same"),
    ("Host without its bracket", get(fields=b"Host: [::1\r\n"), [403], True, "same"),
    ("Origin of this machine", origin(b"http://localhost:3000"), [200], True),
    ("Origin of an address", origin(b"https://127.0.0.1"), [200], True),
    ("Origin of an IPv6 address", origin(b"http://[::1]:5173"), [200], True),
    ("Origin null", origin(b"null"), [403], True),
    ("Origin of a site", origin(b"https://evil.example"), [403], True),
    ("Origin that begins like one", origin(b"http://localhost.evil.example"), [403], True),
    ("Origin of an extension", origin(b"chrome-extension://abc"), [403], True),
    ("Origin of a file", origin(b"file://"), [403], True),
    ("Origin of a site for a route that is not there", origin(b"https://evil.example", target=b"/nothing"), [403], True),
    # ---- routes ----
    ("nothing there", get(b"/nothing"), [404], True),
    ("a slash at the end", get(b"/health/"), [404], True),
    ("two slashes", get(b"//health"), [404], True),
    ("dots", get(b"/x/../health"), [404], True),
    ("capitals", get(b"/HEALTH"), [404], True),
    ("another method", get(method=b"DELETE"), [405], True),
    ("OPTIONS of a route", get(method=b"OPTIONS"), [204], True),
    ("OPTIONS of everything", get(b"*", method=b"OPTIONS"), [404], True),
    ("TRACE", get(method=b"TRACE"), [405], True),
    ("HEAD of a POST", get(b"/v1/tokenize", method=b"HEAD"), [405], True),
    ("gzip as content", post(b"ab", b"Content-Length: 2\r\nContent-Encoding: gzip\r\n") + GET, [415, 200], True),
    ("identity as content", post(b"ab", b"Content-Length: 2\r\nContent-Encoding: identity\r\n"), [200], True),
    ("a refused body is not a request", get(b"/nothing", fields=OK + b"Content-Length: %d\r\n" % len(GET), method=b"POST") + GET + GET,
     [404, 200], True),
    ("a refused body in chunks", get(b"/nothing", fields=OK + b"Transfer-Encoding: chunked\r\n", method=b"POST") +
     b"2\r\nab\r\n0\r\n\r\n" + GET, [404], False, "same"),
    ("a refused body that waits to be asked for", get(b"/nothing", fields=OK + b"Content-Length: 2\r\nExpect: 100-continue\r\n",
                                                      method=b"POST"), [404], False, "same"),
]


def answers(server, data):
    """The statuses that come back, read by h11, and whether the connection went on."""
    client = h11.Connection(h11.CLIENT)
    statuses, went_on = [], True
    with server.connect() as sock:
        sock.sendall(data)
        sock.settimeout(0.5)
        raw = b""
        try:
            while True:
                got = sock.recv(65536)
                if not got:
                    went_on = False
                    break
                raw += got
        except TimeoutError:
            pass
        except ConnectionResetError:
            went_on = False
    while raw:
        method = data.split(b" ")[0] if data.startswith((b"HEAD ", b"CONNECT ")) else b"GET"
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method=method if method == b"HEAD" else b"GET", target="/", headers=[("host", "x")]))
        client.send(h11.EndOfMessage())
        client.receive_data(raw)
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            assert event is not h11.NEED_DATA, f"half a response: {raw!r}"
            if isinstance(event, h11.Response):
                statuses.append(event.status_code)
        raw = client.trailing_data[0]
    return statuses, went_on


def h11_takes(data):
    """Whether h11 reads these bytes as requests to their end."""
    while data:
        server = h11.Connection(h11.SERVER, max_incomplete_event_size=16384)
        server.receive_data(data)
        try:
            while not isinstance(event := server.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    return True
        except h11.RemoteProtocolError:
            return False
        data = server.trailing_data[0]
    return True


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_bytes(server, case):
    name, data, wanted, stays = case[:4]
    differs = case[4] if len(case) > 4 else ""
    statuses, went_on = answers(server, data)
    if wanted == [None]:  # the request never ends
        assert statuses == [] and went_on
        return
    if not stays and len(wanted) > 1:
        assert len(statuses) == 1 and statuses[0] in wanted
    else:
        assert statuses == wanted
    assert went_on == stays
    if differs != "same":
        taken = all(status not in (400, 413, 417, 431, 501, 505) for status in statuses)
        assert h11_takes(data) == (not taken if differs else taken), differs


def test_there_are_many_cases():
    assert len(CASES) >= 150
    assert len({case[0] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_how_bytes_are_cut_does_not_matter(server, size):
    data = GET + chunked(b"2;x\r\nab\r\n0\r\nT: 1\r\n\r\n") + post(b"ab", b"Content-Length: 2\r\n") + field(b"Connection: close")
    with server.connect() as sock:
        for i in range(0, len(data), size):
            sock.sendall(data[i:i + size])
        assert serving.read_all(sock).count(b"HTTP/1.1 200 OK") == 4
