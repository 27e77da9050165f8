"""goish.http's ASGI bridge, on uvloop."""

from __future__ import annotations

from functools import partial

import goish
from benchmarks.servers.apps import app_of
from benchmarks.servers.rivals import Servers
from benchmarks.servers.workloads import ASGI, WORKERS
from goish import http


async def listen(workload: str, port: int) -> None:
    workers = WORKERS.get(workload, 1)
    app = "benchmarks.servers.apps:raw" if workers > 1 else app_of(workload)
    server = http.serve_asgi(app, f"127.0.0.1:{port}", lifespan="off", ws_per_message_deflate=False, workers=workers)
    await server.wait()


def serve(workload: str, port: int) -> None:
    goish.run(listen, workload, port, deadlock="off")


SERVERS: Servers = {workload: partial(serve, workload) for workload in (*ASGI, *WORKERS)}
