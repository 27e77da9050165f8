"""The deployments of docs/asgi.md, each under load: whatever is replaced or ended, no request fails.

One exception is nginx's: it sends no POST twice, so the clients behind it send none while processes end.

The configuration is that of the page: units of systemd, a pod, a site of nginx. The clients are those of load.py, which
prove at the end that each request was handled once, and answered.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import ssl
import sys
from argparse import Namespace
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from signal import SIGHUP, SIGKILL, SIGTERM
from typing import Any

import pytest
from helpers import is_alive
from load import Line, Load, Streams
from nginx import Nginx
from page import fenced, section
from pods import Endpoints, Pod
from program import Program
from services import Service, read_unit

from goish._http.command import make_parser
from goish._http.limits import Limits

pytest.importorskip("httptools")

APP = Path(__file__).parents[1] / "kit" / "deployed_app.py"


class Place:
    """A folder with the app as ``main:app``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.handled = folder / "handled"
        self.handled.touch()
        shutil.copy(APP, folder / "main.py")
        self.environment = {**os.environ, "HANDLED": str(self.handled)}

    def program(self, *arguments: str) -> Program:
        command = [sys.executable, "-m", "goish.http", "main:app", *arguments]
        return Program(command, cwd=self.folder, env=self.environment)

    def load(self, connect: Callable[[], Coroutine[Any, Any, Streams]]) -> Load:
        return Load(connect, self.handled)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def port_of(program: Program) -> int:
    return int((await program.line_with("listen")).rpartition(":")[2])


def options(command: list[str]) -> Namespace:
    """Of a command of the page."""
    assert command[1:3] == ["-m", "goish.http"]
    return make_parser().parse_args(command[3:])


# ── systemd ──


def service(place: Place, edit: Callable[[str], str] = str, **options: Any) -> Service:
    """That of the page, on a port that is free."""
    unit = read_unit(edit(fenced("asgi.md", "systemd", "ini")[0]))
    replaced = {"8000": "0"} | options.pop("replaced", {})
    return Service(unit, place.folder, replaced, env=place.environment, **options)


def test_systemd_reloads_and_stops_the_service_and_no_request_fails(place: Place) -> None:
    async def main() -> None:
        async with service(place) as app:
            given = options(app.command)
            assert app.patience > given.grace + given.drain_delay
            port = await port_of(app.main)
            async with place.load(partial(asyncio.open_connection, "127.0.0.1", port)) as load:
                first = await load.until_answered_by_others(set(), given.workers)
                app.reload()
                await load.until_answered_by_others(first, given.workers)
                load.ends_when_refused = True
                await app.stop()
        assert app.exits == [0]
        assert not any(map(is_alive, load.pids))  # for systemd to kill

    asyncio.run(main())


def activated(unit: str) -> str:
    assert "--host 127.0.0.1 --port 8000" in unit
    return unit.replace("--host 127.0.0.1 --port 8000", "--fd 3")


def test_systemd_restarts_the_service_on_a_socket_of_its_own_and_no_request_fails(place: Place) -> None:
    async def main() -> None:
        unit = read_unit(fenced("asgi.md", "systemd", "ini")[1])
        host = unit["Socket"]["ListenStream"].removesuffix(":8000")
        with socket.create_server((host, 0)) as sock:
            fd = sock.fileno()
            async with service(place, activated, replaced={"3": str(fd)}, pass_fds=[fd]) as app:
                async with place.load(partial(asyncio.open_connection, *sock.getsockname())) as load:
                    first = await load.until_answered_by_others(set(), 2)
                    await app.restart()
                    await load.until_answered_by_others(first, 2)
                await app.stop()
            assert app.exits == [0, 0]

    asyncio.run(main())


def test_systemd_starts_a_service_again_that_has_crashed(place: Place) -> None:
    async def main() -> None:
        async with service(place) as app:
            for _ in range(2):
                line = Line(await asyncio.open_connection("127.0.0.1", await port_of(app.main)))
                assert (await line.ask(b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 200
                await line.close()
                if not app.exits:
                    await app.crash()
            await app.stop()
        assert app.exits == [-SIGKILL, 0]

    asyncio.run(main())


# ── Kubernetes ──


def test_kubernetes_replaces_a_pod_and_no_request_fails(place: Place) -> None:
    yaml = pytest.importorskip("yaml")
    spec = yaml.safe_load(fenced("asgi.md", "Kubernetes", "yaml")[0])["spec"]
    (container,) = spec["containers"]
    given = options(container["command"])
    assert spec["terminationGracePeriodSeconds"] > given.drain_delay + given.grace
    assert container["readinessProbe"]["httpGet"]["port"] == given.port
    container["command"] += ["--port", "0", "--drain-delay", "6"]

    async def main() -> None:
        endpoints = Endpoints()
        old, new = (Pod(spec, place.folder, env=place.environment) for _ in range(2))
        async with old, new:
            await endpoints.add(old)
            async with place.load(endpoints.connect) as load:
                await load.go_on()
                await endpoints.add(new)
                old.delete()
                await endpoints.drop_when_unready(old)
                assert await old.ended() == 0
                await load.go_on()
            assert load.sent_again == []  # each client was told to turn elsewhere, by an answer

    asyncio.run(main())


# ── a proxy ──


def site(*servers: Path) -> str:
    """The one of the page, with these servers and a place for its socket."""
    text = fenced("asgi.md", "Behind a proxy", "nginx")[0]
    for n, server in enumerate(servers):
        text = text.replace(f"127.0.0.1:{8000 + n} ", f"unix:{server} ")
    return text


def test_nginx_closes_idle_connections_before_the_server_does() -> None:
    kept = re.search(r"keepalive_timeout (\d+)s;", site())
    assert kept
    assert int(kept[1]) < Limits().idle_timeout


def test_nginx_has_another_server_and_no_request_fails(place: Place) -> None:
    a, b = (place.folder / name for name in ("a.sock", "b.sock"))

    async def main() -> None:
        first, second = place.program("--uds", str(a), "--workers", "2"), place.program("--uds", str(b))
        async with AsyncExitStack() as stack:
            for each in first, second:
                await stack.enter_async_context(each)
                await each.line_with("listen")
            nginx = await stack.enter_async_context(Nginx(site(a, b), place.folder))
            third = place.program("--uds", str(a))
            async with place.load(nginx.connect) as load:
                before = {second.pid} | await load.until_answered_by_others({second.pid}, 2)
                await load.ask_by_get_only()
                first.signal(SIGHUP)
                await load.until_answered_by_others(before, 2)
                await load.until(lambda: not any(map(is_alive, before - {second.pid})))
                first.signal(SIGTERM)
                assert await first.ended() == 0
                await load.go_on()
                await stack.enter_async_context(third)
                await load.until(lambda: load.pids[third.pid])
                second.signal(SIGTERM)
                assert await second.ended() == 0
                await load.go_on()

    asyncio.run(main())


def test_nginx_passes_streams_and_websockets_on(place: Place) -> None:
    connect = pytest.importorskip("websockets.asyncio.client").unix_connect
    closed = pytest.importorskip("websockets.exceptions").ConnectionClosed
    path = place.folder / "a.sock"

    async def main() -> None:
        async with place.program("--uds", str(path)) as app, Nginx(site(path), place.folder) as nginx:
            await app.line_with("listening on")
            line, other = Line(await nginx.connect()), Line(await nginx.connect())
            line.writer.write(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
            await line.reader.readuntil(b"\r\n\r\n")
            assert await line.chunk() == b"one"  # before the app has more
            await other.ask(b"GET /stream?go HTTP/1.1\r\nHost: a\r\n\r\n")
            assert [await line.chunk(), await line.chunk()] == [b"two", b""]
            async with connect(str(nginx.path), "ws://a/echo") as ws:
                await ws.send("hello")
                assert await ws.recv() == "HELLO"
                app.signal(SIGTERM)
                with pytest.raises(closed) as end:
                    await ws.recv()
                assert end.value.rcvd.code == 1012
            assert await app.ended() == 0
            await line.close()
            await other.close()

    asyncio.run(main())


# ── TLS ──


def test_certificate_is_renewed_and_no_request_fails(place: Place) -> None:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    seen: list[str] = []

    def renew() -> None:
        issued = authority.issue_cert("localhost")
        issued.private_key_pem.write_to_path(str(place.folder / "key.pem"))
        (place.folder / "chain.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))

    async def connect_to(port: int) -> Streams:
        streams = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="localhost")
        seen.append(streams[1].get_extra_info("peercert")["serialNumber"])
        return streams

    async def main() -> None:
        renew()
        given = re.search(r"`(--ssl-certfile [^`]*)`", section("asgi.md", "TLS"))
        assert given
        async with place.program("--port", "0", "--workers", "2", *given[1].split()) as app:
            port = await port_of(app)
            async with place.load(partial(connect_to, port)) as load:
                before = await load.until_answered_by_others(set(), 2)
                assert len(set(seen)) == 1
                renew()
                app.signal(SIGHUP)
                await load.until_answered_by_others(before, 2)
                await load.until(lambda: not any(map(is_alive, before)))
                await Line(await connect_to(port)).close()
                assert seen[-1] != seen[0]
            app.signal(SIGTERM)
            assert await app.ended() == 0

    asyncio.run(main())
