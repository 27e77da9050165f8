"""TLS is the transport's: dialing, accepting, refusing, and what cannot be done with it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from certificates import Contexts
from helpers import outcome, settle

import goish
from goish import chan, net, select
from goish.errors import ConnClosed
from goish.net import Conn, Listener, dial, listen

pytest.importorskip("trustme")

Spawn = Callable[..., Any]
HOME = "127.0.0.1:0"


async def serve(listener: Listener) -> str:
    async for conn in listener:
        async with conn:
            async for data in conn:
                await conn.write(data)
    return "over"


async def read(conn: Conn) -> bytes:
    return await conn.read()


async def test_bytes_go_both_ways(spawn: Spawn, contexts: Contexts) -> None:
    with listen(HOME, ssl=contexts[0]) as listener:
        server = spawn(serve, listener)
        async with await dial(listener.addr, ssl=contexts[1], server_hostname="goish.test", timeout=60) as conn:
            await conn.write([b"he", b"llo"])
            assert await conn.read_exactly(5) == b"hello"
            big = bytes(range(256)) * 2000
            await conn.write(big)
            assert await conn.read_exactly(len(big)) == big
            assert conn.get_extra_info("ssl_object").version() is not None
            with pytest.raises(RuntimeError, match="cannot be closed in one direction, as TLS cannot"):
                conn.close_write()
        await settle()
    assert await server == "over"


async def test_a_server_may_speak_first(spawn: Spawn, contexts: Contexts) -> None:
    with listen(HOME, ssl=contexts[0]) as listener:

        async def greet() -> None:
            async with await listener.accept() as conn:
                await conn.write(b"hello")  # kept, until the handshake is done
                assert await conn.read() == b"bye"

        server = spawn(greet)
        async with await dial(listener.addr, ssl=contexts[1], server_hostname="goish.test") as conn:
            assert await conn.read_exactly(5) == b"hello"
            await conn.write(b"bye")
            await server


async def test_a_greeting_arrives_also_if_the_server_closes_at_once(spawn: Spawn, contexts: Contexts) -> None:
    with listen(HOME, ssl=contexts[0]) as listener:

        async def greet() -> None:
            async with await listener.accept() as conn:
                await conn.write(b"hello")

        server = spawn(greet)
        async with await dial(listener.addr, ssl=contexts[1], server_hostname="goish.test") as conn:
            assert await conn.read_exactly(5) == b"hello"
        await server


async def test_a_wrong_name_is_refused_on_both_sides(spawn: Spawn, contexts: Contexts) -> None:
    with listen(HOME, ssl=contexts[0]) as listener:

        async def accepts() -> None:
            async with await listener.accept() as conn:
                await conn.read()

        server = spawn(accepts)
        with pytest.raises(ssl.SSLCertVerificationError):
            await dial(listener.addr, ssl=contexts[1], server_hostname="another.test")
        assert issubclass(await outcome(server), (ssl.SSLError, OSError))  # type: ignore[arg-type]


async def test_a_client_without_tls_fails_the_read_of_the_server(spawn: Spawn, contexts: Contexts) -> None:
    with listen(HOME, ssl=contexts[0]) as listener:

        async def accepts() -> None:
            async with await listener.accept() as conn:
                for _ in range(2):
                    with pytest.raises(ssl.SSLError):
                        await conn.read()
                with pytest.raises(ssl.SSLError):
                    await conn.write(b"x")

        server = spawn(accepts)
        async with await dial(listener.addr) as conn:
            await conn.write(b"GET / HTTP/1.1\r\n\r\n")
            await server


async def test_a_handshake_that_is_cut_off_is_an_error_and_one_that_hangs_is_cancelled_by_close(
    spawn: Spawn, contexts: Contexts
) -> None:
    with listen(HOME, ssl=contexts[0]) as listener:
        client = socket.create_connection(listener.addr)
        conn = await listener.accept()
        reader = spawn(read, conn)
        await settle()
        client.close()
        assert issubclass(await outcome(reader), OSError)  # type: ignore[arg-type]
        conn.close()
        with socket.create_connection(listener.addr):
            conn = await listener.accept()
            reader = spawn(read, conn)
            await settle()
            conn.close()
            assert await outcome(reader) is ConnClosed
            await settle(20)


async def test_the_end_of_the_peer_ends_reads(spawn: Spawn, contexts: Contexts) -> None:
    with listen(HOME, ssl=contexts[0]) as listener:

        async def greet() -> None:
            async with await listener.accept() as conn:
                assert await conn.read() == b"x"

        server = spawn(greet)
        async with await dial(listener.addr, ssl=contexts[1], server_hostname="goish.test") as conn:
            await conn.write(b"x")
            assert await conn.read() == b""
            await server
            await settle(20)
            assert issubclass(await outcome(conn.write(b"late")), OSError)  # type: ignore[arg-type]


async def test_a_deadline_ends_a_handshake_that_hangs(contexts: Contexts) -> None:
    with listen(HOME, ssl=contexts[0]) as listener, socket.create_connection(listener.addr):
        async with await listener.accept() as conn:
            conn.set_deadline(goish.time.now() + 0.01)
            with pytest.raises(TimeoutError):
                await select(conn.read(), chan().recv())


async def test_a_dial_whose_handshake_hangs_has_a_timeout(contexts: Contexts) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(TimeoutError, match=r"not connected within 0\.05 seconds"):
            await dial(silent.getsockname(), ssl=contexts[1], timeout=0.05)


async def test_a_handshake_that_fails_is_a_line_of_information(
    contexts: Contexts, caplog: pytest.LogCaptureFixture
) -> None:
    async def echo(conn: Conn) -> None:
        async for data in conn:
            await conn.write(data)

    caplog.set_level("INFO", "goish")
    async with net.serve(echo, HOME, ssl=contexts[0]) as srv:
        async with await dial(srv.addr) as conn:
            await conn.write(b"GET / HTTP/1.1\r\n\r\n")
            while await conn.read():
                pass
    (record,) = caplog.records
    assert record.levelname == "INFO" and "no TLS with the peer" in record.getMessage() and record.exc_info is None


async def test_an_error_of_tls_of_the_handler_is_its_own(contexts: Contexts, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(conn: Conn) -> None:
        await conn.read()
        raise ssl.SSLError("of the database")

    async with net.serve(fail, HOME, ssl=contexts[0]) as srv:
        async with await dial(srv.addr, ssl=contexts[1], server_hostname="goish.test") as conn:
            await conn.write(b"x")
            assert await conn.read() == b""
    assert "of the database" in caplog.text and caplog.records[0].levelname == "ERROR"
