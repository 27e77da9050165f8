"""How the connections of a server have ended: what ``shutdown`` gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import Canceled, DeadlineExceeded

__all__ = ["Cut", "Report", "merged"]


@dataclass(frozen=True, slots=True)
class Cut:
    """A connection that a shutdown has cut: its handler was cancelled, and its peer reset.

    ``remote_addr``: of the peer. ``seconds``: how old the connection was. ``where``: what its handler was waiting for.
    ``unsent``: how many bytes it had written that the system had not taken yet, as the peer did not read.

    Example::

        from goish import net

        print(net.Cut("10.0.0.7:1234", 2.5, "chan receive", 0).where)  # -> chan receive
    """

    remote_addr: object
    seconds: float
    where: str
    unsent: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a ``shutdown`` has done.

    ``connections``: how many were open when it began, or came while it let them. ``drained``: those of them whose
    handlers ended by themselves. ``idle``: those of which nothing was asked at their end, whichever side ended them (of
    an HTTP server). ``cut``: one ``Cut`` for each of the others. ``seconds``: how long it took. ``error``: why it did
    not wait longer, the ``err()`` of the context: DeadlineExceeded or Canceled; None if nothing was cut.

    ``unanswered``: on how many of the connections a request came too late, behind the end that the server had sent, or
    behind the response that said so (of an HTTP server, without TLS). No handler has seen it.

    Example::

        from goish import net

        async with net.serve(lambda conn: sleep(0), "127.0.0.1:0") as srv:
            report = await srv.shutdown()
        print(report.connections, report.cut, report.error)  # -> 0 () None
    """

    connections: int
    drained: int
    idle: int
    cut: tuple[Cut, ...]
    seconds: float
    error: Canceled | DeadlineExceeded | None
    unanswered: int = 0


def merged(reports: Sequence[Report]) -> Report:
    """Of the parts of a server, one."""
    return Report(
        connections=sum(report.connections for report in reports),
        drained=sum(report.drained for report in reports),
        idle=sum(report.idle for report in reports),
        cut=tuple(cut for report in reports for cut in report.cut),
        seconds=max((report.seconds for report in reports), default=0.0),
        error=next((report.error for report in reports if report.error is not None), None),
        unanswered=sum(report.unanswered for report in reports),
    )
