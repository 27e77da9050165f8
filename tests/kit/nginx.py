"""nginx in front of servers, configured by the blocks of docs/asgi.md. Threads: one loop."""

from __future__ import annotations

import asyncio
from pathlib import Path
from signal import SIGQUIT
from types import TracebackType
from typing import Self

from load import Streams
from program import Program
from tools import find_tool

__all__ = ["Nginx"]

MAIN = """
daemon off;
master_process off;
error_log stderr notice;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    {site}
}}
"""


class Nginx:
    """``async with``: it listens on a unix socket in ``folder``, and ends in order."""

    def __init__(self, site: str, folder: Path) -> None:
        self.path = folder / "nginx.sock"
        configuration = folder / "nginx.conf"
        assert "listen 80;" in site
        site = site.replace("listen 80;", f"listen unix:{self.path};")
        configuration.write_text(MAIN.format(folder=folder, site=site))
        self._program = Program([find_tool("nginx"), "-c", str(configuration), "-p", str(folder), "-e", "stderr"])

    async def __aenter__(self) -> Self:
        await self._program.__aenter__()
        await self._program.line_with("event method")  # it listens by then
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._program.signal(SIGQUIT)
            await self._program.ended()
        await self._program.__aexit__(kind, error, traceback)

    async def connect(self) -> Streams:
        return await asyncio.open_unix_connection(str(self.path))
