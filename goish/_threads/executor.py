"""Executors: pools of worker threads that calls are given to.

Not here: which worker takes which call (_runtime/threads/pick.pyx), the threads (workers.py), foreign executors
(adopted.py), the default executor (default.py), several results at once (handles.py), loops over data (parallel.py).
"""

from __future__ import annotations

import itertools
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Never, Self, TypeAlias

from .._checks import check_choice, check_no_loop, check_text, check_whole, without_unknown
from .._runtime.core import Pool, Spawner, pool_of
from .children import Children
from .cpus import cpu_count
from .workers import Threads

__all__ = ["Executor", "ExecutorStatistics", "OnFull", "check_open", "no_attribute"]

OnFull: TypeAlias = Literal["raise", "block", "run"]

_ON_FULL: Final = ("raise", "block", "run")
MORE_THREADS: Final = 512  # than `workers`, for workers that are blocked in goish
LOOKS_AGAIN: Final = 5.0  # seconds, at least, between two looks at the number of processors

_names = itertools.count(1)


class ExecutorStatistics(NamedTuple):
    """What an executor does at this moment; out of date at once.

    ``workers``: its threads. ``idle``: those of them that wait for work. ``pending``: calls that wait for a worker.
    ``running``: calls of plain functions that run. ``goroutines``: coroutine functions, and what they have started, on
    the loops of its workers. ``blocked``: workers that are blocked in a goish call and are replaced by others.
    ``finished``: calls of plain functions that are over, and of coroutine functions that were begun on a loop.

    Example::

        with Executor(workers=2) as ex:
            sync(ex.submit(int))
            print(ex.statistics().pending)  # -> 0
    """

    workers: int
    idle: int
    pending: int
    running: int
    goroutines: int
    blocked: int
    finished: int


class Executor(Spawner):
    """A pool of worker threads of its own: ``spawn`` for results, ``submit`` for work elsewhere, ``go_thread`` as ever.

    ``workers``: how many plain functions run at once, and how many loops coroutine functions run on; None: as many as
    there are processors for this process (its affinity and the quota of its container count), which a worker looks at
    again every few seconds, until ``set_workers`` says a number. Threads are made when they are needed. A worker that
    is blocked in goish (``sync``, ``recv_blocking`` ...) is replaced meanwhile; ``max_threads`` is how many threads for
    plain functions there may be with those.
    ``max_pending``: how many calls may wait for a worker; None: any number. ``on_full``: what a further one does then:
    ``"raise"`` PoolFull, ``"block"`` the calling thread until there is room (a cancel of its call ends that; where an
    event loop runs it is PoolFull, and ``await go_thread(executor.submit, fn)`` waits for room and gives the handle),
    ``"run"`` it on the calling thread (a plain function; not of ``submit``, nor where an event loop runs).
    ``children``: what becomes of the goroutines that a call has started by ``go`` on its thread, and those that they
    have, if they live when it is over. ``"keep"``: they go on; those of a plain function on its worker, which is given
    further calls when a few workers keep some. ``"await"``: it is over when they are; if it fails, or is cancelled
    meanwhile, it cancels them. ``"cancel"``: it cancels them, and is over when they are. A call that ``sync`` runs on a
    thread that is no worker keeps none: it waits for them. ``go_thread.options(children=)`` says it for one call.
    ``name``: the prefix of its threads' names.

    ``with`` and ``async with`` shut it down at the end, and wait; left by an exception, they cancel its calls first.
    TypeError or ValueError for other arguments. Any thread may use it; in a forked child it begins anew, without
    threads and without calls.

    Example::

        with Executor(workers=2) as ex:
            fv = ex.spawn(sum, range(10))
            print(sync(fv))  # -> 45
    """

    @without_unknown
    def __init__(
        self,
        workers: int | None = None,
        *,
        max_pending: int | None = None,
        on_full: OnFull = "raise",
        max_threads: int | None = None,
        children: Children = "keep",
        name: str | None = None,
        **unknown: Never,
    ) -> None:
        for keyword in unknown:
            hint = ": how many calls run at once is workers=" if keyword == "max_workers" else ""
            raise TypeError(f"Executor() got an unexpected keyword argument {keyword!r}{hint}")
        given = None if max_threads is None else check_whole("max_threads", max_threads)
        size = _by_itself(given) if workers is None else check_whole("workers", workers)
        most = size + MORE_THREADS if given is None else given
        if most < size:
            raise ValueError(f"max_threads is at least workers, which is {size}; got {most}")
        if max_pending is not None:
            check_whole("max_pending", max_pending)
        check_choice("on_full", on_full, _ON_FULL)
        self._name: str = f"executor-{next(_names)}" if name is None else check_text("name", name)
        self._pool: Pool = pool_of(self)
        self._more = most - size
        self._threads = Threads(self._name, self._pool)
        self._pool._resize(size, most)
        if workers is None:
            self._pool._follow(partial(_follow, given), LOOKS_AGAIN)
        self._pool._limit(max_pending, _ON_FULL.index(on_full))
        self._pool._mind(children)

    @property
    def name(self) -> str:
        """The prefix of its threads' names."""
        return self._name

    @property
    def workers(self) -> int:
        """How many plain functions run at once."""
        return self._pool.size

    def is_shutdown(self) -> bool:
        """Whether ``shutdown`` was called."""
        return self._pool.is_closed()

    def set_workers(self, n: int) -> None:
        """Change how many workers there are from now on. Running calls go on.

        ValueError below 1, PoolShutdown after ``shutdown``.

        Example::

            with Executor(workers=1) as ex:
                ex.set_workers(4)
        """
        size = check_whole("workers", n)
        check_open(self)
        self._pool._follow(None)
        self._pool._resize(size, size + self._more)

    def prestart(self) -> Self:
        """Make its threads for plain functions now, so that no later call has to; returns the executor.

        PoolShutdown after ``shutdown``.

        Example::

            with Executor(workers=2).prestart() as ex:
                print(ex.statistics().workers)  # -> 2
        """
        check_open(self)
        self._pool._prestart()
        return self

    def statistics(self) -> ExecutorStatistics:
        """What it does at this moment. Any thread.

        Example::

            with Executor(workers=2) as ex:
                print(ex.statistics().workers)  # -> 0
        """
        plain, loops, idle, idle_loops, pending, running, blocked, finished = self._pool._numbers()
        schedulers = [worker.scheduler for _, worker in self._threads.alive()]
        live = sum(sched.live for sched in schedulers if sched is not None)
        return ExecutorStatistics(plain + loops, idle + idle_loops, pending, running, live, blocked, finished)

    def shutdown(self, wait: bool = True, *, cancel: bool = False) -> None:
        """Take no more calls, and let the threads leave when all calls are done.

        The end of the program does not wait for that, or not for long: the log names the calls that were not done.

        ``wait``: until they have left. ``cancel``: waiting calls are cancelled, and running ones (see ``go_thread``).
        It may be called again. Raises SyncOnLoop if it would wait on a thread whose event loop runs: use ``async
        with``, or ``wait=False``.

        Example::

            ex = Executor(workers=1)
            fv = ex.submit(pow, 2, 10)
            ex.shutdown()
            print(fv.is_ready())  # -> True
        """
        if wait:
            check_no_loop("shutdown()", "use `async with`, or shutdown(wait=False)")
        self._pool._close()
        if cancel:
            self._threads.cancel_all()
        if wait:
            self._threads.join()

    def __enter__(self) -> Self:
        check_no_loop("an Executor's end", "use `async with`")
        check_open(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown(cancel=exc is not None)

    async def __aenter__(self) -> Self:
        check_open(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown(wait=False, cancel=exc is not None)
        await self._threads.joined(told=exc is not None)

    if not TYPE_CHECKING:  # a type checker would see no unknown attribute then

        def __getattr__(self, name: str) -> Any:
            raise no_attribute(self, name)

    def __repr__(self) -> str:
        return f"<Executor {self._name!r}{' shut down' if self.is_shutdown() else ''}>"

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError("an Executor cannot be copied or pickled: its threads are in this process")


def _by_itself(max_threads: int | None) -> int:
    return cpu_count() if max_threads is None else min(cpu_count(), max_threads)


def _follow(max_threads: int | None, pool: Pool) -> None:
    """Read the container's quota, and the affinity, again. Must not hold the executor, which would never go."""
    size = _by_itself(max_threads)
    if size != pool.size and not pool.is_closed():
        pool._resize(size, size + MORE_THREADS if max_threads is None else max_threads)


def no_attribute(executor: object, name: str) -> AttributeError:
    hint = ": parallel_map(fn, items, executor=ex) gives a list" if name == "map" else ""
    text = f"{type(executor).__name__!r} object has no attribute {name!r}{hint}"
    return AttributeError(text, name=name, obj=executor)


def check_open(executor: Executor) -> None:
    """PoolShutdown if it is shut down."""
    pool_of(executor)._check_open()
