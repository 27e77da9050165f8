"""Handlers that a worker process of an HTTP server imports."""

from __future__ import annotations

import os

from goish.http import CrossOriginProtection, Request, ResponseWriter, ServeMux

mux = ServeMux()


@mux.handle("/process/{any}")
async def process(w: ResponseWriter, r: Request) -> None:
    await w.text(f"{os.getpid()} {r.path_value('any')}")


@mux.handle("POST /echo")
async def echo(w: ResponseWriter, r: Request) -> None:
    await w.write(await r.read())


guarded = CrossOriginProtection().handler(mux)
