"""uvicorn with goish's protocol: ``uvicorn --http goish.http:Protocol``."""

from __future__ import annotations

from functools import partial

from benchmarks.servers.rivals import Servers
from benchmarks.servers.rivals.uvicorn_ import serve
from benchmarks.servers.workloads import ASGI

SERVERS: Servers = {workload: partial(serve, workload, http="goish.http:Protocol") for workload in ASGI}
