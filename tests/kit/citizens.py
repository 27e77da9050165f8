"""Three citizens of asyncio's world, to be held against each other: whatever one of them answers, all answer.

    asyncio.Task   the control: a test that it fails is wrong
    go             a goroutine of go(), in a program of goish.run
    factory        a goroutine of goish.task_factory, in a program of asyncio.Runner

A test file that says ``drive = citizens()`` has its async tests run as each of them, on both loops; ``drive.spawn(fn,
*args)`` starts another citizen of the same kind. What the loop's exception handler hears is a failure, unless the test
takes it out of ``drive.heard``.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
import uvloop
from helpers import LOOPS, REAL_LOOPS, patience

import goish
from goish import NIL
from goish.loops import _with_clock

T = TypeVar("T")
CONTROL, GO, FACTORY = "asyncio.Task", "go", "factory"


class Citizen:
    """Runs async functions as one kind of citizen, on one kind of loop."""

    def __init__(self, loop: str, kind: str, patience: float = 60.0) -> None:
        self.loop = loop
        self.kind = kind
        self.patience = patience  # seconds after which a test that hangs is cancelled, to show where it stands
        self.heard: list[dict[str, Any]] = []  # what the loop's exception handler was told

    @property
    def native(self) -> bool:
        return self.kind != CONTROL

    def new_loop(self) -> asyncio.AbstractEventLoop:
        if self.kind != FACTORY:
            return LOOPS[self.loop]()
        loop = _with_clock(uvloop.Loop if self.loop == "uvloop" else asyncio.SelectorEventLoop)()
        loop.set_task_factory(goish.task_factory)
        return loop

    def __call__(self, main: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        if self.kind == GO:
            result = goish.run(self._guarded, main, args, loop=self.new_loop)
        else:
            with asyncio.Runner(loop_factory=self.new_loop) as runner:
                result = runner.run(self._guarded(main, args))
        assert self.heard == []
        return result

    async def _guarded(self, main: Callable[..., Coroutine[Any, Any, T]], args: tuple[Any, ...]) -> T:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.heard.append(context))
        this = asyncio.current_task()
        assert this is not None
        guard = loop.call_later(self.patience, this.cancel, "the test hangs") if self.kind != GO else None
        try:
            return await main(*args)
        finally:
            if guard is not None:
                guard.cancel()

    def spawn(
        self,
        fn: Callable[..., Coroutine[Any, Any, Any]],
        *args: Any,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> Any:
        """Start ``fn(*args)`` as one more of the same kind."""
        if self.kind == GO:
            return goish.go.options(name=name, context=context)(fn, *args)
        return asyncio.create_task(fn(*args), name=name, context=context)


def citizens(*kinds: str) -> Any:
    """A fixture ``drive`` for a test file: the three kinds, or those named, on both loops."""
    pairs = [(loop, kind) for loop in REAL_LOOPS for kind in kinds or (CONTROL, GO, FACTORY)]

    @pytest.fixture(params=pairs, ids="-".join)
    def drive(request: pytest.FixtureRequest) -> Citizen:
        return Citizen(*request.param, patience(request.node) / 3)

    return drive


# ── bodies of citizens ──


async def give(value: Any = None) -> Any:
    return value


async def fail(error: BaseException) -> None:
    raise error


async def forever() -> None:
    await NIL.recv()


async def awaiting(awaitable: Any) -> Any:
    return await awaitable
