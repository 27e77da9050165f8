"""What the log says of those that do not end when they should, or never began."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

from ._runtime.core import Goroutine, function_name

__all__ = ["name_of", "tell"]

_SHOWN: Final = 20  # are named; the rest are counted

logger = logging.getLogger("goish")


def name_of(g: Goroutine[Any], begun: bool = True) -> str:
    """A number tells nobody which function it is."""
    function = function_name(g)
    if function is not None:
        function += ", a function that neither waits in goish nor asks check_cancel()" if begun else ""
    elif g.name == f"goroutine-{g.id}":
        function = getattr(g.get_coro(), "__qualname__", None)
    return g.name if function is None else f"{g.name} ({function})"


def tell(what: str, names: Sequence[str]) -> None:
    """Warn that so many ``what``; nothing if there are none."""
    if names:
        shown = ", ".join(names[:_SHOWN])
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        logger.warning("%d %s: %s%s", len(names), what, shown, more)
