"""Clients that others wrote, on real sockets."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import http_handlers
import httpx
import pytest
from commands import begin, output_of
from conftest import Driver
from sites import SITES, make_mux

from goish import http as goish_http
from goish._net import server
from goish.http import Request, ResponseWriter

BIG = bytes(range(256)) * 4096


async def test_httpx(run: Driver) -> None:
    async with goish_http.serve(make_mux(), "127.0.0.1:0") as srv:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{srv.addr[1]}") as client:
            assert (await client.get("/hello/ann")).text == "hello ann"
            assert (await client.post("/echo", content=BIG)).content == BIG

            async def pieces() -> Any:
                for i in range(0, len(BIG), 10_000):
                    yield BIG[i : i + 10_000]

            assert (await client.post("/echo", content=pieces())).content == BIG
            async with client.stream("GET", "/stream") as response:
                assert [line async for line in response.aiter_lines()] == list("01234")
            assert (await client.get("/nothing")).status_code == 404
            assert (await client.put("/echo")).headers["allow"] == "POST"
            assert (await client.head("/hello/ann")).headers["content-length"] == "9"
            assert (await client.get("/fail")).status_code == 500
            answers = await asyncio.gather(*[client.get(f"/hello/{i}") for i in range(50)])
            assert [answer.text for answer in answers] == [f"hello {i}" for i in range(50)]


async def test_aiohttp(run: Driver) -> None:
    async with goish_http.serve(make_mux(), "127.0.0.1:0") as srv:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{srv.addr[1]}") as session:
            async with session.get("/hello/ann") as response:
                assert await response.text() == "hello ann"
            async with session.post("/echo", data=BIG, expect100=True) as response:
                assert await response.read() == BIG
            async with session.get("/stream") as response:
                assert await response.read() == b"0\n1\n2\n3\n4\n"


async def test_http_client(run: Driver) -> None:
    def ask(port: int) -> list[bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        found = []
        for method, path, body in (("GET", "/hello/a%20b", None), ("POST", "/echo", BIG), ("GET", "/stream", None)):
            connection.request(method, path, body)
            found.append(connection.getresponse().read())
        connection.close()
        return found

    async with goish_http.serve(make_mux(), "127.0.0.1:0") as srv:
        assert await asyncio.to_thread(ask, srv.addr[1]) == [b"hello a b", BIG, b"0\n1\n2\n3\n4\n"]


Curl = Callable[..., Awaitable[bytes]]


@pytest.fixture
def curl(tmp_path: Path) -> Curl:
    async def curl(*arguments: str, **options: Any) -> bytes:
        return await output_of("curl", "-q", "-sS", *arguments, cwd=tmp_path, **options)

    return curl


@asynccontextmanager
async def site(kind: str, **options: Any) -> AsyncIterator[tuple[Any, str]]:
    async with SITES[kind]("127.0.0.1:0", **options) as srv:
        yield srv, f"http://127.0.0.1:{srv.addr[1]}"


@pytest.mark.parametrize("kind", SITES)
async def test_curl_keeps_its_connection(run: Driver, kind: str, curl: Curl, tmp_path: Path) -> None:
    async with site(kind) as (srv, url):
        asked = await curl("-w", " %{num_connects}\n", f"{url}/hello/[1-3]")
        assert asked == b"hello 1 1\nhello 2 0\nhello 3 0\n"
        both = [f"{url}/stream", "--next", "-sS", "-d", "abc", f"{url}/echo"]
        assert await curl("-w", "%{num_connects}\n", *both) == b"0\n1\n2\n3\n4\n1\nabc"
        assert await curl(f"{url}/nothing", f"{url}/hello/a", "-w", "%{http_code} %{num_connects}\n") == (
            (b"404 page not found\n" if kind == "native" else b"") + b"404 1\nhello a200 0\n"
        )
        await curl("-Z", "--parallel-max", "10", "-o", "#1", f"{url}/hello/[1-50]")
        assert [(tmp_path / f"{i}").read_bytes() for i in range(1, 51)] == [b"hello %d" % i for i in range(1, 51)]
        assert srv.statistics().refused == {}


@pytest.mark.parametrize("kind", SITES)
async def test_curl_sends_bodies(run: Driver, kind: str, curl: Curl, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(BIG)
    async with site(kind) as (srv, url):
        echo = f"{url}/echo"
        assert await curl("-H", "Transfer-Encoding: chunked", "--data-binary", "@big", echo) == BIG
        assert await curl("-X", "POST", "-T", "-", echo, given=BIG) == BIG, "chunks, as they come"
        assert await curl("--data-binary", "@big", "-H", "Expect: 100-continue", echo) == BIG
        head = await curl("-D", "-", "-o", "out", "-H", "Expect: 100-continue", "-d", "abc", echo)
        assert head.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
        assert (tmp_path / "out").read_bytes() == b"abc"
        refused = await curl("-w", "%{http_code}", "-o", "out", "-H", "Expect: 200-ok", "-d", "abc", echo)
        assert refused == b"417" and srv.statistics().refused == {"malformed": 1}


@pytest.mark.parametrize("kind", SITES)
async def test_curl_asks_by_every_method(run: Driver, kind: str, curl: Curl) -> None:
    async with site(kind) as (_, url):
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            assert await curl("-X", method, f"{url}/method") == method.encode() + b" -"
            form = await curl("-X", method, "-d", "a=b", f"{url}/method")
            assert form == method.encode() + b" application/x-www-form-urlencoded"
        assert await curl("-X", "OPTIONS", "--request-target", "*", "-o", "out", "-w", "%{http_code}", url) in (
            b"200" if kind == "native" else b"404"
        )
        for method in ("TRACE", "CONNECT", "FOO"):
            assert await curl("-X", method, "-o", "out", "-w", "%{http_code}", f"{url}/method") == b"501"
        head = await curl("-I", f"{url}/hello/ann")
        assert head.startswith(b"HTTP/1.1 200") and head.endswith(b"\r\n\r\n")
        assert b"Content-Length: 9\r\n" in head or kind == "asgi"
        assert await curl("-X", "PUT", "-o", "out", "-w", "%{http_code}", f"{url}/echo") == b"405"


@pytest.mark.parametrize("kind", SITES)
async def test_curl_speaks_other_versions(run: Driver, kind: str, curl: Curl) -> None:
    async with site(kind) as (srv, url):
        assert await curl("--http1.0", f"{url}/stream") == b"0\n1\n2\n3\n4\n"
        assert await curl("--http1.0", "-d", "abc", f"{url}/echo") == b"abc"
        once = await curl("--http1.0", "-w", " %{num_connects} ", f"{url}/hello/[1-2]")
        assert once == b"hello 1 1 hello 2 1 ", "each closes its connection"
        version = "%{http_version}"
        assert await curl("--http2", "-w", version, f"{url}/hello/a") == b"hello a1.1", "an upgrade that is not taken"
        assert srv.statistics().refused == {}
        process = await begin("curl", "-q", "-sS", "--http2-prior-knowledge", f"{url}/hello/a")
        await process.communicate()
        assert process.returncode != 0 and srv.statistics().refused == {"malformed": 1}


@pytest.mark.parametrize("kind", SITES)
async def test_curl_reads_and_writes_slowly(run: Driver, kind: str, curl: Curl, tmp_path: Path) -> None:
    (tmp_path / "some").write_bytes(BIG[:200_000])
    async with site(kind) as (_, url):
        body = await curl("--limit-rate", "1M", "-H", "Expect:", "--data-binary", "@some", f"{url}/echo")
        assert body == BIG[:200_000]


@pytest.mark.parametrize("kind", SITES)
async def test_curl_that_leaves_ends_its_handler(run: Driver, kind: str) -> None:
    async with site(kind) as (srv, url):
        process = await begin("curl", "-q", "-sS", "-N", f"{url}/flood")
        assert process.stdout is not None
        await process.stdout.readexactly(1_000_000)
        process.kill()
        while srv.statistics().connections:
            await asyncio.sleep(0.001)
        assert srv.statistics().events == {"disconnects": 1}
        await process.communicate()


async def test_tls(run: Driver) -> None:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(ours)
    authority.configure_trust(theirs)

    async def scheme(w: ResponseWriter, r: Request) -> None:
        await w.text(r.scheme)

    async with goish_http.serve(scheme, "127.0.0.1:0", ssl=ours) as srv:
        async with httpx.AsyncClient(verify=theirs) as client:
            for _ in range(2):
                response = await client.get(f"https://localhost:{srv.addr[1]}/")
                assert response.text == "https"


@pytest.mark.slow
@pytest.mark.parametrize("parallel", [True, False], ids=["threads", "processes"])
async def test_several_workers(run: Driver, parallel: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "threads_are_parallel", lambda: parallel)
    async with goish_http.serve(http_handlers.guarded, "127.0.0.1:0", workers=2) as srv:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{srv.addr[1]}") as client:
            answers = [(await client.get(f"/process/{i}")).text.split() for i in range(20)]
            assert [i for _, i in answers] == [str(i) for i in range(20)]
            assert (await client.post("/echo", content=b"x" * 100)).content == b"x" * 100


def test_without_its_parser_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['httptools'] = None\n"
        "from goish import http\n"
        "http.Headers()\n"
        "http.Server(print, '127.0.0.1:0')\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.stderr.endswith('ImportError: goish.http needs httptools, its parser: pip install "goish[http]"\n')
