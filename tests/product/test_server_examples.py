"""The servers of examples/, each started as a user does, and asked by real clients over real sockets."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from types import TracebackType
from typing import Any, Self

import pytest
from browser import Browser, Page
from tools import find_tool

EXAMPLES = Path(__file__).parents[2] / "examples"

httpx: Any = pytest.importorskip("httpx")


class Server:
    """An example that runs until the end of its ``with`` block; its output begins with its address."""

    def __init__(self, name: str, *arguments: str) -> None:
        command = [sys.executable, str(EXAMPLES / name), "127.0.0.1:0", *arguments]
        self._process = subprocess.Popen(
            command, cwd=EXAMPLES.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.url = self.next_line()
        found = re.search(r"127\.0\.0\.1:(\d+)$", self.url)
        assert found, self.url
        self.address = "127.0.0.1", int(found[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()  # which does nothing if it has ended
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def client(self) -> Any:
        return httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def next_line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def signal(self, signal: Signals) -> None:
        self._process.send_signal(signal)

    def rest(self) -> list[str]:
        """What else it prints until it ends in order."""
        output, _ = self._process.communicate()
        assert self._process.returncode == 0, output
        return str(output).splitlines()

    def end(self) -> list[str]:
        self.signal(SIGTERM)
        return self.rest()


# ── the echo server ──


@pytest.mark.parametrize("signal", [SIGTERM, SIGINT], ids=lambda signal: signal.name)
def test_echo_server_ends_each_connection_in_order(signal: Signals) -> None:
    with Server("echo_server.py") as server:
        clients = [socket.create_connection(server.address) for _ in range(20)]
        for n, client in enumerate(clients):
            client.sendall(b"%02d" % n)
            assert client.recv(2, socket.MSG_WAITALL) == b"%02d" % n
        server.signal(signal)
        for client in clients:
            assert client.recv(1) == b""
            client.close()
        assert server.rest() == [f"{signal.name} received: 20 connections drained, 0 cut"]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(server.address)


def test_echo_server_sends_all_back_to_a_client_that_says_much_and_then_listens() -> None:
    said = bytes(range(256)) * 8192  # 2 MiB, more than the buffers of the kernel and of the server hold

    async def say_and_listen(address: tuple[str, int]) -> bytes:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(said)
        writer.write_eof()
        heard = await reader.read()
        writer.close()
        return heard

    with Server("echo_server.py") as server:
        assert asyncio.run(say_and_listen(server.address)) == said


# ── the HTTP server: SIGTERM under load ──

REQUESTS = [
    (b"GET /hello/ann HTTP/1.1\r\nHost: a\r\n\r\n", b"hello, ann\n"),
    (b"POST /upper HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde", b"ABCDE"),
    (b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", b"3\r\nno \r\n5\r\nhurry\r\n1\r\n\n\r\n0\r\n\r\n"),
]


class Load:
    """Clients that ask one thing after the other, on connections that they keep, until the server listens no longer."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self.outcomes: Counter[str] = Counter()
        self.busy = asyncio.Semaphore(0)  # released by each client that has its third answer

    async def keep_asking(self) -> None:
        asked = 0
        while True:
            try:
                reader, writer = await asyncio.open_connection(*self._address)
            except (ConnectionRefusedError, ConnectionResetError):  # a reset: made just as the listener was closed
                return
            persists = True
            while persists:
                outcome, persists = await ask(reader, writer, *REQUESTS[asked % len(REQUESTS)])
                self.outcomes[outcome] += 1
                asked += 1
                if asked == 3:
                    self.busy.release()
            writer.close()


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, expected: bytes
) -> tuple[str, bool]:
    """What became of it, and whether the connection goes on."""
    writer.write(request)
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        # Closed before this request was read: the client has to ask again, and may.
        return ("cut" if getattr(error, "partial", b"") else "not read"), False
    try:
        body = await reader.readexactly(len(expected))
    except (ConnectionError, asyncio.IncompleteReadError):
        return "cut", False
    is_right = head.startswith(b"HTTP/1.1 200 OK\r\n") and body == expected
    return ("answered" if is_right else "wrong"), b"connection: close" not in head.lower()


def test_http_server_loses_no_request_at_sigterm_under_load() -> None:
    async def overload(server: Server) -> Counter[str]:
        load = Load(server.address)
        clients = [asyncio.create_task(load.keep_asking()) for _ in range(50)]
        for _ in clients:
            await load.busy.acquire()
        server.signal(SIGTERM)
        await asyncio.gather(*clients)
        return load.outcomes

    with Server("http_server.py") as server:
        outcomes = asyncio.run(overload(server))
        assert outcomes["cut"] == outcomes["wrong"] == 0
        assert outcomes["answered"] >= 150
        # What a handler has seen is answered, and no client was told what none has seen.
        assert server.rest() == ["SIGTERM received", f"{outcomes['answered']} requests answered, 0 cut"]


def test_http_server_tells_load_balancers_before_it_closes() -> None:
    with Server("http_server.py") as server, server.client() as client:
        assert (client.get("/healthz").text, client.get("/hello/bob").text) == ("ready\n", "hello, bob\n")
        server.signal(SIGTERM)
        assert server.next_line() == "SIGTERM received"
        answer = client.get("/healthz")  # within the delay, on the connection from before
        assert (answer.status_code, answer.text, answer.headers["Connection"]) == (503, "closing\n", "close")
        assert server.rest() == ["3 requests answered, 0 cut"]


# ── the chat ──


def said_in(lines: Iterator[str]) -> str:
    """The next message of a stream of events, as "name: text"."""
    for line in lines:
        if line.startswith("data: "):
            message = json.loads(line.removeprefix("data: "))
            return f"{message['name']}: {message['text']}"
    return "the end"


def test_chat_brings_what_is_said_to_the_readers_of_a_room() -> None:
    with Server("chat.py") as server, server.client() as client:

        def say(room: str, text: str) -> int:
            answer = client.post(f"/rooms/{room}", json={"name": "ann", "text": text})
            return int(answer.json()["reached"])

        def get(room: str) -> Any:
            return client.stream("GET", f"/rooms/{room}/events")

        assert say("garden", "nobody here") == 0
        with get("garden") as first, get("attic") as attic:
            garden = first.iter_lines()
            assert [say("garden", "one"), say("garden", "two\nlines"), say("attic", "dark")] == [1, 1, 1]
            with get("garden") as second:
                late = second.iter_lines()
                assert say("garden", "three") == 2
                expected = ["ann: one", "ann: two\nlines", "ann: three"]
                assert [said_in(garden) for _ in expected] == [said_in(late) for _ in expected] == expected
                server.signal(SIGTERM)
                dark = attic.iter_lines()
                ends = [said_in(lines) for lines in (garden, late, dark, dark)]
                assert ends == ["the end", "the end", "ann: dark", "the end"]
        assert server.rest() == ["SIGTERM received"]


@pytest.mark.parametrize("message", [b"", b"[]", b'{"name": "ann"}', b"\xff"])
def test_chat_says_what_a_message_is(message: bytes) -> None:
    with Server("chat.py") as server, server.client() as client:
        answer = client.post("/rooms/garden", content=message)
        assert (answer.status_code, answer.text) == (400, 'a message is {"name": ..., "text": ...}\n')


def test_chat_lets_no_page_of_another_site_speak() -> None:
    with Server("chat.py") as server, server.client() as client:
        message = {"name": "ann", "text": "hello"}
        answer = client.post("/rooms/garden", json=message, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403


def test_chat_drops_a_reader_that_is_too_slow_and_nobody_else() -> None:
    message = {"name": "ann", "text": "a long story " * 300}
    with Server("chat.py") as server, server.client() as client, socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(server.address)
        slow.sendall(b"GET /rooms/garden/events HTTP/1.1\r\nHost: a\r\n\r\n")
        received = slow.recv(4096)
        with client.stream("GET", "/rooms/garden/events") as stream:
            lines, sent = stream.iter_lines(), 0
            while True:
                reached = client.post("/rooms/garden", json=message).json()["reached"]
                sent += 1
                assert said_in(lines) == f"{message['name']}: {message['text']}"
                if reached == 1:
                    break
            while not received.endswith(b"\r\n0\r\n\r\n"):  # it reads at last: all but what came after it was dropped
                part = slow.recv(65536)
                assert part
                received += part
            assert received.count(b"data: ") == sent - 1
            assert server.next_line().startswith("garden: ('127.0.0.1', ")
        assert server.end() == ["SIGTERM received"]


@pytest.mark.parametrize(
    ("required", "outcome"), [("", pytest.skip.Exception), ("nginx chromium", pytest.fail.Exception)]
)
def test_a_tool_that_is_missing_is_a_failure_where_it_is_required(
    required: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOISH_REQUIRE", required)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(outcome, match="make tools"):
        find_tool("chromium")


def open_chat(browser: Browser, url: str, name: str) -> Page:
    page = browser.open(url)
    page.wait_until("at('state').textContent == 'connected'")
    page.type("#name", name)
    return page


def test_chat_in_a_browser(tmp_path: Path) -> None:
    with Server("chat.py") as server, Browser(tmp_path) as browser:
        ann, bob = (open_chat(browser, f"{server.url}/#garden", name) for name in ("ann", "bob"))
        for n, (page, text) in enumerate([(ann, "hello"), (bob, "<b>hi</b> & good morning")], 1):
            page.type("#text", f"{text}\n")
            for reader in (ann, bob):
                reader.wait_until(f"document.querySelectorAll('li').length == {n}")
        cho = open_chat(browser, f"{server.url}/#garden", "cho")
        cho.wait_until("document.querySelectorAll('li').length == 2")
        for page in (ann, bob, cho):
            assert page.run("document.querySelector('h1').innerText") == "garden"
            assert page.run("document.querySelector('ol').innerText") == "ann hello\nbob <b>hi</b> & good morning"
        server.signal(SIGTERM)
        ann.wait_until("at('state').textContent == 'connecting again'")
        assert server.rest() == ["SIGTERM received"]


# ── the ticker ──


def test_ticker_notices_clients_that_leave() -> None:
    with Server("ticker.py") as server, server.client() as client:

        def wait_for(lines: Iterator[str], following: int) -> None:
            while json.loads(next(line for line in lines if line)[len("data: ") :])["following"] != following:
                pass

        with client.stream("GET", "/prices") as stream:
            lines = stream.iter_lines()
            wait_for(lines, 1)
            with client.stream("GET", "/prices") as another:
                wait_for(another.iter_lines(), 2)
                wait_for(lines, 2)
            assert server.next_line() == "left: the client has left"
            wait_for(lines, 1)
            server.signal(SIGTERM)
            for _ in lines:
                pass
        assert server.rest() == ["SIGTERM received: 0 streams were cut"]


# ── the service with a model ──

TEXTS = {
    "english": "the thing that they thought of was there all the time",
    "french": "une image que tu as vue un jour est restée dans ta tête",
    "german": "wenn der regen kommt gehen wir in den garten und singen",
}


def test_batching_asks_the_model_for_many_answers_at_once() -> None:
    async def ask_all(server: Server) -> list[tuple[str, Any]]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=server.url, timeout=60, limits=limits, trust_env=False) as client:

            async def guess(language: str) -> tuple[str, Any]:
                return language, (await client.post("/guess", content=TEXTS[language].encode())).json()

            return await asyncio.gather(*(guess(language) for language in list(TEXTS) * 16))

    with Server("batching.py", "--most", "16", "--wait", "100") as server:
        for language, answer in asyncio.run(ask_all(server)):
            assert answer == {"language": language, "batch": 16}
        assert server.end() == ["SIGTERM received: 48 requests answered"]


def test_batching_refuses_what_is_too_long() -> None:
    with Server("batching.py") as server, server.client() as client:
        assert client.post("/guess", content=b"a" * 10_001).status_code == 413
        assert client.post("/guess", content=b"the end").json()["batch"] == 1
