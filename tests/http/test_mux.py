"""ServeMux: the most specific pattern wins, whatever the order; what conflicts is refused."""

from __future__ import annotations

import itertools
import pickle
import re
from typing import Any

import http_handlers
import pytest
from conftest import Driver
from http_wires import read_response, request, serving
from hypothesis import given, settings
from hypothesis import strategies as st

from goish._http.pattern import Relation, compare, parse_pattern
from goish.http import Request, ResponseWriter, ServeMux


async def show(w: ResponseWriter, r: Request) -> None:
    values = [f"{name}={r.path_value(name)}" for name in re.findall(r"{(\w+)", r.pattern)]
    await w.text(" ".join([r.pattern, *values]))


def mux_of(*patterns: str) -> ServeMux:
    mux = ServeMux()
    for pattern in patterns:
        mux.handle(pattern, show)
    return mux


PATTERNS = (
    *(
        "/",
        "/{$}",
        "GET /items/{id}",
        "GET /items/new",
        "POST /items/{id}",
        "/items/{id}/parts/{part}",
        "/files/{path...}",
    ),
    *(
        "/tree/",
        "/tree/leaf/{$}",
        "h.example/",
        "GET h.example/items/{id}",
        "/a%20b/{x}",
        "/exact",
        "DELETE /exact/only",
    ),
    *("HEAD /items/new",),
)

# What a request is sent to: its pattern and values, or the status of the mux's own answer.
MATCHES = [
    ("GET /", "/{$}"),
    ("GET /nothing", "/"),
    ("GET /nothing/here", "/"),
    ("GET /items/7", "GET /items/{id} id=7"),
    ("HEAD /items/7", "GET /items/{id} id=7"),
    ("POST /items/7", "POST /items/{id} id=7"),
    ("PUT /items/7", "/"),
    ("GET /items/new", "GET /items/new"),
    ("HEAD /items/new", "HEAD /items/new"),
    ("GET /items/a%2Fb", "GET /items/{id} id=a/b"),
    ("GET /items/", "/"),
    ("GET /items/7/parts/x%20y", "/items/{id}/parts/{part} id=7 part=x y"),
    ("GET /files/", "/files/{path...} path="),
    ("GET /files/a/b/c", "/files/{path...} path=a/b/c"),
    ("GET /files/a%2Fb/", "/files/{path...} path=a/b/"),
    ("GET /tree/", "/tree/"),
    ("GET /tree/a/b", "/tree/"),
    ("GET /tree/leaf/", "/tree/leaf/{$}"),
    ("GET /tree/leaf/x", "/tree/"),
    ("GET /a%20b/1", "/a%20b/{x} x=1"),
    ("GET /exact", "/exact"),
    ("GET http://h.example/exact", "h.example/"),
    ("GET http://H.example:80/items/7", "GET h.example/items/{id} id=7"),
    ("GET http://other.example/items/7", "GET /items/{id} id=7"),
]


async def test_the_most_specific_pattern_wins(virtual: Driver) -> None:
    async with serving(mux_of(*PATTERNS)) as site, await site.dial() as conn:
        for line, expected in MATCHES:
            method, target = line.split(" ")
            await conn.write(request(method, target))
            response = await read_response(conn, method)
            if method == "HEAD":
                assert response["Content-Length"] == str(len(expected)), line
            else:
                assert response.body.decode() == expected, line


async def test_the_order_of_registration_does_not_matter(virtual: Driver) -> None:
    async with serving(mux_of(*reversed(PATTERNS))) as site, await site.dial() as conn:
        for line, expected in MATCHES:
            method, target = line.split(" ")
            if method != "HEAD":
                await conn.write(request(method, target))
                assert (await read_response(conn)).body.decode() == expected, line


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/tree", "/tree/"),
        ("/tree?a=b", "/tree/?a=b"),
        ("//items//7", "/items/7"),
        ("/items/../exact?x", "/exact?x"),
        ("/items/./7", "/items/7"),
        ("/../../exact", "/exact"),
        ("/tree/x/..", "/tree/"),
        ("//evil.example/", "/evil.example/"),
        ("/wild/\\evil.example", "/wild/%5Cevil.example/"),
    ],
)
async def test_redirects(virtual: Driver, target: str, location: str) -> None:
    mux = mux_of("/tree/", "/items/{id}", "/exact", "/wild/{x}/")
    async with serving(mux) as site:
        response = await site.get(target)
        assert (response.status, response["Location"]) == (307, location)


async def test_without_a_pattern_it_is_404_and_with_another_method_405(virtual: Driver) -> None:
    mux = mux_of("GET /items/{id}", "PUT /items/{id}", "DELETE h.example/items/{id}", "POST /tree/")
    async with serving(mux) as site:
        assert (await site.get("/nothing")).status == 404
        response = await site.ask(request("POST", "/items/7"))
        assert (response.status, response["Allow"]) == (405, "GET, HEAD, PUT")
        response = await site.ask(request("POST", "http://h.example/items/7"))
        assert response["Allow"] == "DELETE, GET, HEAD, PUT"
        assert (await site.get("/tree"))["Allow"] == "POST"
        assert (await site.ask(request("OPTIONS", "*"))).status == 200


CONFLICTS = [
    ("/a", "/a"),
    ("/{a}", "/{b}"),
    ("/a/{x}", "/{y}/b"),
    ("GET /{x}", "/a"),
    ("/a/{x...}", "/a/"),
    ("/{x}/b/{y...}", "/a/{z}/c"),
    ("GET /", "/a"),
    ("/{a}/b", "/c/{d...}"),
]
NO_CONFLICTS = [
    ("/a", "/b"),
    ("/{a}", "/b"),
    ("GET /a", "POST /a"),
    ("GET /a", "/a"),
    ("GET /a", "HEAD /a"),
    ("h/a", "/a"),
    ("h/a", "g/a"),
    ("/a/", "/a/{$}"),
    ("/a/{x}", "/a/{$}"),
    ("/a/{x}", "/a/{x...}"),
    ("/a/b/", "/a/"),
    ("/{x}/a", "/{x}/b"),
]


@pytest.mark.parametrize(("a", "b"), CONFLICTS)
def test_patterns_that_conflict(a: str, b: str) -> None:
    for first, second in ((a, b), (b, a)):
        with pytest.raises(ValueError, match="conflicts with"):
            mux_of(first, second)


@pytest.mark.parametrize(("a", "b"), NO_CONFLICTS)
def test_patterns_that_do_not_conflict(a: str, b: str) -> None:
    mux_of(a, b)
    mux_of(b, a)


def test_a_conflict_is_explained() -> None:
    with pytest.raises(ValueError, match="both match some paths, such as '/a/b'"):
        mux_of("/a/{x}", "/{y}/b")
    with pytest.raises(ValueError, match="matches the same requests"):
        mux_of("/{a}", "/{b}")
    with pytest.raises(ValueError, match=r"GET /\{x\} matches fewer methods than /a, but has a more general path"):
        mux_of("/a", "GET /{x}")


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("", "has no /"),
        ("GET", "has no /"),
        ("items", "has no /"),
        ("G(T /", "is no method"),
        ("/a/{", "whole segment"),
        ("/a/x{y}", "whole segment"),
        ("/{}", "identifier"),
        ("/{a-b}", "identifier"),
        ("/{1}", "identifier"),
        ("/{x}/{x}", "two wildcards"),
        ("/{x...}/a", "at the end only"),
        ("/{$}/a", "at the end only"),
        ("{h}/a", "has a {"),
        ("//a", "not clean"),
        ("/a/../b", "not clean"),
    ],
)
def test_what_is_no_pattern(pattern: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        mux_of(pattern)


def test_bad_arguments() -> None:
    with pytest.raises(TypeError, match="a pattern is a str"):
        ServeMux().handle(5, show)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="a handler is an async function"):
        ServeMux().handle("/", 5)  # type: ignore[call-overload]


# ── against the rules, taken literally ──

SEGMENTS = st.sampled_from(["a", "b", "{x}", "{y}"])
ENDS = st.sampled_from(["", "", "/", "/{$}", "/{z...}"])


@st.composite
def patterns(draw: Any) -> str:
    path = "".join(f"/{segment}" for segment in draw(st.lists(SEGMENTS, max_size=2, unique=True)))
    path += draw(ENDS)
    method = draw(st.sampled_from(["", "", "GET ", "HEAD ", "POST "]))
    return f"{method}{path or '/'}"


PATHS = ["/" + "/".join(parts) for n in range(1, 4) for parts in itertools.product(["a", "b", "c", ""], repeat=n)]
PATHS = [path for path in PATHS if "//" not in path]
REQUESTS = [(method, path) for method in ("GET", "HEAD", "POST", "PUT") for path in PATHS]


ALL = frozenset(REQUESTS)


def expression_of(pattern: str) -> str:
    path = pattern.rpartition(" ")[2]
    expression = re.sub(r"{\w+}", "[^/]+", path.replace("{$}", "")).replace("{z...}", ".*")
    return f"{expression}.*" if path.endswith("/") else expression


def matched(pattern: str) -> frozenset[tuple[str, str]]:
    """The requests that a pattern matches, by a regular expression and nothing else."""
    method = pattern.rpartition(" ")[0]
    expression = expression_of(pattern)
    methods = {"": ("GET", "HEAD", "POST", "PUT"), "GET": ("GET", "HEAD")}.get(method, (method,))
    return frozenset((m, p) for m, p in REQUESTS if m in methods and re.fullmatch(expression, p))


@settings(deadline=None)
@given(patterns(), patterns())
def test_how_two_patterns_relate(a: str, b: str) -> None:
    one, other = matched(a), matched(b)
    relation = compare(parse_pattern(a), parse_pattern(b))
    assert relation is (
        Relation.DISJOINT
        if not one & other
        else Relation.EQUIVALENT
        if one == other
        else Relation.MORE_SPECIFIC
        if one < other
        else Relation.MORE_GENERAL
        if one > other
        else Relation.OVERLAPS
    )


@settings(deadline=None)
@given(st.lists(patterns(), min_size=1, max_size=6, unique=True))
def test_a_request_goes_to_the_most_specific_pattern_that_matches_it(given_patterns: list[str]) -> None:
    mux = ServeMux()
    taken: dict[str, frozenset[tuple[str, str]]] = {}
    for pattern in given_patterns:
        mine = matched(pattern)
        conflicts = any(mine & other and not (mine < other or other < mine) for other in taken.values())
        try:
            mux.handle(pattern, show)
            assert not conflicts
            taken[pattern] = mine
        except ValueError:
            assert conflicts

    def best(method: str, path: str) -> str:
        fitting = [pattern for pattern, requests in taken.items() if (method, path) in requests]
        return min(fitting, key=lambda pattern: len(taken[pattern]), default="")

    def is_own(pattern: str, path: str) -> bool:
        return pattern != "" and re.fullmatch(expression_of(pattern).removesuffix(".*"), path) is not None

    for method, path in REQUESTS:
        expected = best(method, path)
        if not is_own(expected, path) and (method, f"{path}/") in ALL and is_own(best(method, f"{path}/"), f"{path}/"):
            expected = ""  # a redirect
        assert mux.handler(plain_request(method, path))[1] == expected, (method, path)


def plain_request(method: str, path: str) -> Request:
    from goish._http.limits import Limits
    from goish._http.parser import HEAD, RequestParser
    from goish._http.request import new_request

    parser = RequestParser(Limits())
    parser.feed(f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert parser.next_event() is HEAD
    return new_request(None, parser, parser.fields)  # type: ignore[arg-type]


async def test_a_mux_in_a_mux_and_one_that_grows_while_it_serves(virtual: Driver) -> None:
    outer, inner = ServeMux(), ServeMux()
    outer.handle("/api/", inner)
    async with serving(outer) as site:
        assert (await site.get("/api/x")).status == 404
        inner.handle("GET /api/{x}", show)
        assert (await site.get("/api/1")).body == b"GET /api/{x} x=1"


async def test_a_decorator(virtual: Driver) -> None:
    mux = ServeMux()

    @mux.handle("GET /one")
    @mux.handle("GET /two")
    async def both(w: ResponseWriter, r: Request) -> None:
        await w.text(r.pattern)

    async with serving(mux) as site:
        assert [(await site.get(path)).body for path in ("/one", "/two")] == [b"GET /one", b"GET /two"]


def test_a_mux_goes_to_another_process() -> None:
    for handler in (http_handlers.mux, http_handlers.guarded):
        pickle.loads(pickle.dumps(handler))
    assert repr(pickle.loads(pickle.dumps(http_handlers.mux))) == "<ServeMux with 2 patterns>"
