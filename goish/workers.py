"""The threads of a pool: how they begin, what their loops are, how they end."""

from __future__ import annotations

import asyncio
import itertools
import logging
import sys
import threading
from collections.abc import Callable
from contextvars import Context
from typing import Any, Final

from ._runtime.core import Op, Pool, Worker, new_worker, scheduler

__all__ = ["Threads", "new_worker_loop"]

logger = logging.getLogger("goish")

_PLAIN: Final = 0


def new_worker_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed, else asyncio's."""
    try:
        import uvloop
    except ImportError:
        return asyncio.SelectorEventLoop()
    return uvloop.new_event_loop()


class Threads:
    """Makes the threads of one pool, and keeps them until they end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pool = Pool()
        self.alive: set[threading.Thread] = set()
        self.loops: set[asyncio.AbstractEventLoop] = set()
        self.count = itertools.count(1)
        self.recycled = 0
        self.pool._set(self.start, self.make_loop, self.tend, self.pump)

    def start(self, kind: int) -> None:
        name = f"{self.name}-{next(self.count)}"
        run = self.run_plain if kind == _PLAIN else self.run_loop
        worker = new_worker(self.pool, kind, name)
        options: dict[str, Any] = {"context": Context()} if sys.version_info >= (3, 14) else {}
        thread = threading.Thread(target=run, args=(worker,), name=name, daemon=True, **options)
        self.alive.add(thread)
        try:
            thread.start()
        except BaseException:
            self.alive.discard(thread)
            raise

    def run_plain(self, worker: Worker) -> None:
        try:
            worker._serve()
        finally:
            if worker.scheduler is not None:
                _close(worker.scheduler.loop)
            self.alive.discard(threading.current_thread())

    def run_loop(self, worker: Worker) -> None:
        loop = new_worker_loop()
        self.loops.add(loop)
        asyncio.set_event_loop(loop)
        try:
            worker._attach(loop)
            _run_for_ever(loop)
        finally:
            self.loops.discard(loop)
            worker._detach()
            _close(loop)
            self.alive.discard(threading.current_thread())

    def make_loop(self, worker: Worker) -> asyncio.AbstractEventLoop:
        return new_worker_loop()

    def tend(self, worker: Worker) -> None:
        """Run the worker's own loop until the goroutines that its calls have started are over."""
        sched = worker.scheduler
        assert sched is not None
        while rest := sched.goroutines():
            sched.loop.run_until_complete(_ended(rest))


    def pump(self, worker: Worker, op: Op[Any], seconds: float | None) -> Any:
        """Wait for ``op`` by running the worker's own loop."""
        sched = worker.scheduler
        assert sched is not None
        return sched.loop.run_until_complete(_within(seconds, op))


async def _within(seconds: float | None, op: Op[Any]) -> Any:
    async with asyncio.timeout(seconds):
        return await op


async def _ended(goroutines: list[Any]) -> None:
    await asyncio.wait(goroutines)


def _run_for_ever(loop: asyncio.AbstractEventLoop) -> None:
    """Until it is stopped: what a callback raises ends no loop that others count on."""
    while True:
        try:
            loop.run_forever()
        except BaseException as exc:
            logger.error("a callback of a worker's loop raised", exc_info=exc)
        else:
            return


def _close(loop: asyncio.AbstractEventLoop) -> None:
    try:
        scheduler(loop).abandon()
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
