"""Connections for tests: on a transport that the test plays itself, and on sockets with a raw one at the other end."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from goish._runtime.core import conn_new
from goish.net import Conn


class Wire(asyncio.Transport):
    """A transport that does what the test says; ``protocol`` is what it would call."""

    def __init__(self, protocol: asyncio.Protocol, **extra: object) -> None:
        super().__init__(extra)
        self.protocol = protocol
        self.sent = bytearray()
        self.calls: list[str] = []
        self.reading = True

    def write(self, data: Any) -> None:
        self.calls.append("write")
        self.sent += data

    def writelines(self, parts: Any) -> None:
        self.calls.append("writelines")
        self.sent += b"".join(parts)

    def write_eof(self) -> None:
        self.calls.append("write_eof")

    def can_write_eof(self) -> bool:
        return True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return "close" in self.calls or "abort" in self.calls

    def close(self) -> None:
        if not self.is_closing():
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)
        self.calls.append("close")

    def abort(self) -> None:
        if not self.is_closing():
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)
        self.calls.append("abort")


def bare(made: bool = True, **extra: object) -> tuple[Conn, Wire]:
    """A connection on a Wire."""
    conn, protocol = conn_new(asyncio.get_running_loop())
    wire = Wire(protocol, **extra)
    if made:
        protocol.connection_made(wire)
    return conn, wire


@asynccontextmanager
async def wired(tcp: bool = False) -> AsyncGenerator[tuple[Conn, socket.socket]]:
    conn, theirs = await connected(tcp)
    with theirs:
        async with conn:
            yield conn, theirs


async def connected(tcp: bool = False) -> tuple[Conn, socket.socket]:
    """A connection on a real transport, and the raw socket at its other end, which does not block."""
    loop = asyncio.get_running_loop()
    conn, protocol = conn_new(loop)
    ours, theirs = tcp_pair() if tcp else socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
    if tcp:
        await loop.create_connection(lambda: protocol, sock=ours)
    else:
        await loop.create_unix_connection(lambda: protocol, sock=ours)
    return conn, theirs


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    return ours, theirs


def reset(sock: socket.socket) -> None:
    """Close it so that the peer gets a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def send(sock: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(sock, data)


async def receive(sock: socket.socket, n: int = 65536) -> bytes:
    return await asyncio.get_running_loop().sock_recv(sock, n)
