"""Clients that others wrote, on real sockets."""

from __future__ import annotations

import asyncio
import http.client
import shutil
import ssl
import subprocess
import sys
from typing import Any

import aiohttp
import http_handlers
import httpx
import pytest
from conftest import Driver

from goish import http as goish_http
from goish._net import server
from goish.http import Request, ResponseWriter, ServeMux


def make_mux() -> ServeMux:
    mux = ServeMux()

    @mux.handle("GET /hello/{name}")
    async def hello(w: ResponseWriter, r: Request) -> None:
        await w.text(f"hello {r.path_value('name')}")

    @mux.handle("POST /echo")
    async def echo(w: ResponseWriter, r: Request) -> None:
        w.headers["Content-Type"] = r.headers.get("Content-Type", "application/octet-stream")
        async for piece in r:
            await w.write(piece)

    @mux.handle("GET /stream")
    async def stream(w: ResponseWriter, r: Request) -> None:
        for i in range(5):
            await w.write(b"%d\n" % i)
            await w.flush()

    @mux.handle("/fail")
    async def fail(w: ResponseWriter, r: Request) -> None:
        raise LookupError

    return mux


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


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_curl(run: Driver) -> None:
    async def curl(*arguments: str) -> bytes:
        process = await asyncio.create_subprocess_exec("curl", "-sS", *arguments, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        assert process.returncode == 0
        return output

    async with goish_http.serve(make_mux(), "127.0.0.1:0") as srv:
        url = f"http://127.0.0.1:{srv.addr[1]}"
        assert await curl(f"{url}/hello/ann", f"{url}/hello/bob") == b"hello annhello bob"
        assert await curl("-H", "Expect: 100-continue", f"{url}/echo", "-d", "x" * 2000) == b"x" * 2000
        assert await curl("--http1.0", f"{url}/stream") == b"0\n1\n2\n3\n4\n"
        assert b"405" in await curl("-o", "/dev/null", "-w", "%{http_code}", "-X", "PUT", f"{url}/echo")


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
    assert run.stderr.endswith("ImportError: goish.http needs httptools, its parser: pip install goish[http]\n")
