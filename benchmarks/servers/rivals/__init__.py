"""Which servers compete.  Each has a module here: the workloads it can do, and functions that serve on a port."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from benchmarks.rivals import Rival

Servers: TypeAlias = Mapping[str, Callable[[int], None]]

_TABLE = (
    Rival("goish", "goish_", ("goish", "httptools")),
    Rival("goish_asgi", "goish_asgi", ("goish", "httptools", "websockets")),
    Rival("goish_uvicorn", "goish_uvicorn", ("goish", "httptools", "uvicorn", "websockets")),
    Rival("uvloop", "uvloop_", ("uvloop", "httptools")),
    Rival("streams", "streams", ("uvloop",)),
    Rival("anyio", "anyio_", ("anyio", "uvloop")),
    Rival("trio", "trio_", ("trio",)),
    Rival("gevent", "gevent_", ("gevent",)),
    Rival("go", "go_", command="go"),
    Rival("granian", "granian_", ("granian",)),
    Rival("uvicorn", "uvicorn_", ("uvicorn", "httptools", "uvloop")),
    Rival("hypercorn", "hypercorn_", ("hypercorn", "uvloop")),
    Rival("aiohttp", "aiohttp_", ("aiohttp", "uvloop")),
)

RIVALS = {rival.name: rival for rival in _TABLE}
