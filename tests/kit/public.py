"""The public modules: ``goish``, its attributes (which are imported when they are asked for), and the others."""

from __future__ import annotations

import goish
import goish.anyio
import goish.http
import goish.net

__all__ = ["MODULES"]

MODULES = (
    goish,
    *(getattr(goish, name) for name in goish._LAZY),
    goish.loops,
    goish.errors,
    goish.anyio,
    goish.net,
    goish.http,
)
