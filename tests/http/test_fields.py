"""Headers, Query, CrossOriginProtection and the ready answers."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

import pytest
from conftest import Driver
from http_wires import request, serving

from goish import http
from goish._http.fields import view_of
from goish.http import Headers, Query, Request, ResponseWriter

# ── Headers ──


def test_headers_know_no_case_and_keep_their_order() -> None:
    h = Headers([("B", "1"), ("a", "2"), ("b", "3")])
    assert h["b"] == "1" and h.get_all("B") == ["1", "3"] and list(h) == ["B", "a"] and len(h) == 2
    assert h.fields() == [("B", "1"), ("B", "3"), ("a", "2")] and "A" in h and 5 not in h
    h["B"] = " 4\t"
    assert h.get_all("b") == ["4"] and h.get("c") is None and h.get("c", "d") == "d"
    del h["A"]
    assert h.setdefault("C", "5") == h.setdefault("c", "6") == "5"
    assert h.pop("c") == "5" and h.pop("c", None) is None and h == Headers({"b": "4"}) and h != {"b": "4"}
    h.update({"x": "1"})
    assert (
        list(h.items()) == [("B", "4"), ("x", "1")] and list(h.values()) == ["4", "1"] and list(h.keys()) == ["B", "x"]
    )
    assert isinstance(h, MutableMapping) and repr(h) == "Headers([('B', '4'), ('x', '1')])"
    for missing in (lambda: h["c"], lambda: h.pop("c")):
        with pytest.raises(KeyError):
            missing()
    with pytest.raises(TypeError, match="no hash"):
        hash(h)


def test_a_copy_and_a_view_are_changed_alone() -> None:
    h = Headers({"A": "1"})
    copied, seen = h.copy(), view_of(h)
    copied["A"] = "2"
    seen.add("A", "3")
    assert (h.get_all("a"), copied.get_all("a"), seen.get_all("a")) == (["1"], ["2"], ["1", "3"])


@pytest.mark.parametrize("name", ["", "A B", "A:", "A\r\n", "\u00e9", "A\x00"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="the name of a header"):
        Headers()[name] = "x"


@pytest.mark.parametrize("value", ["a\r\nB: c", "a\nb", "a\x00", "\u20ac", "\x7f"])
def test_what_is_no_value(value: str) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="the value of the header A has a control character"):
            Headers().add("A", value)
        with pytest.raises(ValueError, match="the value of the header A has a control character"):
            Headers()["A"] = value
    for bad in (5, b"x", None):
        with pytest.raises(TypeError, match="is a str"):
            Headers()["A"] = bad  # type: ignore[assignment]
        with pytest.raises(TypeError, match="is a str"):
            Headers()[bad] = "x"  # type: ignore[index]


def test_a_query() -> None:
    q = Query("a=1&b=%20x&a=2&c")
    assert (q["a"], q.get_all("a"), q["b"], q["c"], len(q), list(q)) == ("1", ["1", "2"], " x", "", 3, ["a", "b", "c"])
    assert q.fields()[2] == ("a", "2") and q.get("z") is None and q.get_all("z") == []
    with pytest.raises(ValueError, match="exceeded"):
        Query("&".join(f"a{i}=1" for i in range(2000)))


# ── CrossOriginProtection ──


async def done(w: ResponseWriter, r: Request) -> None:
    await w.text("done")


@pytest.mark.parametrize(
    ("method", "fields", "passes"),
    [
        ("GET", {"Sec_Fetch_Site": "cross-site"}, True),
        ("HEAD", {"Sec_Fetch_Site": "cross-site"}, True),
        ("OPTIONS", {"Sec_Fetch_Site": "cross-site"}, True),
        ("POST", {"Sec_Fetch_Site": "same-origin"}, True),
        ("POST", {"Sec_Fetch_Site": "none"}, True),
        ("POST", {"Sec_Fetch_Site": "cross-site"}, False),
        ("POST", {"Sec_Fetch_Site": "same-site"}, False),
        ("PUT", {"Sec_Fetch_Site": "same-site"}, False),
        ("POST", {"Sec_Fetch_Site": "odd"}, False),
        ("POST", {}, True),
        ("POST", {"Origin": "https://a"}, True),
        ("POST", {"Origin": "http://a"}, True),
        ("POST", {"Origin": "https://b"}, False),
        ("POST", {"Origin": "null"}, False),
        ("POST", {"Origin": "https://[a"}, False),
        ("POST", {"Origin": "https://friend.example"}, True),
        ("POST", {"Origin": "https://friend.example", "Sec_Fetch_Site": "cross-site"}, True),
        ("POST", {"Origin": "https://friend.example.evil", "Sec_Fetch_Site": "cross-site"}, False),
    ],
)
async def test_cross_origin_requests(virtual: Driver, method: str, fields: dict[str, str], passes: bool) -> None:
    protection = http.CrossOriginProtection(trusted_origins=["https://friend.example"], bypass=["POST /hook/{id}"])
    async with serving(protection.handler(done)) as site:
        response = await site.ask(request(method, "/", **fields), method)
        assert response.status == (200 if passes else 403)
        assert (await site.ask(request("POST", "/hook/1", Sec_Fetch_Site="cross-site"))).status == 200
        assert (await site.ask(request("PUT", "/hook/1", Sec_Fetch_Site="cross-site"))).status == 403


async def test_who_is_denied_gets_the_given_answer(virtual: Driver) -> None:
    async def deny(w: ResponseWriter, r: Request) -> None:
        await w.text("no", 418)

    async with serving(http.CrossOriginProtection(deny=deny).handler(done)) as site:
        assert (await site.ask(request("POST", "/", Sec_Fetch_Site="cross-site"))).status == 418


@pytest.mark.parametrize("origin", ["", "a", "https://a/", "https://a/b", "https://", "https://a?b"])
def test_what_is_no_origin(origin: str) -> None:
    with pytest.raises(ValueError, match="an origin is"):
        http.CrossOriginProtection(trusted_origins=[origin])


# ── answers ──


async def test_an_error_takes_back_what_was_for_the_body(virtual: Driver) -> None:
    async def fail(w: ResponseWriter, r: Request) -> None:
        w.headers["Content-Length"] = "1000"
        w.headers["ETag"] = "x"
        await http.error(w, "no", 400)

    async with serving(fail) as site:
        response = await site.get()
        assert (response.status, response.body, "ETag" in response) == (400, b"no\n", False)


async def test_redirects(virtual: Driver) -> None:
    async def away(w: ResponseWriter, r: Request) -> None:
        await http.redirect(w, r, "/\u00e9?a=b&c=%20#d")
        with pytest.raises(ValueError, match="the status of a redirect"):
            await http.redirect(w, r, "/", 200)

    async with serving(away) as site:
        response = await site.get()
        assert (response.status, response["Location"]) == (303, "/%C3%A9?a=b&c=%20#d")


async def test_files(run: Driver, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(b"<p>" * 100_000)
    os.utime(path, (1_000_000_000, 1_000_000_000))

    async def file(w: ResponseWriter, r: Request) -> None:
        await http.serve_file(w, r, tmp_path / r.path[1:])

    async with serving(file) as site:
        response = await site.get("/page.html")
        assert response.body == path.read_bytes() and response["Content-Type"] == "text/html"
        assert response["Last-Modified"] == "Sun, 09 Sep 2001 01:46:40 GMT" and response["Content-Length"] == "300000"
        assert (await site.ask(request("HEAD", "/page.html"), "HEAD"))["Content-Length"] == "300000"
        known = await site.get("/page.html", If_Modified_Since=response["Last-Modified"])
        assert known.status == 304 and known.body == b""
        for nonsense in (
            "nonsense",
            "a, 1 Jan 99999999999 0:0:0 GMT",
            "Mon, 01 Jan 2000 99999999999999999999:00:00 GMT",
        ):
            assert (await site.get("/page.html", If_Modified_Since=nonsense)).status == 200
        for missing in ("/missing", "/a%00b", "/" + "a" * 5000, "/page.html/a"):
            assert (await site.get(missing)).status == 404
        assert (await site.get("/")).status == 404
