"""hypercorn on uvloop."""

from __future__ import annotations

from functools import partial

import uvloop
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config

from benchmarks.servers.apps import app_of
from benchmarks.servers.rivals import Servers
from benchmarks.servers.workloads import ASGI


def serve(workload: str, port: int) -> None:
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.backlog = 1024
    uvloop.run(hypercorn_serve(app_of(workload), config))


SERVERS: Servers = {workload: partial(serve, workload) for workload in ASGI}
