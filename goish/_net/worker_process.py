"""A worker process: the same server once more, with one worker, on a listening socket that it inherits.

    parent to child   STOPPING, the seconds in which idle connections are spared, LAST_CALL, then the error for which
                      the rest is cut: what a Control says
    child to parent   READY, its counts whenever they have changed, LEAVING, and at last its Report, or a Failure

The end of the pipe says that the other side is gone, so neither outlives the other.

Signals: what a terminal or a supervisor sends to all processes at once is the parent's business. So a worker ignores
    SIGINT and SIGHUP, and asks to be replaced when it gets SIGTERM. Until it can, these are blocked.
Threads: the loop of the server; in the child, the main one.
Not here: how many there are, and which takes the place of which (processes.py).
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import math
import multiprocessing
import os
import pickle
import signal
import socket
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final, Literal, Protocol, TypeAlias

from .._program import signals
from .._program.run import run
from .._runtime.core import Chan, Event, RecvChan, after, chan, go, select, sleep
from ..errors import ServerShutdown
from .balance import Balance, Slot
from .report import Report
from .site import Control

__all__ = ["Work", "WorkerProcess"]

READY: Final = "ready"
LEAVING: Final = "leaving"
STOPPING: Final = "stopping"
LAST_CALL: Final = "last call"

LATE: Final = 5.0  # seconds that a child has to report once all is cut, and then to end
LOOK: Final = 0.01  # seconds between two looks at whether a process is over
REFRESH: Final = 0.5  # seconds between two messages of counts

SHIELDED: Final = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)

Loop: TypeAlias = Literal["uvloop", "asyncio"]

logger = logging.getLogger("goish")


class OneServer(Protocol):
    """What a child runs: a server with one worker."""

    _control: Control
    _listener: Any

    def start(self) -> object: ...
    async def wait_started(self) -> None: ...
    async def wait(self) -> Report: ...
    def _counts(self) -> Counter[str]: ...


@dataclass(frozen=True)
class Work:
    """What a child does: it is pickled."""

    make_server: bytes  # the pickle of a function of the socket, which gives a OneServer
    name: str
    loop: Loop


@dataclass(frozen=True)
class Failure:
    """The exception with which a child has ended."""

    error: Exception


# ── the parent's side ──


class WorkerProcess:
    """A process, as its parent sees it: it starts at once, and follows ``server``, the Control of all of them."""

    def __init__(
        self, work: Work, sock: socket.socket, slot: Slot, server: Control, left: Callable[[], object]
    ) -> None:
        """``left()`` is called when it is over."""
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_main, args=(work, sock, slot, theirs), name=work.name)
        try:
            _start(self._process)
        except BaseException:
            self._pipe.close()
            raise
        finally:
            theirs.close()
        self._said = _Messages(self._pipe)
        self._left = left
        self.pid = self._process.pid
        self.started = asyncio.get_running_loop().time()
        self.control = Control(1)
        self.ready = Event()  # it accepts connections
        self.leaving: Chan[None] = chan(1)  # it asks to be replaced
        self.counts: Counter[str] = Counter()
        self.failure: Exception | None = None
        self.over = go.options(name=f"worker {self.pid}")(self._run, server)

    @property
    def exit_code(self) -> int | None:
        return self._process.exitcode

    async def _run(self, server: Control) -> Report | None:
        """Its report; None if it is gone without one."""
        atexit.register(self._end_now)
        helpers = [go.options(name="follow")(self._follow, server), go.options(name="orders")(self._order)]
        try:
            return await self._hear()
        finally:
            for helper in helpers:
                helper.cancel()
            await self._end()
            atexit.unregister(self._end_now)
            self._left()

    async def _follow(self, server: Control) -> None:
        await server.stopping.wait()
        self.control.stopping.set()
        await server.last_call.wait()
        self.control.last_call.set()
        await server.limit.done().recv_ok()
        self.control.cut(server.limit.cause())

    async def _order(self) -> None:
        await self.control.stopping.wait()
        self._said.send(STOPPING)
        await self.control.last_call.wait()
        self._said.send(self.control.spared)
        self._said.send(LAST_CALL)
        await self.control.limit.done().recv_ok()
        self._said.send(self.control.limit.cause())

    async def _hear(self) -> Report | None:
        late: RecvChan[float] | None = None
        while True:
            over: RecvChan[Any] = self.control.limit.done() if late is None else late
            index, said, ok = await select(self._said.messages.recv(), over.recv())
            if index == 1 and late is None:
                late = after(LATE)
            elif index == 1:
                self._process.kill()
                return None
            elif not ok:
                return None
            elif isinstance(said, Report):
                return said
            else:
                self._take(said)

    def _take(self, said: object) -> None:
        if said == READY:
            self.ready.set()
        elif said == LEAVING:
            self.leaving.try_send(None)
        elif isinstance(said, Counter):
            self.counts = said
        elif isinstance(said, Failure):
            self.failure = said.error

    async def _end(self) -> None:
        """Wait for its end: it hears of the end of the pipe."""
        self._said.close()
        deadline = asyncio.get_running_loop().time() + LATE
        while self._process.is_alive():
            if asyncio.get_running_loop().time() >= deadline:
                self._process.kill()
            await sleep(LOOK)
        self._process.join()

    def _end_now(self) -> None:
        """At the end of the program, if the loop has not come to it: multiprocessing would wait for ever."""
        self._pipe.close()
        self._process.join(LATE)
        self._process.kill()


def _start(process: Any) -> None:
    """With the signals blocked: a child inherits that."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SHIELDED)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# ── the child ──


def _main(work: Work, sock: socket.socket, slot: Slot, pipe: Connection[Any, Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, name="parent", daemon=True).start()
    if not run(_serve, work, sock, slot, pipe, loop=work.loop, on_panic="log", deadlock="off"):
        sys.exit(1)


def _die_with_parent() -> None:
    """An orphan whose handler does not let its loop go would keep the port."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    time.sleep(LATE)
    os._exit(1)


async def _serve(work: Work, sock: socket.socket, slot: Slot, pipe: Connection[Any, Any]) -> bool:
    """Whether all went well; if not, the parent was told what did not."""
    parent = _Messages(pipe)
    terminated: Chan[signal.Signals] = chan(1)
    signals.add(terminated, "try_send", (signal.SIGTERM,))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SHIELDED)
    try:
        server: OneServer = pickle.loads(work.make_server)(sock)
        control, counts = server._control, server._counts  # pyright: ignore[reportPrivateUsage]
        balance = Balance(slot, lambda: counts()["connections"])
        server._listener._share(balance)  # pyright: ignore[reportPrivateUsage]
        server.start()
        go.options(name="orders")(_obey, parent, control)
        go.options(name="leaving")(_ask_to_leave, parent, terminated)
        await server.wait_started()
        slot.tell(0)
        go.options(name="balance")(_free_at_last_call, slot, control)
        parent.send(READY)
        go.options(name="counts")(_tell_counts, parent, counts)
        report = await server.wait()
        parent.send(counts())
        parent.send(report)
    except BaseException as error:
        parent.send(Failure(_sendable(error)))
        return False
    finally:
        parent.close()
    return True


async def _obey(parent: _Messages, control: Control) -> None:
    async for order in parent.messages:
        if order == STOPPING:
            control.stopping.set()
        elif isinstance(order, float):
            control.spared = order
        elif order == LAST_CALL:
            control.last_call.set()
        else:
            control.stop_at_once(order)
    control.stop_at_once(ServerShutdown())


async def _free_at_last_call(slot: Slot, control: Control) -> None:
    await control.last_call.wait()
    slot.free()


async def _ask_to_leave(parent: _Messages, terminated: Chan[signal.Signals]) -> None:
    async for _ in terminated:
        parent.send(LEAVING)


async def _tell_counts(parent: _Messages, count: Callable[[], Counter[str]]) -> None:
    told: Counter[str] = Counter()
    while True:
        counts = count()
        if counts != told:
            parent.send(counts)
            told = counts
        await sleep(REFRESH)


def _sendable(error: BaseException) -> Exception:
    """One that can be pickled, with the traceback as a note, which is lost otherwise."""
    found = error if isinstance(error, Exception) else RuntimeError(f"{type(error).__name__}: {error}")
    text = "".join(traceback.format_exception(error)).rstrip()
    note = f"in worker process {os.getpid()}:\n{text}"
    found.add_note(note)
    try:
        pickle.loads(pickle.dumps(found))
    except Exception:
        found = RuntimeError(f"{type(error).__name__}: {error}")
        found.add_note(note)
    return found


# ── between them ──


class _Messages:
    """What comes through a pipe, as a channel that is closed at its end."""

    def __init__(self, pipe: Connection[Any, Any]) -> None:
        self.messages: Chan[Any] = Chan(math.inf)
        self._pipe = pipe
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(pipe.fileno(), self._read)

    def _read(self) -> None:
        try:
            while self._pipe.poll():
                self.messages.try_send(self._pipe.recv())
        except (EOFError, OSError):
            self.close()

    def send(self, message: object) -> None:
        with suppress(OSError):  # the other side is gone: that is told by what it has sent
            self._pipe.send(message)

    def close(self) -> None:
        if not self._pipe.closed:
            self._loop.remove_reader(self._pipe.fileno())
            self._pipe.close()
            self.messages.close()
