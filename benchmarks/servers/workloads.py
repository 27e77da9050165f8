"""What is measured of a server: the named workloads, their sizes, and what server and client must agree on."""

from __future__ import annotations

import json
from dataclasses import dataclass

KIB = 1024
CLIENTS = 64
MESSAGE = bytes(range(256)) * 4
WINDOW = 16  # messages in flight of echo_16, for each connection, and requests of workers_1 and workers_2

HELLO = b"Hello, world!"
BLOB = bytes(KIB * KIB)
CHUNK = b"x" * KIB
CHUNKS = 10
BROWSER_HEADERS = {
    "Connection": "keep-alive",
    "Cache-Control": "max-age=0",
    "sec-ch-ua": '"Chromium";v="144", "Not(A:Brand";v="8", "Google Chrome";v="144"',
    "sec-ch-ua-mobile": "?0",
    "sec-ch-ua-platform": '"Linux"',
    "Upgrade-Insecure-Requests": "1",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML) Chrome/144.0.0.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-User": "?1",
    "Sec-Fetch-Dest": "document",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB,en;q=0.9,de;q=0.8",
    "Cookie": "session=5f2c9f6a8d3e4b1c9a7e6d5c4b3a2f1e; theme=dark; consent=1",
}

HTTP_METRICS = ("rate", "cpu_ns", "p50_ns", "p99_ns")
WORKERS_METRICS = ("rate", "cpu_ns", "busiest_ns")
STORM_METRICS = ("rate", "cpu_ns", "growth")
# Whose clients are a Go program, and what they do: no client in Python makes connections as fast as servers take them.
STORMS = {"echo_connect": "echo", "http_connect": "connect", "http_requests": "requests", "http_resets": "resets"}
# What an HTTP server answers by the path.
HTTP = (
    *("http_hello", "http_json", "http_up", "http_down", "http_stream"),
    *("http_connect", "http_requests", "http_resets"),
)
WORKERS = {"workers_1": 1, "workers_2": 2}
ASGI = (*HTTP, "http_starlette", "ws_echo", "http_idle")


@dataclass(frozen=True)
class Workload:
    """One table: ``n`` items of ``unit`` over so many connections."""

    name: str
    n: int
    unit: str
    metrics: tuple[str, ...] = HTTP_METRICS
    clients: int = CLIENTS

    def size(self, fraction: float) -> int:
        return max(self.clients, round(self.n * fraction))

    @property
    def holds(self) -> bool:
        """Whether connections are held open rather than used: nothing but the server's memory is measured."""
        return self.metrics == ("bytes",)

    @property
    def workers(self) -> int:
        """How many the server has; more than one are given all CPUs, which the clients share with them."""
        return WORKERS.get(self.name, 1)


_TABLE = (
    Workload("echo", 60_000, "message"),
    Workload("echo_16", 500_000, "message", ("rate", "cpu_ns")),
    Workload("echo_tls", 40_000, "message"),
    Workload("echo_idle", 10_000, "connection", ("bytes",)),
    Workload("http_hello", 40_000, "request"),
    Workload("http_json", 30_000, "request"),
    Workload("http_up", 1_000, "request", clients=8),
    Workload("http_down", 1_000, "request", clients=8),
    Workload("http_stream", 20_000, "request"),
    Workload("http_starlette", 20_000, "request"),
    Workload("http_idle", 10_000, "connection", ("bytes",)),
    Workload("ws_echo", 30_000, "message"),
    Workload("echo_connect", 30_000, "connection", STORM_METRICS),
    Workload("http_connect", 30_000, "connection", STORM_METRICS),
    Workload("http_requests", 1_000_000, "request", STORM_METRICS),
    Workload("http_resets", 10_000, "connection", STORM_METRICS),
    Workload("workers_1", 200_000, "request", WORKERS_METRICS),
    Workload("workers_2", 200_000, "request", WORKERS_METRICS),
)

WORKLOADS = {workload.name: workload for workload in _TABLE}
# The path that a workload asks for; the others ask for "/".
PATHS = {"http_json": "/json", "http_up": "/up", "http_down": "/down", "http_stream": "/stream", "ws_echo": "/ws"}


def dumped() -> bytes:
    """What a handler of ``http_json`` makes for each request."""
    return json.dumps({"message": "Hello, world!", "items": [1, 2, 3], "ok": True}).encode()
