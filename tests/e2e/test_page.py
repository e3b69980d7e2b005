"""The page at /: what browsers get, and what other clients do. Its tests in a browser are in web/e2e."""

import base64
import gzip
import hashlib
import re

import pytest

import serving

BROWSER = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.fixture(scope="module")
def server():
    running = serving.Running([serving.SCRIPTED])
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def page(server):
    status, headers, body = server.ask("GET", "/", headers=[BROWSER, "Accept-Encoding: gzip"])
    if headers.get("content-encoding") != "gzip":
        assert status == 200 and b"built without its web page" in body
        pytest.skip("built without node")
    return status, headers, gzip.decompress(body).decode(), len(body)


def test_browsers_get_html_and_others_what_they_look_for(server, page):
    status, headers, html, _ = page
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert html.startswith("<!doctype html>")
    assert server.ask("GET", "/")[2] == b"Ollama is running"
    assert server.ask("GET", "/", headers=["Accept: */*"])[2] == b"Ollama is running"


def test_it_is_small(page):
    assert page[3] < 250_000


def test_the_policy_allows_its_own_script_and_nothing_else(page):
    _, headers, html, _ = page
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'" and policy["connect-src"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    script = re.search(r"<script[^>]*>(.*?)</script>", html, re.S).group(1)
    assert policy["script-src"] == "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_it_needs_nothing_from_elsewhere(page):
    html = page[2]
    assert not re.search(r"<(script|img|iframe)[^>]*\ssrc=", html[:2000])
    assert not re.search(r'<link[^>]*href="(?!data:)', html[:4000])


def test_an_unchanged_page_is_not_sent_again(server, page):
    etag = page[1]["etag"]
    status, headers, body = server.ask("GET", "/", headers=[BROWSER, f"If-None-Match: {etag}"])
    assert (status, body, headers["etag"]) == (304, b"", etag)
    assert server.ask("GET", "/", headers=[BROWSER, 'If-None-Match: "other"'])[0] == 200


def test_it_needs_no_key(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("secret-key\n")
    keys.chmod(0o600)
    server = serving.Running([serving.SCRIPTED, "--keys", keys])
    try:
        assert server.ask("GET", "/", headers=[BROWSER])[0] == 200
        assert server.ask("GET", "/v1/status")[0] == 401
    finally:
        assert server.stop() == 0
