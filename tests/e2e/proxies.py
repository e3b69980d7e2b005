"""HAProxy and nginx with the configurations of packaging/, in which only addresses and paths are replaced."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest

PACKAGING = pathlib.Path(__file__).resolve().parents[2] / "packaging"


def program(name):
    """The path of a proxy; the test is skipped where it is not installed."""
    found = shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed (scripts/setup.sh --tests brings it)")
    return found


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Proxy:
    """A proxy in front of servers on these ports of this machine, in the order of the file's. Its log is a file."""

    def __init__(self, folder, servers):
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "proxy.log"
        command = self.command(servers)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait()

    def adapted(self, file, listen, address, ports):
        """The text of the file with our addresses; each server's line must be there, so that none is overlooked."""
        text, found = re.subn(listen, rf"\g<1>127.0.0.1:{self.port}", (PACKAGING / file).read_text(), flags=re.MULTILINE)
        assert found == 1, f"{file} listens at {found} addresses"
        ports = iter(ports)
        text, found = re.subn(address, lambda match: f"{match[1]}127.0.0.1:{next(ports)}", text, flags=re.MULTILINE)
        assert found == 3 and next(ports, None) is None, f"{file} has {found} servers"
        return text

    def _wait(self):
        end = time.monotonic() + 10
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise AssertionError(f"{self.process.args[0]} does not listen:\n{self.log.read_text()}")

    def stop(self):
        """SIGTERM, at which nginx ends its workers as well; killed, it would leave them."""
        self.process.terminate()
        self.process.wait(10)


class HaProxy(Proxy):
    def command(self, servers):
        haproxy = program("haproxy")
        text = self.adapted("haproxy/glimt.cfg", r"^(  bind ):8080$", r"^(  server \w+ )10\.0\.0\.\d:11434$", servers)
        file = self.folder / "glimt.cfg"
        file.write_text(text.replace("/run/haproxy/admin.sock", str(self.folder / "admin.sock")))
        subprocess.run([haproxy, "-c", "-q", "-f", file], check=True)
        return [haproxy, "-db", "-f", str(file)]


class Nginx(Proxy):
    def command(self, servers):
        nginx = program("nginx")
        text = self.adapted("nginx/glimt.conf", r"^(  listen )8080(?=;$)", r"^(  server )10\.0\.0\.\d:11434", servers)
        (self.folder / "glimt.conf").write_text(text)
        file = self.folder / "nginx.conf"
        # What Debian's /etc/nginx/nginx.conf has around the files of conf.d, in a folder of the test.
        paths = "".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root; " if os.geteuid() == 0 else ""  # the folder is ours alone
        file.write_text(f"{user}pid {self.folder}/nginx.pid; daemon off; worker_processes 1; error_log stderr; events {{}}\n"
                        f"http {{ access_log off; {paths} include {self.folder}/glimt.conf; }}\n")
        subprocess.run([nginx, "-t", "-q", "-c", file], check=True)
        return [nginx, "-c", str(file)]
