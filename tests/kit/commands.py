"""Commands that others wrote, run while a server of this process answers them. Threads: one loop."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from typing import Any

from tools import find_tool

__all__ = ["begin", "output_of"]


async def begin(name: str, *arguments: str, **options: Any) -> Process:
    """Starts one; its standard error goes where its output goes. It is skipped or fails as ``find_tool`` says."""
    options = {"stdin": DEVNULL, "stdout": PIPE, "stderr": STDOUT, **options}
    return await asyncio.create_subprocess_exec(find_tool(name), *arguments, **options)


async def output_of(name: str, *arguments: str, given: bytes | None = None, code: int = 0, **options: Any) -> bytes:
    """What it has written when it has ended, with the exit code that is expected."""
    process = await begin(name, *arguments, **options, **({} if given is None else {"stdin": PIPE}))
    output, _ = await process.communicate(given)
    assert process.returncode == code, output.decode(errors="replace")
    return output
