"""anyio's TCP listener, on asyncio with uvloop."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import anyio
from anyio.abc import ByteStream
from anyio.streams.tls import TLSListener

from benchmarks.servers import certificate
from benchmarks.servers.rivals import Servers


async def echo(stream: ByteStream) -> None:
    with suppress(anyio.BrokenResourceError):  # a client that leaves without TLS's goodbye
        async with stream:
            async for data in stream:
                await stream.send(data)


async def listen(port: int, tls: bool) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port, backlog=1024)
    if tls:
        await TLSListener(listener, certificate.server_context(), standard_compatible=False).serve(echo)
    else:
        await listener.serve(echo)


def serve(tls: bool, port: int) -> None:
    anyio.run(listen, port, tls, backend_options={"use_uvloop": True})


SERVERS: Servers = dict.fromkeys(("echo", "echo_16", "echo_idle"), partial(serve, False)) | {
    "echo_tls": partial(serve, True)
}
