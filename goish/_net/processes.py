"""The worker processes of a server: so many places, a process in each, all on one listening socket.

The socket is made once and inherited, rather than once for each process (SO_REUSEPORT): when a process ends, the
connections that wait in the queue are accepted by the others, where those of a socket of its own would be reset.

Which process takes the place of which:

    one that does not start         at first: the server fails; later: the next one tries, after a delay
    one that has crashed            a new one, after a delay
    one that is replaced (``replace``, or it was sent SIGTERM)
                                    a new one, which accepts before the old one drains; if it does not start, none

Threads: those of the starting loop; ``counts`` is any thread's.
Not here: one process (worker_process.py).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import Counter
from typing import Final

from .._runtime.core import Chan, Goroutine, Latch, Mutex, after, background, chan, go, select, with_timeout
from .._threads.handles import ended
from ..errors import ServerClosed
from .balance import Slot, slots
from .crew import merged_of
from .listener import Listener, refuse_more
from .report import Cut, Report, merged
from .site import Control
from .worker_process import Work, WorkerProcess

__all__ = ["Processes"]

FIRST_DELAY: Final = 0.1  # seconds until one that has crashed is replaced; twice as many for the next one
LONGEST_DELAY: Final = 5.0
SPARED: Final = 1.0  # seconds for which the old one keeps idle connections: clients that ask hear by the answer
HEALTHY: Final = 10.0  # seconds of life after which a crash is a first one again

logger = logging.getLogger("goish")


class Processes:
    """That many worker processes; ``grace``: seconds that one which is replaced has for its connections."""

    def __init__(self, work: Work, listener: Listener, workers: int, control: Control, grace: float | None) -> None:
        self._listener = listener
        self._sock = socket.socket(fileno=os.dup(listener.fileno()))
        self._control = control
        self._turn = Mutex()
        self.unready = Latch(workers)
        free = slots(2 * workers)  # one that is replaced has one for a while
        self._places = [Place(work, self._sock, free, i, self.unready, control, grace) for i in range(1, workers + 1)]

    async def run(self) -> Report:
        """Keep them at work until the shutdown. Raises what the first process of a place has failed with."""
        keepers = [go.options(name=f"place {place.number}")(place.run) for place in self._places]
        closing = go.options(name="last call")(self._close_at_last_call)
        try:
            return await merged_of(keepers)
        finally:
            closing.cancel()
            self._close()

    async def _close_at_last_call(self) -> None:
        await self._control.last_call.wait()
        refuse_more(self._listener)
        self._close()

    def _close(self) -> None:
        self._sock.close()
        self._listener.close()
        self._control.closing.close_once()

    async def replace(self) -> None:
        """All of them, one after the other. A cancel leaves the rest as they are; else raises as ``Place.replace``."""
        async with self._turn:
            for place in self._places:
                await place.replace()

    def counts(self) -> Counter[str]:
        """As the processes have told them last, those that are gone included."""
        total: Counter[str] = Counter()
        for place in self._places:
            total.update(place.counts())
        return total


class Place:
    """One place at work: a process, and those that take its place."""

    def __init__(
        self,
        work: Work,
        sock: socket.socket,
        free: list[Slot],
        number: int,
        unready: Latch,
        control: Control,
        grace: float | None,
    ) -> None:
        self.number = number
        self._work = work
        self._sock = sock
        self._free = free
        self._unready = unready
        self._control = control
        self._grace = grace
        self._draining: Goroutine[None] | None = None
        self._delay = FIRST_DELAY
        self._asked: Chan[Chan[Exception | None]] = chan()
        self._workers: list[WorkerProcess] = []  # that are not over: two, while one replaces the other
        self._gone: Counter[str] = Counter()
        self._reports: list[Report] = []

    async def run(self) -> Report:
        """Keep a process at work until the shutdown: the report of the last."""
        answer: Chan[Exception | None] | None
        try:
            worker: WorkerProcess | None = await self._start_first()
            while worker is not None:
                index, answer, _ = await select(ended(worker.over), self._asked.recv(), worker.leaving.recv())
                if index == 0:
                    worker = await self._next(worker)
                elif not self._control.stopping.is_set():
                    worker = await self._replaced(worker, answer)
            if self._draining is not None:
                await self._draining
            return merged(self._reports)
        finally:
            await self._end_all()

    async def _end_all(self) -> None:
        for worker in list(self._workers):
            worker.over.cancel()
            await ended(worker.over)

    def counts(self) -> Counter[str]:
        total = Counter(self._gone)
        for worker in list(self._workers):
            total.update(worker.counts)
        return total

    async def replace(self) -> None:
        """Have another process take over from the one at work.

        Raises what the new one failed with, and then the old one stays. ServerClosed if the shutdown comes before.
        """
        answer: Chan[Exception | None] = Chan(1)
        index, _, _ = await select(self._asked.send(answer), self._control.stopping.wait())
        if index == 0:
            index, error, _ = await select(answer.recv(), self._control.stopping.wait())
            if isinstance(error, Exception):
                raise error
        if index == 1:
            raise ServerClosed

    # ── one process after the other ──

    def _start(self) -> WorkerProcess:
        """OSError if the system has no process left."""
        slot = self._free.pop()
        try:
            worker = WorkerProcess(self._work, self._sock, slot, self._control, lambda: self._forget(worker, slot))
        except BaseException:
            self._free.append(slot)
            raise
        self._workers.append(worker)
        return worker

    def _forget(self, worker: WorkerProcess, slot: Slot) -> None:
        slot.free()
        self._free.append(slot)
        self._workers.remove(worker)
        self._gone.update(worker.counts)
        del self._gone["connections"]

    async def _start_first(self) -> WorkerProcess | None:
        try:
            worker = await self._ready_one()
        except Exception:
            if self._control.stopping.is_set():
                return None
            raise
        self._unready.count_down()
        return worker

    @staticmethod
    async def _is_ready(worker: WorkerProcess) -> bool:
        await select(worker.ready.wait(), ended(worker.over))
        return worker.ready.is_set()

    def _failure_of(self, worker: WorkerProcess) -> Exception:
        return worker.failure or RuntimeError(f"{self._work.name}: {self._end_of(worker)} before it was ready")

    def _end_of(self, worker: WorkerProcess) -> str:
        return f"worker {self.number} (process {worker.pid}) ended with exit code {worker.exit_code}"

    async def _next(self, old: WorkerProcess) -> WorkerProcess | None:
        """The one after ``old``, which is over; None in a shutdown."""
        report = await old.over
        if self._control.stopping.is_set():
            self._reports.append(self._lost(old) if report is None else report)
            return None
        logger.error("%s: %s; another takes its place", self._work.name, self._end_of(old), exc_info=old.failure)
        if asyncio.get_running_loop().time() - old.started >= HEALTHY:
            self._delay = FIRST_DELAY
        return await self._another()

    async def _another(self) -> WorkerProcess | None:
        """After the delay; None in a shutdown."""
        while True:
            await select(after(self._delay).recv(), self._control.stopping.wait())
            self._delay = min(2 * self._delay, LONGEST_DELAY)
            if self._control.stopping.is_set():
                return None
            try:
                return self._start()
            except OSError as error:
                logger.error(
                    "%s: worker %d cannot be started, which is tried again: %s", self._work.name, self.number, error
                )

    def _lost(self, worker: WorkerProcess) -> Report:
        """Of one that could not report: how many connections it had is not known."""
        if not worker.ready.is_set():
            return merged(())
        where = self._end_of(worker)
        logger.error("%s: %s during the shutdown; its connections are lost", self._work.name, where)
        return Report(1, 0, 0, (Cut(None, 0.0, where, 0),), 0.0, None)

    async def _replaced(self, old: WorkerProcess, answer: Chan[Exception | None] | None) -> WorkerProcess:
        """The one that takes over, or ``old``; ``answer`` is told when that is over."""
        try:
            if self._draining is not None:
                await self._draining
            new = await self._ready_one()
        except Exception as error:
            if not self._control.stopping.is_set():
                name, number = self._work.name, self.number
                logger.error("%s: worker %d is not replaced; the old one stays", name, number, exc_info=True)
            if answer is not None:
                answer.try_send(error)
            return old
        logger.info("%s: process %d takes over from %d", self._work.name, new.pid, old.pid)
        self._draining = go.options(name=f"drain {old.pid}")(self._drain, old, answer)
        return new

    async def _ready_one(self) -> WorkerProcess:
        worker = self._start()
        if not await self._is_ready(worker):
            raise self._failure_of(worker)
        return worker

    async def _drain(self, old: WorkerProcess, answer: Chan[Exception | None] | None) -> None:
        old.control.spared = SPARED if self._grace is None else min(SPARED, self._grace / 2)
        await old.control.stop(0.0)
        if self._grace is not None:
            limit, cancel = with_timeout(background(), self._grace)
            await select(ended(old.over), limit.done().recv_ok())
            old.control.cut(limit.cause())
            cancel()
        report = await old.over
        if self._control.stopping.is_set():
            self._reports.append(self._lost(old) if report is None else report)
        for cut in () if report is None else report.cut:
            name = self._work.name
            logger.warning("%s: %s was cut after %.1f s, in %s", name, cut.remote_addr, cut.seconds, cut.where)
        if answer is not None:
            answer.try_send(None)
