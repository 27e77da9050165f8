"""gevent's StreamServer: a greenlet for each connection; its own WSGI server for HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from gevent.pywsgi import WSGIServer
from gevent.server import StreamServer
from gevent.socket import socket

from benchmarks.servers.rivals import Servers
from benchmarks.servers.workloads import BLOB, CHUNK, CHUNKS, HELLO, KIB, PATHS, dumped

Respond = Callable[[str, list[tuple[str, str]]], object]


def echo(connection: socket, _address: tuple[str, int]) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


def serve(port: int) -> None:
    StreamServer(("127.0.0.1", port), echo, backlog=1024).serve_forever()


def app(environ: dict[str, Any], respond: Respond) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == PATHS["http_stream"]:
        respond("200 OK", [("Content-Type", "text/plain")])
        return stream()
    if path == PATHS["http_up"]:
        size = 0
        while data := environ["wsgi.input"].read(64 * KIB):
            size += len(data)
        body = b"%d" % size
    else:
        body = {PATHS["http_json"]: dumped, PATHS["http_down"]: lambda: BLOB}.get(path, lambda: HELLO)()
    respond("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def stream() -> Iterator[bytes]:
    for _ in range(CHUNKS):
        yield CHUNK


def serve_http(port: int) -> None:
    WSGIServer(("127.0.0.1", port), app, log=None, backlog=1024).serve_forever()


SERVERS: Servers = {"echo": serve, "echo_16": serve, "echo_idle": serve} | dict.fromkeys(
    ("http_hello", "http_json", "http_up", "http_down", "http_stream", "http_idle"), partial(serve_http)
)
