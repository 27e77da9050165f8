"""Autobahn's test-suite for WebSockets against a server that echoes: autobahn_child.py RUN.

The control is uvicorn with websockets on uvloop; the other run is the same app on goish.http. The suite's client runs
in a process of Python 2.7 (needed.py). A case counts as passed only if the suite says "OK" of it, and of its end.

The cases named in the file CONFORMANCE_SKIP have been run; with CONFORMANCE_ONLY, only the cases named there are run.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from inside import names, open_record

# Not the 9th section, which measures, and of compression (12 and 13) one case of each kind, a thousand small messages.
CASES = [f"{n}.*" for n in (1, 2, 3, 4, 5, 6, 7, 10)]
CASES += [*(f"12.{n}.1" for n in range(1, 6)), *(f"13.{n}.1" for n in range(1, 8))]
RUN_IT = "import os, site; site.addsitedir(os.environ['AUTOBAHN']); from autobahntestsuite.wstest import run; run()"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


@asynccontextmanager
async def uvicorn_serves() -> AsyncIterator[int]:
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(echo, port=0, ws="websockets-sansio", lifespan="off", log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


@asynccontextmanager
async def goish_serves() -> AsyncIterator[int]:
    from goish import http

    async with http.serve_asgi(echo, "127.0.0.1:0", lifespan="off") as srv:
        yield srv.addr[1]


async def ask(port: int, folder: Path) -> dict[str, dict[str, str]]:
    """What the suite's client says of each case."""
    specification = {
        "outdir": str(folder),
        "servers": [{"agent": "it", "url": f"ws://127.0.0.1:{port}"}],
        "cases": sorted(names("CONFORMANCE_ONLY")) or CASES,
        "exclude-cases": sorted(names("CONFORMANCE_SKIP")),
        "exclude-agent-cases": {},
    }
    (folder / "specification").write_text(json.dumps(specification))
    command = (os.environ["PYTHON2"], "-c", RUN_IT, "-m", "fuzzingclient", "-s", str(folder / "specification"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = await asyncio.create_subprocess_exec(*command, env=environment, cwd=folder)
    assert await process.wait() == 0
    told: dict[str, dict[str, dict[str, str]]] = json.loads((folder / "index.json").read_text())
    return told["it"]


async def main(kind: str) -> dict[str, dict[str, str]]:
    serves = goish_serves if kind == "goish" else uvicorn_serves
    with tempfile.TemporaryDirectory() as folder:
        async with serves() as port:
            return await ask(port, Path(folder))


def run(kind: str) -> None:
    import uvloop

    import goish

    record = open_record()
    told = goish.run(main, kind) if kind == "goish" else uvloop.run(main(kind))
    for case, what in sorted(told.items()):
        verdict = f"{what['behavior']}, its end: {what['behaviorClose']}"
        if "INFORMATIONAL" not in verdict:
            record.write(test=case, outcome="passed" if verdict == "OK, its end: OK" else "failed", why=verdict)
    record.close()


run(sys.argv[1])
