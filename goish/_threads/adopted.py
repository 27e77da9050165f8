"""Foreign executors, used as those of goish: processes, interpreters, clusters."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context, copy_context
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Protocol, Self, TypeVar, cast, runtime_checkable

from .._checks import check_no_loop, check_whole
from .._runtime.core import (
    FlowVar,
    Goroutine,
    GoThread,
    Pool,
    Spawner,
    check_plain,
    foreign_goroutine,
    go_thread_of,
    outcome_of,
)
from ..errors import PoolShutdown
from .cpus import cpu_count
from .executor import Executor, no_attribute

__all__ = ["AdoptedExecutor", "AnyExecutor", "adopt", "check_adopted", "check_executor", "map_adopted"]

T = TypeVar("T")
P = ParamSpec("P")


class AdoptedExecutor:
    """What ``adopt`` makes of a ``concurrent.futures.Executor``: ``spawn``, ``submit`` and ``go_thread`` as of goish.

    The executor decides what it can call, and with what: one of processes takes what can be pickled. Results and
    exceptions come back as from goish's own. On the threads of a ``ThreadPoolExecutor`` a call runs in a copy of the
    current context; a call that is carried elsewhere takes none along. A thread that syncs a call never runs it.
    PoolShutdown after ``shutdown``.

    Example::

        with adopt(concurrent.futures.ThreadPoolExecutor(2)) as ex:
            print(sync(ex.spawn(pow, 2, 3)))  # -> 8
    """

    def __init__(self, executor: concurrent.futures.Executor, workers: int | None) -> None:
        self._executor: Final = executor
        self._pool: Final = Pool()
        self._workers: Final = workers
        self._takes_context: Final = _has_our_threads(executor)
        self._is_shutdown = False  # by shutdown() of this object

    @property
    def workers(self) -> int:
        """How many pieces the parallel loops reckon with at this moment: a cluster grows and shrinks."""
        return self._workers or _workers_of(self._executor) or cpu_count()

    def is_shutdown(self) -> bool:
        """Whether ``shutdown`` was called, here."""
        return self._is_shutdown

    def _check_open(self) -> None:
        if self._is_shutdown:
            raise PoolShutdown(f"{self!r} is shut down and takes no more work; adopt another executor")

    def spawn(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> FlowVar[T]:
        """Give it ``fn(*args, **kwargs)``; returns the ``FlowVar``.

        Example::

            async with adopt(concurrent.futures.ThreadPoolExecutor(2)) as ex:
                print(await ex.spawn(pow, 2, 3))  # -> 8
        """
        context = self._context()
        return outcome_of(self._pool, self._given("spawn", fn, args, kwargs, context), fn, context)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> FlowVar[T]:
        """Give it ``fn(*args, **kwargs)``; returns the ``FlowVar``.

        Example::

            async with adopt(concurrent.futures.ThreadPoolExecutor(2)) as ex:
                print(await ex.submit(pow, 2, 3))  # -> 8
        """
        context = self._context()
        return outcome_of(self._pool, self._given("submit", fn, args, kwargs, context), fn, context)

    @property
    def go_thread(self) -> GoThread:
        """A ``go_thread`` that gives it plain functions; ``options(context=)`` only where a call takes one along.

        Example::

            async with adopt(concurrent.futures.ThreadPoolExecutor(2)) as ex:
                print(await ex.go_thread(pow, 2, 3))  # -> 8
        """
        return go_thread_of(self)

    def _go_thread(
        self,
        fn: Callable[..., T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None,
        asked: Context | None,
    ) -> Goroutine[T]:
        if asked is not None and not self._takes_context:
            raise TypeError(f"{self!r} takes no context=: a call does not run on a thread of this interpreter")
        context = self._context() if asked is None else asked
        return foreign_goroutine(self._pool, self._given("go_thread", fn, args, kwargs, context), fn, context, name)

    def _context(self) -> Context | None:
        return copy_context() if self._takes_context else None

    def _given(
        self, verb: str, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any], context: Context | None
    ) -> concurrent.futures.Future[T]:
        check_plain(fn, verb, "an adopted executor runs", "go_thread(fn) runs a coroutine function")
        try:
            if context is not None:
                return self._executor.submit(context.run, fn, *args, **kwargs)
            return self._executor.submit(fn, *args, **kwargs)
        except RuntimeError as exc:
            self._refused(exc)
            raise

    def _refused(self, exc: RuntimeError) -> None:
        try:
            self._check_open()
        except PoolShutdown as refused:
            raise refused from exc

    def _map(self, fn: Callable[[Any], T], items: Iterable[Any], chunksize: int) -> list[T]:
        """The list of ``fn(item)``, in order: ``concurrent.futures.Executor.map``. For the parallel loops."""
        if self._takes_context:
            fn = partial(_in_a_copy, copy_context(), fn)
        try:
            results = self._executor.map(fn, items, chunksize=chunksize)
        except RuntimeError as exc:
            self._refused(exc)
            raise
        return list(results)

    def shutdown(self, wait: bool = True, *, cancel: bool = False) -> None:
        """Shut the executor itself down: see ``concurrent.futures.Executor.shutdown``.

        ``wait``: until its calls are over; SyncOnLoop on a thread whose event loop runs: use ``async with``, or
        ``wait=False``. ``cancel``: calls that have not begun are cancelled.

        Example::

            adopt(concurrent.futures.ThreadPoolExecutor(2)).shutdown()
        """
        if wait:
            check_no_loop("shutdown", "use `async with`, or shutdown(wait=False)")
        self._is_shutdown = True
        if cancel:
            for g in reversed(self._pool.running()):  # or a younger one would begin where an older one was
                g.cancel("its executor is shut down")
        # A foreign executor may not know cancel_futures: Dask's does not.
        knows = "cancel_futures" in inspect.signature(self._executor.shutdown).parameters
        self._executor.shutdown(wait, **({"cancel_futures": True} if cancel and knows else {}))

    def __enter__(self) -> Self:
        check_no_loop("with adopt(...)", "use `async with`")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.shutdown)

    if not TYPE_CHECKING:  # a type checker would see no unknown attribute then

        def __getattr__(self, name: str) -> Any:
            raise no_attribute(self, name)

    def __repr__(self) -> str:
        return f"<AdoptedExecutor {self._executor!r}>"


def check_adopted(executor: AdoptedExecutor) -> None:
    """PoolShutdown if it is shut down."""
    executor._check_open()  # pyright: ignore[reportPrivateUsage]


def map_adopted(executor: AdoptedExecutor, fn: Callable[[Any], T], items: Iterable[Any], chunksize: int) -> list[T]:
    """The list of ``fn(item)``, in order, on the executor."""
    return executor._map(fn, items, chunksize)  # pyright: ignore[reportPrivateUsage]


def _has_our_threads(executor: concurrent.futures.Executor) -> bool:
    """Whether it runs calls on threads of this interpreter. An InterpreterPoolExecutor's belong to others."""
    others = getattr(concurrent.futures, "InterpreterPoolExecutor", ())
    return isinstance(executor, concurrent.futures.ThreadPoolExecutor) and not isinstance(executor, others)


def _in_a_copy(context: Context, fn: Callable[[Any], T], item: Any) -> T:
    """A copy of the context for each call: one thread at a time may enter a context."""
    return context.copy().run(fn, item)


@runtime_checkable
class AnyExecutor(Protocol):
    """What an ``Executor`` and an adopted one have in common, for annotations: the type of each ``executor=``.

    A coroutine function needs an ``Executor``. goish takes no other class of this shape: ``adopt`` makes an executor.

    Example::

        async def power(executor: goish.parallel.AnyExecutor):
            return await executor.go_thread.options(name="power")(pow, 2, 3)

        async with Executor(workers=1) as ours, adopt(concurrent.futures.ThreadPoolExecutor(1)) as theirs:
            print(await power(ours), await power(theirs))  # -> 8 8
    """

    @property
    def workers(self) -> int:
        """How many calls run at once."""
        ...

    @property
    def go_thread(self) -> GoThread:
        """A ``go_thread`` that starts calls there."""
        ...

    def spawn(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> FlowVar[T]:
        """Give it ``fn(*args, **kwargs)``, to take the result; returns the ``FlowVar``."""
        ...

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> FlowVar[T]:
        """Give it ``fn(*args, **kwargs)``, to run elsewhere; returns the ``FlowVar``."""
        ...

    def is_shutdown(self) -> bool:
        """Whether ``shutdown`` was called."""
        ...

    def shutdown(self, wait: bool = True, *, cancel: bool = False) -> None:
        """Take no more calls; ``wait`` until they are over, ``cancel`` them."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


def check_executor(executor: AnyExecutor | None) -> AnyExecutor | None:
    """TypeError unless it is one, or None."""
    if executor is not None and not isinstance(executor, (Executor, AdoptedExecutor)):
        raise TypeError(
            "executor is an Executor, adopt(...) of a concurrent.futures.Executor, or None (the default one); "
            f"got {executor!r} of type {type(executor).__name__}"
        )
    return executor


def adopt(executor: concurrent.futures.Executor, *, workers: int | None = None) -> AdoptedExecutor:
    """Use any ``concurrent.futures.Executor`` as one of goish: a pool of processes, of interpreters, Dask's, Ray's.

    A program that has outgrown the GIL, or the machine, keeps its shape: ``spawn``, ``sync``, ``parallel_map`` stay.
    ``workers``: how many pieces the parallel loops reckon with; None: as the executor says (Dask's: the threads of its
    cluster), or one for each processor. TypeError if it is none, TypeError or ValueError for other
    ``workers``.

    Example::

        async with adopt(concurrent.futures.ThreadPoolExecutor(2)) as ex:
            print(await go_thread(parallel_map, abs, [-1, 2, -3], executor=ex))  # -> [1, 2, 3]
    """
    if isinstance(executor, Spawner):
        raise TypeError(
            f"adopt() takes a concurrent.futures.Executor; {executor!r} is one of goish already: use it as it is"
        )
    if not isinstance(executor, concurrent.futures.Executor):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"adopt() takes a concurrent.futures.Executor, got {executor!r} of type {type(executor).__name__}"
        )
    return AdoptedExecutor(executor, None if workers is None else check_whole("workers", workers))


def _workers_of(executor: concurrent.futures.Executor) -> int | None:
    """How many calls it runs at once, as far as that is known."""
    client = getattr(executor, "_client", None)  # Dask's
    if callable(threads_of := getattr(client, "nthreads", None)):
        threads = threads_of()
        return sum(cast("Mapping[str, int]", threads).values()) if isinstance(threads, Mapping) else None
    found = getattr(executor, "_max_workers", None)
    return found if isinstance(found, int) else None
