"""granian: hyper and tokio in Rust, workers with uvloop."""

from __future__ import annotations

from functools import partial

from granian import Granian
from granian.constants import Interfaces, Loops

from benchmarks.servers.rivals import Servers
from benchmarks.servers.workloads import ASGI, WORKERS


def serve(workload: str, port: int) -> None:
    factory = workload == "http_starlette"
    Granian(
        f"benchmarks.servers.apps:{'starlette' if factory else 'raw'}",
        factory=factory,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGINL,  # without lifespan
        loop=Loops.uvloop,
        workers=WORKERS.get(workload, 1),
        log_enabled=False,
    ).serve()


SERVERS: Servers = {workload: partial(serve, workload) for workload in (*ASGI, *WORKERS)}
