"""The compiled runtime, as type checkers see it; what users need is re-exported by ``goish``."""

import asyncio
import concurrent.futures
import weakref
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextvars import Context, ContextVar
from inspect import Signature
from types import CodeType, FrameType, ModuleType
from typing import Any, Final, Generic, Literal, Never, NoReturn, ParamSpec, Protocol, Self, TextIO, TypeAlias, TypeGuard, TypeVar, final, overload

from typing_extensions import TypeVar as TypeVarWithDefault
from typing_extensions import TypeVarTuple, Unpack, disjoint_base

from goish._runtime.values import ChanStatistics, EmptyType, Err, Flavor, Ok, Received

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)
P = ParamSpec("P")
Ts = TypeVarTuple("Ts")
# What select gives as the value of a case: what a send gives is a bool, but its value is None.
V_co = TypeVarWithDefault("V_co", covariant=True, default=Any)

Overflow: TypeAlias = Literal["block", "error", "drop_oldest", "drop_newest"]
FlavorName: TypeAlias = Literal["mpmc", "mpsc", "spmc", "spsc"]
# Any coroutine, without an Any, which would have mypy give up on go_thread(ex.submit, fn).
_Coro: TypeAlias = Coroutine[object, Never, T]
Children: TypeAlias = Literal["keep", "await", "cancel"]
Help: TypeAlias = Literal["descendants", "any", "none"]

class _Wait(Generic[T_co]):  # what sleep() and gosched() give: an Op that is no case of select (typing only)
    def __await__(self) -> Generator[Any, Any, T_co]: ...
    # The asyncio future protocol, so that gather, wait, wait_for and foreign tasks can wait for an op.
    _asyncio_future_blocking: bool
    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop it is awaited on. This and what follows is the protocol of ``asyncio.Future``."""

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        """Begins the wait, and calls ``fn(op)`` through the loop when it is over.

        As ``asyncio.Future.add_done_callback``. Raises RuntimeError where no event loop runs, or if a goroutine awaits
        the op.
        """

    def remove_done_callback(self, fn: Callable[[Any], object], /) -> int:
        """Removes all callbacks equal to ``fn``; returns how many."""

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancels the wait: True if it then has not happened, False if it is over or cannot be cancelled."""

    def cancelled(self) -> bool:
        """Whether the wait was cancelled."""

    def done(self) -> bool:
        """Whether the wait has happened, failed or been cancelled."""

    def result(self) -> T_co:
        """Its result; raises its exception, or InvalidStateError unless it is done and waited for as a future."""

    def exception(self) -> BaseException | None:
        """Its exception or None; raises CancelledError if it was cancelled, InvalidStateError unless it is done."""

@final
class Op(_Wait[T_co], Generic[T_co, V_co]):
    """One wait as a value, such as ``ch.recv()``: await it, give it to ``select``, or hand it to asyncio as a future.

    Nothing happens until then, and an Op that is thrown away has done nothing. It is good for one await; a second
    raises RuntimeError. Cancelled, it has not happened; one that happened before the cancel gives its result, and the
    cancel comes at the next wait. Awaiting it needs an event loop on the calling thread.

    Example::

        ch = chan(1)
        ch.send("never awaited: nothing is sent")
        op = ch.send("a")
        await op
        print(len(ch))  # -> 1
    """

@final
class Goroutine(Generic[T_co]):
    """A running ``go`` call: ``await g`` gives its result or raises its exception.

    Any number may await it, before and after its end; cancelling one of them does not cancel it. It lives until it
    ends, whether the handle is kept or not. To asyncio it is a task: ``gather``, ``wait`` and ``wait_for`` take it, and
    ``timeout`` and ``TaskGroup`` work in it. ``id`` counts from 1 in order of creation, through the process.

    Threads: any loop may await it, and ``cancel``, ``done``, ``cancelled``, ``result``, ``exception`` and the callbacks
    are for any thread; the other methods for the thread of its loop.

    Example::

        async def double(n):
            return 2 * n

        g = go(double, 21)
        print(await g)  # -> 42
    """

    def __await__(self) -> Generator[Any, Any, T_co]: ...
    def cancel(self, msg: Any | None = None) -> bool:
        """Asks the goroutine to end: CancelledError is raised where it waits, or at its next wait.

        As ``asyncio.Task.cancel``. ``msg`` goes into the CancelledError. Returns False if it is done already, or a call
        on an adopted executor that runs and cannot be cancelled. An operation that has happened is not undone: its
        value is delivered, and the cancel comes at the next wait. Any thread may call it; from another one it is
        forwarded to the goroutine's loop and takes effect there, later.

        Example::

            async def listen(channel):
                await channel.recv()

            g = go(listen, chan())
            print(g.cancel())  # -> True
            await gosched()
            print(g.cancelled())  # -> True
        """

    def cancelling(self) -> int:
        """How many cancel() calls have not been taken back by uncancel(). As ``asyncio.Task.cancelling``."""

    def uncancel(self) -> int:
        """Takes one cancel() back and returns how many are left.

        At zero a cancel that is still due is forgotten. For code that catches its own cancel, such as a timeout.
        As ``asyncio.Task.uncancel``.
        """

    def cancelled(self) -> bool:
        """Whether the goroutine ended by being cancelled."""

    def done(self) -> bool:
        """Whether the goroutine has ended, in any way. Any thread."""

    def result(self) -> T_co:
        """Its result, as asyncio has it: nothing is waited for. InvalidStateError while the goroutine runs.

        Raises its exception, and CancelledError if it was cancelled. Any thread.

        Example::

            async def double(n):
                return 2 * n

            g = go(double, 21)
            await g
            print(g.result())  # -> 42
        """

    def result_blocking(self, timeout: float | None = None) -> T_co:
        """Blocks this thread until the goroutine is done; its result. On a thread that runs no event loop.

        ``timeout``: seconds, None for ever; TimeoutError if it takes longer. SyncOnLoop on a thread whose loop runs:
        there, ``await`` it. The goroutine goes on in either case. Raises its exception, and CancelledError if it was
        cancelled.

        Example::

            async def double(n):
                return 2 * n

            g = go(double, 21)
            print(await asyncio.to_thread(g.result_blocking, timeout=60))  # -> 42
        """

    def exception(self) -> BaseException | None:
        """Its exception, or None if it has a result.

        Raises CancelledError if it was cancelled, InvalidStateError while it runs. Asking counts as retrieving it: the
        exception is no panic then. Any thread.
        """

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        """Calls ``fn(goroutine)`` through its loop, on its thread, when it is done. Any thread may ask for it.

        For a call on a worker thread: through the loop of the caller. Where none runs, the thread on which the call
        ends calls it, or the caller at once if the call is over; what it raises there is logged, as with
        ``concurrent.futures``. The same holds where a loop is closed before its goroutine has ended.

        It is called in ``context``, a copy of the current one if that is None. TypeError if ``context`` is no
        contextvars.Context.

        Example::

            ended = chan(1)
            go_thread(pow, 2, 3).add_done_callback(ended.try_send)
            g = await ended.recv()
            print(g.result())  # -> 8
        """

    def remove_done_callback(self, fn: Callable[[Any], object], /) -> int:
        """Removes all callbacks equal to ``fn``; returns how many. Any thread.

        This gives up a wait by callback, as ``asyncio.wait`` does at its timeout: if the goroutine fails later, that is
        logged and is no panic.
        """

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop it runs on; for a goroutine on a worker thread, the loop of the caller."""

    def get_coro(self) -> Coroutine[Any, Any, T_co] | None:
        """Its coroutine; None once it is done."""

    def get_context(self) -> Context:
        """The contextvars.Context it runs in."""

    def get_name(self) -> str:
        """Its name: ``goroutine-<id>``, or ``Task-<id>`` if the task factory made it, unless it was given another."""

    def set_name(self, value: object, /) -> None:
        """Names it ``str(value)``; None leaves the name as it is."""

    name: str
    """Its name, for logs and dumps; may be set."""
    @property
    def id(self) -> int: ...  # from 1, in order of creation; unique in the process
    @property
    def state(self) -> Literal["new", "runnable", "running", "waiting", "done"]:
        """``"new"``, ``"runnable"``, ``"running"``, ``"waiting"`` or ``"done"``."""

    @property
    def wait_reason(self) -> str | None:
        """What it waits for, in Go's words: ``"chan receive"``, ``"select"``, ...; None unless it waits.

        For a function on a worker: what its thread is blocked by in goish. Read on another thread, it may be out of
        date.
        """

    @property
    def waiting_on(self) -> object | None:
        """The Op or asyncio future it waits for; None unless it waits."""

    @property
    def waiting_since(self) -> float | None:
        """When it began to wait, in seconds of the loop's clock (read once a slice); None unless it waits."""

    @property
    def created_by(self) -> tuple[CodeType, int] | None:
        """The code object and line that called ``go``; None where Python code did not."""

    @property
    def exited(self) -> bool:
        """Whether the goroutine ended by ``goexit()``."""

    def get_stack(self, *, limit: int | None = None) -> list[FrameType]:
        """The frames of its coroutine, as ``asyncio.Task.get_stack``: one where it waits, or those of its traceback."""

    def print_stack(self, *, limit: int | None = None, file: TextIO | None = None) -> None:
        """Prints what ``get_stack`` gives to ``file`` (None: standard error), as ``asyncio.Task.print_stack``."""

    def set_result(self, result: object, /) -> NoReturn:
        """Raises RuntimeError: a goroutine gets its result from its coroutine. As ``asyncio.Task``."""

    def set_exception(self, exception: object, /) -> NoReturn:
        """Raises RuntimeError: a goroutine gets its exception from its coroutine. As ``asyncio.Task``."""

    _log_traceback: bool
    @property
    def _exception(self) -> BaseException | None: ...
    @property
    def _asyncio_future_blocking(self) -> bool: ...
    @_asyncio_future_blocking.setter
    def _asyncio_future_blocking(self, value: bool) -> None: ...

OnPanic: TypeAlias = Literal["crash", "log"] | Callable[[Goroutine[Any], BaseException], object]

class GoExit(BaseException): ...

@final
class Go:
    """The type of ``go``."""

    @overload
    def __call__(
        self, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Goroutine[T]:
        """``go(fn, *args, **kwargs)`` starts a goroutine and returns its ``Goroutine``. Go's ``go`` statement.

        ``fn`` is a coroutine function; ``go(coro)`` takes a coroutine that has not started. It runs on this thread's
        event loop and not before ``go`` returns. An exception that nobody awaits is a panic: see ``run``.

        Raises RuntimeError if no event loop runs on this thread or the coroutine was started already, TypeError if
        ``fn`` makes no coroutine.

        Example::

            async def greet(name):
                print("hello", name)  # -> hello ann

            go(greet, "ann")
            await gosched()
        """

    @overload
    def __call__(self, coro: Coroutine[Any, Any, T], /) -> Goroutine[T]: ...
    # For the errors: it takes nothing that the first does not. But only for this one mypy says what a wrong call expects.
    @overload
    def __call__(self, fn: Callable[[Unpack[Ts]], Coroutine[Any, Any, T]], /, *args: Unpack[Ts]) -> Goroutine[T]: ...
    @property
    def __signature__(self) -> Signature: ...
    def options(
        self, *, name: str | None = None, context: Context | None = None, on_panic: OnPanic | None = None
    ) -> Go:
        """A ``go`` with options.

        ``name``: a str for logs and dumps. ``context``: the contextvars.Context to run in. ``on_panic``: what the
        goroutine's exception does if nobody awaits it, or if each await of it was given up: ``"crash"``, ``"log"`` or a
        function that takes ``(goroutine, exception)``. ``run`` has the same for all other goroutines.
        TypeError or ValueError for anything else.

        Example::

            async def who():
                return current_goroutine().name

            print(await go.options(name="fetcher")(who))  # -> fetcher
        """

go: Final[Go]
"""``go(fn, *args, **kwargs)`` starts a goroutine and returns its ``Goroutine``. Go's ``go`` statement.

``fn`` is a coroutine function; ``go(coro)`` takes a coroutine that has not started. It runs on this thread's event
loop and not before ``go`` returns. An exception that nobody awaits is a panic: see ``run``.

Raises RuntimeError if no event loop runs on this thread or the coroutine was started already, TypeError if ``fn``
makes no coroutine.

Example::

    async def greet(name):
        print("hello", name)  # -> hello ann

    go(greet, "ann")
    await gosched()
"""

class _Spawns(Protocol):  # typing only: any `spawn` or `submit`
    def __call__(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> FlowVar[T]: ...

@final
class GoThread:
    """The type of ``go_thread``."""

    @overload
    def __call__(
        self, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Goroutine[T]:
        """``go_thread(fn, *args, **kwargs)`` runs a call on a worker thread and returns its ``Goroutine``, as ``go``
        does.

        A plain function (``def``) has the worker for itself, outside of any event loop: what computes, or blocks,
        belongs there. (There is one for each processor: for many calls that block outside of goish make an
        ``Executor``.) A coroutine function (``async def``) runs as a goroutine on the loop of a worker; one worker
        takes any number of them. ``go`` in either stays on that worker; ``go_thread`` in either goes to another one, if
        the pool has one. The call runs in a copy of the current context. An exception that nobody awaits is a panic:
        see ``run``.

        ``await`` it in any event loop. A cancel ends a call that has not begun, and raises CancelledError in a
        coroutine; in a plain function where it blocks in goish, or calls ``check_cancel``. TypeError if ``fn`` cannot
        be called, PoolFull if the pool takes no more. Any thread may call it, with an event loop or without.

        With the GIL, functions in Python take turns; in parallel run those that release it. On free-threaded Python all
        do.

        Example::

            def fib(n):
                return n if n < 2 else fib(n - 1) + fib(n - 2)

            print(await go_thread(fib, 20))  # -> 6765
        """

    # go_thread(ex.submit, fn, ...), which waits for room: a ParamSpec is not solved through an overloaded or generic function.
    @overload
    def __call__(
        self, verb: _Spawns, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Goroutine[FlowVar[T]]: ...
    @overload
    def __call__(
        self, verb: _Spawns, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Goroutine[FlowVar[T]]: ...
    @overload
    def __call__(
        self, verb: GoThread, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Goroutine[Goroutine[T]]: ...
    @overload
    def __call__(
        self, verb: GoThread, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Goroutine[Goroutine[T]]: ...
    @overload
    def __call__(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Goroutine[T]: ...
    @overload
    def __call__(self, coro: Coroutine[Any, Any, T], /) -> Goroutine[T]: ...
    @overload  # for the errors, as in Go
    def __call__(self, fn: Callable[[Unpack[Ts]], T], /, *args: Unpack[Ts]) -> Goroutine[T]: ...
    @property
    def __signature__(self) -> Signature: ...
    def options(
        self,
        *,
        name: str | None = None,
        context: Context | None = None,
        children: Children | None = None,
        on_panic: OnPanic | None = None,
    ) -> GoThread:
        """A ``go_thread`` with options.

        ``name``: a str for logs and dumps. ``context``: the contextvars.Context to run in. ``children``: what becomes
        of the goroutines that the call has started by ``go`` and that live when it is over, see ``Executor``; None:
        what its executor says. ``on_panic``: what an exception that nobody takes does: as for ``go.options``. A
        function is called on the thread of the loop of ``run``; without a program, on any. TypeError or ValueError for
        anything else.

        Example::

            def who():
                return current_goroutine().name

            print(await go_thread.options(name="cruncher")(who))  # -> cruncher
        """

go_thread: Final[GoThread]
"""``go_thread(fn, *args, **kwargs)`` runs a call on a worker thread and returns its ``Goroutine``, as ``go`` does.

A plain function (``def``) has the worker for itself, outside of any event loop: what computes, or blocks, belongs
there. (There is one for each processor: for many calls that block outside of goish make an ``Executor``.)
A coroutine function (``async def``) runs as a goroutine on the loop of a worker; one worker takes any number
of them. ``go`` in either stays on that worker; ``go_thread`` in either goes to another one, if the pool has one.
The call runs in a copy of the current context. An exception that nobody awaits is a panic: see ``run``.

``await`` it in any event loop. A cancel ends a call that has not begun, and raises CancelledError in a coroutine; in a
plain function where it blocks in goish, or calls ``check_cancel``. TypeError if ``fn`` cannot be called,
PoolFull if the pool takes no more. Any thread may call it, with an event loop or without.

With the GIL, functions in Python take turns; in parallel run those that release it. On free-threaded Python all do.

Example::

    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    print(await go_thread(fib, 20))  # -> 6765
"""

@final
class FlowVar(Generic[T_co]):
    """The result to come of ``spawn`` or ``submit``: ``sync`` it on a thread, or ``await`` it in an event loop, once.

    Its result is handed over and not kept: a second ``sync`` or ``await`` raises FlowVarConsumed. It cannot be copied
    or pickled. Any thread may use it. An exception of the call is raised where it is synced, with the traceback of the
    call and a note that says where it was spawned; if it never is, it is a panic.

    Example::

        def main():
            fv = spawn(sum, [1, 2, 3])
            return sync(fv)

        print(await go_thread(main))  # -> 6
    """

    @staticmethod
    def empty() -> FlowVar[Any]:
        """A FlowVar that stands for no call: ``is_spawned`` is False, and ``sync`` raises NotSpawned."""

    def __await__(self) -> Generator[Any, Any, T_co]: ...
    def sync(self, timeout: float | None = None, *, help: Help = "descendants") -> T_co:
        """Blocks this thread until the result is there, and takes it: the same as ``sync(this, timeout, help=help)``.
        """

    def outcome(self) -> FlowVar[Ok[T_co] | Err]:
        """The same with what becomes of the call as a value: ``Ok(result)``, or ``Err(error)`` if it failed.

        For callers that prefer ``match`` to ``try``, or tell a cancelled call from a cancel of their own. It takes the
        place of this FlowVar, which is consumed. SystemExit and KeyboardInterrupt, which end the program, are raised
        all the same. Raises FlowVarConsumed or NotSpawned. Any thread.

        Example::

            match await spawn(int, "many").outcome():
                case Ok(number):
                    print(number)
                case Err(ValueError()):
                    print("no number")  # -> no number
        """

    def is_ready(self) -> bool:
        """Whether the call has a result, or an exception, so that ``sync`` would not block. NotSpawned if it is empty.
        """

    def is_spawned(self) -> bool:
        """Whether the FlowVar stands for a call; ``FlowVar.empty()`` does not."""

    def is_consumed(self) -> bool:
        """Whether the result was taken."""

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancels the call, as ``Goroutine.cancel`` does: ``sync`` raises CancelledError then. Any thread."""

    def __copy__(self) -> NoReturn: ...
    def __deepcopy__(self, memo: object) -> NoReturn: ...

Pending: TypeAlias = FlowVar[T_co]

@overload
def spawn(fn: Callable[P, _Coro[T]], /, *args: P.args, **kwargs: P.kwargs) -> FlowVar[T]:
    """Runs a call on the default executor, or where it is synced; returns its ``FlowVar``. See ``Executor.spawn``.

    Example::

        print(await spawn(pow, 2, 10))  # -> 1024
    """

@overload
def spawn(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> FlowVar[T]: ...
@overload  # for the errors, as in Go
def spawn(fn: Callable[[Unpack[Ts]], T], /, *args: Unpack[Ts]) -> FlowVar[T]: ...
@overload
def submit(fn: Callable[P, _Coro[T]], /, *args: P.args, **kwargs: P.kwargs) -> FlowVar[T]:
    """Runs a call on the default executor, never on this thread; returns its ``FlowVar``. See ``Executor.submit``.

    Example::

        print(await submit(pow, 2, 10))  # -> 1024
    """

@overload
def submit(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> FlowVar[T]: ...
@overload  # for the errors, as in Go
def submit(fn: Callable[[Unpack[Ts]], T], /, *args: Unpack[Ts]) -> FlowVar[T]: ...
def sync(fv: FlowVar[T] | Goroutine[T], /, timeout: float | None = None, *, help: Help = "descendants") -> T:
    """Blocks this thread until the result of a FlowVar is there, takes it and returns it.

    A call that no worker has begun is run here and now; while one runs, this thread runs what that has spawned. If a
    worker has to wait, another worker takes its place. A cancel of the call that waits ends the wait. ``timeout``:
    seconds, None for ever; with one, this thread runs nothing. ``help`` says what this thread runs meanwhile:
    ``"descendants"``, as above; ``"any"`` other spawned call of the executor as well, which spares threads, but puts
    strangers on top of this call, and under whatever lock it holds; ``"none"``: it only waits.

    Raises the call's exception, TimeoutError if it takes longer (the result may be taken later), FlowVarConsumed if it
    was taken, NotSpawned if it is empty, SyncOnLoop on a thread whose event loop runs: ``await`` it there.

    Example::

        def fib(n):
            if n < 2:
                return n
            smaller = spawn(fib, n - 2)
            return fib(n - 1) + sync(smaller)

        print(await go_thread(fib, 12))  # -> 144
    """

def as_goroutine(fv: FlowVar[T], /) -> Goroutine[T]:
    """The goroutine of a FlowVar, which is consumed: it may be awaited any number of times.

    Example::

        g = as_goroutine(spawn(pow, 2, 10))
        print(await g, await g)  # -> 1024 1024
    """

def check_cancel() -> None:
    """Raises CancelledError if the running goroutine or ``go_thread`` call was cancelled; for code that computes.

    A function on a worker thread cannot be interrupted while it computes: it looks from time to time. A goish call that
    blocks (``recv_blocking``, ``sync`` ...) looks by itself. After the CancelledError the cancel
    counts as delivered. Elsewhere it does nothing. Any thread may call it; it takes a fraction of a microsecond.

    Example::

        def work():
            while True:
                check_cancel()

        g = go_thread(work)
        g.cancel()
        try:
            await g
        except asyncio.CancelledError:
            print("cancelled")  # -> cancelled
    """

def current_worker() -> Worker | None:
    """The worker thread that this code runs on: a ``Worker`` with its ``name`` and ``thread`` id; None elsewhere.

    Example::

        def where():
            return current_worker() is not None

        print(where(), await go_thread(where))  # -> False True
    """

class _Common:  # what every channel and view has (typing only)
    @property
    def closed(self) -> bool:
        """Whether it is closed. True may be relied on; False may be out of date at once."""

    @property
    def cap(self) -> int | float:
        """Its capacity: an int, or ``math.inf``. Go's ``cap(c)``."""

    @property
    def flavor(self) -> Flavor:
        """What kind of channel this is and what it promises: a ``Flavor``."""

    def __len__(self) -> int: ...
    def __bool__(self) -> Literal[True]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def wait_closed(self) -> Op[None, None]:
        """Waits until the channel is closed, whatever is still in it; awaited, or a case of ``select``. Any thread.

        For a sender that stops when the receivers do. Gives None; in a select ``ok`` is False. A cancel ends the
        wait. On a thread without an event loop: ``select_blocking(ch.wait_closed())``.

        Example::

            async def close():
                ch.close()

            ch = chan(1)
            ch.try_send("a")
            go(close)
            await ch.wait_closed()
            print(len(ch))  # -> 1
        """

    def peek(self) -> int:
        """How many values are buffered, as ``len(ch)``. Any thread; out of date at once if others use the channel."""

    def statistics(self) -> ChanStatistics:
        """How many values and waiters there are now: a ``ChanStatistics``. Any thread."""

class _Recv(_Common, Generic[T_co]):  # the receiving half, shared by Chan and RecvChan (typing only)
    def recv(self) -> Op[T_co, T_co]:
        """Receives the next value; waits until there is one. Await it, or make it a case of ``select``. Go's ``<-c``.

        Raises ChanClosed when the channel is closed and drained (Go gives a zero value). Cancelled, nothing was
        received; a value that was handed over before is returned, and the cancel comes at the next wait.

        Example::

            ch = chan(1)
            await ch.send("a")
            print(await ch.recv())  # -> a
        """

    def recv_ok(self) -> Op[tuple[T_co, Literal[True]] | tuple[None, Literal[False]], T_co | None]:
        """Receives ``(value, True)``, or ``(None, False)`` when the channel is closed and drained.

        Otherwise as ``recv``. Go's ``v, ok := <-c``.

        Example::

            ch = chan(1)
            await ch.send("a")
            ch.close()
            print(await ch.recv_ok(), await ch.recv_ok())  # -> ('a', True) (None, False)
        """

    def recv_info(self) -> Op[Received[T_co], T_co | None]:
        """Like ``recv_ok``, and says whether it had to wait: a ``Received(value, ok, waited)``.

        Example::

            ch = chan(1)
            await ch.send("a")
            print(await ch.recv_info())  # -> Received(value='a', ok=True, waited=False)
        """

    def try_recv(self) -> T_co | Literal[EmptyType.EMPTY]:
        """Receives if it can without waiting: from the buffer, or from a sender that waits. Any thread.

        Returns the value, or EMPTY when nothing is there. Raises ChanClosed when the channel is closed and drained.

        Example::

            ch = chan(1)
            print(ch.try_recv() is EMPTY)  # -> True
            ch.try_send("a")
            print(ch.try_recv())  # -> a
        """

    def try_recv_ok(
        self,
    ) -> tuple[T_co, Literal[True]] | tuple[None, Literal[False]] | Literal[EmptyType.EMPTY]:
        """As ``try_recv``, with an ok as in Go: ``(value, True)``, or ``(None, False)`` when closed and drained.

        EMPTY, which is false, when nothing is there. Any thread.

        Example::

            ch = chan(1)
            ch.try_send("a")
            if received := ch.try_recv_ok():
                print(received)  # -> ('a', True)
        """

    def try_recv_many(self, max: int | None = None) -> list[T_co]:
        """What can be received without waiting, a list of at most ``max`` values (None: all), in order. Any thread.

        Empty if nothing is there, closed or not. ValueError if ``max`` is negative.

        Example::

            ch = chan(3)
            ch.try_send_many("abc")
            print(ch.try_recv_many(2), ch.try_recv_many())  # -> ['a', 'b'] ['c']
        """

    def recv_many(self, max: int, *, linger: float = 0.0) -> Coroutine[Any, Any, list[T_co]]:
        """Waits for one value, takes what else is there, and waits up to ``linger`` seconds for more.

        A coroutine: await it. Returns a list of 1 to ``max`` values, or ``[]`` when the channel is closed and drained.
        ValueError if ``max`` is below 1. A cancel while nothing was received is raised here; later, while it lingers,
        what was received is returned and the cancel comes at the next wait. (So ``asyncio.timeout`` around it raises
        nothing if no wait follows in its block, but ``expired()`` is true.)

        Example::

            ch = chan(3)
            await ch.send_many("abc")
            print(await ch.recv_many(2))  # -> ['a', 'b']
        """

    def peek_item(self) -> T_co | Literal[EmptyType.EMPTY]:
        """The value that the next receive would get, or EMPTY; it stays in the channel. Any thread.

        Example::

            ch = chan(1)
            ch.try_send("a")
            print(ch.peek_item(), len(ch))  # -> a 1
        """

    def recv_blocking(self, timeout: float | None = None) -> T_co:
        """``recv`` for threads without an event loop: blocks the calling thread until there is a value.

        ``timeout``: seconds, None to wait for ever. Raises TimeoutError if nothing was received by then, ChanClosed
        when the channel is closed and drained, SyncOnLoop on a thread whose event loop runs. Ctrl-C ends the wait; a
        value that was handed over at that moment goes to ``on_undelivered``. Other threads run meanwhile.

        Example::

            ch = chan(1)
            ch.try_send("a")
            print(ch.recv_blocking(timeout=1))  # -> a
        """

    def recv_ok_blocking(
        self, timeout: float | None = None
    ) -> tuple[T_co, Literal[True]] | tuple[None, Literal[False]]:
        """As ``recv_blocking``, but gives ``(value, True)``, or ``(None, False)`` when the channel is closed and
        drained.

        Example::

            ch = chan()
            ch.close()
            print(ch.recv_ok_blocking())  # -> (None, False)
        """

    def recv_info_blocking(self, timeout: float | None = None) -> Received[T_co]:
        """As ``recv_blocking``, but gives a ``Received``, which says whether it had to wait.

        Example::

            ch = chan(1)
            ch.try_send("a")
            print(ch.recv_info_blocking())  # -> Received(value='a', ok=True, waited=False)
        """

    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Op[T_co, T_co]: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> T_co: ...
    def __contains__(self, value: object, /) -> bool: ...

class _Closing:  # typing only
    def close(self) -> None:
        """Closes the channel: buffered values can still be received, then receives end. Any thread. Go's ``close``.

        Every waiter is woken: receivers with "closed", senders with SendOnClosed, which has their value. Raises
        CloseOfClosed the second time, CloseOfNil for NIL.

        Example::

            ch = chan(1)
            ch.try_send("a")
            ch.close()
            print([v async for v in ch])  # -> ['a']
        """

    def close_once(self) -> bool:
        """Closes the channel if it is open, and says whether it did. Any thread.

        For clean-up code, where a second close is no mistake. Raises CloseOfNil for NIL.

        Example::

            ch = chan()
            print(ch.close_once(), ch.close_once())  # -> True False
        """

class _Send(_Common, _Closing, Generic[T_contra]):  # the sending half, shared by Chan and SendChan (typing only)
    def send(self, value: T_contra, /) -> Op[bool, None]:
        """Sends ``value``; await it, or give it to ``select``. Waits until a receiver has it or the buffer has room.

        Gives True if it had to wait or to drop a value (``overflow``), otherwise False. Raises SendOnClosed if the
        channel is closed, also while it waits, and ChanFull (``overflow="error"``); the value is on the exception.
        Cancelled, nobody receives the value; once it is taken, the send returns normally and the cancel comes at the
        next wait. Go's ``c <- v``.

        Example::

            ch = chan(1)
            print(await ch.send("a"))  # -> False
            print(len(ch))  # -> 1
        """

    def try_send(self, value: T_contra, /) -> bool:
        """Sends ``value`` if it can without waiting: to a receiver that waits, or into the buffer. Any thread.

        True if it was sent (``send`` gives True if it waited); False if not: the value is still the caller's, also with
        ``overflow`` ``"error"`` and ``"drop_newest"``. Raises SendOnClosed. Go's ``select`` with ``default``.

        Example::

            ch = chan(1)
            print(ch.try_send("a"), ch.try_send("b"))  # -> True False
        """

    def try_send_many(self, values: Iterable[T_contra]) -> bool:
        """Sends all of ``values``, in order, if it can without waiting; otherwise none. Any thread.

        No other sender's values come between. Returns True if they were sent. Raises SendOnClosed.

        Example::

            ch = chan(2)
            print(ch.try_send_many("abc"), ch.try_send_many("ab"))  # -> False True
        """

    def send_many(self, values: Iterable[T_contra]) -> Coroutine[Any, Any, int]:
        """Sends ``values`` in order, waiting for each as ``send`` does; a coroutine: await it.

        Returns how many were sent: all. Cut off by a cancel, a timeout, ``close`` (SendOnClosed) or a full channel
        (ChanFull), it raises; ``sent`` on the exception says how many were sent, ``unsent`` is the list of the others,
        which nobody receives. (Of a TimeoutError of ``asyncio.timeout`` they are on its ``__cause__``.)

        Example::

            ch = chan(3)
            print(await ch.send_many("abc"))  # -> 3
        """

    def send_blocking(self, value: T_contra, /, timeout: float | None = None) -> bool:
        """``send`` for threads without an event loop: blocks the calling thread until the value is sent.

        ``timeout``: seconds, None to wait for ever. Returns True if it had to wait or to drop a value, otherwise False.
        Raises TimeoutError if it was not sent by then, SendOnClosed and ChanFull as ``send`` does, SyncOnLoop on a
        thread whose event loop runs. Ctrl-C ends the wait; other threads run meanwhile.

        Example::

            ch = chan(1)
            print(ch.send_blocking("a", timeout=1))  # -> False
        """

# To a type checker a channel is both of its ends, so that it is taken where an end is asked for. At run time it is
# neither: isinstance(x, Chan) tells a channel from an end, isinstance(x, RecvChan) does not find a channel.
class SendChan(_Send[T_contra]):
    """The sending end of a channel, ``ch.sender``: it cannot receive. Go's ``chan<- T``.

    It is equal to its channel.

    Example::

        ch = chan(1)
        out = ch.sender
        await out.send("a")
        print(out == ch, await ch.recv())  # -> True a
    """

class RecvChan(_Recv[T_co]):
    """The receiving end of a channel, ``ch.receiver``: it can neither send nor close. Go's ``<-chan T``.

    It is equal to its channel.

    Example::

        ch = chan(1)
        inbox = ch.receiver
        await ch.send("a")
        print(await inbox.recv())  # -> a
    """

@final
class CancelToken:
    """Tells many goroutines and functions at once to stop, whichever thread they are on.

    A function that computes calls ``check`` from time to time; a goroutine takes ``token.done().recv()`` as a case of
    ``select``. Any thread may use it. A deadline is ``loop.call_later(seconds, token.cancel)``.

    Example::

        def search(token):
            while True:
                token.check()

        token = CancelToken()
        g = go_thread(search, token)
        token.cancel("enough")
        try:
            await g
        except asyncio.CancelledError as error:
            print(error)  # -> enough
    """

    def cancel(self, reason: object = None) -> bool:
        """Cancels it, for good; False if it was cancelled before. ``reason`` is what the CancelledError says.

        Example::

            token = CancelToken()
            print(token.cancel(), token.cancel())  # -> True False
        """

    def check(self) -> None:
        """Raises CancelledError once it is cancelled; a few hundredths of a microsecond otherwise.

        Example::

            CancelToken().check()
        """

    def cancelled(self) -> bool:
        """Whether the token was cancelled."""

    def done(self) -> RecvChan[Never]:
        """A channel that is closed when it is cancelled, as Go's ``ctx.Done()``: a case of ``select``.

        Example::

            token = CancelToken()
            token.cancel()
            print(await select(chan().recv(), token.done().recv()))  # -> (1, None, False)
        """

@disjoint_base
class Chan(SendChan[T], RecvChan[T], Generic[T]):
    """A channel: goroutines and asyncio tasks hand each other values through it. Go's ``chan T``.

    ``capacity``: 0 is unbuffered (a send is complete when a receiver has the value), n buffers n values, ``math.inf``
    all of them. ``Chan[int](8)`` is typed, for type checkers.
    ``overflow``: what a send does when n values are buffered: ``"block"`` waits, ``"error"`` raises ChanFull,
    ``"drop_oldest"`` and ``"drop_newest"`` drop a value.
    ``flavor``: ``"mpsc"`` and ``"spsc"`` declare a single consumer, ``"spmc"`` and ``"spsc"`` a single producer; a
    second one raises FlavorError, in debug mode only (``run(debug=True)``, ``python -X dev``).
    ``on_undelivered``: called with each value that entered a send and that nobody will receive: it was dropped, its
    sender was cancelled, or the event loop of its receiver has ended.
    Raises TypeError, ValueError or OverflowError for other values of these.

    ``async for v in ch`` receives until ``ch`` is closed and drained, and so does ``for v in ch`` on a thread without
    an event loop. ``len(ch)`` is the number of buffered values; ``bool(ch)`` is always true. Threads: ``try_*``,
    ``close``, ``peek``, ``statistics`` and the properties may be used on any, with or without an event loop. What is
    awaited needs one on its thread, and no particular one; what blocks (``*_blocking``) needs a thread without.

    Example::

        async def count(out):
            for n in range(3):
                await out.send(n)
            out.close()

        numbers = Chan()
        go(count, numbers)
        print([n async for n in numbers])  # -> [0, 1, 2]
    """

    def __init__(
        self,
        capacity: int | float = 0,
        *,
        overflow: Overflow = "block",
        flavor: FlavorName = "mpmc",
        on_undelivered: Callable[[T], object] | None = None,
    ) -> None: ...
    @property
    def sender(self) -> SendChan[T]:
        """The send-only view, a ``SendChan``. Go's ``chan<- T``."""

    @property
    def receiver(self) -> RecvChan[T]:
        """The receive-only view, a ``RecvChan``. Go's ``<-chan T``."""

@final
class PriorityChan(Chan[T]):
    """A channel whose next value is the most urgent: the smallest ``priority``; of equals, the ``send`` called first.

    ``capacity`` is 1 or more, by default unbounded. The other parameters are those of ``Chan``, but for
    ``overflow="drop_oldest"``, and so are the methods; values sent by a batch, ``send_many`` or ``sender`` have
    priority 0. Of senders that wait for room the first is served first, whatever its priority.

    Example::

        jobs = PriorityChan()
        await jobs.send("sweep", priority=5)
        await jobs.send("fire!", priority=1)
        print(await jobs.recv())  # -> fire!
    """

    def __init__(
        self,
        capacity: int | float = ...,
        *,
        overflow: Literal["block", "error", "drop_newest"] = "block",
        flavor: FlavorName = "mpmc",
        on_undelivered: Callable[[T], object] | None = None,
    ) -> None: ...
    def send(self, value: T, /, priority: float = 0.0) -> Op[bool, None]:
        """Sends ``value``; the smallest ``priority`` (a number, not NaN) is received first. See ``Chan.send``.

        Senders that wait for room are served in the order in which they came, whatever their priority.

        Example::

            jobs = PriorityChan()
            await jobs.send("later", 1)
            await jobs.send("now", -1)
            print(jobs.try_recv_many())  # -> ['now', 'later']
        """

    def try_send(self, value: T, /, priority: float = 0.0) -> bool:
        """Sends ``value`` with ``priority`` if that is possible without waiting. See ``Chan.try_send``."""

    def send_blocking(self, value: T, /, timeout: float | None = None, priority: float = 0.0) -> bool:
        """Sends ``value`` with ``priority``, blocking the calling thread. See ``Chan.send_blocking``.

        Example::

            jobs = PriorityChan()
            jobs.send_blocking("sweep", priority=5)
            jobs.send_blocking("fire!", priority=1)
            print(jobs.recv_blocking())  # -> fire!
        """

def chan(
    capacity: int | float = 0,
    *,
    overflow: Overflow = "block",
    flavor: FlavorName = "mpmc",
    on_undelivered: Callable[[Any], object] | None = None,
) -> Chan[Any]:
    """Makes a channel, as ``Chan`` does, which describes the parameters. Go's ``make(chan T, n)``. Any thread.

    Example::

        unbuffered, buffered = chan(), chan(8)
        print(unbuffered.cap, buffered.cap)  # -> 0 8
    """

class _Nil(Chan[Any]): ...  # typing only: NIL may be a case of select, a channel may not

NIL: Final[_Nil]

# select gives (index, value, ok), in types a union of one tuple for each case, up to eight cases: the index narrows the
# value. A channel that is closed and drained gives None as value, as Go's gives a zero value; with this None in the
# types every receive would have to be asked about it. None and NIL bind no variable: their value is None.
A = TypeVarWithDefault("A", default=None)
B = TypeVarWithDefault("B", default=None)
C = TypeVarWithDefault("C", default=None)
D = TypeVarWithDefault("D", default=None)
E = TypeVarWithDefault("E", default=None)
F = TypeVarWithDefault("F", default=None)
G = TypeVarWithDefault("G", default=None)
H = TypeVarWithDefault("H", default=None)

_Case: TypeAlias = Op[Any, T] | _Nil | None
_Of1: TypeAlias = tuple[Literal[0], A, bool]
_Of2: TypeAlias = _Of1[A] | tuple[Literal[1], B, bool]
_Of3: TypeAlias = _Of2[A, B] | tuple[Literal[2], C, bool]
_Of4: TypeAlias = _Of3[A, B, C] | tuple[Literal[3], D, bool]
_Of5: TypeAlias = _Of4[A, B, C, D] | tuple[Literal[4], E, bool]
_Of6: TypeAlias = _Of5[A, B, C, D, E] | tuple[Literal[5], F, bool]
_Of7: TypeAlias = _Of6[A, B, C, D, E, F] | tuple[Literal[6], G, bool]
_Of8: TypeAlias = _Of7[A, B, C, D, E, F, G] | tuple[Literal[7], H, bool]
_Default: TypeAlias = tuple[Literal[-1], None, Literal[False]]

@overload
def select(a: _Case[A], /, *, default: Literal[False] = False, biased: bool = False) -> Op[_Of1[A]]:
    """Waits until one of several channel operations can happen, and does that one; await it. Go's ``select``.

    ``cases`` are ``ch.recv()``, ``ch.recv_ok()``, ``ch.recv_info()``, ``ch.send(v)``, ``ch.wait_closed()``,
    ``ended(handle)``, ``wg.wait()``, and the locks of ``goish.sync`` (``mu.lock()``) and ``goish.semaphore``; ``None``
    and ``NIL`` are never ready. If several are ready one is drawn, each with the same chance (``biased=True``: the
    first). With ``default=True`` it does not wait. They may be given to the next select again.

    Gives ``(index, value, ok)``: which case; what was received, else None; False if that channel is closed and drained.
    Nothing ready, with ``default``: ``(-1, None, False)``. Raises SendOnClosed or ChanFull if such a send is drawn,
    TypeError for what is no case, RuntimeError for an operation in use. Cancelled, no case has happened.

    Example::

        words, numbers = chan(1), chan(1)
        await numbers.send(7)
        print(await select(words.recv(), numbers.recv()))  # -> (1, 7, True)
    """

@overload
def select(a: _Case[A], b: _Case[B], /, *, default: Literal[False] = False, biased: bool = False) -> Op[_Of2[A, B]]: ...
@overload
def select(
    a: _Case[A], b: _Case[B], c: _Case[C], /, *, default: Literal[False] = False, biased: bool = False
) -> Op[_Of3[A, B, C]]: ...
@overload
def select(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], /, *, default: Literal[False] = False, biased: bool = False
) -> Op[_Of4[A, B, C, D]]: ...
@overload
def select(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], /, *,
    default: Literal[False] = False, biased: bool = False,
) -> Op[_Of5[A, B, C, D, E]]: ...
@overload
def select(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], f: _Case[F], /, *,
    default: Literal[False] = False, biased: bool = False,
) -> Op[_Of6[A, B, C, D, E, F]]: ...
@overload
def select(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], f: _Case[F], g: _Case[G], /, *,
    default: Literal[False] = False, biased: bool = False,
) -> Op[_Of7[A, B, C, D, E, F, G]]: ...
@overload
def select(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], f: _Case[F], g: _Case[G], h: _Case[H], /, *,
    default: Literal[False] = False, biased: bool = False,
) -> Op[_Of8[A, B, C, D, E, F, G, H]]: ...
@overload
def select(a: _Case[A], /, *, default: bool, biased: bool = False) -> Op[_Of1[A] | _Default]: ...
@overload
def select(a: _Case[A], b: _Case[B], /, *, default: bool, biased: bool = False) -> Op[_Of2[A, B] | _Default]: ...
@overload
def select(
    a: _Case[A], b: _Case[B], c: _Case[C], /, *, default: bool, biased: bool = False
) -> Op[_Of3[A, B, C] | _Default]: ...
@overload
def select(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], /, *, default: bool, biased: bool = False
) -> Op[_Of4[A, B, C, D] | _Default]: ...
@overload
def select(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], /, *, default: bool, biased: bool = False
) -> Op[_Of5[A, B, C, D, E] | _Default]: ...
@overload
def select(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], f: _Case[F], /, *,
    default: bool, biased: bool = False,
) -> Op[_Of6[A, B, C, D, E, F] | _Default]: ...
@overload
def select(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], f: _Case[F], g: _Case[G], /, *,
    default: bool, biased: bool = False,
) -> Op[_Of7[A, B, C, D, E, F, G] | _Default]: ...
@overload
def select(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], f: _Case[F], g: _Case[G], h: _Case[H], /, *,
    default: bool, biased: bool = False,
) -> Op[_Of8[A, B, C, D, E, F, G, H] | _Default]: ...
@overload
def select(*cases: _Case[Any], default: bool = False, biased: bool = False) -> Op[tuple[int, Any, bool]]: ...
@overload
def try_select(a: _Case[A], /, *, biased: bool = False) -> _Of1[A] | _Default:
    """``select`` without waiting or ``await``: does a case that is ready, or gives ``(-1, None, False)``.

    Any thread may call it. It raises what ``select`` does.

    Example::

        a, b = chan(1), chan(1)
        b.try_send("x")
        print(try_select(a.recv(), b.recv()))  # -> (1, 'x', True)
        print(try_select(a.recv(), b.recv()))  # -> (-1, None, False)
    """

@overload
def try_select(a: _Case[A], b: _Case[B], /, *, biased: bool = False) -> _Of2[A, B] | _Default: ...
@overload
def try_select(a: _Case[A], b: _Case[B], c: _Case[C], /, *, biased: bool = False) -> _Of3[A, B, C] | _Default: ...
@overload
def try_select(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], /, *, biased: bool = False
) -> _Of4[A, B, C, D] | _Default: ...
@overload
def try_select(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], /, *, biased: bool = False
) -> _Of5[A, B, C, D, E] | _Default: ...
@overload
def try_select(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], f: _Case[F], /, *, biased: bool = False
) -> _Of6[A, B, C, D, E, F] | _Default: ...
@overload
def try_select(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], f: _Case[F], g: _Case[G], /, *,
    biased: bool = False,
) -> _Of7[A, B, C, D, E, F, G] | _Default: ...
@overload
def try_select(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], f: _Case[F], g: _Case[G], h: _Case[H], /, *,
    biased: bool = False,
) -> _Of8[A, B, C, D, E, F, G, H] | _Default: ...
@overload
def try_select(*cases: _Case[Any], biased: bool = False) -> tuple[int, Any, bool]: ...
@overload
def select_blocking(
    a: _Case[A], /, *, timeout: float | None = None, default: Literal[False] = False, biased: bool = False
) -> _Of1[A]:
    """``select`` for threads without an event loop: blocks the calling thread until a case has happened.

    ``timeout``: seconds, None to wait for ever; TimeoutError if no case has happened by then. Returns and raises what
    ``select`` gives and raises; SyncOnLoop on a thread whose event loop runs. Ctrl-C ends the wait; what was received
    by then goes to ``on_undelivered``.

    Example::

        a, b = chan(1), chan(1)
        b.try_send("x")
        print(select_blocking(a.recv(), b.recv(), timeout=1))  # -> (1, 'x', True)
    """

@overload
def select_blocking(
    a: _Case[A], b: _Case[B], /, *, timeout: float | None = None, default: Literal[False] = False, biased: bool = False
) -> _Of2[A, B]: ...
@overload
def select_blocking(
    a: _Case[A], b: _Case[B], c: _Case[C], /, *,
    timeout: float | None = None, default: Literal[False] = False, biased: bool = False,
) -> _Of3[A, B, C]: ...
@overload
def select_blocking(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], /, *,
    timeout: float | None = None, default: Literal[False] = False, biased: bool = False,
) -> _Of4[A, B, C, D]: ...
@overload
def select_blocking(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], /, *,
    timeout: float | None = None, default: Literal[False] = False, biased: bool = False,
) -> _Of5[A, B, C, D, E]: ...
@overload
def select_blocking(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], f: _Case[F], /, *,
    timeout: float | None = None, default: Literal[False] = False, biased: bool = False,
) -> _Of6[A, B, C, D, E, F]: ...
@overload
def select_blocking(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], f: _Case[F], g: _Case[G], /, *,
    timeout: float | None = None, default: Literal[False] = False, biased: bool = False,
) -> _Of7[A, B, C, D, E, F, G]: ...
@overload
def select_blocking(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], f: _Case[F], g: _Case[G], h: _Case[H], /, *,
    timeout: float | None = None, default: Literal[False] = False, biased: bool = False,
) -> _Of8[A, B, C, D, E, F, G, H]: ...
@overload
def select_blocking(
    a: _Case[A], /, *, timeout: float | None = None, default: bool, biased: bool = False
) -> _Of1[A] | _Default: ...
@overload
def select_blocking(
    a: _Case[A], b: _Case[B], /, *, timeout: float | None = None, default: bool, biased: bool = False
) -> _Of2[A, B] | _Default: ...
@overload
def select_blocking(
    a: _Case[A], b: _Case[B], c: _Case[C], /, *, timeout: float | None = None, default: bool, biased: bool = False
) -> _Of3[A, B, C] | _Default: ...
@overload
def select_blocking(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], /, *,
    timeout: float | None = None, default: bool, biased: bool = False,
) -> _Of4[A, B, C, D] | _Default: ...
@overload
def select_blocking(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], /, *,
    timeout: float | None = None, default: bool, biased: bool = False,
) -> _Of5[A, B, C, D, E] | _Default: ...
@overload
def select_blocking(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], f: _Case[F], /, *,
    timeout: float | None = None, default: bool, biased: bool = False,
) -> _Of6[A, B, C, D, E, F] | _Default: ...
@overload
def select_blocking(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], f: _Case[F], g: _Case[G], /, *,
    timeout: float | None = None, default: bool, biased: bool = False,
) -> _Of7[A, B, C, D, E, F, G] | _Default: ...
@overload
def select_blocking(
    a: _Case[A], b: _Case[B], c: _Case[C], d: _Case[D], e: _Case[E], f: _Case[F], g: _Case[G], h: _Case[H], /, *,
    timeout: float | None = None, default: bool, biased: bool = False,
) -> _Of8[A, B, C, D, E, F, G, H] | _Default: ...
@overload
def select_blocking(
    *cases: _Case[Any], timeout: float | None = None, default: bool = False, biased: bool = False
) -> tuple[int, Any, bool]: ...
def after(seconds: float) -> RecvChan[float]:
    """A channel that gives the loop's time once, ``seconds`` from now: a timeout as a case of ``select``.

    Go's ``time.After``. Returns a RecvChan, for ``select_blocking`` too: where no event loop runs it goes by the
    system's monotonic clock. TypeError for no number, ValueError for NaN. Any thread. Zero or less fires at once. It is
    never closed. No timer runs unless a waiter needs it, so an ``after`` whose select another case won costs nothing.

    Example::

        results = chan()
        index, value, ok = await select(results.recv(), after(0.001).recv())
        print("timeout" if index == 1 else value)  # -> timeout
    """

def sleep(seconds: float) -> _Wait[None]:
    """Waits for ``seconds``, never less; await it. Zero or less is ``gosched()``. Go's ``time.Sleep``, but in seconds.

    Gives None. ValueError for NaN. A cancel ends it at once and leaves no timer behind. Needs an event loop on this
    thread.

    Example::

        await sleep(0.001)
    """

def gosched() -> _Wait[None]:
    """Lets other goroutines run: await it; the goroutine goes to the end of the run queue. Go's ``runtime.Gosched``.

    Gives None. A cancel that comes meanwhile is raised here. Needs an event loop on this thread.

    Example::

        async def other():
            print("other")  # -> other

        go(other)
        await gosched()
    """

def num_goroutine() -> int:
    """How many goroutines live in this process, on all loops, main included. Any thread. Go's ``runtime.NumGoroutine``.

    Example::

        async def listen(channel):
            await channel.recv()

        go(listen, chan())
        await gosched()
        print(num_goroutine())  # -> 2
    """

def current_goroutine() -> Goroutine[Any] | None:
    """The goroutine that runs on this thread; None in asyncio tasks, in callbacks and on threads that run none.

    Example::

        async def who():
            return current_goroutine()

        g = go(who)
        print(await g is g)  # -> True
    """

def task_factory(
    loop: asyncio.AbstractEventLoop,
    coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
    *,
    name: str | None = None,
    context: Context | None = None,
    eager_start: bool | None = None,
    **options: object,
) -> Any:  # a Goroutine[T], which set_task_factory would refuse: it is no subclass of asyncio.Future
    """Makes the tasks of a loop goroutines: ``loop.set_task_factory(goish.task_factory)``. See ``new_event_loop``.

    ``asyncio.create_task``, TaskGroup, and with them the libraries that you use, then start goroutines and get
    ``Goroutine`` objects, which answer all that an ``asyncio.Task`` does.

    ``name``, ``context``, ``eager_start`` (run up to the first wait at once): as for ``asyncio.Task``; other options
    are ignored. TypeError if ``coro`` is no coroutine. Called on the thread of ``loop``.

    Example::

        async def double(n):
            return 2 * n

        asyncio.get_running_loop().set_task_factory(goish.task_factory)
        task = asyncio.create_task(double(21))
        print(type(task).__name__, await task)  # -> Goroutine 42
    """

def seed(n: int) -> None:
    """Makes the random choices of ``select`` on this thread repeat: the same int ``n``, the same draws. For tests.

    Example::

        a, b = chan(), chan()
        a.close()
        b.close()
        goish.runtime.seed(1)
        first = [try_select(a.recv(), b.recv()) for _ in range(20)]
        goish.runtime.seed(1)
        print(first == [try_select(a.recv(), b.recv()) for _ in range(20)])  # -> True
    """

@final
class Mutex:
    """A lock for goroutines, asyncio tasks on any loops, and threads. Go's ``sync.Mutex``.

    ``async with mu:``; on a thread without an event loop ``with mu:``. It goes to the waiters in the order in which
    they came. It belongs to nobody: any goroutine or thread may unlock it, and a goroutine that locks it twice waits
    for itself.

    Example::

        mu = Mutex()
        async with mu:
            print(mu.locked())  # -> True
    """

    def __init__(self) -> None: ...
    def lock(self) -> Op[None]:
        """Locks it; await it, or make it a case of ``select``, which gives None and True.

        Cancelled, it is not locked; a lock that was given before the cancel is held, and the cancel comes at the next
        wait. Go's ``Mutex.Lock``.

        Example::

            mu = Mutex()
            await mu.lock()
            mu.unlock()
        """

    def try_lock(self) -> bool:
        """Locks it if that needs no wait: True if it did. Any thread. Go's ``Mutex.TryLock``.

        Example::

            mu = Mutex()
            print(mu.try_lock(), mu.try_lock())  # -> True False
        """

    def lock_blocking(self, timeout: float | None = None) -> None:
        """``lock`` for threads without an event loop: blocks the calling thread until it has the lock.

        ``timeout``: seconds, None to wait for ever. TimeoutError if it has not got it by then; SyncOnLoop on a thread
        whose event loop runs. Ctrl-C ends the wait.

        Example::

            mu = Mutex()
            mu.lock_blocking(timeout=1)
        """

    def unlock(self) -> None:
        """Unlocks it: the first waiter has it then. Any thread. RuntimeError if it is not locked. Go's
        ``Mutex.Unlock``.

        Example::

            mu = Mutex()
            await mu.lock()
            mu.unlock()
            print(mu.locked())  # -> False
        """

    def locked(self) -> bool:
        """Whether it is locked. Any thread; out of date at once."""

    def __aenter__(self) -> Op[None]: ...
    def __aexit__(self, type: object, value: object, traceback: object) -> Op[None]: ...
    def __enter__(self) -> None: ...
    def __exit__(self, type: object, value: object, traceback: object) -> None: ...

@final
class RWMutex:
    """A lock for any number of readers, or one writer. Go's ``sync.RWMutex``.

    ``async with rw:`` is the writer, ``async with rw.rlocker():`` a reader; on threads ``with``. The first to come is
    served first, so readers that come after a waiting writer wait behind it. A reader that locks for reading again, or
    for writing, may wait for itself.

    Example::

        rw = RWMutex()
        async with rw.rlocker():
            print(rw.try_rlock(), rw.try_lock())  # -> True False
    """

    def __init__(self) -> None: ...
    def lock(self) -> Op[None]:
        """Locks it for writing; await it, or make it a case of ``select``. As ``Mutex.lock``.

        Example::

            rw = RWMutex()
            await rw.lock()
            rw.unlock()
        """

    def rlock(self) -> Op[None]:
        """Locks it for reading; await it, or make it a case of ``select``. As ``Mutex.lock``.

        Example::

            rw = RWMutex()
            await rw.rlock()
            await rw.rlock()
            rw.runlock()
            rw.runlock()
        """

    def try_lock(self) -> bool:
        """Locks it for writing if that needs no wait: True if it did. Any thread."""

    def try_rlock(self) -> bool:
        """Locks it for reading if that needs no wait, not even behind a writer: True if it did. Any thread."""

    def lock_blocking(self, timeout: float | None = None) -> None:
        """``lock`` for threads without an event loop. As ``Mutex.lock_blocking``."""

    def rlock_blocking(self, timeout: float | None = None) -> None:
        """``rlock`` for threads without an event loop. As ``Mutex.lock_blocking``."""

    def unlock(self) -> None:
        """Unlocks it for writing. Any thread. RuntimeError if no writer has it."""

    def runlock(self) -> None:
        """Gives back what ``rlock`` took. Any thread. RuntimeError if no reader has it."""

    def locked(self) -> bool:
        """Whether a writer has it. Any thread; out of date at once."""

    @property
    def readers(self) -> int:
        """How many readers have it. Any thread; out of date at once."""

    def rlocker(self) -> RLocker:
        """The lock for readers, with the methods of a ``Mutex``. Go's ``RWMutex.RLocker``.

        Example::

            readers = RWMutex().rlocker()
            async with readers:
                print(readers.try_lock())  # -> True
        """

    def __aenter__(self) -> Op[None]: ...
    def __aexit__(self, type: object, value: object, traceback: object) -> Op[None]: ...
    def __enter__(self) -> None: ...
    def __exit__(self, type: object, value: object, traceback: object) -> None: ...

@final
class RLocker:
    """The readers' side of an ``RWMutex``, from ``rlocker()``.

    Example::

        print(RWMutex().rlocker())  # -> <RLocker of <RWMutex readers=0 waiting=0>>
    """

    def lock(self) -> Op[None]:
        """As ``RWMutex.rlock``."""

    def try_lock(self) -> bool:
        """As ``RWMutex.try_rlock``."""

    def lock_blocking(self, timeout: float | None = None) -> None:
        """As ``RWMutex.rlock_blocking``."""

    def unlock(self) -> None:
        """As ``RWMutex.runlock``."""

    def __aenter__(self) -> Op[None]: ...
    def __aexit__(self, type: object, value: object, traceback: object) -> Op[None]: ...
    def __enter__(self) -> None: ...
    def __exit__(self, type: object, value: object, traceback: object) -> None: ...

@final
class Weighted:
    def __init__(self, size: int) -> None: ...
    def acquire(self, n: int = 1) -> Op[None]: ...
    def try_acquire(self, n: int = 1) -> bool: ...
    def acquire_blocking(self, n: int = 1, timeout: float | None = None) -> None: ...
    def release(self, n: int = 1) -> None: ...
    @property
    def size(self) -> int: ...
    @property
    def free(self) -> int: ...
    def __aenter__(self) -> Op[None]: ...
    def __aexit__(self, type: object, value: object, traceback: object) -> Op[None]: ...
    def __enter__(self) -> None: ...
    def __exit__(self, type: object, value: object, traceback: object) -> None: ...

@final
class WaitGroup:
    """Waits until a number of goroutines are done. Go's ``sync.WaitGroup``.

    Starts at zero and may be used again and again. ``add``, ``done`` and ``count`` from any thread; ``wait`` and ``go``
    need an event loop on this one.

    Example::

        async def work(n):
            await sleep(0.001 * n)

        wg = WaitGroup()
        for n in range(3):
            wg.go(work, n)
        await wg.wait()
        print(wg.count)  # -> 0
    """

    def add(self, n: int = 1) -> None:
        """Adds ``n`` to the counter; ``n`` may be negative. At zero every waiter is woken. Any thread.

        ValueError if the counter would become negative; it then stays as it is. Call it before the work starts, not in
        it.

        Example::

            wg = WaitGroup()
            wg.add(2)
            wg.done()
            print(wg.count)  # -> 1
        """

    def done(self) -> None:
        """Takes one off the counter, as ``add(-1)``: ValueError below zero, any thread."""

    def wait(self) -> Op[None]:
        """Waits until the counter is zero; await it. Gives None, at once if it is zero.

        A cancel ends the wait only: the counter stays, and the goroutines go on. Any number may wait, on any loop.

        Example::

            wg = WaitGroup()
            await wg.wait()
        """

    def wait_blocking(self, timeout: float | None = None) -> None:
        """``wait`` for threads without an event loop: blocks the calling thread until the counter is zero.

        ``timeout``: seconds, None to wait for ever. TimeoutError if it was not zero by then; SyncOnLoop on a thread
        whose event loop runs. Ctrl-C ends the wait.

        Example::

            wg = WaitGroup()
            wg.wait_blocking(timeout=1)
        """

    def go(self, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs) -> Goroutine[T]:
        """Starts ``fn(*args, **kwargs)`` as a goroutine that counts here until it ends, also when it is cancelled.

        Returns its Goroutine; raises what ``go`` raises, and then counts nothing. Go's ``WaitGroup.Go``. As there, an
        exception is a panic and does not release ``wait``; where the program goes on (``on_panic="log"``), the counter
        is taken down.

        Example::

            async def work():
                return wg.count

            wg = WaitGroup()
            print(await wg.go(work))  # -> 1
        """

    @property
    def count(self) -> int:
        """The counter: how many ``done`` calls are still missing."""

@final
class Worker:
    @property
    def name(self) -> str: ...
    @property
    def thread(self) -> int: ...
    @property
    def pool(self) -> Pool: ...
    def is_idle(self) -> bool: ...
    @property
    def scheduler(self) -> Scheduler | None: ...
    @property
    def goes_on(self) -> bool: ...
    def runs(self, g: Goroutine[Any]) -> bool: ...
    def _serve(self) -> None: ...
    def _attach(self, loop: asyncio.AbstractEventLoop) -> None: ...
    def _detach(self) -> None: ...

# For goish.executor and its neighbours.

@disjoint_base
class Pool:
    @property
    def name(self) -> str | None: ...
    def is_closed(self) -> bool: ...
    @property
    def finished(self) -> int: ...
    def queued(self) -> list[Goroutine[Any]]: ...
    def running(self) -> list[Goroutine[Any]]: ...
    def _set(self, name: str, start: Callable[[int], object]) -> None: ...
    def _resize(self, size: int, most: int) -> None: ...
    def _limit(self, pending: int | None, on_full: int) -> None: ...
    def _mind(self, children: Children) -> None: ...
    def _follow(self, follow: Callable[[Pool], object] | None, every: float = 0.0) -> None: ...
    def _look_at_size(self) -> None: ...
    @property
    def size(self) -> int: ...
    def _prestart(self) -> None: ...
    def _check_open(self) -> None: ...
    def _close(self) -> None: ...
    def _forget(self) -> None: ...
    def _numbers(self) -> tuple[int, int, int, int, int, int, int, int]: ...

@disjoint_base
class Spawner:
    @overload
    def spawn(self, fn: Callable[P, _Coro[T]], /, *args: P.args, **kwargs: P.kwargs) -> FlowVar[T]:
        """Runs ``fn(*args, **kwargs)`` on a worker, or on the thread that syncs it first; returns its ``FlowVar``.

        Arguments are evaluated now, and the call may begin before this returns. It runs in a copy of the current
        context. Nothing is said of the thread: do not count on thread-locals. ``fn`` may be a coroutine function: that
        runs on a worker's loop. TypeError if it cannot be called, PoolShutdown after ``shutdown``, PoolFull as
        ``on_full`` says. Any thread.

        Example::

            with Executor(workers=2) as ex:
                print(sync(ex.spawn(pow, 2, 10)))  # -> 1024
        """

    @overload
    def spawn(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> FlowVar[T]: ...
    @overload  # for the errors, as in Go
    def spawn(self, fn: Callable[[Unpack[Ts]], T], /, *args: Unpack[Ts]) -> FlowVar[T]: ...
    @overload
    def submit(self, fn: Callable[P, _Coro[T]], /, *args: P.args, **kwargs: P.kwargs) -> FlowVar[T]:
        """As ``spawn``, but the call never runs on this thread, not even when it is synced; returns its ``FlowVar``.

        For a thread that must not be held up, such as that of a user interface.

        Example::

            with Executor(workers=1) as ex:
                print(sync(ex.submit(threading.get_ident)) == threading.get_ident())  # -> False
        """

    @overload
    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> FlowVar[T]: ...
    @overload  # for the errors, as in Go
    def submit(self, fn: Callable[[Unpack[Ts]], T], /, *args: Unpack[Ts]) -> FlowVar[T]: ...
    @property
    def go_thread(self) -> GoThread:
        """A ``go_thread`` that takes the workers of this executor.

        Example::

            async with Executor(workers=2) as ex:
                print(await ex.go_thread(pow, 2, 10))  # -> 1024
        """

class _Scope(Protocol):  # typing only
    def _add(self, g: Goroutine[Any], /) -> object: ...

current_scope: ContextVar[_Scope | None]
current_program: ContextVar[Scheduler | None]

def after_fork() -> None: ...
def try_spawn(spawner: Spawner, fn: Callable[..., T], /, *args: object) -> FlowVar[T] | None: ...
def pool_of(spawner: Spawner) -> Pool: ...
def new_worker(pool: Pool, kind: int, name: str) -> Worker: ...
def set_default_pool(pool: Pool | None, others: object = None) -> None: ...
def install_host(**functions: Callable[..., object]) -> None: ...
def panic_options(g: Goroutine[Any]) -> tuple[OnPanic | None, tuple[CodeType, int] | tuple[()] | None]: ...
def program_of(g: Goroutine[Any]) -> Scheduler | None: ...
def tell_panic(g: Goroutine[Any]) -> None: ...
def given_up(g: Goroutine[Any]) -> None: ...
def check_on_panic(on_panic: object) -> None: ...
def interpreter_ends(begins: bool = False) -> bool: ...
def check_plain(fn: object, verb: str, who: str, instead: str) -> None: ...
def publish_module(module: ModuleType) -> None: ...
def set_own_files(directory: str, beginning: str) -> None: ...
def go_thread_of(owner: object) -> GoThread: ...
def cancel_pumped(g: Goroutine[Any]) -> None: ...
def goroutine_behind(fv: FlowVar[T]) -> Goroutine[T]: ...
def join_helping(g: Goroutine[Any], timeout: float | None = None) -> None: ...
def join_child(g: Goroutine[Any]) -> None: ...
def end_of(g: Goroutine[Any]) -> Op[None]: ...
def send_or_return(ch: Chan[T], value: T) -> Op[bool, None]: ...
def report_undelivered(ch: Chan[T], value: T) -> None: ...
def report_interrupted(op: Op[Any, Any], result: object) -> None: ...
def goroutine_end_channel(g: Goroutine[Any]) -> RecvChan[Any]: ...
def flowvar_take(fv: FlowVar[T]) -> T: ...
def outcome_of(p: Pool, future: concurrent.futures.Future[T], fn: object, context: Context | None) -> FlowVar[T]: ...
def foreign_goroutine(
    p: Pool,
    future: concurrent.futures.Future[T],
    fn: object,
    context: Context | None = None,
    name: str | None = None,
) -> Goroutine[T]: ...

# For goish.loops, goish.runtime and goish.debug.

class Clock:
    def call_soon(
        self, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.Handle: ...
    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.Handle: ...
    def set_debug(self, enabled: bool) -> None: ...
    def call_later(
        self, delay: float, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.TimerHandle: ...
    def call_at(
        self, when: float, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.TimerHandle: ...
    def close(self) -> None: ...

@disjoint_base
class Handle:
    def cancel(self) -> None: ...
    def cancelled(self) -> bool: ...
    def get_context(self) -> Context | None: ...

@final
class TimerHandle(Handle):
    def when(self) -> float: ...

@final
class Scheduler:
    on_panic: Callable[[Goroutine[Any], BaseException], object] | None
    on_idle: Callable[[], object] | None
    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...
    @property
    def alarm_handle(self) -> asyncio.TimerHandle | None: ...
    @property
    def call_later(self) -> Callable[..., asyncio.TimerHandle]: ...
    @property
    def live(self) -> int: ...
    @property
    def blocked(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def managed(self) -> bool: ...
    @property
    def at_rest(self) -> bool: ...
    @property
    def timers(self) -> int: ...
    def spawn(self, coro: Coroutine[Any, Any, T], name: str | None, context: Context | None) -> Goroutine[T]: ...
    def goroutines(self) -> list[Goroutine[Any]]: ...
    def unretrieved(self) -> list[Goroutine[Any]]: ...
    def fail_wait(self, g: Goroutine[Any], exc: BaseException) -> bool: ...
    def manage(self) -> None: ...
    def post(self, fn: Callable[..., object], /, *args: Any) -> bool: ...
    def abandon(self) -> None: ...

def scheduler_for(loop: asyncio.AbstractEventLoop) -> Scheduler: ...
def goroutines() -> list[Goroutine[Any]]:
    """Every live goroutine of this thread's event loops, oldest first: a list of ``Goroutine``.

    Example::

        async def listen(channel):
            await channel.recv()

        go(listen, chan())
        await gosched()
        print([g.wait_reason for g in goish.runtime.goroutines()])  # -> [None, 'chan receive']
    """

def is_coroutine(value: object) -> TypeGuard[Coroutine[Any, Any, Any]]: ...
def loop_thread(g: Goroutine[Any]) -> int: ...
def wake_loops(fn: Callable[[], object]) -> None: ...
def all_goroutines() -> list[Goroutine[Any]]: ...
def parked_on(obj: object) -> list[Op[Any]]: ...
def debug_extra_refs(obj: object) -> int: ...
def set_max_spinners(threads: int) -> None: ...
def report_if_only_ref(known: weakref.ref[Goroutine[Any]]) -> None: ...
def parked_threads() -> frozenset[int]: ...
def panics() -> int:
    """How many exceptions of goroutines were never retrieved, since the process began. Any thread. For a metric.

    Example::

        async def fail():
            raise LookupError

        async def main():
            go(fail)
            await gosched()

        before = goish.debug.panics()
        run(main, on_panic="log")
        print(goish.debug.panics() - before)  # -> 1
    """

def function_name(g: Goroutine[Any]) -> str | None: ...
def pooled_calls() -> list[Goroutine[Any]]: ...
def calls_await_others() -> bool: ...
def threads_woken() -> int: ...
def cancel_later(exc: asyncio.CancelledError) -> None: ...
