"""The threads of a pool: how they begin, what loops they have, how they end.

A plain worker runs one call after the other and has no loop, unless a call starts a goroutine: the loop then runs
whenever a call waits in goish and, if goroutines are left when it is over, between calls. A loop worker runs its loop
all the time (pick.pyx says which worker takes which call). All are daemon threads: the end of the program does not wait
for a call that computes for ever. Before the interpreter ends, all pools are closed and threads get a moment to leave.

Threads: any thread may use `Threads`; `_lock` guards the sets.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine
from contextvars import Context
from time import monotonic
from typing import Any, Final, TypeVar

from .._inspect.names import exc_info, log_names, name_of
from .._runtime.core import (
    Chan,
    Goroutine,
    Op,
    Pool,
    Scheduler,
    Worker,
    after,
    after_fork,
    install_host,
    interpreter_ends,
    new_worker,
    report_interrupted,
    scheduler_for,
    select,
    set_max_spinners,
    tell_panic,
)
from .._runtime.loop_type import best_loop_type
from ..errors import PoolShutdown
from .cpus import cpu_count

__all__ = ["Threads", "end_goroutines", "is_idle", "running_loops", "thread_of"]

T = TypeVar("T")

logger = logging.getLogger("goish")

_PLAIN: Final = 0
GRACE: Final = 1.0  # seconds that threads get to leave when the interpreter ends
BRIEF: Final = 0.1  # ... while some do not, which have had their time

_all: weakref.WeakSet[Threads] = weakref.WeakSet()


def thread_of(g: Goroutine[Any]) -> int | None:
    """The thread on which this goroutine's function runs at this moment; None if that is not known."""
    for threads in list(_all):
        for thread, worker in threads.alive():
            if worker.runs(g):
                return thread.ident
    return None


class Threads:
    """Makes the threads of one pool, and knows them until they end."""

    def __init__(self, name: str, pool: Pool) -> None:
        self.name = name
        self.pool = pool
        self._lock = threading.Lock()
        self._workers: dict[threading.Thread, Worker] = {}
        self._leaving: set[threading.Thread] = set()  # workers no more, but perhaps in their last moments
        self._joining: set[threading.Thread] = set()
        self._last: Chan[None] | None = None  # closed when the last thread is gone; made when a joined() needs it
        self._count = itertools.count(1)
        pool._set(name, self._start)
        # uvloop is imported now, not when a worker makes its loop: a fork in the midst of an import leaves the lock of
        # that taken in the child.
        best_loop_type()
        _all.add(self)

    def forget(self) -> None:
        """In a forked child: the threads are the parent's, and so are the locks."""
        self._lock = threading.Lock()
        self._workers.clear()
        self._leaving.clear()
        self._joining.clear()
        self._last = None
        self.pool._forget()

    def alive(self) -> list[tuple[threading.Thread, Worker]]:
        with self._lock:
            return list(self._workers.items())

    def _start(self, kind: int) -> bool:
        """Start a further thread; True: Ctrl-C came when it lived already."""
        self.pool._look_at_size()
        name = f"{self.name}-{next(self._count)}"
        worker = new_worker(self.pool, kind, name)
        # From 3.14 on a thread may inherit the context of its starter: that of any call that happened to need one more
        # worker.
        options: dict[str, Any] = {"context": Context()} if sys.version_info >= (3, 14) else {}
        run = _run_plain if kind == _PLAIN else _run_loop
        thread = threading.Thread(target=run, args=(self, worker), name=name, daemon=True, **options)
        with self._lock:
            self._workers[thread] = worker
        try:
            thread.start()
        except KeyboardInterrupt:
            if not thread._started.wait(BRIEF):  # type: ignore[attr-defined]
                self.gone(thread)
                raise
            return True
        except BaseException as error:
            self.gone(thread)
            if "at interpreter shutdown" in str(error):  # on 3.12 in an atexit handler, of whatever module
                interpreter_ends(True)
                raise PoolShutdown(f"the interpreter ends, and with it {self.pool!r}: it takes no more work") from None
            raise
        return False

    def gone(self, thread: threading.Thread) -> None:
        with self._lock:
            self._workers.pop(thread, None)
            self._leaving = {other for other in self._leaving if other.is_alive()} | {thread}
            last = None if self._workers else self._last
            if last is not None:
                self._last = None
        if last is not None:
            last.close()

    def cancel_all(self) -> None:
        for g in self.pool.queued() + self.pool.running():
            g.cancel("its executor is shut down")
        for _, worker in self.alive():
            if (sched := worker.scheduler) is not None:
                sched.post(_cancel_goroutines, sched)

    def join(self) -> None:
        """Wait for the end of all threads but this one, and those that wait for this one in the same way."""
        here = threading.current_thread()
        with self._lock:
            self._joining.add(here)
        try:
            while others := [thread for thread in self._not_ended() if not self._waits_here(thread)]:
                if others[0]._started.wait(BRIEF):  # type: ignore[attr-defined]  # join() refuses one that is not
                    others[0].join()
        finally:
            with self._lock:
                self._joining.discard(here)

    def _not_ended(self) -> list[threading.Thread]:
        with self._lock:
            return [*self._workers, *filter(threading.Thread.is_alive, self._leaving)]

    def _waits_here(self, thread: threading.Thread) -> bool:
        with self._lock:
            return thread in self._joining

    async def joined(self, told: bool) -> None:
        """``join``, awaited: by a channel, so that a deadlock is seen, and on no thread that may not be there.

        ``told``: all threads were asked to end, and the log names those that do not.
        """
        patience = after(GRACE) if told else None
        while (over := self._over()) is not None:
            index, _, _ = await select(over.recv(), None if patience is None else patience.recv())
            if index == 1:
                patience = None
                names = [name_of(g) for g in self.pool.running()]
                log_names(
                    f"call(s) of {self.name!r} were cancelled and go on, and are waited for; Ctrl-C ends the wait",
                    names,
                )
        for thread in self._leaving:  # none runs a call or a loop any more: the caller's loop is held up for an instant
            thread.join()

    def _over(self) -> Chan[None] | None:
        """A channel that the last thread closes; None if there is none."""
        with self._lock:
            if self._workers and self._last is None:
                self._last = Chan()
            return self._last


def _cancel_goroutines(sched: Any) -> None:
    for g in sched.goroutines():
        g.cancel("its executor is shut down")


def new_worker_loop() -> asyncio.AbstractEventLoop:
    """Make uvloop's loop where it is installed, else asyncio's."""
    return best_loop_type()()


# ── a plain worker's own loop ──


def new_loop_of(worker: Worker) -> asyncio.AbstractEventLoop:
    return new_worker_loop()


def _keep(worker: Worker) -> None:
    """Run its loop until the goroutines that calls have left there are over, or the worker is picked for a call."""
    loop = _loop_of(worker)
    while True:
        _run_for_ever(loop)
        if not worker.goes_on:
            return


def _finish(worker: Worker) -> None:
    """Run its loop until the goroutines that a call has left there are over, and close it: its thread is no worker."""
    loop = _loop_of(worker)
    try:
        while rest := scheduler_for(loop).goroutines():
            _run_until(loop, _ended(rest))
    finally:
        _close(loop)


def _pump(worker: Worker, op: Op[Any], seconds: float | None) -> Any:
    """Wait for ``op`` by running the worker's loop."""
    loop = _loop_of(worker)
    task = loop.create_task(_within(seconds, op))
    try:
        _run_task(loop, task)
    except BaseException:  # a signal handler, or a callback of the loop that exits
        task.cancel("its thread was interrupted")
        _run_task(loop, task)
        if not task.cancelled() and task.exception() is None:
            report_interrupted(op, task.result())
        raise
    return task.result()


def _loop_of(worker: Worker) -> asyncio.AbstractEventLoop:
    sched = worker.scheduler
    assert sched is not None
    return sched.loop


async def _ended(goroutines: list[Goroutine[Any]]) -> None:
    await asyncio.wait(goroutines)  # type: ignore[type-var]


async def _within(seconds: float | None, op: Op[Any]) -> Any:
    async with asyncio.timeout(seconds):
        return await op


# ── the life of a thread ──


def _run_plain(threads: Threads, worker: Worker) -> None:
    try:
        worker._serve()
    finally:
        if worker.scheduler is not None:
            _close(worker.scheduler.loop)
        threads.gone(threading.current_thread())


def _run_loop(threads: Threads, worker: Worker) -> None:
    loop = new_worker_loop()
    asyncio.set_event_loop(loop)
    try:
        worker._attach(loop)
        _run_for_ever(loop)
    finally:
        worker._detach()
        _close(loop)
        asyncio.set_event_loop(None)
        threads.gone(threading.current_thread())


def _run_for_ever(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped: an exception of a callback ends no loop that others count on."""
    while True:
        try:
            loop.run_forever()
        except BaseException as exc:
            logger.error("a callback of a worker's loop raised", exc_info=exc_info(exc))
        else:
            return


def _close(loop: asyncio.AbstractEventLoop) -> None:
    try:
        if left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel("its worker ends")
            _run_until(loop, asyncio.wait(left, timeout=GRACE))
        _run_until(loop, loop.shutdown_asyncgens())
        scheduler_for(loop).abandon()
    except BaseException as exc:
        logger.error("the loop of a worker did not end well", exc_info=exc_info(exc))
    finally:
        loop.close()


def _run_until(loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, T]) -> T:
    """Run the loop until ``coro`` is over: a stop() meanwhile makes the thread leave."""
    task = loop.create_task(coro)
    _run_task(loop, task)
    return task.result()


def _run_task(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    task.add_done_callback(lambda _: loop.stop())
    while not task.done():
        loop.run_forever()


# ── questions from other modules ──


def is_idle(thread: threading.Thread) -> bool | None:
    """Whether all that this worker thread could do is wait for work; None if it is no worker."""
    for threads in list(_all):
        worker = dict(threads.alive()).get(thread)
        if worker is not None:
            return worker.is_idle()
    return None


def running_loops() -> dict[int, Scheduler]:
    """The loops that run on worker threads, each by the native id of its thread: also those of waiting functions."""
    found: dict[int, Scheduler] = {}
    for threads in list(_all):
        for thread, worker in threads.alive():
            sched = worker.scheduler
            if sched is not None and thread.native_id is not None and sched.loop.is_running():
                found[thread.native_id] = sched
    return found


def end_goroutines(mine: Callable[[Goroutine[Any]], bool], seconds: float) -> list[Goroutine[Any]]:
    """Cancel the goroutines on worker threads for which ``mine`` holds and wait for them; those not ready in time."""
    deadline = monotonic() + seconds
    left: list[Goroutine[Any]] = []
    for _ in range(2):  # what one leaves behind may have been started meanwhile
        left = [g for g in _goroutines(mine, deadline) if not g.done()]
        for g in left:
            g.cancel("main is over")
        left = [g for g in left if not _ended_by(g, deadline)]
        if left:
            break
    return left


def _goroutines(mine: Callable[[Goroutine[Any]], bool], deadline: float) -> list[Goroutine[Any]]:
    found: list[Goroutine[Any]] = []
    for threads in list(_all):
        found += filter(mine, threads.pool.queued() + threads.pool.running())
        for _, worker in threads.alive():
            sched = worker.scheduler
            if sched is not None:
                found += _on_its_thread(sched, mine, deadline)
    return found


def _on_its_thread(sched: Any, mine: Callable[[Goroutine[Any]], bool], deadline: float) -> list[Goroutine[Any]]:
    found: list[Goroutine[Any]] = []
    looked = threading.Event()
    given_up = threading.Event()
    lock = threading.Lock()

    def look() -> None:
        goroutines: list[Goroutine[Any]] = list(filter(mine, sched.goroutines()))
        with lock:
            if not given_up.is_set():
                found.extend(goroutines)
                looked.set()
                return
        for g in goroutines:  # the loop was busy for longer than anybody has waited: they end all the same
            g.cancel("main is over")

    if sched.live and sched.post(look) and not looked.wait(max(0.0, deadline - monotonic())):
        with lock:
            given_up.set()
    return found


def _ended_by(g: Goroutine[Any], deadline: float) -> bool:
    """Wait by a callback: a wait that gives up would have a later failure pass for one that was awaited."""
    over = threading.Event()
    try:
        g.add_done_callback(lambda _: over.set())
    except RuntimeError:  # its loop is closed, and has ended it
        over.set()
    over.wait(max(0.0, deadline - monotonic()))
    if g.done() and g._log_traceback:
        tell_panic(g)
    return g.done()


# ── the end of the process ──


def _at_exit() -> None:
    interpreter_ends(True)
    dropped: list[Goroutine[Any]] = []
    for threads in list(_all):
        threads.pool._close()
        dropped += threads.pool.queued()
    log_names(
        "call(s) had not begun when the program ended, and never will; wait for them, as `with Executor()` does",
        [name_of(g, begun=False) for g in dropped if not g.cancelling()],
    )
    left = end_goroutines(lambda g: not g.cancelling(), GRACE)  # one that was cancelled before has had its time
    log_names(f"goroutine(s) did not end within {GRACE:g} s of the program's end", [name_of(g) for g in left])
    busy = any(threads.pool.running() for threads in list(_all))
    deadline = monotonic() + (BRIEF if busy else GRACE)
    for threads in list(_all):
        for thread, worker in threads.alive():
            sched = worker.scheduler
            if sched is not None:
                sched.post(sched.loop.stop)
            thread.join(max(0.0, deadline - monotonic()))


def _after_fork() -> None:
    after_fork()
    for threads in list(_all):
        threads.forget()


# Earlier than atexit, which comes when daemon threads cannot start work any more.
try:
    threading._register_atexit(_at_exit)  # type: ignore[attr-defined]
except RuntimeError:  # imported by an atexit handler
    interpreter_ends(True)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
set_max_spinners(cpu_count() // 2)
install_host(new_loop=new_loop_of, keep_loop=_keep, finish_loop=_finish, pump_loop=_pump)
