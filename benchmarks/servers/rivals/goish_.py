"""goish: connections of goish.net, and handlers of goish.http; on uvloop."""

from __future__ import annotations

from functools import partial

import goish
from benchmarks.servers import certificate
from benchmarks.servers.rivals import Servers
from benchmarks.servers.workloads import BLOB, CHUNK, CHUNKS, HELLO, HTTP, PATHS, WORKERS, dumped
from goish import http, net
from goish.net import Conn


async def echo(conn: Conn) -> None:
    async for data in conn:
        await conn.write(data)


async def listen(port: int, tls: bool) -> None:
    context = certificate.server_context() if tls else None
    await net.serve(echo, f"127.0.0.1:{port}", ssl=context).wait()


def serve(tls: bool, port: int) -> None:
    goish.run(listen, port, tls, deadlock="off")


async def hello(w: http.ResponseWriter, r: http.Request) -> None:
    w.headers["Content-Type"] = "text/plain"
    await w.write(HELLO)


async def as_json(w: http.ResponseWriter, r: http.Request) -> None:
    w.headers["Content-Type"] = "application/json"
    await w.write(dumped())


async def up(w: http.ResponseWriter, r: http.Request) -> None:
    size = 0
    async for piece in r:
        size += len(piece)
    await w.text(str(size))


async def down(w: http.ResponseWriter, r: http.Request) -> None:
    w.headers["Content-Length"] = str(len(BLOB))
    await w.write(BLOB)


async def stream(w: http.ResponseWriter, r: http.Request) -> None:
    for _ in range(CHUNKS):
        await w.write(CHUNK)
        await w.flush()


mux = http.ServeMux()
mux.handle("GET /{$}", hello)
mux.handle(f"GET {PATHS['http_json']}", as_json)
mux.handle(f"POST {PATHS['http_up']}", up)
mux.handle(f"GET {PATHS['http_down']}", down)
mux.handle(f"GET {PATHS['http_stream']}", stream)


async def listen_http(port: int, workers: int) -> None:
    await http.serve(mux, f"127.0.0.1:{port}", workers=workers).wait()


def serve_http(workers: int, port: int) -> None:
    goish.run(listen_http, port, workers, deadlock="off")


SERVERS: Servers = (
    dict.fromkeys(("echo", "echo_16", "echo_connect", "echo_idle"), partial(serve, False))
    | {"echo_tls": partial(serve, True)}
    | dict.fromkeys((*HTTP, "http_idle"), partial(serve_http, 1))
    | {name: partial(serve_http, workers) for name, workers in WORKERS.items()}
)
