"""Which event loop is taken where nobody has said: uvloop's where it is installed, else asyncio's.

Threads: any.
"""

from __future__ import annotations

import asyncio

__all__ = ["best_loop_type"]


def best_loop_type() -> type[asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except (ImportError, RuntimeError):  # in an atexit handler what it imports may refuse
        return asyncio.SelectorEventLoop
    return uvloop.Loop
