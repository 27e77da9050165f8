"""Requests within requests, and responses within responses: nobody gets what was not meant for it.

That no handler sees what is refused, and nothing behind it: test_server.py.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from conftest import Driver
from http_requests import CHECKS, Check
from http_wires import read_response, request, serving
from nginx import Nginx

from goish import http
from goish.http import Request, ResponseWriter

SMUGGLED = request("GET", "/smuggled")

# ── behind nginx ──

SITE = """
upstream app {
    server unix:%s;
    keepalive 2;
}

server {
    listen 80;
    client_header_timeout 1s;
    client_body_timeout 1s;
    keepalive_timeout 1s;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Passed $request_id;
    ignore_invalid_headers off;
    underscores_in_headers on;

    location / {
        proxy_pass http://app;
        proxy_request_buffering %s;
    }
}
"""


@pytest.mark.parametrize("buffered", ["on", "off"])
def test_nginx_and_the_server_tell_the_same_requests_apart(buffered: str, tmp_path: Path) -> None:
    """nginx marks what it passes on; a request that it did not see would have no mark. Others ask meanwhile."""
    marks: list[list[str]] = []
    path = tmp_path / "app.sock"

    async def answer(w: ResponseWriter, r: Request) -> None:
        marks.append(r.headers.get_all("X-Passed"))
        body = await r.read()
        await w.text(f"{r.path} {len(body)}")

    async def attack(nginx: Nginx, check: Check) -> None:
        reader, writer = await nginx.connect()
        writer.write(check.data + SMUGGLED + request("GET", "/end", Connection="close"))
        with suppress(ConnectionError):  # it was refused before it was read
            await reader.read()
        writer.close()

    async def ask(nginx: Nginx) -> None:
        reader, writer = await nginx.connect()
        for i in range(50):
            body = b"x" * i
            writer.write(request("POST", f"/{i}", body))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            assert await reader.readexactly(length) == b"/%d %d" % (i, i)
        writer.close()

    async def main() -> None:
        async with (
            http.serve(answer, f"unix:{path}") as srv,
            Nginx(SITE % (path, buffered), tmp_path) as nginx,
            asyncio.TaskGroup() as group,
        ):
            for check in CHECKS:
                group.create_task(attack(nginx, check))
            for _ in range(3):
                group.create_task(ask(nginx))
        print("nginx passed on what was refused:", srv.statistics().refused)

    asyncio.run(main())
    assert all(len(mark) == 1 for mark in marks), marks
    assert len({mark for (mark,) in marks}) == len(marks) > 150


# ── on one connection ──


@pytest.mark.parametrize("check", [check for check in CHECKS if not check.status], ids=str)
async def test_what_is_accepted_is_one_request_and_what_follows_the_next(virtual: Driver, check: Check) -> None:
    async def answer(w: ResponseWriter, r: Request) -> None:
        await w.text(f"{r.path} {len(await r.read())}")

    method = check.data.lstrip().partition(b" ")[0].decode()
    async with serving(answer) as site, await site.dial() as conn:
        await conn.write(check.data + request("GET", "/next"))
        while (first := await read_response(conn, method)).status == 100:
            pass
        assert first.status == 200
        if "Connection" not in first:
            assert (await read_response(conn)).body == b"/next 0"
        assert site.srv.statistics().refused == {}


async def test_a_request_behind_a_body_that_was_expected_is_a_request_of_its_own(virtual: Driver) -> None:
    async def answer(w: ResponseWriter, r: Request) -> None:
        await w.text(f"{r.path} {(await r.read()).decode()}")

    async with serving(answer) as site, await site.dial() as conn:
        await conn.write(request("POST", "/a", Expect="100-continue", Content_Length="3"))
        assert (await read_response(conn)).status == 100
        await conn.write(b"abc" + request("GET", "/b") + request("POST", "/c", b"def", Expect="100-continue"))
        answers = []
        while len(answers) < 3:
            response = await read_response(conn)
            if response.status != 100:
                answers.append(response.body)
        assert answers == [b"/a abc", b"/b ", b"/c def"]


async def test_a_body_that_was_expected_and_is_not_read_does_not_become_a_request(virtual: Driver) -> None:
    paths: list[str] = []

    async def note(w: ResponseWriter, r: Request) -> None:
        paths.append(r.path)

    async with serving(note) as site:
        head = request("POST", "/a", Expect="100-continue", Content_Length=str(len(SMUGGLED)))
        answer = await site.exchange(head + SMUGGLED)
        assert answer.count(b"HTTP/1.1") == 1 and paths == ["/a"]


# ── responses ──

SPLITTING = ["a\r\nX-Evil: 1", "a\r\n\r\n<script>", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\x00b", "a\u010aX-Evil: 1"]


@pytest.mark.parametrize("text", SPLITTING, ids=ascii)
async def test_no_text_of_a_client_ends_a_header(virtual: Driver, text: str) -> None:
    """\u010a is a line feed for who cuts a character to its last byte."""

    async def redirect(w: ResponseWriter, r: Request) -> None:
        await http.redirect(w, r, f"/{r.query['text']}")

    async def careless(w: ResponseWriter, r: Request) -> None:
        value, h = r.query["text"], w.headers
        stores = [lambda: h.add("X", value), lambda: h.update({"X": value}), lambda: h.setdefault(value, "x")]
        for store in stores:
            with pytest.raises(ValueError, match=r"the (name|value) of (a|the) header"):
                store()

    for handler, status in (redirect, b"303"), (careless, b"200"):
        async with serving(handler) as site:
            answer = await site.exchange(request("GET", f"/?text={quote(text)}", Connection="close"))
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.split(b"\n")
        assert lines[0].split(b" ")[1] == status
        assert all(line.endswith(b"\r") and not line.startswith(b"X-Evil") for line in lines[1:-1])
        assert b"\x00" not in head and b"<script>" not in body
