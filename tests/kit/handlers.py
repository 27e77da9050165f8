"""Handlers of connections that a worker process of a server imports."""

from __future__ import annotations

import os
import ssl
import threading
import time

from goish import net


async def tell_process(conn: net.Conn) -> None:
    await conn.write(b"%d" % os.getpid())


async def tell_thread(conn: net.Conn) -> None:
    await conn.write(b"%d" % threading.get_ident())


async def shout(conn: net.Conn) -> None:
    await conn.write((await conn.read_until()).upper())


async def crash(conn: net.Conn) -> None:
    await conn.read()
    os._exit(3)


async def never(conn: net.Conn) -> None:
    await conn.write(b"here")
    async for _ in conn:
        pass


async def tell_and_block(conn: net.Conn) -> None:
    """When its client has left, it never lets the loop of its worker go."""
    await tell_process(conn)
    await conn.read()
    time.sleep(1000)


async def stay_or_tell(conn: net.Conn) -> None:
    """ "stay" stays until the client leaves."""
    order = await conn.read_until()
    await tell_process(conn)
    while order == b"stay\n" and await conn.read():
        pass


async def until_closing(conn: net.Conn) -> None:
    await conn.write(b"%d" % os.getpid())
    await net.closing().recv_ok()
    await conn.write(b" bye")


class FailsToLoad:
    """Where it is unpickled, it raises."""

    def __reduce__(self) -> object:
        return fail_to_load, ()


def fail_to_load() -> None:
    raise LookupError("of the import")


class Depends:
    """Tells its process. What ``GOISH_TEST_WORKERS`` says happens where it is unpickled: "fail", "exit"."""

    async def __call__(self, conn: net.Conn) -> None:
        await tell_process(conn)

    def __reduce__(self) -> object:
        return depends, ()


def depends() -> Depends:
    told = os.environ.get("GOISH_TEST_WORKERS")
    if told == "fail":
        raise LookupError("of the start")
    if told == "exit":
        os._exit(7)
    return Depends()


def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["GOISH_TEST_CERTIFICATE"])
    return context
