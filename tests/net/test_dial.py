"""Dialing: names with several addresses, timeouts, errors, cancels that leave nothing open."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest
from helpers import outcome, settle, until

from goish._net import dial as dial_module
from goish.errors import DeadlineExceeded
from goish.net import dial, listen

Spawn = Callable[..., Any]


def info(host: str, port: int, family: int = socket.AF_INET) -> tuple[Any, ...]:
    return family, socket.SOCK_STREAM, 0, "", (host, port)


class Attempts:
    """Stands for the attempts to connect: each is answered when the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, hosts: list[str]) -> None:
        self.begun: dict[str, asyncio.Future[socket.socket]] = {}
        self.cancelled: list[str] = []
        self.infos = [info(host, 80) for host in hosts]
        monkeypatch.setattr(dial_module, "_attempt", self.attempt)

    async def attempt(self, loop: asyncio.AbstractEventLoop, info: Any, local: object) -> socket.socket:
        host = info[4][0]
        self.begun[host] = loop.create_future()
        try:
            return await self.begun[host]
        except asyncio.CancelledError:
            self.cancelled.append(host)
            if self.begun[host].done() and not self.begun[host].cancelled():
                self.begun[host].result().close()  # as the real one does
            raise

    async def connect(self, delay: float) -> socket.socket:
        return await dial_module._connect(asyncio.get_running_loop(), self.infos, None, delay)


async def test_the_next_address_is_tried_at_once_if_one_fails(spawn: Spawn, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = Attempts(monkeypatch, ["a", "b", "c"])
    dialing = spawn(attempts.connect, 1000.0)
    await until(lambda: "a" in attempts.begun)
    assert list(attempts.begun) == ["a"]
    attempts.begun["a"].set_exception(OSError(111, "refused"))
    await until(lambda: "b" in attempts.begun)
    with socket.socket() as sock:
        attempts.begun["b"].set_result(sock)
        assert await dialing is sock
    assert list(attempts.begun) == ["a", "b"]


async def test_the_next_address_is_tried_after_a_head_start_and_the_slow_one_given_up(
    spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = Attempts(monkeypatch, ["a", "b"])
    dialing = spawn(attempts.connect, 0.001)
    await until(lambda: "b" in attempts.begun)
    with socket.socket() as sock:
        attempts.begun["b"].set_result(sock)
        assert await dialing is sock
        await until(lambda: attempts.cancelled == ["a"])


async def test_of_several_failures_the_last_is_told(spawn: Spawn, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = Attempts(monkeypatch, ["a", "b"])
    dialing = spawn(attempts.connect, 0.0)
    await until(lambda: len(attempts.begun) == 2)
    attempts.begun["b"].set_exception(OSError(1, "b failed"))
    await settle()
    attempts.begun["a"].set_exception(OSError(2, "a failed"))
    with pytest.raises(OSError, match="a failed"):
        await dialing


async def test_a_cancelled_dial_gives_its_attempts_up(spawn: Spawn, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = Attempts(monkeypatch, ["a", "b"])
    dialing = spawn(attempts.connect, 0.0)
    await until(lambda: len(attempts.begun) == 2)
    dialing.cancel()
    assert await outcome(dialing) is asyncio.CancelledError
    await until(lambda: sorted(attempts.cancelled) == ["a", "b"])


async def test_a_connection_that_comes_too_late_is_closed(spawn: Spawn, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = Attempts(monkeypatch, ["a", "b"])
    dialing = spawn(attempts.connect, 0.0)
    await until(lambda: len(attempts.begun) == 2)
    with socket.socket() as winner:
        loser = socket.socket()
        attempts.begun["a"].set_result(winner)
        attempts.begun["b"].set_result(loser)
        found = await dialing
        await settle()
        other = loser if found is winner else winner
        assert other.fileno() == -1
        found.close()


def test_the_families_take_turns() -> None:
    six, four = socket.AF_INET6, socket.AF_INET
    infos = [info("a", 1, six), info("b", 1, six), info("c", 1, four)]
    assert [each[4][0] for each in dial_module._in_turns(infos)] == ["a", "c", "b"]


async def test_a_dial_with_a_timeout_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as full:
        addr = full.getsockname()
        fillers = []
        for _ in range(4):  # the backlog is full then, and the kernel does not answer
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(addr)
            fillers.append(filler)
        with pytest.raises(
            DeadlineExceeded, match=re.escape(f"dial 127.0.0.1:{addr[1]}: not connected within 0.01 seconds")
        ):
            await dial(addr, timeout=0.01)
        for filler in fillers:
            filler.close()


async def test_errors_have_the_address_in_their_text() -> None:
    with socket.socket() as deaf:  # nobody else can listen there meanwhile
        deaf.bind(("127.0.0.1", 0))
        addr = deaf.getsockname()
        with pytest.raises(ConnectionRefusedError, match=f"dial 127.0.0.1:{addr[1]}: Connection refused"):
            await dial(addr)
    with pytest.raises(socket.gaierror, match=r"dial no\.such\.host\.invalid:80: "):
        await dial("no.such.host.invalid:80")
    with pytest.raises(FileNotFoundError, match="dial unix:/no/such/socket: No such file"):
        await dial("unix:/no/such/socket")


async def test_the_address_of_this_end_may_be_given() -> None:
    with listen("127.0.0.1:0") as listener:
        async with await dial(listener.addr, local_addr=("127.0.0.2", 0)) as conn:
            assert conn.local_addr[0] == "127.0.0.2"
            (await listener.accept()).close()


BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "no port": (lambda: dial("localhost"), ValueError, "without a port"),
    "a socket": (lambda: dial(3.5), TypeError, "got 3.5 of type float"),  # type: ignore[arg-type]
    "a timeout": (lambda: dial("a:1", timeout="5"), TypeError, "timeout is a number of seconds"),  # type: ignore[arg-type]
    "ssl": (lambda: dial("a:1", ssl="yes"), TypeError, "ssl is an ssl.SSLContext, True or None"),  # type: ignore[arg-type]
    "a name without TLS": (lambda: dial("a:1", server_hostname="a"), ValueError, "server_hostname is for TLS"),
    "local_addr of a unix socket": (lambda: dial("unix:/x", local_addr=("a", 0)), ValueError, "local_addr is for TCP"),
    "a delay": (
        lambda: dial("a:1", happy_eyeballs_delay=-1),
        ValueError,
        "happy_eyeballs_delay is a number of seconds",
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_mistake_is_told(name: str) -> None:
    call, kind, words = BAD[name]
    with pytest.raises(kind, match=re.escape(words)):
        await call()
