"""trio's TCP listeners."""

from __future__ import annotations

from contextlib import suppress

import trio

from benchmarks.servers import certificate
from benchmarks.servers.rivals import Servers


async def echo(stream: trio.abc.Stream) -> None:
    with suppress(trio.BrokenResourceError):  # a client that leaves without TLS's goodbye
        async for data in stream:  # type: ignore[attr-defined]
            await stream.send_all(data)


async def listen(port: int) -> None:
    await trio.serve_tcp(echo, port, host="127.0.0.1", backlog=1024)


async def listen_tls(port: int) -> None:
    context = certificate.server_context()
    await trio.serve_ssl_over_tcp(echo, port, context, host="127.0.0.1", backlog=1024)


def serve(port: int) -> None:
    trio.run(listen, port)


def serve_tls(port: int) -> None:
    trio.run(listen_tls, port)


SERVERS: Servers = {"echo": serve, "echo_16": serve, "echo_tls": serve_tls, "echo_idle": serve}
