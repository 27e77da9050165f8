"""uvicorn on httptools and uvloop; WebSocket by the websockets package."""

from __future__ import annotations

from functools import partial

import uvicorn

from benchmarks.servers.apps import app_of
from benchmarks.servers.rivals import Servers
from benchmarks.servers.workloads import ASGI


def serve(workload: str, port: int, http: str = "httptools") -> None:
    uvicorn.run(
        app_of(workload),
        port=port,
        loop="uvloop",
        http=http,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
        access_log=False,
        log_level="error",
    )


SERVERS: Servers = {workload: partial(serve, workload) for workload in ASGI}
