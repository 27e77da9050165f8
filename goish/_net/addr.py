"""Addresses, as ``listen`` and ``dial`` take them, and the sockets that are bound to them.

Threads: any.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from typing import Final, TypeAlias, cast

__all__ = ["Address", "Place", "bind", "parse", "written"]

Address: TypeAlias = "str | tuple[str, int] | socket.socket"
"""``"host:port"``, ``":port"``, ``"[::1]:port"``, ``"unix:/path"``, ``(host, port)``, or a socket that is bound."""

Place: TypeAlias = "tuple[str, int] | str"
"""A parsed address: ``(host, port)``, or the path of a unix socket."""

_NO_IPV6: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_ALLOWED: Final = 'an address is "host:port", ":port", "[::1]:port", "unix:/path" or (host, port)'


def parse(addr: object, also: str = "") -> Place:
    """``(host, port)``, or the path of a unix socket. TypeError or ValueError says what is allowed."""
    if isinstance(addr, str):
        return _unix(addr) if addr.startswith("unix:") else _host_and_port(addr)
    parts = _parts(addr)
    if len(parts) == 2 and isinstance(parts[0], str):
        return parts[0], _port(parts[1], addr)
    raise TypeError(f"{_ALLOWED}{also}; got {addr!r} of type {type(addr).__name__}")


def _parts(addr: object) -> tuple[object, ...]:
    return cast("tuple[object, ...]", addr) if isinstance(addr, tuple) else ()


def written(place: Place) -> str:
    """The place as ``parse`` takes it."""
    if isinstance(place, str):
        return f"unix:{place.replace(chr(0), '@')}"
    host, port = place[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _unix(addr: str) -> str:
    path = addr.removeprefix("unix:")
    if not path:
        raise ValueError(f"{_ALLOWED}; got {addr!r}, without a path")
    return "\0" + path[1:] if path.startswith("@") else path


def _host_and_port(addr: str) -> tuple[str, int]:
    host, colon, port = addr.rpartition(":")
    if not colon:
        raise ValueError(f"{_ALLOWED}; got {addr!r}, without a port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{_ALLOWED}; got {addr!r}: an IPv6 address stands in brackets")
    return host, _port(port, addr)


def _port(port: object, addr: object) -> int:
    if isinstance(port, str) and port.isascii() and port.isdigit():
        port = int(port)
    if isinstance(port, bool) or not isinstance(port, int):
        raise ValueError(f"a port is a number, 0 to 65535; got {port!r} in {addr!r}")
    if not 0 <= port <= 65535:
        raise ValueError(f"a port is a number, 0 to 65535; got {port} in {addr!r}")
    return port


# ── sockets that listen ──


def bind(place: Place, backlog: int, reuse_port: bool) -> socket.socket:
    """A socket that listens there. OSError with the address in its text."""
    try:
        sock = _bind_unix(place) if isinstance(place, str) else _bind_tcp(*place, reuse_port)
    except OSError as error:
        raise _told(error, place) from None
    try:
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise _told(error, place) from None
    return sock


def _told(error: OSError, place: Place) -> OSError:
    if isinstance(error, socket.gaierror):
        return socket.gaierror(error.errno, f"listen on {written(place)}: {error.strerror}")
    return OSError(error.errno, f"listen on {written(place)}: {error.strerror or error}")


def _bind_tcp(host: str, port: int, reuse_port: bool) -> socket.socket:
    if not host:
        return _bind_all(port, reuse_port)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return _bind_one(family, address, reuse_port)


def _bind_all(port: int, reuse_port: bool) -> socket.socket:
    """Of IPv6 and IPv4 both, where there are both."""
    if socket.has_dualstack_ipv6():
        try:
            return _bind_one(socket.AF_INET6, ("::", port, 0, 0), reuse_port)
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
    return _bind_one(socket.AF_INET, ("0.0.0.0", port), reuse_port)


def _bind_one(family: int, address: object, reuse_port: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")  # type: ignore[index]
        sock.bind(address)  # type: ignore[arg-type]
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_unix(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        try:
            sock.bind(path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _is_left_behind(path):
                raise
            os.unlink(path)
            sock.bind(path)
    except BaseException:
        sock.close()
        raise
    return sock


def _is_left_behind(path: str) -> bool:
    """Whether the path is that of a server that has died: nothing listens there."""
    with suppress(OSError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)  # or it would wait for a place in the backlog of a server that accepts none
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                return True
    return False
