"""What can go wrong between a server, its clients and its handlers."""

from __future__ import annotations

from ..errors import Canceled, GoishError

__all__ = ["AbortHandler", "BadRequest", "BodyTooLarge", "ClientDisconnected", "NoJson"]


class BadRequest(GoishError):
    """A request that is refused: ``status`` and ``reason`` are what the client gets.

    Before a handler is called the server answers by itself. A handler meets it where it reads the body; one that lets
    it pass answers so, unless it has sent a head already. ``limit`` names the counter in ``srv.statistics().refused``.

    Example::

        print(goish.http.BadRequest(400, "no Host").status)  # -> 400
    """

    def __init__(self, status: int, reason: str, limit: str = "malformed") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.limit = limit


class BodyTooLarge(BadRequest):
    """The body of a request is larger than allowed, by ``max_body`` or by the reader: 413.

    Example::

        print(goish.http.BodyTooLarge(100).status)  # -> 413
    """

    def __init__(self, most: int) -> None:
        super().__init__(413, f"a body of more than {most} bytes", "body")


class NoJson(BadRequest, ValueError):
    """A ValueError, as ``json.loads`` raises, which answers 400 if the handler lets it pass."""

    def __init__(self, why: str) -> None:
        super().__init__(400, f"a body that is no JSON: {why}")


class ClientDisconnected(Canceled, ConnectionError):
    """The client has left before its request was answered: the cause with which ``r.ctx`` is cancelled.

    A ConnectionError: reads of the body raise it too.

    Example::

        print(goish.http.ClientDisconnected())  # -> the client has left
    """

    def __init__(self) -> None:
        super().__init__("the client has left")


class AbortHandler(GoishError):
    """Raised by a handler it cuts the connection, and nothing is logged. Go's ``http.ErrAbortHandler``.

    Example::

        async def cut(w, r):
            raise goish.http.AbortHandler
    """
