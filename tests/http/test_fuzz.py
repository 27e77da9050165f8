"""The path of a request, given anything: nothing malformed reaches a handler, and nothing crashes or hangs."""

from __future__ import annotations

import itertools
import re

from http_requests import CHECKS
from http_wires import read_response, serving
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_clock import VirtualClockLoop

from goish import run
from goish.http import Request, ResponseWriter

IS_TARGET = re.compile(r"\*|[\x21-\x7e]+").fullmatch
IS_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
IS_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch

BITS = (
    *(
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\0",
        b" ",
        b"\t",
        b":",
        b";",
        b",",
        b"\xff",
        b"0",
        b"1",
        b"-1",
        b"0\r\n\r\n",
    ),
    *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n", b"Expect: 100-continue\r\n"),
    *(b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: websocket\r\n", b"GET / HTTP/1.1\r\n", b"HTTP/1.0"),
)


@st.composite
def wires(draw: st.DrawFn) -> list[bytes]:
    """Requests, of which some are wrong already, with bytes changed here and there, in pieces."""
    data = bytearray(
        b"".join(
            draw(
                st.lists(st.sampled_from(CHECKS), min_size=1, max_size=3).map(
                    lambda checks: [check.data for check in checks]
                )
            )
        )
    )
    for _ in range(draw(st.integers(0, 4))):
        at, length = draw(st.integers(0, len(data))), draw(st.sampled_from((0, 0, 1, 2, 10)))
        data[at : at + length] = draw(st.one_of(st.sampled_from(BITS), st.binary(max_size=3)))
    cuts = [0, *sorted(draw(st.lists(st.integers(0, len(data)), max_size=4))), len(data)]
    return [bytes(data[a:b]) for a, b in itertools.pairwise(cuts) if a < b]


async def check(w: ResponseWriter, r: Request) -> None:
    """A handler that a malformed request makes fail."""
    assert IS_TARGET(r.target)
    assert r.path
    assert all(IS_NAME(name) and IS_VALUE(value) for name, value in r.headers.fields())
    length = r.content_length
    body = await r.read()
    assert length is None or length == len(body)
    await w.text(r.path)


async def converse(pieces: list[bytes]) -> None:
    async with serving(check) as site, await site.dial() as conn:
        for piece in pieces:
            await conn.write(piece)
        while True:
            try:
                response = await read_response(conn)
            except (EOFError, ConnectionError):
                break
            assert 100 <= response.status <= 505
        assert site.counted("panics") == 0
    report = await site.srv.wait()
    assert not report.cut


@settings(deadline=None)
@given(wires())
def test_whatever_comes_is_answered_in_order_or_refused_and_no_handler_sees_it_malformed(pieces: list[bytes]) -> None:
    run(converse, pieces, loop=VirtualClockLoop)
