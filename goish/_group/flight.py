"""One call at a time for each key: its callers share it.

The call runs in a goroutine of its own, which belongs to none of them. They are counted, and the last that leaves
cancels it.
Invariants: a call is joined only while it has a caller and has not ended; the caller that has put it into the table
starts it.
Threads: any; without a lock, so that a signal handler or a ``__del__`` may call it, too.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final, Generic, NamedTuple, NoReturn, ParamSpec, TypeVar, overload

from .._checks import check_no_loop
from .._runtime.core import (
    Chan,
    Goroutine,
    Int64,
    Nursery,
    RecvChan,
    background,
    chan,
    current,
    current_context,
    current_scope,
    given_up,
    go,
    go_thread,
    is_coroutine,
    without_cancel,
)
from .awaiting import close_unstarted
from .keys import Entry, KeyTable, check_key

__all__ = ["Group", "Result"]

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")

_LEFT: Final = "all its callers have left"


class Result(NamedTuple, Generic[T]):
    """What ``do_chan`` sends: the ``value``, or the ``error``; and whether it was ``shared`` by several callers.

    Example::

        async def load():
            return 7

        result = await goish.singleflight.Group().do_chan("key", load).recv()
        print(result)  # -> Result(value=7, error=None, shared=False)
    """

    value: T | None
    error: BaseException | None
    shared: bool


class _Call(Entry):
    def __init__(self) -> None:
        super().__init__()
        self.end = Nursery(lambda _: None)  # holds back the failure, which the callers raise
        self.end.hold()  # until it has started
        self.g: Goroutine[Any] | None = None  # None after that: it could not be started
        self.shared = False
        self._callers = Int64(1)
        self._process = os.getpid()  # a forked child has the call, but not what runs it

    def begin(self, start: Callable[[_Call], Goroutine[Any]]) -> None:
        try:
            self.g = start(self)
        finally:
            self.end.let_go()

    def join(self) -> bool:
        """False: it is over, or about to be, or of another process."""
        if self._process != os.getpid():
            return False
        while (callers := self._callers.load()) and not (self.g is not None and self.g.done()):
            if self._callers.compare_and_swap(callers, callers + 1):
                self.shared = True
                return True
        return False

    def leave(self) -> bool:
        """A caller does not wait any more. True: it was the last."""
        return not self._callers.add(-1)

    def outcome(self, goes_on: bool) -> tuple[bool, Any]:
        """Whether it has a result for a caller, and that; raises its exception. ``goes_on``: another may be begun."""
        if self.g is None or (goes_on and self.g.cancelled()):
            return False, None
        if self.g.exited:
            raise RuntimeError("the call that was waited for has ended by goexit(): it has no result")
        return True, self.g.result()


class Group:
    """Calls by key: of several at a time for one key one runs, and all have its result. Go's ``singleflight.Group``.

    A cancel of a caller harms none of the others, the first included: the work runs in a goroutine of its own, on the
    loop of the first. It is cancelled when the last has left, and the next caller starts anew. An exception goes to
    all. Any thread may call it, and callers of several loops and threads share. Keys are hashable, TypeError if not.

    Example::

        async def load(name):
            print("loading", name)  # -> loading ann
            await sleep(0.001)
            return name.upper()

        users = goish.singleflight.Group()
        print(await wait_all(*[go(users.do, "ann", load, "ann") for _ in range(3)]))  # -> ('ANN', 'ANN', 'ANN')
    """

    def __init__(self) -> None:
        self._calls: KeyTable[Hashable, _Call] = KeyTable()

    async def do(
        self, key: Hashable, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The result of ``fn(*args, **kwargs)``, or of the call for ``key`` that is under way. Go's ``Group.Do``.

        Raises what the call raises, and TypeError if ``fn`` makes no coroutine. A cancel ends the wait, and the call if
        no other waits for it.

        Example::

            async def load():
                return 7

            print(await goish.singleflight.Group().do("key", load))  # -> 7
        """

        def start(call: _Call) -> Goroutine[Any]:
            return _start("do()", call, fn, args, kwargs)

        result: T = (await self._share(key, start))[0]
        return result

    def do_chan(
        self, key: Hashable, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> RecvChan[Result[T]]:
        """``do`` that does not wait: a channel that gets one ``Result``. Go's ``Group.DoChan``.

        It counts as a caller until the result is there, whether anybody receives it or not. As ``go`` it needs an
        event loop.

        Example::

            async def load():
                return 7

            results = goish.singleflight.Group().do_chan("key", load)
            index, result, ok = await select(results.recv(), after(60).recv())
            print(result.value, result.shared)  # -> 7 False
        """
        check_key(key)
        results: Chan[Result[T]] = chan(1)

        def start(call: _Call) -> Goroutine[Any]:
            return _start("do_chan()", call, fn, args, kwargs)

        call = self._enter(key, start)
        _apart(go, self._deliver, key, call, start, results)
        return results.receiver

    @overload
    def do_blocking(
        self, key: Hashable, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    @overload
    def do_blocking(self, key: Hashable, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    def do_blocking(self, key: Hashable, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """``do`` for threads without an event loop: blocks this one. ``fn`` runs on a worker, as by ``go_thread``.

        So it may be a plain function. SyncOnLoop on a thread whose event loop runs; Ctrl-C ends the wait.

        Example::

            def main():
                return goish.singleflight.Group().do_blocking("key", pow, 2, 5)

            print(await go_thread(main))  # -> 32
        """
        check_no_loop("do_blocking()", "await group.do(key, fn)")

        def start(call: _Call) -> Goroutine[Any]:
            g: Goroutine[Any] = _apart(go_thread, fn, *args, **kwargs)
            call.end.adopt(g)
            return g

        while True:
            call = self._enter(key, start)
            try:
                call.end.wait_blocking(None, "use await group.do(key, fn)")
            except BaseException:
                self._leave(key, call)
                raise
            self._calls.take_out(key, call)
            there, value = call.outcome(_is_elsewhere(call))
            if there:
                return value

    def forget(self, key: Hashable) -> None:
        """The next caller for ``key`` starts anew; a call under way goes on for its callers. Go's ``Group.Forget``.

        Example::

            group = goish.singleflight.Group()
            group.forget("key")
        """
        check_key(key)
        call = self._calls.get(key)
        if call is not None:
            self._calls.take_out(key, call)

    def __len__(self) -> int:
        """How many calls are under way, without the forgotten. Out of date at once."""
        return sum(call.g is None or not call.g.done() for _, call in self._calls.items())

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<singleflight.Group calls={len(self)}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a singleflight.Group cannot be copied or pickled: its copies would not share calls")

    # ── sharing ──

    async def _share(
        self, key: Hashable, start: Callable[[_Call], Goroutine[Any]], call: _Call | None = None
    ) -> tuple[Any, bool]:
        while True:
            if call is None:
                call = self._enter(key, start)
            try:
                await call.end.wait()
            except BaseException:
                self._leave(key, call)
                raise
            self._calls.take_out(key, call)
            there, value = call.outcome(_is_elsewhere(call))
            if there:
                return value, call.shared
            call = None

    def _enter(self, key: Hashable, start: Callable[[_Call], Goroutine[Any]]) -> _Call:
        check_key(key)
        fresh = _Call()
        while (call := self._calls.put(key, fresh)) is not fresh:
            if call.join():
                return call
            self._calls.take_out(key, call)
        try:
            fresh.begin(start)
        except BaseException:
            self._calls.take_out(key, fresh)
            raise
        return fresh

    def _leave(self, key: Hashable, call: _Call) -> None:
        if not call.leave():
            return
        self._calls.take_out(key, call)
        if call.g is not None:
            given_up(call.g)  # a failure of it is a matter for the log
            call.g.cancel(_LEFT)

    async def _deliver(
        self, key: Hashable, call: _Call, start: Callable[[_Call], Goroutine[Any]], results: Chan[Result[Any]]
    ) -> None:
        try:
            value, shared = await self._share(key, start, call)
        except BaseException as exc:
            results.try_send(Result(None, exc, call.shared))
            if not isinstance(exc, Exception):
                raise
        else:
            results.try_send(Result(value, None, shared))


def _start(what: str, call: _Call, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Goroutine[Any]:
    if inspect.iscoroutinefunction(fn):
        return _apart(call.end.go, fn, *args, **kwargs)
    return _apart(call.end.go, _coroutine(what, fn, args, kwargs))


def _coroutine(what: str, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Coroutine[Any, Any, Any]:
    """What a call of the coroutine function gives. A function of C would run, and block the loop: it is not called."""
    takes = f"{what} takes a key, a coroutine function (async def) and its arguments; got {fn!r}"
    if not callable(fn):
        close_unstarted(fn)
        raise TypeError(f"{takes} of type {type(fn).__name__}")
    plain = f"a plain function goes by {what[:-1]}key, asyncio.to_thread, fn), or do_blocking(key, fn) on a thread"
    if inspect.isbuiltin(fn) and inspect.ismodule(fn.__self__):
        raise TypeError(f"{takes}, which was not called; {plain}")
    coro = fn(*args, **kwargs)
    if not is_coroutine(coro):
        raise TypeError(f"{takes}, which returned {type(coro).__name__}; {plain}")
    return coro


def _apart(verb: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
    """Call ``verb`` outside of scope and context of the caller: what it starts belongs to all callers."""
    if current_scope.get() is None and current() is background():
        return verb(*args, **kwargs)
    variables = contextvars.copy_context()
    variables.run(current_scope.set, None)
    variables.run(current_context.set, without_cancel(current()))
    return variables.run(verb, *args, **kwargs)


def _is_elsewhere(call: _Call) -> bool:
    """Whether the call was cancelled on another loop: where that has ended, a caller of this one starts anew."""
    if call.g is None or not call.g.cancelled():
        return False
    try:
        return call.g.get_loop() is not asyncio._get_running_loop()
    except RuntimeError:  # it was on none
        return False
