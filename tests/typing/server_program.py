"""What type checkers say of servers and their options: checked by mypy and pyright, never run."""

from __future__ import annotations

import ssl
from typing import Any, Unpack, assert_type

from goish import http, net


async def hello(w: http.ResponseWriter, r: http.Request) -> None:
    assert_type(r.path_value("name"), str)
    await w.text("hello")


async def app(scope: Any, receive: Any, send: Any) -> None: ...


async def echo(conn: net.Conn) -> None:
    async for data in conn:
        await conn.write(data)


def tls() -> ssl.SSLContext:
    return ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)


async def serving() -> None:
    assert_type(net.serve(echo, ":1", workers=2, max_conns=10, ssl=tls), net.Server)
    assert_type(http.serve(hello, ":1", idle_timeout=None, max_body=5, ssl=tls()), http.Server)
    assert_type(http.serve_asgi(app, ":1", lifespan="off", ws_max_size=5, workers=2), http.AsgiServer)
    async with http.serve(hello, ":1", access_log=True, grace=5) as srv:
        assert_type(srv, http.Server)
        assert_type(srv.statistics().refused, dict[str, int])
        assert_type(await srv.replace_workers(), None)
        assert_type(await srv.shutdown(), net.Report)


def passing_on(addr: str, **options: Unpack[http.ServerOptions]) -> http.Server:
    return http.serve(hello, addr, **options)


def mistakes() -> None:
    """What mypy says stands beside each."""
    # Unexpected keyword argument "max_bodies" for "serve"; did you mean "max_body"?
    http.serve(hello, ":1", max_bodies=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    # Argument "max_body" to "serve" has incompatible type "str"; expected "int"
    http.serve(hello, ":1", max_body="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    # Argument "lifespan" to "serve_asgi" has incompatible type "Literal['never']"
    http.serve_asgi(app, ":1", lifespan="never")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    # Argument "grace" to "Server" has incompatible type "str"; expected "float | None"
    http.Server(hello, ":1", grace="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    # Argument 1 to "serve" has incompatible type "Callable[[Conn], Coroutine[Any, Any, None]]"
    http.serve(echo, ":1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    # Argument "ssl" to "serve" has incompatible type "str"
    net.serve(echo, ":1", ssl="cert.pem")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
