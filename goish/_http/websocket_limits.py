"""What a server takes of a WebSocket.

Not here: the WebSocket, which needs the package websockets (websocket.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from .._checks import check_flag, check_seconds, check_whole

__all__ = ["WebSocketLimits"]


@dataclass(frozen=True, slots=True)
class WebSocketLimits:
    """Bytes, and seconds; None: no limit. The options of a server with ``ws_`` before them."""

    max_size: int = 1 << 20
    ping_interval: float | None = 20.0
    ping_timeout: float | None = 20.0
    per_message_deflate: bool = True

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Those of the options that are limits of a WebSocket."""
        return cls(**{field.name: options[name] for field in fields(cls) if (name := f"ws_{field.name}") in options})

    def __post_init__(self) -> None:
        check_whole("ws_max_size", self.max_size)
        for name, value in (("ws_ping_interval", self.ping_interval), ("ws_ping_timeout", self.ping_timeout)):
            if value is not None:
                check_seconds(name, value)
        check_flag("ws_per_message_deflate", self.per_message_deflate)
