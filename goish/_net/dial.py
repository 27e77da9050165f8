"""dial: a connection to an address.

A name may have several addresses. They are tried one after the other, each with a head start before the next begins
(Happy Eyeballs, RFC 8305), the two families in turns; the first that answers wins, and the others are given up.

Owner of a socket: the attempt that connects it, until it has handed it over; then the transport.
Threads: the loop's own.
"""

from __future__ import annotations

import asyncio
import os
import socket
from itertools import chain, zip_longest
from ssl import SSLContext, SSLError, create_default_context
from typing import Any, TypeAlias

from goish._checks import check_seconds, check_timeout
from goish._net.addr import Place, parse, written
from goish._runtime.core import Chan, Conn, Goroutine, after, conn_new, go, select
from goish.errors import DeadlineExceeded, SendOnClosed

__all__ = ["dial"]

_Info: TypeAlias = "tuple[Any, ...]"
_Answer: TypeAlias = "tuple[socket.socket | None, BaseException | None]"


async def dial(
    addr: str | tuple[str, int],
    *,
    timeout: float | None = None,
    ssl: SSLContext | bool | None = None,
    server_hostname: str | None = None,
    local_addr: tuple[str, int] | None = None,
    happy_eyeballs_delay: float = 0.25,
) -> Conn:
    """Connects to an address. Go's ``net.Dial``.

    ``addr``: ``"host:port"``, ``"[::1]:port"``, ``"unix:/path"`` or ``(host, port)``; an empty host is this one.
    ``timeout``: seconds for all of it, the look-up of the name and the handshake of TLS included; None: no limit.
    ``ssl``: an SSLContext, or True for the usual one of a client. ``server_hostname``: whose certificate is expected,
    unless it is the host of ``addr``. ``local_addr``: ``(host, port)`` of this end. ``happy_eyeballs_delay``: seconds
    after which the next address of a name is tried, too, while the one before has not answered.

    Raises OSError with the address in its text (of several that failed the last one), ``ssl.SSLError``, or
    DeadlineExceeded, which is a TimeoutError; TypeError or ValueError for an address that is none. Cancelled, it leaves
    nothing open. It is called on the loop whose connection it shall be.

    Example::

        from goish import net

        with net.listen("127.0.0.1:0") as listener:
            conn = await net.dial(listener.addr, timeout=5)
            print(conn.remote_addr == listener.addr)  # -> True
            conn.close()
    """
    place = parse(addr)
    context = _checked_context(ssl, server_hostname)
    if local_addr is not None:
        local_addr = _checked_local(local_addr, place)
    check_timeout(timeout)
    check_seconds("happy_eyeballs_delay", happy_eyeballs_delay)
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            return await _dial(place, context, server_hostname, local_addr, happy_eyeballs_delay)
    except TimeoutError as error:
        if not limit.expired():
            raise _told(error, place) from None
        raise DeadlineExceeded(f"dial {written(place)}: not connected within {timeout} seconds") from None
    except SSLError:
        raise
    except OSError as error:
        raise _told(error, place) from None


async def _dial(
    place: Place, context: SSLContext | None, hostname: str | None, local: tuple[str, int] | None, delay: float
) -> Conn:
    loop = asyncio.get_running_loop()
    infos = [_unix_info(place)] if isinstance(place, str) else await _look_up(loop, place)
    sock = await _connect(loop, infos, local, delay)
    conn, protocol = conn_new(loop)
    if context is not None and hostname is None:
        hostname = "" if isinstance(place, str) else place[0]
    try:
        if isinstance(place, str):
            await loop.create_unix_connection(lambda: protocol, sock=sock, ssl=context, server_hostname=hostname)
        else:
            await loop.create_connection(lambda: protocol, sock=sock, ssl=context, server_hostname=hostname)
    except BaseException:
        conn.abort()
        sock.close()
        raise
    return conn


def _checked_context(context: object, hostname: object) -> SSLContext | None:
    if context is True:
        context = create_default_context()
    if context is None or context is False:
        if hostname is not None:
            raise ValueError(f"server_hostname is for TLS: it needs ssl=True or an SSLContext; got {hostname!r} alone")
        return None
    if not isinstance(context, SSLContext):
        raise TypeError(f"ssl is an ssl.SSLContext, True or None; got {context!r} of type {type(context).__name__}")
    return context


def _checked_local(local: object, place: Place) -> tuple[str, int]:
    if isinstance(place, str):
        raise ValueError(f"local_addr is for TCP, and {written(place)} is a unix socket")
    parsed = parse(local)
    if isinstance(parsed, str):
        raise ValueError(f"local_addr is (host, port); got {local!r}")
    return parsed


def _told(error: OSError, place: Place) -> OSError:
    """The same error, with the address in its text."""
    if isinstance(error, socket.gaierror) or error.errno is None:
        return type(error)(*error.args[:-1], f"dial {written(place)}: {error.strerror or error}")
    return OSError(
        error.errno, f"dial {written(place)}: {os.strerror(error.errno)}"
    )  # of the same class, by the number


# ── the addresses of a name ──


def _unix_info(path: str) -> _Info:
    return socket.AF_UNIX, socket.SOCK_STREAM, 0, "", path


async def _look_up(loop: asyncio.AbstractEventLoop, place: tuple[str, int]) -> list[_Info]:
    host, port = place
    found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)
    if not found:
        raise OSError(f"no address is known of {host}")
    return _in_turns(found)


def _in_turns(infos: list[_Info]) -> list[_Info]:
    """The families in turns, that of the first address first."""
    first = [info for info in infos if info[0] == infos[0][0]]
    others = [info for info in infos if info[0] != infos[0][0]]
    return [info for info in chain.from_iterable(zip_longest(first, others)) if info is not None]


# ── connecting ──


async def _connect(
    loop: asyncio.AbstractEventLoop, infos: list[_Info], local: tuple[str, int] | None, delay: float
) -> socket.socket:
    """A socket connected to the first of the addresses that answers."""
    if len(infos) == 1:
        return await _attempt(loop, infos[0], local)
    answers: Chan[_Answer] = Chan(len(infos))
    attempts: list[Goroutine[None]] = []
    try:
        return await _race(loop, infos, local, delay, answers, attempts)
    finally:
        for attempt in attempts:
            attempt.cancel()
        answers.close()
        for sock, _ in answers.try_recv_many(len(infos)):
            if sock is not None:
                sock.close()


async def _race(
    loop: asyncio.AbstractEventLoop,
    infos: list[_Info],
    local: tuple[str, int] | None,
    delay: float,
    answers: Chan[_Answer],
    attempts: list[Goroutine[None]],
) -> socket.socket:
    failed = 0
    for i, info in enumerate(infos):
        attempts.append(go(_answer, loop, info, local, answers))
        last = i == len(infos) - 1
        while failed <= i:
            which, answer, _ = await select(answers.recv(), None if last else after(delay).recv(), biased=True)
            if which != 0:
                break
            assert isinstance(answer, tuple)
            sock, error = answer
            if sock is not None:
                return sock
            failed += 1
            if failed == len(infos):
                assert error is not None
                raise error
    raise AssertionError("the last address has neither answered nor failed")


async def _answer(
    loop: asyncio.AbstractEventLoop, info: _Info, local: tuple[str, int] | None, answers: Chan[_Answer]
) -> None:
    try:
        sock = await _attempt(loop, info, local)
    except OSError as error:
        answers.try_send((None, error))
        return
    try:
        answers.try_send((sock, None))
    except SendOnClosed:  # another was faster
        sock.close()


async def _attempt(loop: asyncio.AbstractEventLoop, info: _Info, local: tuple[str, int] | None) -> socket.socket:
    family, kind, proto, _, address = info
    sock = socket.socket(family, kind, proto)
    try:
        sock.setblocking(False)
        if local is not None:
            sock.bind(local)
        await loop.sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
