"""The parser: what it accepts, what it refuses and with which status, however the bytes are split."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from http_requests import CHECKS, CHUNKED, HOST, Check, get, post
from hypothesis import given, settings
from hypothesis import strategies as st

from goish._http.errors import BadRequest
from goish._http.limits import Limits
from goish._http.parser import END, HEAD, NEED_DATA, RequestParser

LIMITS = Limits()


def parse(pieces: list[bytes], limits: Limits = LIMITS) -> list[object]:
    """What comes of it: a tuple for each request, then the status of a refusal, or what is left."""
    parser = RequestParser(limits)
    found: list[object] = []
    body = b""
    request: tuple[object, ...] = ()
    try:
        for piece in pieces:
            parser.feed(piece)
            while (event := parser.next_event()) is not NEED_DATA:
                if event is HEAD:
                    fields = parser.fields
                    request = (parser.method, parser.target, fields.minor, fields.pairs())
                    body = b""
                    if not fields.has_body:
                        found.append((*request, b"", []))
                elif event is END:
                    trailers = [] if parser.trailers is None else parser.trailers.fields()
                    found.append((*request, body, trailers))
                else:
                    assert isinstance(event, bytes)
                    body += event
    except BadRequest as error:
        found.append(error.status)
    else:
        found.append(parser.buffer)
    return found


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(places) if a < b]


# ── the checks ──


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_a_check_of_the_table(check: Check) -> None:
    outcome = parse([check.data])
    if check.status:
        assert outcome[-1] == check.status
        assert all(request[4] != b"smuggled" for request in outcome[:-1] if isinstance(request, tuple))
    else:
        assert len(outcome) == 2 and outcome[1] == b"", outcome


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_a_check_byte_by_byte(check: Check) -> None:
    outcome = parse([bytes([byte]) for byte in check.data])
    assert isinstance(outcome[-1], int) == bool(check.status)
    if not check.status:
        assert outcome == parse([check.data])


@pytest.mark.parametrize("check", [check for check in CHECKS if not check.status], ids=str)
def test_what_is_accepted_is_accepted_behind_another_request(check: Check) -> None:
    first, *rest = parse([get() + check.data])
    if not check.data.startswith(b"\r\n"):
        assert rest == parse([check.data])
    assert isinstance(first, tuple) and first[:2] == ("GET", "/")


@pytest.mark.parametrize("check", [check for check in CHECKS if check.status], ids=str)
def test_what_is_refused_is_refused_behind_another_request(check: Check) -> None:
    assert parse([get() + check.data])[-1] == check.status


# ── splits ──

REQUESTS = [
    get(b"GET /a?b=c HTTP/1.1", HOST + b"Accept: */*\r\n"),
    get(b"HEAD / HTTP/1.0", b""),
    get(b"GET http://b/ HTTP/1.1"),
    post(b"Content-Length: 5\r\n", b"hello"),
    post(b"Content-Length: 0\r\n"),
    CHUNKED + b"3\r\nabc\r\n10;a=b\r\n0123456789abcdef\r\n0\r\nX: 1\r\nY: 2\r\n\r\n",
    CHUNKED + b"0\r\n\r\n",
    post(b"Expect: 100-continue\r\nContent-Length: 4\r\n", b"\r\n\r\n"),
    b"\r\n" + get(),
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(REQUESTS), max_size=4), st.lists(st.integers(0, 2000), max_size=12))
def test_accepted_requests_do_not_depend_on_how_they_are_split(requests: list[bytes], cuts: list[int]) -> None:
    data = b"".join(requests)
    whole = parse([data])
    assert len(whole) == len(requests) + 1 and whole[-1] == b""
    assert parse(pieces_of(data, cuts)) == whole


@settings(deadline=None)
@given(st.sampled_from(CHECKS), st.lists(st.integers(0, 200), max_size=6), st.data())
def test_whether_bytes_are_refused_does_not_depend_on_how_they_are_split(
    check: Check, cuts: list[int], draw: st.DataObject
) -> None:
    """Also of requests that were changed at a place."""
    data = bytearray(check.data[:400])
    at = draw.draw(st.integers(0, len(data) - 1))
    data[at : at + draw.draw(st.integers(0, 1))] = draw.draw(st.sampled_from([b"\r", b"\n", b" ", b"\x00", b":", b"0"]))
    whole, split = parse([bytes(data)]), parse(pieces_of(bytes(data), cuts))
    assert isinstance(whole[-1], int) == isinstance(split[-1], int)
    if not isinstance(whole[-1], int):
        assert whole == split


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_junk_is_refused_or_waited_for_and_nothing_else(junk: bytes) -> None:
    parse([junk])
    parse([get(fields=HOST + junk + b"\r\n")])
    parse([CHUNKED + junk])


def test_a_block_of_fields_that_is_repeated_is_judged_again_for_another_version() -> None:
    fields = b"Transfer-Encoding: chunked\r\nHost: a\r\n"
    data = b"POST / HTTP/1.1\r\n" + fields + b"\r\n0\r\n\r\n" + b"POST / HTTP/1.0\r\n" + fields + b"\r\n0\r\n\r\n"
    assert parse([data])[1:] == [400]


def test_a_repeated_block_keeps_the_body_of_each_request() -> None:
    data = post(b"Content-Length: 3\r\n", b"abc") + post(b"Content-Length: 3\r\n", b"def")
    assert [request[4] for request in parse([data])[:-1] if isinstance(request, tuple)] == [b"abc", b"def"]


@pytest.mark.parametrize(
    "before",
    [
        get(fields=HOST + b"Connection: close\r\n"),
        get(fields=HOST + b"Proxy-Connection: close\r\n"),
        get(fields=HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        post(b"Content-Length: 1000\r\n", b"abc"),
        CHUNKED + b"5\r\nab",
        get(fields=HOST + b"a b: c\r\n"),
    ],
)
def test_no_connection_is_judged_by_what_came_on_another_one(before: bytes) -> None:
    parse([before])
    for n in range(3):  # each has a head of its own, which llhttp is asked about
        other = get(fields=HOST + b"X: %d %d\r\n" % (n, len(before)))
        assert isinstance(parse([other])[0], tuple)


# ── limits ──


@pytest.mark.parametrize(("limit", "most"), [("max_request_line", 100), ("max_header", 100), ("max_headers", 5)])
def test_a_limit_is_exact(limit: str, most: int) -> None:
    limits = replace(LIMITS, **{limit: most})
    fits, too_much = {
        "max_request_line": [get(b"GET /" + b"a" * n + b" HTTP/1.1") for n in (84, 85)],
        "max_header": [get(fields=HOST + b"X: " + b"a" * n + b"\r\n") for n in (97, 98)],
        "max_headers": [get(fields=HOST + b"X: 1\r\n" * n) for n in (4, 5)],
    }[limit]
    status = 414 if limit == "max_request_line" else 431
    for data, expected in ((fits, b""), (too_much, status)):
        assert parse([data], limits)[-1] == expected
        assert parse([bytes([byte]) for byte in data], limits)[-1] == expected


def test_a_head_without_end_is_refused_before_it_takes_memory(rng: random.Random) -> None:
    parser = RequestParser(LIMITS)
    parser.feed(b"GET / HTTP/1.1\r\nHost: a\r\n")
    for _ in range(65):
        parser.feed(b"X: " + b"a" * 994 + b"\r\n")
        assert parser.next_event() is NEED_DATA
    parser.feed(b"X: " + b"a" * 994 + b"\r\n")
    with pytest.raises(BadRequest) as caught:
        parser.next_event()
    assert caught.value.status == 431


def test_a_body_is_handed_on_as_it_comes() -> None:
    parser = RequestParser(LIMITS)
    parser.feed(post(b"Content-Length: 1000000\r\n"))
    assert parser.next_event() is HEAD
    for _ in range(1000):
        parser.feed(b"x" * 1000)
        assert parser.next_event() == b"x" * 1000
    assert parser.next_event() is END
