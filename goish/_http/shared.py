"""What the connections of a server on one loop have in common: handler, limits, counters.

Threads: that of the loop; the counters are read by any.
Not here: the set of the connections (goish/_net/connections.py), when the server ends (goish/_net/site.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING

from .errors import BadRequest
from .limits import Limits
from .status import HeadMaker

if TYPE_CHECKING:
    from .._net.site import Site
    from .connection import Connection, Handler
    from .request import Request

__all__ = ["Shared"]


class Shared:
    """One for each loop on which the server runs."""

    __slots__ = (
        *(
            "active",
            "cancels",
            "counts_active",
            "events",
            "handler",
            "heads",
            "is_stopping",
            "limits",
            "logger",
            "logs",
            "refused",
            "requests",
        ),
        *("site", "time", "watches"),
    )

    def __init__(
        self, handler: Handler, limits: Limits, site: Site, *, cancels: bool, access_log: logging.Logger | None
    ) -> None:
        self.handler = handler
        self.limits = limits
        self.site = site
        self.is_stopping = site.is_stopping
        self.cancels = cancels
        self.logger = access_log
        self.logs = access_log is not None and access_log.isEnabledFor(logging.INFO)
        self.heads = HeadMaker()
        self.time = asyncio.get_running_loop().time
        self.requests = 0
        self.active = 0  # handlers that run, if there is a limit for them
        self.refused: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.counts_active = limits.max_active > 0
        # Whether each request has to be looked at, also one without a body.
        self.watches = bool(limits.max_body or limits.max_requests or limits.write_timeout is not None)

    def enter(self) -> None:
        """Counts a handler that begins; BadRequest if that is one too many."""
        if self.active >= self.limits.max_active:
            raise BadRequest(503, "too many requests at once", "active")
        self.active += 1

    def count(self, event: str) -> None:
        self.events[event] += 1

    def counts(self) -> Counter[str]:
        """All that is counted: of ``refused`` and ``events`` by both names. Any thread."""
        counts = Counter(requests=self.requests)
        counts.update({f"refused {name}": n for name, n in list(self.refused.items())})
        counts.update({f"events {name}": n for name, n in list(self.events.items())})
        return counts

    def log_access(self, connection: Connection, r: Request, status: int) -> None:
        assert self.logger is not None
        remote = connection.conn.remote_addr
        self.logger.info('%s "%s %s HTTP/%s" %d', remote, r.method, r.target, r.http_version, status)
