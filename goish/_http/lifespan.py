"""ASGI's lifespan: an app is told before the first request and after the last one.

One goroutine runs the app for it, from the start to the end, so what the app opens in there it closes in there.

Invariants: each phase is told once. ``state`` is the app's; a request has a copy of it.
Threads: those of one loop.
Not here: requests (asgi.py).
"""

from __future__ import annotations

import logging
from typing import Any, Literal, TypeAlias

from .._runtime.core import Chan, Goroutine, chan, go, select
from .._threads.handles import ended
from ..errors import GoishError
from .app import App, Message

__all__ = ["Lifespan", "LifespanFailed", "LifespanMode"]

LifespanMode: TypeAlias = Literal["auto", "on", "off"]

logger = logging.getLogger("goish.http")


class LifespanFailed(GoishError):
    """The app has refused to start, or has failed to stop: the message is the app's.

    Example::

        print(goish.http.LifespanFailed("no database"))  # -> no database
    """


class Lifespan:
    """The life of one app. With mode "auto" one that ends without an answer is taken for one that knows no lifespan."""

    def __init__(self, app: App, mode: LifespanMode) -> None:
        self._app = app
        self._mode = mode
        self._told: Chan[Message] = chan(2)
        self._answers: Chan[Message] = chan(2)
        self._goroutine: Goroutine[None] | None = None
        self._error: BaseException | None = None
        self.state: dict[str, Any] = {}

    async def startup(self) -> None:
        """LifespanFailed, or the exception of the app, if it does not start."""
        if self._mode == "off":
            return
        self._goroutine = go.options(name="lifespan")(self._run)
        answer = await self._tell("startup")
        if answer is not None:
            return
        if self._mode == "on":
            raise LifespanFailed("the app knows no lifespan: it ended without an answer") from self._error
        logger.info("the app knows no lifespan (lifespan=auto): %r", self._error)

    async def shutdown(self) -> None:
        """LifespanFailed, or the exception of the app, if it fails at its end."""
        if self._goroutine is None or self._goroutine.done():
            return
        if await self._tell("shutdown") is None and self._error is not None:
            raise self._error
        await ended(self._goroutine)

    def cut(self) -> None:
        """Cancel what the app still does."""
        if self._goroutine is not None:
            self._goroutine.cancel()

    async def _tell(self, phase: str) -> Message | None:
        """What the app answers; None if it ends without an answer."""
        assert self._goroutine is not None
        await self._told.send({"type": f"lifespan.{phase}"})
        index, answer, _ = await select(self._answers.recv(), ended(self._goroutine))
        if index == 1:
            answer, _ = await self._answers.recv_ok() if len(self._answers) else (None, False)
        if answer is not None and answer["type"] == f"lifespan.{phase}.failed":
            raise LifespanFailed(answer.get("message") or f"the app has failed in its {phase}") from self._error
        return answer

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._told.recv, self._send)
        except Exception as error:
            self._error = error

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind not in ANSWERS:
            raise RuntimeError(f"an app answers lifespan.startup and lifespan.shutdown, got {kind!r}")
        await self._answers.send(message)


ANSWERS = {f"lifespan.{phase}.{end}" for phase in ("startup", "shutdown") for end in ("complete", "failed")}
