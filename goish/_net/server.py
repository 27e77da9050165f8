"""Servers: a handler, a listener, and the life of both; on one loop, or on several.

``ServerBase`` is what a server of any protocol is: it gives ``make_handle``, which is called once on each loop.
Threads: ``close`` and the state are any thread's; the rest is the starting loop's.
Not here: one loop (site.py), threads (crew.py), processes (processes.py, each with a server of its own, which has one
    worker), the end of a connection (connections.py).
"""

from __future__ import annotations

import asyncio
import pickle
import ssl as _ssl
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from types import TracebackType
from typing import Any, Never, Self, TypeAlias

from .._checks import check_seconds, check_whole
from .._runtime.core import (
    Conn,
    Context,
    Event,
    Goroutine,
    RecvChan,
    Weighted,
    background,
    go,
    select,
    with_cancel,
    with_timeout,
)
from .._threads.handles import ended
from ..errors import ServerClosed, ServerShutdown
from .addr import written
from .balance import Slot, slots_of_threads
from .connections import ACTIVE, Member
from .crew import run_on_threads, threads_are_parallel
from .listener import Listener, is_tls, listen
from .memory import MemoryListener
from .processes import Processes
from .report import Report
from .site import Control, Handle, MakeHandle, Site
from .worker_process import Work

__all__ = ["TLS", "Server", "ServerBase", "serve"]

Handler: TypeAlias = Callable[[Conn], Coroutine[Any, Any, object]]
TLS: TypeAlias = _ssl.SSLContext | Callable[[], _ssl.SSLContext]


class ServerBase:
    """What servers of all protocols have in common: they start, accept, shut down and report."""

    _what = "server"  # in the log
    _importable = "the handler by its name: a function of a module"  # what worker processes import
    _belongs_to_one_loop = False  # so that its workers are processes on every Python

    def __init__(
        self,
        make_handle: MakeHandle,
        addr: Any,
        *,
        workers: int,
        max_conns: int | None,
        grace: float | None,
        backlog: int,
        ssl: TLS | None,
        make_worker: Callable[..., ServerBase] | None = None,
    ) -> None:
        """``make_worker``: called in a worker process, with the socket, ``workers=1`` and its part of ``max_conns``."""
        check_whole("workers", workers)
        if max_conns is not None:
            check_whole("max_conns", max_conns)
        if grace is not None:
            check_seconds("grace", grace)
        self._make_handle = make_handle
        self._make_worker = make_worker
        self._workers = workers
        self._max_conns = max_conns
        self._in_processes = workers > 1 and (self._belongs_to_one_loop or not threads_are_parallel())
        if workers > 1:
            self._check_workers(addr, ssl)
        self._grace = grace
        self._room = None if max_conns is None else Weighted(max_conns)
        self._control = Control(1 if self._in_processes else workers)
        self._main: Goroutine[Report] | None = None
        self._sites: list[Site] = []
        self._slots: list[Slot] = []  # of sites on threads that have not begun
        self._processes: Processes | None = None
        self._started = Event()
        self._listener: Listener | MemoryListener = _listening(addr, backlog, ssl)
        self._name = f"{self._what} {written(self.addr)}"

    def _check_workers(self, addr: Any, ssl: TLS | None) -> None:
        if isinstance(addr, MemoryListener):
            raise ValueError("a network in memory is of one loop: workers=1")
        if not self._in_processes:
            return
        if is_tls(addr) or isinstance(ssl, _ssl.SSLContext):
            raise ValueError(
                "an SSLContext cannot be given to worker processes: give serve() a function of a module that makes it, "
                "such as ssl=make_context"
            )
        self._pickled_worker()

    def _pickled_worker(self) -> bytes:
        assert self._make_worker is not None
        part = {} if self._max_conns is None else {"max_conns": -(-self._max_conns // self._workers)}
        try:
            return pickle.dumps(partial(self._make_worker, workers=1, **part))
        except Exception as error:
            raise TypeError(f"these workers are processes, which import {self._importable}; {error}") from None

    # ── the state ──

    @property
    def addr(self) -> Any:
        """Where it listens: ``(host, port)``, or a path."""
        return self._listener.addr

    @property
    def ready(self) -> bool:
        """Whether it takes connections and is to be sent some: a readiness probe answers this. Any thread."""
        return self._main is not None and not self._control.stopping.is_set()

    @property
    def closing(self) -> RecvChan[Never]:
        """A channel that is closed when a shutdown wants the handlers to end: a case for their ``select``. Any thread.

        It is closed when the listener is, before anything is cut.
        """
        return self._control.closing.receiver

    # ── the life ──

    def start(self) -> Self:
        """Begins to accept connections; returns the server.

        ``async with`` does it. A second call does nothing. ServerClosed if it is shut down, RuntimeError if no loop
        runs.
        """
        if self._control.stopping.is_set():
            raise ServerClosed
        if self._main is None:
            self._main = go.options(name=self._what)(self._serve)
        return self

    async def _serve(self) -> Report:
        try:
            if self._in_processes:
                return await self._run_processes()
            if self._workers == 1:
                return await self._run_site()
            self._slots = slots_of_threads(self._workers)
            return await run_on_threads(self._run_site, self._workers, self._name)
        finally:
            self.close()

    async def _run_processes(self) -> Report:
        assert isinstance(self._listener, Listener)
        is_uvloop = type(asyncio.get_running_loop()).__module__.startswith("uvloop")
        work = Work(self._pickled_worker(), self._name, "uvloop" if is_uvloop else "asyncio")
        self._processes = Processes(work, self._listener, self._workers, self._control, self._grace)
        go.options(name="ready")(self._await_processes, self._processes)
        return await self._processes.run()

    async def _await_processes(self, processes: Processes) -> None:
        index, _, _ = await select(processes.unready.wait(), self._control.stopping.wait())
        if index == 0:
            self._started.set()

    async def _run_site(self) -> Report:
        slot = self._slots.pop() if self._slots else None
        site = Site(self._make_handle, self._control, self._name, self._room, slot)
        self._sites.append(site)
        self._started.set()
        return await site.run(self._listener)

    async def wait_started(self) -> None:
        """Starts it, if need be, and waits until it accepts connections: worker processes and apps take their time.

        Raises what made it fail. A cancel ends the wait only.
        """
        self.start()
        assert self._main is not None
        index, _, _ = await select(self._started.wait(), ended(self._main))
        if index == 1:
            await self._main

    async def replace_workers(self) -> None:
        """Replaces its worker processes, one after the other, without losing a connection: for code that is new.

        A new process accepts before the old one drains. That one has ``grace`` seconds for its connections, and then
        cuts them. If a new process does not start, what it failed with is raised here, and the old one stays.

        RuntimeError if the workers are no processes, or the server is not started; ServerClosed if it is shut down. A
        cancel ends the wait, and replaces no more.

        Example::

            from goish import net

            async def echo(conn):
                async for data in conn:
                    await conn.write(data)

            async with net.serve(echo, "127.0.0.1:0") as srv:
                try:
                    await srv.replace_workers()
                except RuntimeError as error:
                    print(error)  # -> replace_workers() is for worker processes: this server runs in this process
        """
        if not self._in_processes:
            raise RuntimeError("replace_workers() is for worker processes: this server runs in this process")
        if self._control.stopping.is_set():
            raise ServerClosed
        if self._processes is None:
            raise RuntimeError("replace_workers() before the server is started: await srv.wait_started()")
        await self._processes.replace()

    def _counts(self) -> Counter[str]:
        """Of all its parts."""
        total: Counter[str] = Counter() if self._processes is None else self._processes.counts()
        for site in list(self._sites):
            total.update(site.counts())
        return total

    async def wait(self) -> Report:
        """Waits until it is shut down or closed, and gives the report. Starts it first, if need be.

        Raises what made it fail. A cancel ends the wait only.
        """
        if self._main is None:
            self.start()
        assert self._main is not None
        return await self._main

    async def shutdown(self, ctx: Context | None = None, *, drain_delay: float = 0.0) -> Report:
        """Shuts it down in order, and gives a ``Report``: nothing that is in progress is cut before its time.

        ``ready`` becomes False, and for ``drain_delay`` seconds all goes on, so that load balancers notice. Connections
        that wait to be accepted are accepted; then the listener is closed, and ``closing``. Handlers that are in
        progress end by themselves. When ``ctx`` is cancelled, or its deadline passes, those that are left are
        cancelled, with a ServerShutdown as the cause, and their peers get a reset; the report lists them. None: as long
        as they take.

        It may be called again, also with a ``ctx`` that ends earlier; all calls give the same report. A cancel of the
        caller ends the wait, and the shutdown goes on. A server that never started is closed. TypeError or ValueError
        for other arguments.

        Example::

            from goish import context, net

            async def stay(conn):
                await chan().recv()

            network = net.MemoryNetwork()
            srv = net.serve(stay, network.listen("server:1")).start()
            conn = await network.dial("server:1")
            ctx, cancel = context.with_timeout(context.background(), 0.5)
            report = await srv.shutdown(ctx)
            print(len(report.cut), report.cut[0].where, report.error)  # -> 1 chan receive context deadline exceeded
            cancel()
            conn.close()
        """
        if ctx is not None and not isinstance(ctx, Context):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"shutdown() takes a goish.context.Context, got {ctx!r} of type {type(ctx).__name__}")
        check_seconds("drain_delay", drain_delay)
        if self._main is None:
            self.close()
            return Report(0, 0, 0, (), 0.0, None)
        go.options(name="shutdown")(self._control.stop, float(drain_delay))
        limit = background() if ctx is None else ctx
        await select(ended(self._main), limit.done().recv_ok())
        if not self._main.done():
            self._control.cut(limit.err())
        return await self._main

    def close(self) -> None:
        """Ends it at once: the listener is closed, the handlers cancelled, their peers reset. Any thread.

        ``wait`` tells when that is over. A second call does nothing.
        """
        self._control.stop_at_once(ServerShutdown())
        self._listener.close()

    async def __aenter__(self) -> Self:
        self.start()
        if self._in_processes:
            await self.wait_started()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._main is not None
        if error is None:
            await self._end_gracefully()
        else:
            self.close()
            await ended(self._main)

    async def _end_gracefully(self) -> None:
        """A cancel meanwhile makes it quick."""
        assert self._main is not None
        limit, cancel = with_cancel(background()) if self._grace is None else with_timeout(background(), self._grace)
        try:
            await self.shutdown(limit)
        except asyncio.CancelledError:
            self.close()
            await ended(self._main)
            raise
        finally:
            cancel()

    def __repr__(self) -> str:
        state = "new" if self._main is None else "serving" if self.ready else "over" if self._main.done() else "closing"
        return f"<{type(self).__name__} {self.addr} {state}>"


class Server(ServerBase):
    """A server of plain connections: ``handler(conn)`` runs in a goroutine of its own for each. ``serve`` makes it.

    ``async with`` starts it, and shuts it down at the end of the block: handlers then have ``grace`` seconds to end by
    themselves. Left by an exception, or a cancel, the block cuts them. Or ``start()``, and ``shutdown`` or ``close``.

    Several servers may run in one program. A server installs no signal handler: ``goish.signal.notify_context`` gives a
    context for that.

    Example::

        from goish import net

        async def echo(conn):
            async for data in conn:
                await conn.write(data)

        async with net.serve(echo, "127.0.0.1:0") as srv:
            async with await net.dial(srv.addr) as conn:
                await conn.write(b"hello")
                print(await conn.read())  # -> b'hello'
    """

    def __init__(
        self,
        handler: Handler,
        addr: Any,
        *,
        workers: int = 1,
        max_conns: int | None = None,
        grace: float | None = 10.0,
        backlog: int = 1024,
        ssl: TLS | None = None,
    ) -> None:
        if not callable(handler):
            raise TypeError(f"serve() takes a handler first, an async function of a connection; got {handler!r}")
        super().__init__(
            partial(_handle_of, handler),
            addr,
            workers=workers,
            max_conns=max_conns,
            grace=grace,
            backlog=backlog,
            ssl=ssl,
            make_worker=partial(Server, handler, backlog=backlog, ssl=ssl),
        )

    @property
    def connections(self) -> int:
        """How many connections are open at this moment. Any thread; out of date at once.

        Of worker processes it is the sum of what they have told last, each at most half a second ago.
        """
        return self._counts()["connections"]


def _handle_of(handler: Handler, site: Site) -> Handle:
    def handle(member: Member) -> Coroutine[Any, Any, object]:
        member.stage = ACTIVE  # what its peer waits for is not known
        return handler(member.conn)

    return handle


def serve(
    handler: Handler,
    addr: Any,
    *,
    workers: int = 1,
    max_conns: int | None = None,
    grace: float | None = 10.0,
    backlog: int = 1024,
    ssl: TLS | None = None,
) -> Server:
    """Makes a ``Server``, which listens already; ``async with`` or ``start`` lets it accept.

    ``handler``: an async function; ``handler(conn)`` runs in a goroutine for each connection, which is closed when that
    is over. Its exception is logged, and harms nothing else. ``addr``: as ``listen`` takes it, or a listener, which is
    the server's from then on. ``max_conns``: how many connections are open at once; further ones wait in the queue of
    the system. ``grace``: seconds that handlers have at the end of ``async with``; None: as long as they take.
    ``backlog``: as for ``listen``. ``ssl``: an ``ssl.SSLContext`` for TLS, or a function that makes it.

    ``workers``: on how many CPUs it runs. On free-threaded Python they are threads, each with a loop; handlers share
    what they like. With the GIL they are processes, which import the handler by its name, and the function that is
    ``ssl``; ``max_conns`` is divided between them. One that crashes is replaced, and all are by ``replace_workers``.

    OSError if it cannot listen there; TypeError or ValueError for other arguments. Any thread.

    Example::

        from goish import net

        async def shout(conn):
            await conn.write((await conn.read_until(b"\\n")).upper())

        async with net.serve(shout, "127.0.0.1:0", max_conns=1000) as srv:
            async with await net.dial(srv.addr) as conn:
                await conn.write(b"hello\\n")
                print(await conn.read())  # -> b'HELLO\\n'
    """
    return Server(handler, addr, workers=workers, max_conns=max_conns, grace=grace, backlog=backlog, ssl=ssl)


def _listening(addr: Any, backlog: int, ssl: TLS | None) -> Listener | MemoryListener:
    if not isinstance(addr, (Listener, MemoryListener)):
        return listen(addr, backlog=backlog, ssl=_context(ssl))
    if ssl is not None:
        raise ValueError("ssl is for an address; a listener has its own: listen(addr, ssl=...)")
    return addr


def _context(ssl: TLS | None) -> _ssl.SSLContext | None:
    if ssl is None or not callable(ssl):
        return ssl
    made = ssl()
    if not isinstance(made, _ssl.SSLContext):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"ssl is an ssl.SSLContext, or a function that makes one; {ssl!r} made {made!r}")
    return made
