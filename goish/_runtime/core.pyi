"""The compiled runtime, as type checkers see it; what users need is re-exported by ``goish``."""

import asyncio
import concurrent.futures
import socket
import weakref
from array import array
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Mapping
from contextvars import Context as VarContext
from contextvars import ContextVar
from inspect import Signature
from ssl import SSLContext
from types import CodeType, FrameType, ModuleType
from typing import Any, Final, Generic, Literal, Never, NoReturn, ParamSpec, Protocol, Self, TextIO, TypeAlias, TypeGuard, TypeVar, final, overload

from typing_extensions import TypeVar as TypeVarWithDefault
from typing_extensions import TypeVarTuple, Unpack, disjoint_base

from goish._context.scope import Scope
from goish._runtime.outcome import Err, Ok
from goish._runtime.values import ChanStatistics, EmptyType, Flavor, Reason, Received
from goish.errors import Canceled, DeadlineExceeded

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)
K = TypeVar("K")
V = TypeVar("V")
Else = TypeVar("Else")
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

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: VarContext | None = None) -> None:
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

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: VarContext | None = None) -> None:
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

    def get_context(self) -> VarContext:
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
        """The Op or asyncio future it waits for; None unless it waits.

        For a function on a worker: the Op by which its thread is blocked.
        """

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
        self,
        *,
        name: str | None = None,
        context: VarContext | None = None,
        ctx: Context | None = None,
        on_panic: OnPanic | None = None,
    ) -> Go:
        """A ``go`` with options.

        ``name``: a str for logs and dumps. ``context``: the contextvars.Context to run in. ``ctx``: the
        goish.context.Context whose cancel cancels the goroutine, with the cause as the message; it is
        ``context.current()`` in there. ``on_panic``: what the goroutine's exception does if nobody awaits it, or if
        each await of it was given up: ``"crash"``, ``"log"`` or a function that takes ``(goroutine, exception)``.
        ``run`` has the same for all other goroutines. TypeError or ValueError for anything else.

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
        context: VarContext | None = None,
        ctx: Context | None = None,
        children: Children | None = None,
        on_panic: OnPanic | None = None,
    ) -> GoThread:
        """A ``go_thread`` with options.

        ``name``: a str for logs and dumps. ``context``: the contextvars.Context to run in. ``ctx``: the
        goish.context.Context whose cancel cancels the call, as for ``go.options``. ``children``: what becomes of the
        goroutines that the call has started by ``go`` and that live when it is over, see ``Executor``; None: what its
        executor says. ``on_panic``: what an exception that nobody takes does: as for ``go.options``. A function is
        called on the thread of the loop of ``run``; without a program, on any. TypeError or ValueError for anything
        else.

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
    blocks (``recv_blocking``, ``sync`` ...) looks by itself. After the CancelledError the cancel of a goroutine counts
    as delivered. Raises also while the context that is in force here (``context.current()``) is cancelled. Elsewhere it
    does nothing. Any thread may call it; it takes a fraction of a microsecond.

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
class Ending: ...

@disjoint_base
class Context:
    """What work is done under: whether it is cancelled, until when it may take, and values. Go's ``context.Context``.

    ``background()`` is the root; ``with_cancel``, ``with_timeout``, ``with_value`` and the others derive one from
    another. A cancel reaches all that is derived, and never what is above. Any thread may use it. A class of one's own
    may derive from it, ``super().__init__(parent)``, and override ``value``.

    Example::

        from goish import context

        ctx, cancel = context.with_cancel(context.background())
        cancel()
        print(ctx.err())  # -> context canceled
    """

    def __init__(self, parent: Context) -> None: ...
    def done(self) -> RecvChan[Never]:
        """A channel that is closed at the cancel: the same object each time; NIL where nothing ever cancels.

        Await its ``recv_ok()``, or make it a case of ``select``; on a thread ``recv_ok_blocking()``. Go's
        ``ctx.Done()``.

        Example::

            from goish import context

            ctx, cancel = context.with_cancel(context.background())
            cancel()
            print(await select(chan().recv(), ctx.done().recv()))  # -> (1, None, False)
        """

    def err(self) -> Canceled | DeadlineExceeded | None:
        """None while it is live; then a Canceled, or a DeadlineExceeded if a deadline has passed. A new one each time.

        Once it is not None it stays so. Go's ``ctx.Err()``.

        Example::

            from goish import context

            ctx, cancel = context.with_timeout(context.background(), 0)
            print(repr(ctx.err()))  # -> DeadlineExceeded('context deadline exceeded')
        """

    def cause(self) -> BaseException | None:
        """The exception that the first cancel gave; without one what ``err`` gives; None while it is live.

        Go's ``context.Cause``.

        Example::

            from goish import context

            ctx, cancel = context.with_cancel_cause(context.background())
            cancel(LookupError("no such user"))
            print(repr(ctx.cause()), "-", ctx.err())  # -> LookupError('no such user') - context canceled
        """

    def reasons(self) -> list[Reason]:
        """Every cancel that has come so far, on it and on those above: a list of Reason, the first is the cause.

        A cancel that comes later changes nothing, but is a reason if it gives a cause; 16 of them are kept.

        Example::

            from goish import context

            ctx, cancel = context.with_cancel_cause(context.background())
            cancel("the client has gone")
            cancel("the server ends")
            print([str(reason.cause) for reason in ctx.reasons()])  # -> ['the client has gone', 'the server ends']
        """

    def deadline(self) -> float | None:
        """When it is cancelled at the latest, in seconds of the clock of the loop where that was set; None: never.

        Where no loop ran, the clock is ``time.monotonic``. Go's ``ctx.Deadline()``.

        Example::

            from goish import context

            print(context.background().deadline())  # -> None
        """

    def value(self, key: object) -> Any:
        """The value that ``with_value`` has set for ``key``, the nearest one; None if there is none. Go's
        ``ctx.Value``.

        Example::

            from goish import context

            ctx = context.with_value(context.background(), "user", "ann")
            print(ctx.value("user"), ctx.value("host"))  # -> ann None
        """

    def check(self) -> None:
        """Raises CancelledError once it is cancelled, with the cause; less than a tenth of a microsecond otherwise.

        For code that computes. The message is the text that the cancel gave, or its exception.

        Example::

            from goish import context

            ctx, cancel = context.with_cancel(context.background())
            ctx.check()
            cancel("enough")
            try:
                ctx.check()
            except asyncio.CancelledError as error:
                print(error)  # -> enough
        """

    def scope(self) -> Scope:
        """A block that a cancel of this context cancels, and that then raises ``err()``: see ``goish.context.scope``.

        Example::

            from goish import context

            ctx, cancel = context.with_timeout(context.background(), 0.001)
            try:
                async with ctx.scope():
                    await chan().recv()
            except context.DeadlineExceeded:
                print("too late")  # -> too late
        """

@final
class CancelToken(Context):
    """Tells many goroutines and functions at once to stop, whichever thread they are on: a context with its own
    ``cancel``.

    A function that computes calls ``check`` from time to time; a goroutine takes ``token.done().recv()`` as a case of
    ``select``. It goes wherever a context does: ``go.options(ctx=token)``, ``with_timeout(token, 5)``. Any thread may
    use it.

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

    def __init__(self) -> None: ...
    def cancel(self, reason: object = None) -> bool:
        """Cancels it, for good; False if it was cancelled before. ``reason`` is what the CancelledError says.

        Example::

            token = CancelToken()
            print(token.cancel(), token.cancel())  # -> True False
        """

    def cancelled(self) -> bool:
        """Whether the token was cancelled."""

@final
class CancelFunc:
    """What ``with_cancel`` and the others give beside the context: ``cancel(cause=None)`` cancels it. Any thread.

    True if it did, False if the context was over already. ``cause``: the exception that ``ctx.cause()`` gives, or a
    text for one. TypeError for anything else.

    Example::

        from goish import context

        ctx, cancel = context.with_cancel(context.background())
        print(cancel("enough"), cancel(), ctx.cause())  # -> True False enough
    """

    def __call__(self, cause: BaseException | str | None = None) -> bool: ...

def background() -> Context:
    """The root of contexts: never cancelled, no deadline, no values. Go's ``context.Background``.

    Example::

        from goish import context

        print(context.background().err(), context.background().done() == NIL)  # -> None True
    """

def todo() -> Context:
    """As ``background``, where it is not clear yet which context to use. Go's ``context.TODO``.

    Example::

        from goish import context

        print(context.todo())  # -> <Context todo>
    """

def with_cancel(parent: Context, /) -> tuple[Context, CancelFunc]:
    """A context that ``cancel()`` cancels, and a cancel of ``parent``: ``(ctx, cancel)``. Go's ``context.WithCancel``.

    Call ``cancel`` when the work is over: until then ``parent`` holds the context. TypeError if ``parent`` is no
    Context.

    Example::

        from goish import context

        ctx, cancel = context.with_cancel(context.background())
        child, _ = context.with_cancel(ctx)
        print(cancel(), cancel(), child.err())  # -> True False context canceled
    """

def with_cancel_cause(parent: Context, /) -> tuple[Context, CancelFunc]:
    """As ``with_cancel``; its ``cancel(cause)`` says why. Go's ``context.WithCancelCause``.

    Example::

        from goish import context

        ctx, cancel = context.with_cancel_cause(context.background())
        cancel(OSError("disk full"))
        print(repr(context.cause(ctx)))  # -> OSError('disk full')
    """

def with_timeout(
    parent: Context, seconds: float, /, cause: BaseException | str | None = None
) -> tuple[Context, CancelFunc]:
    """A context that is cancelled ``seconds`` from now, or earlier: ``(ctx, cancel)``. Go's ``context.WithTimeout``.

    Zero or less: it is cancelled already. An earlier deadline of ``parent`` wins. ``cause``: what ``ctx.cause()`` gives
    after the deadline. ``cancel()`` ends it early, and leaves no timer behind. TypeError for no number, ValueError for
    NaN.

    Example::

        from goish import context

        ctx, cancel = context.with_timeout(context.background(), 0.001)
        await ctx.done().recv_ok()
        print(ctx.err())  # -> context deadline exceeded
    """

def with_deadline(
    parent: Context, when: float, /, cause: BaseException | str | None = None
) -> tuple[Context, CancelFunc]:
    """A context that is cancelled at ``when``, or earlier: ``(ctx, cancel)``. Go's ``context.WithDeadline``.

    ``when``: in seconds of the loop's clock, ``loop.time()``; where no loop runs, of ``time.monotonic()``. Otherwise as
    ``with_timeout``. ValueError for a time that is ten years away, as ``time.time()`` gives one.

    Example::

        from goish import context

        ctx, cancel = context.with_deadline(context.background(), time.monotonic() + 60)
        child, _ = context.with_timeout(ctx, 3600)
        print(child.deadline() == ctx.deadline())  # -> True
        cancel()
    """

def with_value(parent: Context, key: object, value: object, /) -> Context:
    """A context in which ``ctx.value(key)`` is ``value``. Go's ``context.WithValue``.

    ``key`` is compared by ``==``; a type of the module's own keeps others off it. TypeError for None, and for a key
    that cannot be hashed. For data that all code shall see without being given it, a ``contextvars.ContextVar`` is
    better.

    Example::

        from goish import context

        ctx = context.with_value(context.background(), "user", "ann")
        print(ctx.value("user"))  # -> ann
    """

def without_cancel(parent: Context, /) -> Context:
    """A context with the values of ``parent``, but neither its cancel nor its deadline. Go's ``context.WithoutCancel``.

    Example::

        from goish import context

        ctx, cancel = context.with_cancel(context.background())
        cancel()
        print(context.without_cancel(ctx).err())  # -> None
    """

def current() -> Context:
    """The context that is in force here: of the innermost scope, or what ``go.options(ctx=)`` gave; else
    ``background()``.

    It goes along with contextvars: to goroutines, ``go_thread`` calls and asyncio tasks that this code starts.

    Example::

        from goish import context

        async def work():
            return context.current().value("user")

        ctx = context.with_value(context.background(), "user", "ann")
        print(await go.options(ctx=ctx)(work))  # -> ann
    """

current_context: ContextVar[Context]

def channel_of(obj: object) -> Chan[Any]: ...
def scheduler_on(thread: int) -> Scheduler | None: ...

def context_hook(ctx: Context, hook: Callable[[], object]) -> bool: ...
def context_unhook(ctx: Context, hook: Callable[[], object]) -> bool: ...
def context_message(ctx: Context) -> object: ...
def goroutine_release_context(g: Goroutine[Any]) -> Context | None: ...
def goroutine_rebind(g: Goroutine[Any], ctx: Context) -> None: ...
def cancel_reason(g: Goroutine[Any]) -> Reason | None: ...
def cancel_is_due(task: object) -> bool: ...
def cancelled_call(message: object) -> NoReturn: ...

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
    """A channel that gives the time once, ``seconds`` from now: a timeout as a case of ``select``.

    Go's ``time.After``. The time is that for which it was due, by ``goish.time.now``. Returns a RecvChan, for
    ``select_blocking`` too: where no event loop runs it goes by the system's monotonic clock. TypeError for no number,
    ValueError for NaN. Any thread. Zero or less fires at once. It is never closed. No timer runs unless a waiter
    needs it, so an ``after`` whose select another case won costs nothing.

    Example::

        results = chan()
        index, value, ok = await select(results.recv(), after(0.001).recv())
        print("timeout" if index == 1 else value)  # -> timeout
    """

def at(when: float) -> RecvChan[float]:
    """A channel that gives the time once, at ``when`` by ``goish.time.now``: a deadline as a case of ``select``.

    A time that has passed fires at once. Otherwise as ``goish.after``. crossbeam's ``at``.

    Example::

        deadline = goish.time.now() + 0.001
        index, value, ok = await select(chan().recv(), goish.time.at(deadline).recv())
        print(index, value == deadline)  # -> 1 True
    """

@final
class Timer:
    """Gives the time once, ``seconds`` from now, on its channel ``c``, unless it is stopped. Go's ``time.NewTimer``.

    ``seconds``: a number; zero or less fires at once. TypeError for no number, ValueError for NaN. Any thread; where no
    event loop runs it goes by the system's monotonic clock. Nothing runs unless a receiver waits, so a timer that is
    forgotten is gone. ``goish.after`` is a timer that needs no ``stop``.

    Example::

        timer = goish.time.Timer(0.001)
        await timer.c.recv()
        print(timer.stop())  # -> False
    """

    def __init__(self, seconds: float) -> None: ...
    @property
    def c(self) -> RecvChan[float]:
        """The channel: a RecvChan that gives the time for which the timer was set, by ``goish.time.now``. It is never
        closed.

        Its ``len`` and ``cap`` are 0, as Go's. Of several receivers that wait the first has the value. Of a timer of
        ``after_func`` it is never ready.
        """

    def stop(self) -> bool:
        """Stops the timer: True if it was still to fire, or its value had not been received. Any thread. Go's ``Stop``.

        No value of before can be received afterwards. A receiver that waits goes on waiting. Of a timer of
        ``after_func``, True says that the function is not called.

        Example::

            timer = goish.time.Timer(0)
            print(timer.stop(), timer.stop(), timer.c.try_recv() is EMPTY)  # -> True False True
        """

    def reset(self, seconds: float) -> bool:
        """Sets the timer to ``seconds`` from now, whether it has fired or not; gives what ``stop`` would. Go's
        ``Reset``.

        No value of before can be received afterwards; a receiver that waits gets the new one. Any thread. TypeError for
        no number, ValueError for NaN, and nothing has changed then.

        Example::

            timer = goish.time.Timer(60)
            print(timer.reset(0.001))  # -> True
            await timer.c.recv()
        """

@final
class Ticker:
    """Gives the time every ``seconds`` on its channel ``c``, first ``seconds`` from now. Go's ``time.NewTicker``.

    ``async for t in ticker`` goes on until it is left; on a thread without an event loop ``for``. A tick is the time
    for which it was due, by ``goish.time.now``; at most one waits for a receiver. What a receiver that comes too late
    finds, says ``missed``:

    * ``"skip"``: one tick at once, and the next at the next multiple of ``seconds``; the others are dropped (Go).
    * ``"burst"``: all ticks that it has missed, one by one, without a wait between them.
    * ``"delay"``: one tick at once, and the next ``seconds`` after that one was received.

    ``seconds``: more than 0, or ValueError. Nothing runs unless a receiver waits, so a ticker that is forgotten is
    gone, and ``stop`` is not needed for that. Any thread.

    Example::

        n = 0
        async for t in goish.time.Ticker(0.001):
            n += 1
            if n == 3:
                break
        print(n)  # -> 3
    """

    def __init__(self, seconds: float, missed: Literal["skip", "burst", "delay"] = "skip") -> None: ...
    @property
    def c(self) -> RecvChan[float]:
        """The channel: a RecvChan that gives each tick's time. It is never closed; its ``len`` and ``cap`` are 0, as
        Go's.
        """

    @property
    def drift(self) -> float:
        """How late the last tick was given, in seconds: 0 if a receiver was waiting and the loop was free. Any thread.

        Example::

            ticker = goish.time.Ticker(0.001)
            await sleep(0.003)
            await ticker.c.recv()
            print(ticker.drift >= 0.002)  # -> True
        """

    def stop(self) -> bool:
        """Stops it: no tick can be received any more, and the channel stays open. True if it ran. Any thread. Go's
        ``Stop``.

        A receiver that waits goes on waiting, so ``async for`` ends by ``break``, or with a ``select``.

        Example::

            ticker = goish.time.Ticker(0.001)
            print(ticker.stop(), ticker.stop())  # -> True False
        """

    def reset(self, seconds: float) -> bool:
        """Has it tick every ``seconds``, first ``seconds`` from now; drops a tick that waits. True if it ran. Any
        thread.

        ValueError for zero or less and for NaN, and nothing has changed then. Go's ``Reset``.

        Example::

            ticker = goish.time.Ticker(60)
            print(ticker.reset(0.001))  # -> True
            await ticker.c.recv()
        """

    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Op[float, float]: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> float: ...

def sleep(seconds: float) -> _Wait[None]:
    """Waits for ``seconds``, never less; await it. Zero or less is ``gosched()``. Go's ``time.Sleep``, but in seconds.

    Gives None. TypeError for no number, ValueError for NaN or more than a float holds. A cancel ends it at once and
    leaves no timer behind. Needs an event loop on this thread.

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
    context: VarContext | None = None,
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

    @property
    def waiting(self) -> int:
        """How many wait for the lock. Any thread; out of date at once."""

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

    @property
    def waiting(self) -> int:
        """How many wait for the lock, readers and writers. Any thread; out of date at once."""

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
    """A semaphore of ``size`` units, of which each waiter takes as many as it needs. Go's ``semaphore.Weighted``.

    ``async with sem:`` takes one unit; on threads ``with``. Waiters are served in the order in which they came, so a
    large request is not starved by small ones. A request for more than ``size`` waits until it is cancelled, and holds
    up nobody. TypeError or ValueError unless ``size`` is a whole number, 0 or more.

    Example::

        sem = Weighted(3)
        await sem.acquire(2)
        print(sem.try_acquire(2))  # -> False
        sem.release(2)
    """

    def __init__(self, size: int) -> None: ...
    def acquire(self, n: int = 1) -> Op[None]:
        """Takes ``n`` units; await it, or make it a case of ``select``. Go's ``Acquire``.

        Cancelled, none is taken; units that were given before the cancel are held, and the cancel comes at the next
        wait.

        Example::

            sem = Weighted(1)
            await sem.acquire()
            sem.release()
        """

    def try_acquire(self, n: int = 1) -> bool:
        """Takes ``n`` units if that needs no wait: True if it did. Any thread. Go's ``TryAcquire``."""

    def acquire_blocking(self, n: int = 1, timeout: float | None = None) -> None:
        """``acquire`` for threads without an event loop. ``timeout``: seconds, None to wait for ever; else
        TimeoutError.

        Example::

            sem = Weighted(2)
            sem.acquire_blocking(2, timeout=1)
        """

    def release(self, n: int = 1) -> None:
        """Gives ``n`` units back. Any thread. ValueError if fewer are taken. Go's ``Release``."""

    @property
    def size(self) -> int:
        """How many units there are."""

    @property
    def free(self) -> int:
        """How many units are not taken. Any thread; out of date at once."""

    @property
    def waiting(self) -> int:
        """How many wait for units, but for those that want more than ``size``. Any thread; out of date at once."""

    def __aenter__(self) -> Op[None]: ...
    def __aexit__(self, type: object, value: object, traceback: object) -> Op[None]: ...
    def __enter__(self) -> None: ...
    def __exit__(self, type: object, value: object, traceback: object) -> None: ...

@final
class Broadcast(Generic[T]):
    """Every subscriber gets every value that is sent after it subscribed. Go has none: there it is a list of channels.

    ``capacity``: how many values are buffered for each subscriber, 1 or more. ``replay``: so many of the last values a
    new subscriber gets first; at most ``capacity``. ``slow``: what becomes of a subscriber whose buffer is full.
    ``"block"``: the sender waits for it. ``"drop_oldest"``: it loses its oldest value, and its next receive raises
    ``Lagged`` once, which says how many are missing. ``"drop_newest"``: it does not get the new one. ``"disconnect"``:
    it is closed; its receives end with ChanClosed, caused by ``Disconnected``. TypeError, ValueError or OverflowError
    for other values of these. ``Broadcast[int](8)`` is typed, for type checkers.

    Senders and subscribers may be goroutines, asyncio tasks on any loops, and threads.

    Example::

        async def listen(name, sub):
            async for price in sub:
                print(name, price)  # -> a 42 b 42

        prices = Broadcast(8)
        listeners = [go(listen, name, prices.subscribe()) for name in ("a", "b")]
        print(await prices.send(42))  # -> 2
        prices.close()
        await wait_all(*listeners)
    """

    def __init__(
        self,
        capacity: int,
        *,
        replay: int = 0,
        slow: Literal["block", "drop_oldest", "drop_newest", "disconnect"] = "block",
    ) -> None: ...
    def send(self, value: T, /) -> _Wait[int]:
        """Sends ``value`` to every subscriber; await it. Gives the number of subscribers that it has reached.

        It waits until every subscriber that blocks has room, and then reaches all at one instant. With no subscriber it
        gives 0 at once. Senders are served in the order in which they came. Cancelled, it has reached nobody; once it
        has reached them, the cancel comes at the next wait. Raises SendOnClosed, also while it waits. It is no case of
        ``select``.

        Example::

            b = Broadcast(1)
            sub = b.subscribe()
            print(await b.send("a"), await sub.recv())  # -> 1 a
        """

    def try_send(self, value: T, /) -> bool:
        """Sends ``value`` to every subscriber if that needs no wait: True if it did, else nobody has it. Any thread.

        Raises SendOnClosed.

        Example::

            b = Broadcast(1)
            sub = b.subscribe()
            print(b.try_send("a"), b.try_send("b"))  # -> True False
        """

    def send_blocking(self, value: T, /, timeout: float | None = None) -> int:
        """``send`` for threads without an event loop: blocks the calling thread until every subscriber has room.

        ``timeout``: seconds, None to wait for ever. TimeoutError if it was not sent by then: nobody has it.
        SendOnClosed as ``send``; SyncOnLoop on a thread whose event loop runs. Ctrl-C ends the wait.

        Example::

            b = Broadcast(1)
            sub = b.subscribe()
            print(b.send_blocking("a", timeout=1), sub.recv_blocking())  # -> 1 a
        """

    def subscribe(
        self,
        *,
        slow: Literal["block", "drop_oldest", "drop_newest", "disconnect"] | None = None,
        capacity: int | None = None,
    ) -> Subscription[T]:
        """Subscribes: a ``Subscription``, which gets every value whose send happens from now on. Any thread.

        ``slow`` and ``capacity`` are those of the Broadcast unless given. It lasts until its ``close``, the end of its
        ``with`` block, or until nothing refers to it. A closed Broadcast still gives what it replays.

        Example::

            b = Broadcast(4, replay=2)
            for word in ("a", "b", "c"):
                await b.send(word)
            with b.subscribe(slow="drop_oldest") as sub:
                print(sub.try_recv_many())  # -> ['b', 'c']
        """

    def close(self) -> None:
        """Closes it: subscribers can still receive what is buffered, then their receives end. Any thread.

        Senders that wait get SendOnClosed. Raises CloseOfClosed the second time.

        Example::

            b = Broadcast(1)
            sub = b.subscribe()
            b.try_send("a")
            b.close()
            print([v async for v in sub])  # -> ['a']
        """

    def close_once(self) -> bool:
        """Closes it if it is open, and says whether it did. Any thread.

        Example::

            b = Broadcast(1)
            print(b.close_once(), b.close_once())  # -> True False
        """

    @property
    def closed(self) -> bool:
        """Whether it is closed. True may be relied on; False may be out of date at once."""

    @property
    def subscribers(self) -> int:
        """How many are subscribed. Any thread; out of date at once."""

@final
class Subscription(RecvChan[T_co]):
    """What ``Broadcast.subscribe`` gives: the receiving end of a channel that the broadcast fills.

    It receives as a ``RecvChan`` does: ``recv``, ``recv_ok``, ``async for``, ``recv_blocking``, ``try_recv``,
    ``recv_many``, and as a case of ``select``. Several may receive from one subscription: each value goes to one of
    them.

    Example::

        b = Broadcast(1)
        with b.subscribe() as sub:
            await b.send("a")
            print(await sub.recv(), b.subscribers)  # -> a 1
        print(b.subscribers)  # -> 0
    """

    def close(self) -> None:
        """Ends the subscription and drops what is buffered: receives raise ChanClosed, no sender waits for it. Any
        thread.

        A second close does nothing.

        Example::

            b = Broadcast(1)
            sub = b.subscribe()
            b.try_send("a")
            sub.close()
            print(sub.try_recv_ok(), b.subscribers)  # -> (None, False) 0
        """

    @property
    def lost(self) -> int:
        """How many values it has lost so far, because it was slow. Any thread; out of date at once."""

    def __enter__(self) -> Self: ...
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
        it: goroutines whose ``wait`` is over, but that have not run yet, do not wait for what comes then (in debug mode
        a RuntimeWarning says so).

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

    @property
    def waiting(self) -> int:
        """How many wait until the counter is zero. Any thread; out of date at once."""

@disjoint_base
class Notifier:
    mu: Final[Any]  # as it was given
    def __new__(cls, mu: Mutex | RWMutex | RLocker) -> Self: ...
    def signal(self) -> None:
        """Wakes the first waiter, if there is one. Any thread, with the lock or without it. Go's ``Cond.Signal``.

        A waiter that is cancelled at the same time passes the signal on to the next.

        Example::

            mu = Mutex()
            cond = Cond(mu)
            cond.signal()  # nobody waits: it is lost
        """

    def broadcast(self) -> None:
        """Wakes all waiters. Any thread, with the lock or without it. Go's ``Cond.Broadcast``."""

    def signalled(self) -> Op[bool, None]:
        """The next signal or broadcast; await it, or make it a case of ``select``, which gives None and True.

        It has nothing to do with the lock: what is signalled before it is waited for is not seen. A signal that it has
        got is used up. Cancelled, it has got none.

        Example::

            cond = Cond(Mutex())
            print(await select(cond.signalled(), after(0.001).recv()) != (0, None, True))  # -> True
        """

    def wait_blocking(self, timeout: float | None = None) -> None:
        """``wait`` for threads without an event loop: blocks the calling thread until a signal comes.

        ``timeout``: seconds, None to wait for ever. TimeoutError if no signal has come by then, RuntimeError without
        the lock, SyncOnLoop on a thread whose event loop runs. Ctrl-C ends the wait. In all cases the lock is held when
        it is left.

        Example::

            cond = Cond(Mutex())
            with cond:
                try:
                    cond.wait_blocking(timeout=0.001)
                except TimeoutError:
                    print("no signal")  # -> no signal
        """

    def _release(self) -> Released: ...
    @property
    def waiting(self) -> int:
        """How many wait for a signal. Any thread; out of date at once."""

    def __aenter__(self) -> Op[None]: ...
    def __aexit__(self, type: object, value: object, traceback: object) -> Op[None]: ...
    def __enter__(self) -> None: ...
    def __exit__(self, type: object, value: object, traceback: object) -> None: ...

@final
class Released:
    def signalled(self) -> Op[bool, None]: ...
    def locked(self) -> Op[None]: ...
    def is_released(self) -> bool: ...
    def owe(self) -> None: ...

@final
class Event:
    """A flag to wait for, for goroutines, asyncio tasks on any loops, and threads.

    ``set`` wakes all waiters, wherever they wait. It is ``asyncio.Event`` and ``threading.Event`` in one; in Go it is a
    channel that is closed.

    Example::

        ready = Event()

        async def waiter(name):
            await ready.wait()
            return name

        waiters = [go(waiter, name) for name in ("a", "b")]
        ready.set()
        print(await wait_all(*waiters))  # -> ('a', 'b')
    """

    def __init__(self) -> None: ...
    def set(self) -> None:
        """Sets it, and wakes all waiters. Any thread; nothing happens if it is set already.

        Example::

            ready = Event()
            ready.set()
            print(ready.is_set())  # -> True
        """

    def clear(self) -> None:
        """Makes it unset. Any thread. A waiter that was woken before is not affected."""

    def is_set(self) -> bool:
        """Whether it is set. Any thread; out of date at once."""

    def wait(self) -> Op[None]:
        """Waits until it is set; await it, or make it a case of ``select``, which gives None and True.

        A cancel ends the wait only.

        Example::

            stop = Event()
            print(await select(stop.wait(), after(0.001).recv(), biased=True) != (0, None, True))  # -> True
        """

    def wait_blocking(self, timeout: float | None = None) -> None:
        """``wait`` for threads without an event loop: blocks the calling thread until it is set.

        ``timeout``: seconds, None to wait for ever. TimeoutError if it is not set by then; SyncOnLoop on a thread whose
        event loop runs. Ctrl-C ends the wait.

        Example::

            ready = Event()
            ready.set()
            ready.wait_blocking(timeout=1)
        """

    @property
    def waiting(self) -> int:
        """How many wait until it is set. Any thread; out of date at once."""

@final
class Latch:
    """Waits until ``count`` things have happened, once. Java's ``CountDownLatch``.

    It counts down and never up; at zero it is open for good. TypeError or ValueError unless ``count`` is a whole
    number, 0 or more.

    Example::

        started = Latch(2)

        async def work():
            started.count_down()

        go(work)
        go(work)
        await started.wait()
        print(started.count)  # -> 0
    """

    def __init__(self, count: int) -> None: ...
    def count_down(self, n: int = 1) -> int:
        """Takes ``n`` off the count; at zero all waiters are woken. Any thread. Gives the count that is left.

        ValueError if fewer are left, and then nothing is taken; TypeError or ValueError unless ``n`` is a whole number,
        1 or more.

        Example::

            latch = Latch(2)
            print(latch.count_down(), latch.count_down())  # -> 1 0
        """

    def wait(self) -> Op[None]:
        """Waits until the count is zero; await it, or make it a case of ``select``, which gives None and True.

        A cancel ends the wait only.

        Example::

            await Latch(0).wait()
        """

    def wait_blocking(self, timeout: float | None = None) -> None:
        """``wait`` for threads without an event loop. As ``Event.wait_blocking``."""

    @property
    def count(self) -> int:
        """How many things are still missing. Any thread; out of date at once."""

    @property
    def waiting(self) -> int:
        """How many wait until the count is zero. Any thread; out of date at once."""

@final
class Int64:
    """An int of 64 bits of which each change is one step. Go's ``atomic.Int64``.

    All threads see its changes in one order, with the GIL and without it. TypeError for what is no int, OverflowError
    for an int that is too large.

    Example::

        hits = Int64()
        hits.add(2)
        print(hits.add(1), hits.load())  # -> 3 3
    """

    def __new__(cls, value: int = 0) -> Self: ...
    def load(self) -> int:
        """The value. Any thread."""

    def store(self, value: int) -> None:
        """Sets it. Any thread."""

    def add(self, delta: int) -> int:
        """Adds ``delta``, which may be negative, and gives the new value; it wraps around, as Go's. Any thread.

        Example::

            print(Int64(5).add(-2))  # -> 3
        """

    def swap(self, value: int) -> int:
        """Sets it, and gives the value that it had. Any thread."""

    def compare_and_swap(self, old: int, new: int) -> bool:
        """Sets it to ``new`` if it is ``old``: True if it did. Any thread.

        Example::

            owner = Int64()
            print(owner.compare_and_swap(0, 7), owner.compare_and_swap(0, 8), owner.load())  # -> True False 7
        """

    def and_(self, mask: int) -> int:
        """Keeps the bits of ``mask``, and gives the value that it had. Go's ``And``. Any thread."""

    def or_(self, mask: int) -> int:
        """Sets the bits of ``mask``, and gives the value that it had. Go's ``Or``. Any thread."""

@final
class Uint64:
    """An int of 64 bits, 0 or more, of which each change is one step. Go's ``atomic.Uint64``.

    All threads see its changes in one order, with the GIL and without it. TypeError for what is no int, OverflowError
    for an int that is too large.

    Example::

        hits = Uint64()
        hits.add(2)
        print(hits.add(1), hits.load())  # -> 3 3
    """

    def __new__(cls, value: int = 0) -> Self: ...
    def load(self) -> int:
        """The value. Any thread."""

    def store(self, value: int) -> None:
        """Sets it. Any thread."""

    def add(self, delta: int) -> int:
        """Adds ``delta``, which may be negative, and gives the new value; it wraps around, as Go's. Any thread.

        Example::

            print(Uint64(5).add(-2))  # -> 3
        """

    def swap(self, value: int) -> int:
        """Sets it, and gives the value that it had. Any thread."""

    def compare_and_swap(self, old: int, new: int) -> bool:
        """Sets it to ``new`` if it is ``old``: True if it did. Any thread.

        Example::

            owner = Uint64()
            print(owner.compare_and_swap(0, 7), owner.compare_and_swap(0, 8), owner.load())  # -> True False 7
        """

    def and_(self, mask: int) -> int:
        """Keeps the bits of ``mask``, and gives the value that it had. Go's ``And``. Any thread."""

    def or_(self, mask: int) -> int:
        """Sets the bits of ``mask``, and gives the value that it had. Go's ``Or``. Any thread."""

@final
class Bool:
    """A truth value of which each change is one step. Go's ``atomic.Bool``.

    TypeError for anything but True and False.

    Example::

        closed = Bool()
        print(closed.swap(True), closed.swap(True))  # -> False True
    """

    def __new__(cls, value: bool = False) -> Self: ...
    def load(self) -> bool:
        """The value. Any thread."""

    def store(self, value: bool) -> None:
        """Sets it. Any thread."""

    def swap(self, value: bool) -> bool:
        """Sets it, and gives the value that it had. Any thread."""

    def compare_and_swap(self, old: bool, new: bool) -> bool:
        """Sets it to ``new`` if it is ``old``: True if it did. Any thread.

        Example::

            started = Bool()
            print(started.compare_and_swap(False, True), started.compare_and_swap(False, True))  # -> True False
        """

@final
class Ref(Generic[T]):
    """A reference to any object, of which each change is one step. Go's ``atomic.Pointer`` and ``atomic.Value``.

    ``compare_and_swap`` compares by identity (``is``), so numbers and strings are better kept in objects of one's own.

    Example::

        config = Ref({"debug": False})
        config.store({"debug": True})  # readers see the old one or the new one, whole
        print(config.load()["debug"])  # -> True
    """

    @overload
    def __new__(cls) -> Ref[None]: ...
    @overload
    def __new__(cls, value: T) -> Self: ...
    def load(self) -> T:
        """The object. Any thread."""

    def store(self, value: T) -> None:
        """Sets it. Any thread."""

    def swap(self, value: T) -> T:
        """Sets it, and gives the object that it had. Any thread."""

    def compare_and_swap(self, old: T, new: T) -> bool:
        """Sets it to ``new`` if it is the very object ``old``: True if it did. Any thread.

        Example::

            empty = object()
            slot = Ref(empty)
            print(slot.compare_and_swap(empty, "mine"), slot.compare_and_swap(empty, "yours"))  # -> True False
        """

@final
class Map(Generic[K, V]):
    """A map that goroutines and threads change at the same time. Go's ``sync.Map``.

    Each method is one step for all threads, with the GIL and without it. ``items``: a mapping, or pairs, to begin with.
    TypeError for a key that cannot be hashed.

    Example::

        visits = Map()
        print(visits.load_or_store("/", 1), visits.load_or_store("/", 2))  # -> (1, False) (1, True)
        print(len(visits), "/" in visits)  # -> 1 True
    """

    def __new__(cls, items: Mapping[K, V] | Iterable[tuple[K, V]] = ()) -> Self: ...
    @overload
    def load(self, key: K) -> V | None:
        """The value of ``key``, or ``default``. Any thread. Go's ``Load``.

        Example::

            print(Map({"a": 1}).load("a"), Map().load("a"))  # -> 1 None
        """

    @overload
    def load(self, key: K, default: Else) -> V | Else: ...
    def store(self, key: K, value: V) -> None:
        """Sets the value of ``key``. Any thread. Go's ``Store``."""

    def load_or_store(self, key: K, value: V) -> tuple[V, bool]:
        """The value of ``key`` and True; if there is none, it sets ``value``, and gives that and False. Any thread.

        Example::

            m = Map()
            value, loaded = m.load_or_store("a", 1)
            print(value, loaded)  # -> 1 False
        """

    @overload
    def load_and_delete(self, key: K) -> tuple[V | None, bool]:
        """Deletes ``key``; its value and True, or ``default`` and False if there is none. Any thread.

        Example::

            m = Map({"a": 1})
            print(m.load_and_delete("a"), m.load_and_delete("a"))  # -> (1, True) (None, False)
        """

    @overload
    def load_and_delete(self, key: K, default: Else) -> tuple[V | Else, bool]: ...
    def delete(self, key: K) -> None:
        """Deletes ``key``, if it is there. Any thread."""

    @overload
    def swap(self, key: K, value: V) -> tuple[V | None, bool]:
        """Sets the value of ``key``; the value before and True, or ``default`` and False if there was none. Any thread.

        Example::

            print(Map({"a": 1}).swap("a", 2))  # -> (1, True)
        """

    @overload
    def swap(self, key: K, value: V, default: Else) -> tuple[V | Else, bool]: ...
    def compare_and_swap(self, key: K, old: V, new: V) -> bool:
        """Sets the value of ``key`` to ``new`` if it is there and equals ``old``: True if it did. Any thread.

        Example::

            m = Map({"a": 1})
            print(m.compare_and_swap("a", 1, 2), m.compare_and_swap("a", 1, 3))  # -> True False
        """

    def compare_and_delete(self, key: K, old: V) -> bool:
        """Deletes ``key`` if it is there and its value equals ``old``: True if it did. Any thread."""

    def range(self) -> Iterator[tuple[K, V]]:
        """An iterator over the pairs ``(key, value)``. Any thread. Go's ``Range``.

        A key that is there all the time comes once; one that is stored or deleted meanwhile comes once or not at all.
        The map may be changed meanwhile.

        Example::

            m = Map({"a": 1, "b": 2})
            for key, value in m.range():
                m.store(key.upper(), value)
            print(sorted(key for key, _ in m.range()))  # -> ['A', 'B', 'a', 'b']
        """

    def clear(self) -> None:
        """Deletes all keys. Any thread."""

    def __len__(self) -> int: ...
    def __contains__(self, key: object, /) -> bool: ...

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

@final
class Nursery:
    def __init__(
        self,
        on_failure: Callable[[Goroutine[Any]], object] | None = None,
        slots: Weighted | None = None,
        zero_is_end: bool = False,
    ) -> None: ...
    def go(self, fn: Callable[..., Any] | _Coro[Any], /, *args: Any, **kwargs: Any) -> Goroutine[Any]: ...
    def try_go(self, fn: Callable[..., Any] | _Coro[Any], /, *args: Any, **kwargs: Any) -> Goroutine[Any] | None: ...
    def adopt(self, g: Goroutine[Any]) -> bool: ...
    def alive(self) -> list[Goroutine[Any]]: ...
    def close(self) -> None: ...
    def close_if_empty(self) -> bool: ...
    def closing(self) -> Event: ...
    def end(self) -> None: ...
    def set_slots(self, slots: Weighted | None) -> bool: ...
    def enter(self) -> None: ...
    def hold(self) -> None: ...
    def let_go(self) -> None: ...
    def wait(self) -> Op[None]: ...
    def wait_blocking(self, timeout: float | None, instead: str) -> None: ...
    @property
    def closed(self) -> bool: ...
    def __len__(self) -> int: ...

current_scope: ContextVar[Nursery | None]

def scope_opens() -> None: ...
def scope_closes() -> None: ...

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

@final
class Bucket:
    def __init__(self, limit: float, burst: float) -> None: ...
    def take(self, n: float) -> bool: ...
    def reserve(self, n: float, until: float) -> tuple[float, float, float] | None: ...
    def give_back(self, n: float, when: float, limit: float) -> None: ...
    def set(self, limit: float, burst: float) -> None: ...
    def get(self) -> tuple[float, float, float]: ...

def clock_now() -> float: ...
def bucket_now() -> float: ...
def number_as_float(number: object, name: str, takes: str) -> float: ...

@final
class Conn:
    """A connection: a stream of bytes each way. ``dial`` and ``Listener.accept`` give it. Go's ``net.Conn``.

    ``read`` and ``write`` are operations: await them, or make them cases of ``select``. Several goroutines may use one
    connection; those of one direction are served in the order in which they came. A read that is cancelled loses no
    byte, and a write that is cancelled has sent none.

    What the peer sends is buffered, up to 64 KiB; then the peer has to wait. When it has sent its last byte, reads give
    what is there and then ``b""``. When it is lost, reads give what is there, then raise the error of the system, such
    as ConnectionResetError, as writes do.

    It is its loop's: the operations are for the goroutines and tasks of the loop that made it, and raise RuntimeError
    on another. An accepted connection belongs to no loop until it is first read or written, so it may be sent to a
    worker before. Close it when it is done: one that is forgotten is cut, with a ResourceWarning.

    Example::

        from goish import net

        ours, theirs = net.pipe()
        async with ours, theirs:
            await ours.write(b"hello;")
            print(await theirs.read_until(b";"))  # -> b'hello;'
    """

    def read(self, n: int = 65536) -> Op[bytes, bytes]:
        """Up to ``n`` bytes: what is there, else what comes next; await it. ``b""`` at the end.

        ``n``: a whole number of bytes, 1 or more. Raises ConnClosed, DeadlineExceeded, or the error with which the
        connection was lost; TypeError or ValueError for another ``n``. A case of ``select`` gives the bytes and True.
        Cancelled, it has taken nothing.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            async with ours, theirs:
                await theirs.write(b"abc")
                print(await ours.read(2), await ours.read())  # -> b'ab' b'c'
        """

    def read_exactly(self, n: int) -> Op[bytes, bytes]:
        """``n`` bytes, no more and no less; await it.

        ``n``: a whole number, 0 or more. At an early end it raises ``asyncio.IncompleteReadError``, whose ``partial``
        is what came. Otherwise as ``read``.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            async with ours, theirs:
                await theirs.write(b"abcd")
                print(await ours.read_exactly(3))  # -> b'abc'
        """

    def read_until(self, sep: bytes = b"\n", limit: int = 65536) -> Op[bytes, bytes]:
        """All up to and with the separator ``sep``, by default that of lines; await it.

        ``sep``: bytes, one or more. ``limit``: a whole number of bytes, 1 or more, for the whole. Raises
        ``asyncio.LimitOverrunError`` if there are more without a separator (they stay unread), and
        ``asyncio.IncompleteReadError`` at an early end; its ``partial`` is what came. Otherwise as ``read``.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            async with ours, theirs:
                await theirs.write(b"one;two;")
                print(await ours.read_until(b";"), await ours.read_until(b";"))  # -> b'one;' b'two;'
        """

    def read_into(self, buffer: _Writable) -> Op[int, int]:
        """As many bytes as are there, into ``buffer``; await it. Gives how many: 0 at the end. Go's ``Read``.

        ``buffer``: a bytearray, or another writable buffer of 1 byte or more, which must keep its size meanwhile.
        TypeError or ValueError for others. Otherwise as ``read``.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            buffer = bytearray(8)
            async with ours, theirs:
                await theirs.write(b"abc")
                n = await ours.read_into(buffer)
                print(bytes(buffer[:n]))  # -> b'abc'
        """

    def write(self, data: _Data | list[_Data] | list[bytes] | tuple[_Data, ...]) -> Op[int, int]:
        """Hands all of ``data`` to the transport, or nothing; await it. Gives how many bytes they are.

        It waits only while the transport has more than 64 KiB to send (or 64 KiB come before there is one). Small
        writes that follow each other go out together.

        ``data``: bytes, another bytes-like object, which is copied, or a list of these. Raises ConnClosed,
        DeadlineExceeded, or the error with which the connection was lost; TypeError for other data. A case of
        ``select`` gives the number and True. Cancelled, it has sent nothing.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            async with ours, theirs:
                print(await ours.write([b"head ", b"body"]))  # -> 9
                print(await theirs.read_exactly(9))  # -> b'head body'
        """

    def try_write(self, data: _Data | list[_Data] | list[bytes] | tuple[_Data, ...]) -> bool:
        """``write`` without waiting: True if it has happened, False if it would have to wait. Raises what ``write``
        does.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            async with ours, theirs:
                print(ours.try_write(b"abc"), await theirs.read())  # -> True b'abc'
        """

    def close_write(self) -> None:
        """Says to the peer that nothing more comes; it can still send. Writes that wait are sent first.

        A second call does nothing. RuntimeError on another loop, or if the transport cannot do it (TLS). Go's
        ``TCPConn.CloseWrite``.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            async with ours, theirs:
                ours.close_write()
                print(await theirs.read())  # -> b''
        """

    def close(self) -> None:
        """Closes it, both ways. What was written is still sent; what waits raises ConnClosed at once. Any thread.

        A second call does nothing. Bytes that were not read are dropped.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            ours.close()
            print(ours.closed, await theirs.read())  # -> True b''
            theirs.close()
        """

    def abort(self) -> None:
        """Closes it without sending what was written. Any thread.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            async with theirs:
                ours.abort()
                print(ours.closed)  # -> True
        """

    def set_deadline(self, when: float | None) -> None:
        """Sets when reads and writes fail, those that wait and those that come; ``None``: never. Go's ``SetDeadline``.

        ``when``: a time by the clock of the loop, as ``goish.time.now()`` gives it, in seconds. From then on they raise
        DeadlineExceeded, which is a TimeoutError; after a new deadline the connection is usable again. Nothing is lost.
        TypeError or ValueError for what is no time; RuntimeError on another loop. It costs a store.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            async with ours, theirs:
                ours.set_deadline(goish.time.now() + 0.001)
                try:
                    await ours.read()
                except TimeoutError as error:
                    print(error)  # -> the read deadline of the connection has passed
        """

    def set_read_deadline(self, when: float | None) -> None:
        """Sets when reads fail; ``None``: never. As ``set_deadline``."""

    def set_write_deadline(self, when: float | None) -> None:
        """Sets when writes fail; ``None``: never. As ``set_deadline``."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the transport knows by that name, such as ``"socket"``, ``"peercert"``; else ``default``.

        As ``asyncio.BaseTransport.get_extra_info``. An accepted connection has a transport from its first read or write
        on.
        """

    @property
    def local_addr(self) -> Any:
        """The address of this end: ``(host, port)``, a path, or None if it is not known."""

    @property
    def remote_addr(self) -> Any:
        """The address of the peer: ``(host, port)``, a path, or None if it is not known."""

    @property
    def closed(self) -> bool:
        """Whether ``close`` or ``abort`` was called. Any thread."""

    def __aenter__(self) -> Op[Self]: ...
    def __aexit__(self, type: object, value: object, traceback: object) -> Op[None]: ...
    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Op[bytes, bytes]: ...
    def __reduce_ex__(self, protocol: Any) -> NoReturn: ...

_Data: TypeAlias = bytes | bytearray | memoryview  # typing only
_Writable: TypeAlias = bytearray | memoryview | array[Any]  # typing only

@final
class Acceptor:
    def __init__(self, text: str, wanted: Callable[[], object]) -> None: ...
    def accept(self) -> Op[Conn, Conn]: ...
    def accept_next(self) -> Op[Conn, Conn]: ...
    def offer(self, conn: Conn) -> None: ...
    def close(self) -> bool: ...
    @property
    def closed(self) -> bool: ...
    @property
    def room(self) -> int: ...

def conn_new(loop: asyncio.AbstractEventLoop) -> tuple[Conn, asyncio.Protocol]: ...
def conn_accepted(sock: socket.socket, address: object, ssl: SSLContext | None) -> Conn: ...
def conn_watch(conn: Conn, fn: Callable[[], object] | None) -> None: ...
def conn_unsent(conn: Conn) -> int: ...
def conn_close_posted(c: Conn, at_once: bool) -> None: ...
def transport_end(transport: asyncio.BaseTransport | None, binding: asyncio.Future[Any] | None) -> None: ...
def new_calling_timer(seconds: float, action: Callable[[], object]) -> Timer: ...
def check_on_panic(on_panic: object) -> None: ...
def interpreter_ends(begins: bool = False) -> bool: ...
def check_plain(fn: object, verb: str, who: str, instead: str) -> None: ...
FREE_THREADED: Final[bool]

def build_facts() -> tuple[str, str, bool]: ...
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
def outcome_of(p: Pool, future: concurrent.futures.Future[T], fn: object, context: VarContext | None) -> FlowVar[T]: ...
def foreign_goroutine(
    p: Pool,
    future: concurrent.futures.Future[T],
    fn: object,
    context: VarContext | None = None,
    name: str | None = None,
) -> Goroutine[T]: ...

# For goish.loops, goish.runtime and goish.debug.

class Clock:
    def call_soon(
        self, callback: Callable[..., object], *args: object, context: VarContext | None = None
    ) -> asyncio.Handle: ...
    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: object, context: VarContext | None = None
    ) -> asyncio.Handle: ...
    def set_debug(self, enabled: bool) -> None: ...
    def call_later(
        self, delay: float, callback: Callable[..., object], *args: object, context: VarContext | None = None
    ) -> asyncio.TimerHandle: ...
    def call_at(
        self, when: float, callback: Callable[..., object], *args: object, context: VarContext | None = None
    ) -> asyncio.TimerHandle: ...
    def close(self) -> None: ...

@disjoint_base
class Handle:
    def cancel(self) -> None: ...
    def cancelled(self) -> bool: ...
    def get_context(self) -> VarContext | None: ...

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
    def spawn(self, coro: Coroutine[Any, Any, T], name: str | None, context: VarContext | None) -> Goroutine[T]: ...
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
def recv_rest(ch: Chan[T], most: int) -> list[T]: ...
def tell_later(feed: Chan[Any], missed: int) -> None: ...
def latest_of(b: Broadcast[T]) -> T: ...
def broadcast_of_latest(value: T) -> Broadcast[T]: ...
def holder_awaited(op: object) -> tuple[int, int] | None: ...
def debug_extra_refs(obj: object) -> int: ...
def set_max_spinners(threads: int) -> None: ...
def set_worker_patience(seconds: float) -> float: ...
def report_if_only_ref(known: weakref.ref[Goroutine[Any]]) -> None: ...
def thread_frames() -> dict[int, FrameType]: ...
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
