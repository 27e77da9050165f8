"""``python -m goish.http``: what it says, how it ends, and with which exit code. In processes of its own."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httptools")

APP = """
    import asyncio, os

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            for _ in range(2):
                message = await receive()
                print(message["type"], flush=True)
                await send({"type": message["type"] + os.environ.get("APP_ANSWERS", ".complete")})
            return
        if scope["path"] == "/wait":
            print("waits", flush=True)
            await scope["extensions"]["http.shutdown"]["closing"].recv_ok()
        if scope["path"] == "/ever":
            print("waits", flush=True)
            await asyncio.Event().wait()
        await send({"type": "http.response.start", "status": 200})
        path = f"/{os.getpid()}" if scope["path"] == "/pid" else scope["path"]
        await send({"type": "http.response.body", "body": f"{scope['scheme']}{path}".encode()})

    def make():
        return app
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "served.py").write_text(textwrap.dedent(APP))
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    return tmp_path


def command(folder: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "goish.http", "--app-dir", str(folder), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


class Running:
    def __init__(self, process: subprocess.Popen[str], place: str) -> None:
        self.process = process
        self.place = place

    def ask(self, path: str) -> http.client.HTTPConnection:
        host, _, port = self.place.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port))
        connection.request("GET", path)
        return connection

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self, *signals: signal.Signals) -> tuple[int, str]:
        for each in signals:
            self.process.send_signal(each)
        errors = self.process.communicate()[1]
        return self.process.returncode, errors


@contextmanager
def running(folder: Path, *arguments: str, **options: Any) -> Iterator[Running]:
    process = command(folder, *arguments, **options)
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert "listen" in said, said + process.stderr.read()
        yield Running(process, said.partition("://")[2].strip() or said.partition("unix:")[2].strip())
    finally:
        process.kill()
        process.communicate()


def test_serves_until_a_signal(folder: Path):
    with running(folder, "served:app", "--port", "0", "--access-log") as server:
        connection = server.ask("/a")
        assert connection.getresponse().read() == b"http/a"
        connection.close()
        code, errors = server.end(signal.SIGTERM)
        assert (code, server.process.stdout is not None) == (0, True)
        assert '"GET /a HTTP/1.1" 200' in errors
        assert "shut down in" in errors


def test_request_in_progress_is_answered(folder: Path):
    with running(folder, "served:make", "--factory", "--port", "0") as server:
        connection = server.ask("/wait")
        assert [server.line(), server.line()] == ["lifespan.startup", "waits"]
        server.process.send_signal(signal.SIGINT)
        assert connection.getresponse().read() == b"http/wait"
        connection.close()
        assert server.end()[0] == 0


def test_request_that_does_not_end_is_cut_and_the_exit_code_says_so(folder: Path):
    with running(folder, "served:app", "--port", "0", "--grace", "0.01") as server:
        connection = server.ask("/ever")
        assert [server.line(), server.line()] == ["lifespan.startup", "waits"]
        code, errors = server.end(signal.SIGTERM)
        connection.close()
        assert code == 1
        assert "1 cut" in errors


def test_second_signal_cuts_at_once(folder: Path):
    with running(folder, "served:app", "--port", "0", "--grace", "3600") as server:
        connection = server.ask("/ever")
        assert [server.line(), server.line()] == ["lifespan.startup", "waits"]
        server.process.send_signal(signal.SIGTERM)
        while is_listening(server):  # until the first has come
            pass
        code, errors = server.end(signal.SIGTERM)
        connection.close()
        assert code == 128 + signal.SIGTERM
        assert "SIGTERM again" in errors


def test_unix_socket_is_removed_at_the_end(folder: Path):
    path = folder / "socket"
    with running(folder, "served:app", "--uds", str(path)) as server:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            answer = b""
            while data := client.recv(4096):
                answer += data
        assert answer.endswith(b"http/a")
        assert server.end(signal.SIGTERM)[0] == 0
    assert not path.exists()


def issue(folder: Path, *names: str) -> tuple[tuple[str, ...], ssl.SSLContext]:
    """The arguments for a certificate, and the context of a client that trusts it."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    issued = authority.issue_cert(*names)
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(key))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return ("--ssl-certfile", str(chain), "--ssl-keyfile", str(key)), context


def ask_by_tls(server: Running, path: str, context: ssl.SSLContext) -> bytes:
    connection = http.client.HTTPSConnection("localhost", int(server.place.rpartition(":")[2]), context=context)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_socket_that_is_inherited_serves_and_outlives_the_command(folder: Path, workers: str):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        arguments = ("--fd", str(sock.fileno()), "--workers", workers)
        with running(folder, "served:app", *arguments, pass_fds=[sock.fileno()]) as server:
            connection = server.ask("/a")
            assert connection.getresponse().read() == b"http/a"
            connection.close()
            assert server.end(signal.SIGTERM)[0] == 0
        socket.create_connection(sock.getsockname()).close()  # it waits for the next one


@pytest.mark.parametrize(
    ("given", "words"), [(["99"], "--fd 99: no socket"), (["0", "--uds", "a"], "not allowed with")]
)
def test_socket_that_is_none_is_a_usage_error(folder: Path, given: list[str], words: str):
    process = command(folder, "served:app", "--fd", *given, stdin=subprocess.DEVNULL)
    assert words in process.communicate()[1]
    assert process.returncode == 2


def test_tls(folder: Path):
    arguments, context = issue(folder, "localhost")
    with running(folder, "served:app", "--host", "localhost", "--port", "0", *arguments) as server:
        assert ask_by_tls(server, "/a", context) == b"https/a"
        assert server.end(signal.SIGTERM)[0] == 0


def test_workers_read_a_new_certificate_at_a_hangup(folder: Path):
    arguments, old = issue(folder, "localhost")
    with running(folder, "served:app", "--host", "localhost", "--port", "0", "--workers", "2", *arguments) as server:
        assert ask_by_tls(server, "/a", old) == b"https/a"
        _, new = issue(folder, "localhost")
        server.process.send_signal(signal.SIGHUP)
        answers = 0
        while answers < 20:  # of both workers
            try:
                answers += ask_by_tls(server, "/a", new) == b"https/a"
            except ssl.SSLCertVerificationError:
                answers = 0
        assert server.end(signal.SIGTERM)[0] == 0


def pids_of(server: Running, count: int) -> set[int]:
    """Ask until so many workers have answered. Each request is answered."""
    found: set[int] = set()
    while len(found) < count:
        found.add(pid_of(server))
    return found


def pid_of(server: Running) -> int:
    connection = server.ask("/pid")
    try:
        return int(connection.getresponse().read().rpartition(b"/")[2])
    finally:
        connection.close()


def test_workers_share_a_port_and_are_replaced(folder: Path):
    with running(folder, "served:app", "--port", "0", "--workers", "2") as server:
        first = pids_of(server, 2)
        os.kill(min(first), signal.SIGKILL)  # a crash
        second: set[int] = set()
        while len(second - {min(first)}) < 2:
            with suppress(OSError, http.client.HTTPException):  # the one that has crashed may have had a connection
                second.add(pid_of(server))
        second.discard(min(first))
        assert max(first) in second
        server.process.send_signal(signal.SIGHUP)  # all of them, one after the other, and no request fails
        while pids_of(server, 2) & second:
            pass
        assert server.end(signal.SIGTERM)[0] == 0


def test_second_signal_cuts_the_workers(folder: Path):
    with running(folder, "served:app", "--port", "0", "--workers", "2", "--grace", "3600") as server:
        assert [server.line(), server.line()] == ["lifespan.startup"] * 2
        connection = server.ask("/ever")
        assert server.line() == "waits"
        server.process.send_signal(signal.SIGTERM)
        while is_listening(server):
            pass
        code, errors = server.end(signal.SIGTERM)
        connection.close()
        assert code == 128 + signal.SIGTERM
        assert "SIGTERM again" in errors


def test_request_that_a_worker_cuts_is_in_the_exit_code(folder: Path):
    with running(folder, "served:app", "--port", "0", "--workers", "2", "--grace", "0.01") as server:
        assert [server.line(), server.line()] == ["lifespan.startup"] * 2
        connection = server.ask("/ever")
        assert server.line() == "waits"
        code, errors = server.end(signal.SIGTERM)
        connection.close()
        assert code == 1
        assert "1 cut" in errors


def is_listening(server: Running) -> bool:
    try:
        server.ask("/").close()
    except OSError:
        return False
    return True


def test_workers_that_do_not_start_end_it(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("APP_ANSWERS", ".failed")
    process = command(folder, "served:app", "--port", "0", "--workers", "2")
    assert "failed in its lifespan" in process.communicate()[1]
    assert process.returncode == 3


WRONG = {
    "served": "module:name",
    "served:nothing": "has no 'nothing'",
    "nowhere:app": "no module 'nowhere'",
    "broken:app": "no_such_module",
    "served:make": "called with (scope, receive, send)",
}


@pytest.mark.parametrize(("app", "words"), WRONG.items(), ids=WRONG)
def test_app_that_is_none_is_a_usage_error(folder: Path, app: str, words: str):
    process = command(folder, app, "--port", "0")
    errors = process.communicate()[1]
    assert words in errors
    assert process.returncode in (1, 2) if app == "broken:app" else process.returncode == 2


def test_address_that_is_taken_is_a_usage_error(folder: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = command(folder, "served:app", "--port", str(port))
        errors = process.communicate()[1]
    assert process.returncode == 2
    assert str(port) in errors


def test_certificate_that_is_not_there_is_a_usage_error(folder: Path):
    process = command(folder, "served:app", "--port", "0", "--ssl-certfile", str(folder / "none.pem"))
    assert "none.pem" in process.communicate()[1]
    assert process.returncode == 2


def test_app_that_does_not_start_has_an_exit_code(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("APP_ANSWERS", ".failed")
    process = command(folder, "served:app", "--port", "0")
    assert "failed in its lifespan" in process.communicate()[1]
    assert process.returncode == 3
