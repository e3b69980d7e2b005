"""The unit, the image and the Kubernetes example of packaging/, as the tools of their systems judge them."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import proxies
import serving

ROOT = proxies.PACKAGING.parent


def tool(name):
    """The path of a tool; the test is skipped where it is not installed."""
    found = shutil.which(name, path=f"{ROOT}/.venv-packaging/bin:{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not here (scripts/setup.sh --tests brings those of .venv-packaging)")
    return found


def checked(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def drain_seconds():
    return int(re.search(r"drain\{(\d+)'000\}", (ROOT / "src/server/limits.h").read_text())[1])


def test_the_unit(glimt, tmp_path):
    text = (proxies.PACKAGING / "systemd/glimt.service").read_text()
    assert int(re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[1]) >= drain_seconds() + 10
    unit = tmp_path / "glimt.service"
    unit.write_text(text.replace("/usr/bin/glimt", os.path.abspath(glimt)))
    analyze = tool("systemd-analyze")
    assert checked(analyze, "verify", "--man=no", unit) == ""
    # 0 is a service that can do nothing, 10 one that can do all; 2 is what systemd calls OK.
    checked(analyze, "security", "--offline=true", "--threshold=20", unit)


def test_the_unit_allows_what_the_server_asks_of_the_kernel():
    """mincore is in none of systemd's groups; without it no weights move into huge pages."""
    text = (proxies.PACKAGING / "systemd/glimt.service").read_text()
    assert any("mincore(" in path.read_text() for path in (ROOT / "src").rglob("*.cpp"))
    assert re.search(r"^SystemCallFilter=@system-service.* mincore", text, re.MULTILINE)


def test_the_image():
    checked(tool("hadolint"), "--failure-threshold", "style", proxies.PACKAGING / "container/Containerfile")


def test_the_health_check_of_the_image():
    """The command that stands there, against a server that answers, and one that is gone."""
    text = (proxies.PACKAGING / "container/Containerfile").read_text()
    command = json.loads(re.search(r"HEALTHCHECK .*\\\n  CMD (.*)", text)[1])
    server = serving.Running([serving.SCRIPTED])
    try:
        assert "11434" in command[-1]
        command[-1] = command[-1].replace("11434", str(server.port))
        checked(*command)
        server.process.terminate()
        server.process.wait(30)
        assert subprocess.run(command, capture_output=True, timeout=10).returncode != 0
    finally:
        server.process.kill()


def test_kubernetes():
    file = proxies.PACKAGING / "kubernetes/glimt.yaml"
    said = checked(tool("kubernetes-validate"), "--strict", file)
    assert said.count("passed") == file.read_text().count("\nkind: ")
    pause = int(re.search(r'\[sleep, "(\d+)"\]', file.read_text())[1])
    grace = int(re.search(r"terminationGracePeriodSeconds: (\d+)", file.read_text())[1])
    assert grace >= pause + drain_seconds() + 10


def test_the_proxy_of_kubernetes(tmp_path):
    """What the comment of the example says to change in HAProxy's configuration, as it stands there."""
    haproxy = tool("haproxy")
    comment = re.findall(r"^# ?(.*)$", (proxies.PACKAGING / "kubernetes/glimt.yaml").read_text(), re.MULTILINE)
    script = re.search(r"sed '[^']*' glimt\.cfg > haproxy\.cfg", "\n".join(comment))[0]
    checked("bash", "-c", script.replace("glimt.cfg", str(proxies.PACKAGING / "haproxy/glimt.cfg"), 1), cwd=tmp_path)
    text = pathlib.Path(tmp_path / "haproxy.cfg").read_text()
    assert all(f"glimt-{i}.glimt:11434" in text for i in range(3)) and "10.0.0" not in text
    checked(haproxy, "-c", "-f", tmp_path / "haproxy.cfg")
