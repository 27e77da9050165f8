"""Go's net and net/http on one thread (``GOMAXPROCS=1``): ``benchmarks/compiled/go_servers``."""

from __future__ import annotations

import os
from functools import partial

from benchmarks.compiled import go_servers
from benchmarks.servers import certificate
from benchmarks.servers.rivals import Servers
from benchmarks.servers.workloads import HTTP

PROGRAM = go_servers()


def serve(kind: str, port: int) -> None:
    """Become the Go program, so that the process that is measured has nothing of Python."""
    arguments = [kind, str(port), str(certificate.CERTIFICATE), str(certificate.KEY)]
    os.execve(PROGRAM, [str(PROGRAM), *arguments], os.environ | {"GOMAXPROCS": "1"})


SERVERS: Servers = (
    dict.fromkeys(("echo", "echo_16", "echo_connect", "echo_idle"), partial(serve, "echo"))
    | {"echo_tls": partial(serve, "tls")}
    | dict.fromkeys((*HTTP, "http_idle"), partial(serve, "http"))
)
