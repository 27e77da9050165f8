"""``python -m goish.http main:app``: the command line of the ASGI server.

Exit codes: 0 after an orderly shutdown; 1 if requests were cut by it; 2 for wrong arguments, an address that is taken,
    an app that cannot be imported; 3 if the app has failed in its lifespan; 130 or 143 if a second signal has cut it.
Threads: the main one.
Not here: the server (asgi_server.py), worker processes (goish/_net/processes.py).
"""

from __future__ import annotations

import argparse
import logging
import signal as _signals
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

from .._net.report import Report
from .._program import signals
from .._program.run import run
from .._runtime.core import Chan, background, chan, go, select, with_timeout
from .._threads.handles import ended
from ..errors import ServerClosed
from .asgi_server import AsgiServer
from .lifespan import LifespanFailed
from .options import AsgiOptions

__all__ = ["main"]

T = TypeVar("T")

CUT = 1
USAGE = 2
APP_FAILED = 3

logger = logging.getLogger("goish.http")

# Of AsgiServer: name, what a value is, and what for.
OPTIONS: tuple[tuple[str, Any, str], ...] = (
    ("root_path", str, "the path under which a proxy has the app"),
    ("read_header_timeout", float, "seconds for the head of a request (default: 10)"),
    ("read_timeout", float, "seconds for its body (default: none)"),
    ("write_timeout", float, "seconds for the response (default: none)"),
    ("idle_timeout", float, "seconds between two requests (default: 75)"),
    ("max_body", int, "bytes of a body (default: the app decides)"),
    ("max_headers", int, "headers of a request (default: 100)"),
    ("max_headers_size", int, "bytes of all of them (default: 65536)"),
    ("max_requests", int, "requests on a connection (default: any number)"),
    ("max_active", int, "requests at once; others get 503 (default: any number)"),
    ("max_conns", int, "connections at once; others wait (default: any number)"),
    ("ws_max_size", int, "bytes of a message of a WebSocket (default: 1048576)"),
    ("ws_ping_interval", float, "seconds of silence before a ping (default: 20)"),
    ("ws_ping_timeout", float, "seconds for the answer (default: 20)"),
)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m goish.http",
        description="Serves an ASGI app. SIGTERM and SIGINT shut it down in order; a second one ends it at once.",
    )
    parser.add_argument("app", help="module:name, such as main:app")
    parser.add_argument("--factory", action="store_true", help="the name is a function that makes the app")
    parser.add_argument("--app-dir", default=".", metavar="DIR", help="where to look for the module (default: here)")
    where = parser.add_argument_group("where it listens")
    where.add_argument("--host", default="127.0.0.1", help="an address, or a name (default: 127.0.0.1)")
    where.add_argument("--port", type=int, default=8000, help="0: a free one, which the log tells (default: 8000)")
    other = where.add_mutually_exclusive_group()
    other.add_argument("--uds", metavar="PATH", help="a unix socket instead of host and port")
    other.add_argument("--fd", type=int, metavar="N", help="an inherited socket instead, such as that of systemd: 3")
    where.add_argument("--backlog", type=int, default=1024, help="connections that may wait (default: 1024)")
    where.add_argument("--workers", type=int, default=1, help="processes on the one port (default: 1)")
    where.add_argument("--loop", choices=("auto", "uvloop", "asyncio"), default="auto", help="the event loop")
    tls = parser.add_argument_group("TLS")
    tls.add_argument("--ssl-certfile", metavar="FILE", help="the certificate chain; turns TLS on")
    tls.add_argument("--ssl-keyfile", metavar="FILE", help="its key, if that is not in the same file")
    end = parser.add_argument_group("the shutdown")
    end.add_argument("--grace", type=float, default=30.0, help="seconds for what is in progress (default: 30)")
    end.add_argument(
        "--drain-delay", type=float, default=0.0, help="seconds to go on after the signal, for balancers (default: 0)"
    )
    rules = parser.add_argument_group("timeouts and limits")
    for name, kind, text in OPTIONS:
        rules.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=kind.__name__.upper(), help=text)
    more = parser.add_argument_group("the app")
    more.add_argument("--lifespan", choices=("auto", "on", "off"), default="auto", help="whether it is told of it")
    more.add_argument("--ws", choices=("auto", "none"), default="auto", help="none: takes no WebSocket")
    more.add_argument("--no-ws-deflate", action="store_true", help="no message of a WebSocket is compressed")
    more.add_argument(
        "--no-cancel", action="store_true", help="an app whose client has left is only told, not cancelled"
    )
    more.add_argument("--access-log", action="store_true", help="a line for each request")
    more.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="(default: info)"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal comes; the exit code."""
    parser = make_parser()
    given = parser.parse_args(arguments)
    if given.workers < 1:
        parser.error(f"argument --workers: 1 or more, got {given.workers}")
    log_at(given.log_level)
    sys.path.insert(0, given.app_dir)
    try:
        server = make_server(given)
    except (ImportError, AttributeError, TypeError, ValueError, OSError) as error:
        if isinstance(error, ImportError | AttributeError) and error.__traceback__ is not None and is_deep(error):
            raise  # of the app's own code: its traceback tells more
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return USAGE
    try:
        return run(serve, server, given, loop=given.loop, deadlock="off")
    except LifespanFailed as error:
        print(f"{parser.prog}: the app has failed in its lifespan: {error}", file=sys.stderr)
        return APP_FAILED


def log_at(level: str) -> None:
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(message)s")


def make_server(given: argparse.Namespace) -> AsgiServer:
    server = AsgiServer(given.app, address(given), **options(given))
    make_worker = server._make_worker  # pyright: ignore[reportPrivateUsage]
    assert make_worker is not None
    server._make_worker = partial(log_and_make, given.log_level, make_worker)  # pyright: ignore[reportPrivateUsage]
    return server


def log_and_make(level: str, make_worker: Callable[..., T], sock: socket.socket, **options: Any) -> T:
    """In a worker process."""
    log_at(level)
    return make_worker(sock, **options)


def is_deep(error: BaseException) -> bool:
    """Whether it was raised within the app's module, not by looking for it."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and not traceback.tb_frame.f_globals.get("__name__", "").startswith(
        ("goish.", "importlib", "_frozen_importlib")
    )


def address(given: argparse.Namespace) -> Any:
    if given.fd is not None:
        return inherited(given.fd)
    return f"unix:{given.uds}" if given.uds else (given.host, given.port)


def inherited(fd: int) -> socket.socket:
    try:
        return socket.socket(fileno=fd)
    except (OSError, ValueError) as error:
        raise ValueError(f"--fd {fd}: no socket that this process has inherited: {error}") from None


def options(given: argparse.Namespace) -> AsgiOptions:
    chosen = {name: value for name, _, _ in OPTIONS if (value := getattr(given, name)) is not None}
    more = {
        "factory": given.factory,
        "lifespan": given.lifespan,
        "ws": given.ws != "none",
        "ws_per_message_deflate": not given.no_ws_deflate,
        "cancel_on_disconnect": not given.no_cancel,
        "access_log": given.access_log,
        "grace": given.grace,
        "workers": given.workers,
        "backlog": given.backlog,
        "ssl": tls_factory(given.ssl_certfile, given.ssl_keyfile),
    }
    return cast("AsgiOptions", chosen | more)


def tls_factory(certificate: str | None, key: str | None) -> Callable[[], ssl.SSLContext] | None:
    if certificate is None and key is not None:
        raise ValueError("--ssl-keyfile needs --ssl-certfile")
    return None if certificate is None else partial(tls_context, certificate, key)


def tls_context(certificate: str, key: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise ValueError(f"--ssl-certfile {certificate}: {error.strerror or error}") from None
    return context


async def serve(server: AsgiServer, given: argparse.Namespace) -> int:
    """Until a signal: then the shutdown, which a second signal cuts. The exit code."""
    received: Chan[_signals.Signals] = chan(2)
    signals.add(received, "try_send", (_signals.SIGTERM, _signals.SIGINT))
    hung_up: Chan[_signals.Signals] = chan(1)
    if given.workers > 1:
        signals.add(hung_up, "try_send", (_signals.SIGHUP,))
    try:
        starting = go(server.wait_started)
        index, _, _ = await select(ended(starting), received.recv())
        if index == 1:
            server.close()
            with suppress(ServerClosed):
                await starting
            return 0
        await starting
        logger.info("%s %s", listening(given.workers), url(server.addr, given.ssl_certfile))
        go.options(name="replace workers")(replace_at_each, hung_up, server)
        main = server._main  # pyright: ignore[reportPrivateUsage]
        assert main is not None
        index, _, _ = await select(ended(main), received.recv())
        if index == 0:
            await main  # nobody has asked it to end: it has failed
        return await stop(server, received, given.grace, given.drain_delay)
    finally:
        signals.remove(received)
        signals.remove(hung_up)


def listening(workers: int) -> str:
    return "listening on" if workers == 1 else f"{workers} workers listen on"


async def replace_at_each(hung_up: Chan[_signals.Signals], server: AsgiServer) -> None:
    async for _ in hung_up:
        try:
            await server.replace_workers()
        except ServerClosed:
            return
        except Exception as error:  # of the app, which does not start: the log has it
            logger.error("SIGHUP: not all workers were replaced: %s", error)


async def stop(server: AsgiServer, received: Chan[_signals.Signals], grace: float, drain_delay: float) -> int:
    limit, cancel = with_timeout(background(), grace + drain_delay)
    shutdown = go(server.shutdown, limit, drain_delay=drain_delay)
    index, second, _ = await select(ended(shutdown), received.recv())
    if index == 1:
        assert isinstance(second, _signals.Signals)
        logger.warning("%s again: what is in progress is cut", second.name)
        server.close()
        await ended(shutdown)
        return 128 + second
    cancel()
    report = await shutdown
    tell(report)
    return CUT if report.cut else 0


def tell(report: Report) -> None:
    counts = report.drained, len(report.cut), report.unanswered
    logger.info("shut down in %.1f s: %d drained, %d cut, %d unanswered", report.seconds, *counts)
    for cut in report.cut:
        logger.warning("cut: %s, after %.1f s, in %s", cut.remote_addr, cut.seconds, cut.where)


def url(addr: Any, tls: object) -> str:
    if isinstance(addr, str):
        return f"unix:{addr}"
    host, port = addr[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
