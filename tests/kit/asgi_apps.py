"""ASGI apps that a worker process imports."""

from __future__ import annotations

import os
from typing import Any


async def tells_process(scope: Any, receive: Any, send: Any) -> None:
    """Does not start if ``GOISH_TEST_APP`` says why."""
    if scope["type"] == "lifespan":
        await receive()
        why = os.environ.get("GOISH_TEST_APP")
        await send({"type": f"lifespan.startup.{'failed' if why else 'complete'}", "message": why})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"%d" % os.getpid()})
