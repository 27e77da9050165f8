"""Programs that others wrote to load a server, on real sockets: each of their requests is answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGINT
from typing import Any

import pytest
from commands import begin, output_of
from conftest import Driver
from sites import SITES

pytestmark = pytest.mark.parametrize("kind", SITES)


@asynccontextmanager
async def site(kind: str) -> AsyncIterator[tuple[Any, str]]:
    """All that has come is answered, and nothing was refused or went wrong."""
    async with SITES[kind]("127.0.0.1:0") as srv:
        yield srv, f"http://127.0.0.1:{srv.addr[1]}/hello/ann"
        statistics = srv.statistics()
        assert statistics.refused == {} and "panics" not in statistics.events


async def test_wrk_has_no_errors(run: Driver, kind: str) -> None:
    async with site(kind) as (srv, url):
        wrk = await begin("wrk", "-t", "1", "-c", "16", "-d", "600", "--timeout", "600", url)
        while srv.statistics().requests < 2000:
            await asyncio.sleep(0.001)
        reading = asyncio.create_task(wrk.communicate())
        while not reading.done():  # one that does not reach its main thread is none
            with contextlib.suppress(ProcessLookupError):  # it has ended, and is still read
                wrk.send_signal(SIGINT)  # with which it ends, and tells
            await asyncio.wait([reading], timeout=0.1)
        output = (await reading)[0].decode()
        found = re.search(r"(\d+) requests in", output)
        assert found and int(found[1]) >= 2000 - 16, output
        assert "errors" not in output and "Non-2xx" not in output, output


@pytest.mark.parametrize("pipelined", ["1", "8"])
async def test_h2load_has_no_errors(run: Driver, kind: str, pipelined: str) -> None:
    async with site(kind) as (srv, url):
        output = await output_of("h2load", "--h1", "-n", "1000", "-c", "10", "-m", pipelined, url)
        assert b"1000 done, 1000 succeeded, 0 failed, 0 errored, 0 timeout" in output, output
        assert b"status codes: 1000 2xx" in output, output
        assert srv.statistics().requests == 1000


@pytest.mark.parametrize("kept", ["keep-alive", "close"])
async def test_siege_has_no_errors(run: Driver, kind: str, kept: str, tmp_path: Path) -> None:
    (tmp_path / "rc").write_text(f"connection = {kept}\nverbose = false\nlogging = false\nparser = false\n")
    (tmp_path / ".siege").mkdir()
    async with site(kind) as (srv, url):
        urls = tmp_path / "urls"
        urls.write_text(f"{url}\n{url.replace('hello/ann', 'echo')} POST a=b&c=d\n")
        options = ("-c", "5", "-r", "40", "-b", "-j", "-f", str(urls))
        output = await output_of("siege", f"--rc={tmp_path / 'rc'}", *options, env={"HOME": str(tmp_path)})
        said = json.loads(output[output.index(b"{") :])
        assert (said["transactions"], said["failed_transactions"], said["availability"]) == (200, 0, 100.0)
        assert srv.statistics().requests == 200


async def test_ab_keeps_its_connections_in_http_1_0(run: Driver, kind: str) -> None:
    async with site(kind) as (srv, url):
        output = (await output_of("ab", "-q", "-k", "-n", "500", "-c", "10", url)).decode()
        for name, number in (("Complete", 500), ("Failed", 0)):
            assert re.search(rf"{name} requests: +{number}\n", output), output
        assert "Non-2xx" not in output and ("Keep-Alive requests:    500" in output or kind == "asgi"), output
        assert srv.statistics().requests == 500


async def test_hey_has_no_errors(run: Driver, kind: str) -> None:
    """Go's client."""
    async with site(kind) as (srv, url):
        output = await output_of(
            "hey", "-n", "500", "-c", "10", "-m", "POST", "-d", "abc", url.replace("hello/ann", "echo")
        )
        assert b"[200]\t500 responses" in output and b"Error" not in output, output
        assert srv.statistics().requests == 500
