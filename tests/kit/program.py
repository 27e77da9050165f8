"""A program in a process of its own, whose lines to standard error are read as they come. Threads: one loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from signal import SIGKILL, Signals
from types import TracebackType
from typing import Any, Self

__all__ = ["Program"]


class Program:
    """``async with Program(command) as program:`` it runs; it is killed at the end of the block, if it still does."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self._command = command
        self._options = options
        self._more = asyncio.Event()
        self.lines: list[str] = []

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*self._command, stderr=pipe, **self._options)
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.signal(SIGKILL)
        await self.ended()
        if error is not None:
            print(*self.lines, sep="\n")

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, signum: Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(signum)

    async def ended(self) -> int:
        """Its exit code, when it and all that write to its standard error have ended."""
        await self._reading
        return await self._process.wait()

    async def line_with(self, words: str) -> str:
        """The first line that has these words, when it has come."""
        while not (found := [line for line in self.lines if words in line]):
            assert not self._reading.done(), "\n".join(self.lines)
            self._more.clear()
            await self._more.wait()
        return found[0]

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.lines.append(line.decode().rstrip())
            self._more.set()
        self._more.set()
