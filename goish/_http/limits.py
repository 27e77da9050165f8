"""How much and how long: what a server takes before it refuses, with the defaults.

Not here: which status each has (head.py, parser.py, connection.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from .._checks import check_count, check_seconds

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, None: no limit; and numbers, of which 0 is no limit for the last four."""

    read_header_timeout: float | None = 10.0
    read_timeout: float | None = None
    write_timeout: float | None = None
    idle_timeout: float | None = 75.0
    max_request_line: int = 8192
    max_header: int = 8192
    max_headers: int = 100
    max_headers_size: int = 65536
    max_body: int = 0
    max_requests: int = 0
    max_active: int = 0
    max_conns: int = 0

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Those of the options that are limits."""
        return cls(**{field.name: options[field.name] for field in fields(cls) if field.name in options})

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.startswith("max_"):
                check_count(field.name, value)
            elif value is not None:
                check_seconds(field.name, value)
        for name in ("max_request_line", "max_header", "max_headers", "max_headers_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is 1 or more; got {getattr(self, name)}: a request has to fit")
