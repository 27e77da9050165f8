"""What systemd does with a service: systemd.service(5), systemd.kill(5). As much of it as docs/asgi.md uses.

Threads: one loop.
"""

from __future__ import annotations

import asyncio
import configparser
import shlex
import sys
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from types import TracebackType
from typing import Any, Self

from program import Program

__all__ = ["Service", "read_unit"]

KNOWN = {"WorkingDirectory", "ExecStart", "ExecReload", "KillMode", "TimeoutStopSec", "Restart", "LimitNOFILE"}
ORDERLY = (0, -SIGTERM)  # exit codes after which Restart=on-failure starts nothing


def read_unit(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


class Service:
    """``async with``: it is started, and stopped at the end. ``replaced``: words of its commands that are others here.

    ``options``: those of the process.
    """

    def __init__(self, unit: configparser.ConfigParser, folder: Path, replaced: dict[str, str], **options: Any) -> None:
        self._unit = dict(unit["Service"])
        assert self._unit.keys() <= KNOWN, f"this is no systemd: it does not know {self._unit.keys() - KNOWN}"
        assert self._unit["KillMode"] == "mixed"
        assert self._unit["Restart"] == "on-failure"
        self._replaced = {"/srv/app/.venv/bin/python": sys.executable, **replaced}
        self._options = {"cwd": folder, **options}
        self.patience = float(self._unit["TimeoutStopSec"])  # seconds from SIGTERM to SIGKILL
        self.command = shlex.split(self._unit["ExecStart"])
        self.exits: list[int] = []  # codes of the main process
        self._stopping = False

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping = True
        await self.main.__aexit__(kind, error, traceback)
        await self._watching

    async def _start(self) -> None:
        command = [self._replaced.get(word, word) for word in self.command]
        self.main = await Program(command, **self._options).__aenter__()
        self._watching = asyncio.create_task(self._watch(self.main))

    async def _watch(self, main: Program) -> None:
        self.exits.append(await main.ended())
        if not self._stopping and self.exits[-1] not in ORDERLY:
            await self._start()

    def reload(self) -> None:
        """ExecReload=."""
        kill, option, target = shlex.split(self._unit["ExecReload"])
        assert (kill, target) == ("/bin/kill", "$MAINPID")
        self.main.signal(Signals[f"SIG{option[1:]}"])

    async def stop(self) -> None:
        """SIGTERM to the main process alone, as KillMode=mixed has it. TimeoutError when it is time for SIGKILL."""
        self._stopping = True
        self.main.signal(SIGTERM)
        async with asyncio.timeout(self.patience):
            await self.main.ended()

    async def crash(self) -> None:
        """SIGKILL to the main process. Until another one was started."""
        self.main.signal(SIGKILL)
        await self._watching

    async def restart(self) -> None:
        await self.stop()
        await self._watching
        self._stopping = False
        await self._start()
