"""What Kubernetes does with pods and with the endpoints of their service, by a spec from docs/asgi.md.

Threads: one loop.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from signal import SIGTERM
from types import TracebackType
from typing import Any, Self

from load import Line, Streams
from program import Program

__all__ = ["Endpoints", "Pod"]


class Pod:
    """One container. ``async with``: it is started. ``options``: those of the process."""

    def __init__(self, spec: dict[str, Any], folder: Path, **options: Any) -> None:
        (container,) = spec["containers"]
        self._patience = spec["terminationGracePeriodSeconds"]
        self._probe = container["readinessProbe"]["httpGet"]["path"]
        command = [sys.executable if word == "python" else word for word in container["command"]]
        self._program = Program(command, cwd=folder, **options)

    async def __aenter__(self) -> Self:
        await self._program.__aenter__()
        self._port = int((await self._program.line_with("listening on ")).rpartition(":")[2])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._program.__aexit__(kind, error, traceback)

    @property
    def pid(self) -> int:
        return self._program.pid

    async def connect(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def probe(self) -> int:
        """The status of its readiness probe."""
        line = Line(await self.connect())
        try:
            return (await line.ask(f"GET {self._probe} HTTP/1.1\r\nHost: a\r\n\r\n".encode()))[0]
        finally:
            await line.close()

    def delete(self) -> None:
        """SIGTERM at once, while the endpoints of its service still name it."""
        self._program.signal(SIGTERM)

    async def ended(self) -> int:
        """The exit code. TimeoutError when it is time for SIGKILL."""
        async with asyncio.timeout(self._patience):
            return await self._program.ended()


class Endpoints:
    """Of a service: each new connection goes to the next of them, and stays there."""

    def __init__(self) -> None:
        self._pods: list[Pod] = []
        self._turn = 0

    async def add(self, pod: Pod) -> None:
        """When it is ready."""
        assert await pod.probe() == 200
        self._pods.append(pod)

    async def drop_when_unready(self, pod: Pod) -> None:
        """When its probe has failed as often as failureThreshold has it by default, 3 times in a row."""
        failures = 0
        while failures < 3:
            failures = 0 if await pod.probe() == 200 else failures + 1
        self._pods.remove(pod)

    async def connect(self) -> Streams:
        self._turn += 1
        return await self._pods[self._turn % len(self._pods)].connect()
