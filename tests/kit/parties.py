"""Parties to one channel, each on a thread of its own: what crosses threads is the same whoever waits at either end.

    goroutine   a goroutine, on a loop of its own
    task        an asyncio task, on a loop of its own
    thread      a plain thread without a loop

The body of a party is written once, as an ``async def`` that uses ``send``, ``recv`` and the like of its ``Party``; on
a plain thread these block, and the body never suspends.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from helpers import LOOPS

import goish
from goish import Chan, Goroutine, Op, WaitGroup

KINDS = ("goroutine", "task", "thread")
PATIENCE = 100.0  # seconds that only a hanging thread takes, also where twenty others want the CPU


class Party:
    """One thread that runs ``body(party, *args)``; ``join`` gives its result or raises its exception."""

    def __init__(self, kind: str, loop: str, body: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        self.kind = kind
        self.loop = loop
        self.result: Any = None
        self.error: BaseException | None = None
        self._coro = body(self, *args)
        self._thread = threading.Thread(target=self._run, daemon=True)  # one that hangs fails its test, not the run
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._drive()
        except BaseException as error:
            self.error = error

    def _drive(self) -> Any:
        if self.kind == "goroutine":
            return goish.run(self._coro, loop=LOOPS[self.loop], deadlock="off")
        if self.kind == "task":
            with asyncio.Runner(loop_factory=LOOPS[self.loop]) as runner:
                return runner.run(self._coro)
        try:
            self._coro.send(None)
        except StopIteration as end:
            return end.value
        raise AssertionError("the body of a plain thread has suspended")

    def join(self) -> Any:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), f"the {self.kind} hangs"
        if self.error is not None:
            raise self.error
        return self.result

    @property
    def blocks(self) -> bool:
        return self.kind == "thread"

    async def send(self, ch: Chan[Any], value: object) -> bool:
        return ch.send_blocking(value, PATIENCE) if self.blocks else await ch.send(value)

    async def recv(self, ch: Chan[Any]) -> Any:
        return ch.recv_blocking(PATIENCE) if self.blocks else await ch.recv()

    async def recv_ok(self, ch: Chan[Any]) -> tuple[Any, bool]:
        return ch.recv_ok_blocking(PATIENCE) if self.blocks else await ch.recv_ok()

    async def select(self, *cases: Op[Any]) -> tuple[int, Any, bool]:
        return goish.select_blocking(*cases, timeout=PATIENCE) if self.blocks else await goish.select(*cases)

    async def wait(self, wg: WaitGroup) -> None:
        return wg.wait_blocking(PATIENCE) if self.blocks else await wg.wait()

    async def result_of(self, g: Goroutine[Any]) -> Any:
        return g.result_blocking(PATIENCE) if self.blocks else await g

    async def within(self, seconds: float, op: Callable[[], Op[Any]], blocking: Callable[[float], Any]) -> Any:
        """The operation, with a deadline: TimeoutError if it has not happened by then."""
        if self.blocks:
            return blocking(seconds)
        async with asyncio.timeout(seconds):
            return await op()


def until(holds: Callable[[], object]) -> None:
    """Block this thread, letting others run, until ``holds()``.

    Not ``until(lambda: seen and ...)``: this gives the list itself while it is empty, which another thread may fill
    before it is looked at.
    """
    over = threading.Event()
    waited = 0.0
    while not holds():
        assert waited < PATIENCE, "still does not hold"
        over.wait(0.001)
        waited += 0.001
