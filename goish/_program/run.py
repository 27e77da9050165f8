"""Running a program: ``run`` starts the loop and the main goroutine, and sees to it that everything ends.

The life of a program::

    start ──► main runs ──► main is over ──► the rest is cancelled, `grace` seconds ──► loop closed
                 │ Ctrl-C, panic: main is cancelled      │ survivors are named and abandoned
                 │ all asleep: DeadlockError in main     │ exceptions not retrieved are reported

Threads: ``run`` may be called on any thread; Ctrl-C and deadlock detection are for the main thread only.
Not here: what a panic prints (panics.py), how a deadlock is recognised (deadlock.py).
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from types import FrameType, FunctionType
from typing import Any, Final, Generic, Literal, Never, NoReturn, TypeAlias, TypeVar, TypeVarTuple, cast

from .._checks import check_choice, check_flag, check_seconds, without_unknown
from .._inspect.dump import describe
from .._inspect.names import exc_info, log_names, name_of
from .._runtime.core import (
    GoExit,
    Goroutine,
    Op,
    all_goroutines,
    check_on_panic,
    current_goroutine,
    current_program,
    is_coroutine,
    program_of,
    scheduler_for,
    tell_panic,
)
from .._runtime.loop_type import best_loop_type
from .._threads.workers import end_goroutines, thread_of
from ..errors import DeadlockError, SyncOnLoop
from .deadlock import Detector
from .panics import OnPanic, Panics, write_error
from .signals import forget

__all__ = ["goexit", "run"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Loop: TypeAlias = Literal["auto", "uvloop", "asyncio"] | Callable[[], asyncio.AbstractEventLoop]
OnDeadlock: TypeAlias = Literal["raise", "log", "off"]

logger = logging.getLogger("goish")


@without_unknown
def run(
    main: Callable[[*Ts], Coroutine[Any, Any, T]] | Coroutine[Any, Any, T],
    /,
    *args: *Ts,
    loop: Loop = "auto",
    debug: bool | None = None,
    on_panic: OnPanic = "crash",
    deadlock: OnDeadlock = "raise",
    grace: float = 1.0,
    **unknown: Never,
) -> T:
    """Run ``main(*args)`` as the main goroutine on a new event loop and return its result; its exception propagates.

    When main returns, the program is over, as in Go: the other goroutines are cancelled and get ``grace`` seconds to
    end. Ctrl-C cancels main and ends in KeyboardInterrupt; a second Ctrl-C dumps all goroutines and ends at once.

    ``main``: a coroutine function, or a coroutine that has not started (then without ``args``).
    ``loop``: ``"auto"`` is uvloop where it is installed, else asyncio's own; ``"uvloop"``; ``"asyncio"``; or a function
    that makes a loop.
    ``debug``: asyncio's debug mode (None: as ``python -X dev`` says).
    ``on_panic``: what an exception does in a goroutine that nobody awaits. ``"crash"`` ends the program, prints it (the
    traceback by ``sys.excepthook``) and raises ``Panic`` (exit code 2); ``"log"`` logs it; a plain function is called
    with ``(goroutine, exception)``, and if that fails the program ends as by ``"crash"``. After an await that was given
    up (a timeout, a cancel) the exception is logged. ``go.options(on_panic=)`` decides for one goroutine.
    ``deadlock``: what happens when all goroutines wait for one another: ``"raise"`` DeadlockError in main, ``"log"`` a
    dump, ``"off"``.

    SyncOnLoop if an event loop runs on this thread already, TypeError or ValueError for other arguments. Any thread
    may call it; Ctrl-C and deadlocks are seen on the main thread only.

    Example::

        async def answer(results):
            await results.send(42)

        async def main():
            results = chan()
            go(answer, results)
            return await results.recv()

        print(goish.run(main))  # -> 42
    """
    if unknown:
        _refuse(main, next(iter(unknown)))
    factory = _loop_factory(loop)
    check_on_panic(on_panic)
    check_choice("deadlock", deadlock, ("raise", "log", "off"))
    grace = check_seconds("grace", grace)
    check_flag("debug", debug)
    _check_no_loop_runs(main)
    with asyncio.Runner(debug=debug, loop_factory=factory) as runner:
        loop_ = runner.get_loop()
        program: _Program[T] = _Program(loop_, _main_coroutine(main, args), on_panic, deadlock, grace)
        try:
            return program.execute()
        finally:
            del program.main, program.panics, program.detector  # they lead back to it, and it to the loop


def goexit() -> NoReturn:
    """End the calling goroutine, running its ``finally`` blocks; its awaiters get None. Go's ``runtime.Goexit``.

    Called in main, the other goroutines go on; when the last has ended too, ``run`` raises DeadlockError. RuntimeError
    outside of a goroutine, also in an asyncio task.

    Example::

        async def work():
            goexit()
            print("never printed")

        print(await go(work))  # -> None
    """
    if current_goroutine() is None:
        raise RuntimeError("goexit() ends the calling goroutine, but this code runs in none: start it with go()")
    raise GoExit


# ── arguments ──

_INSTEAD: Final = {
    "timeout": "main() under asyncio.timeout(seconds), in an async def",
    "loop_factory": "run(main, loop=factory)",
    "uvloop": 'run(main, loop="uvloop"), or loop="asyncio"',
    "context": "context.run(run, main)",
}


def _refuse(main: object, keyword: str) -> NoReturn:
    _discard(main)
    of_main = f"if it is main's: run(functools.partial(main, {keyword}=...)), or run(main({keyword}=...))"
    raise TypeError(f"run() takes no keyword {keyword!r}: {_INSTEAD.get(keyword, of_main)}")


def _loop_factory(loop: Loop) -> Callable[[], asyncio.AbstractEventLoop]:
    if callable(loop):
        return loop
    check_choice("loop", loop, ("auto", "uvloop", "asyncio"), "or a function that makes a loop")
    if loop == "uvloop":
        import uvloop

        return uvloop.new_event_loop
    return best_loop_type() if loop == "auto" else asyncio.SelectorEventLoop


def _check_no_loop_runs(main: object) -> None:
    if asyncio._get_running_loop() is None:
        return
    _discard(main)
    raise SyncOnLoop(
        "goish.run() starts an event loop, but one runs on this thread already: "
        "call go(fn, *args) to start a goroutine here, and await it for its result"
    )


def _main_coroutine(main: object, args: tuple[Any, ...]) -> Coroutine[Any, Any, Any]:
    if is_coroutine(main):
        if args:
            _discard(main)
            raise TypeError("run() got a coroutine and arguments for it: pass the function, run(main, *args)")
        return main
    if not callable(main) or (isinstance(main, FunctionType) and not _makes_coroutine(main)):
        _discard(main)
        raise TypeError(f"run() takes a coroutine function (async def) and its arguments, or a coroutine; got {main!r}")
    coro = main(*args)
    if not is_coroutine(coro):
        _discard(coro)
        raise TypeError(f"run() takes a coroutine function (async def); {main!r} returned {type(coro).__name__}")
    return coro


def _discard(refused: object) -> None:
    """Close it, so that it does not complain, besides, that nobody awaited it."""
    if isinstance(refused, Op) or is_coroutine(refused):
        cast("Any", refused).close()


def _makes_coroutine(fn: FunctionType) -> bool:
    return inspect.iscoroutinefunction(fn) or bool(fn.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE)


# ── the program ──


class _Program(Generic[T]):
    """One call of ``run``."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, T],
        on_panic: OnPanic,
        deadlock: OnDeadlock,
        grace: float,
    ) -> None:
        self.loop = loop
        self.deadlock = deadlock
        self.grace = grace
        self.interrupts = 0  # how often Ctrl-C was pressed
        self.interrupted_late = False  # ... in the moment between main's end and its being noticed
        self.main_ran = False
        self.rest_over: asyncio.Future[None] | None = None  # what run() waits for when main has left by goexit()
        self.sched = scheduler_for(loop)
        self.sched.manage()
        self.panics = Panics(on_panic, self.end_main)
        self.sched.on_panic = self.panics
        self.detector = Detector(self.sched, loop, self.on_deadlock)
        context = copy_context()
        context.run(current_program.set, self.sched)
        self.main: Goroutine[T] = self.sched.spawn(coro, "main", context)

    def execute(self) -> T:
        with self.interruptible() as handler:
            if self.deadlock != "off":
                self.detector.start(handler)
            try:
                result = self.run_main()
            except (KeyboardInterrupt, SystemExit):
                self.shut_down()
                raise
            except BaseException as exc:
                panicked_before = self.panics.crashed
                self.shut_down()
                if panicked_before:
                    self.report_after_panic(exc)
                    self.panics.raise_panic()
                raise
            self.shut_down()
            self.panics.raise_panic()
            return result

    def run_main(self) -> T:
        try:
            result = self.loop.run_until_complete(_as_future(self.main))
        except asyncio.CancelledError:
            if self.interrupts and self.main.uncancel() == 0:
                raise KeyboardInterrupt from None
            raise
        finally:
            self.main_ran = True
        if self.interrupted_late:
            raise KeyboardInterrupt
        if self.main.exited:
            self.run_rest()
        return result

    def run_rest(self) -> NoReturn:
        """Main has left by goexit(): the others go on, and no end of theirs is a regular end of the program."""
        self.rest_over = self.loop.create_future()
        while not self.panics.crashed and (rest := self.sched.goroutines()):
            _Ending(rest, self.rest_over)
            self.run_until(self.rest_over)
            self.rest_over = self.loop.create_future()
        raise DeadlockError("no goroutines (main called goexit) - deadlock!")

    def end_main(self) -> None:
        if self.rest_over is not None and not self.rest_over.done():
            self.rest_over.cancel()
        if not _cancelled(self.main, "a goroutine panicked"):
            self.loop.stop()

    def report_after_panic(self, exc: BaseException) -> None:
        if isinstance(exc, asyncio.CancelledError):
            return
        with suppress(Exception):  # nothing comes between a panic and the end
            logger.error("main failed while the program was ending because of a panic", exc_info=exc_info(exc))

    # ── deadlock ──

    def on_deadlock(self, report: str) -> None:
        error = DeadlockError(f"all goroutines are asleep - deadlock!\n\n{report}")
        if self.deadlock == "log":
            logger.error("%s", error)
        elif self.rest_over is not None:
            if not self.rest_over.done():
                self.rest_over.set_exception(error)
        else:
            self.sched.fail_wait(self.main, error)

    # ── Ctrl-C ──

    @contextmanager
    def interruptible(self) -> Generator[object]:
        """Handle Ctrl-C where the program does not; yields the handler that does it."""
        on_main_thread = threading.current_thread() is threading.main_thread()
        if not on_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield None
            return
        handler = self.on_interrupt
        signal.signal(signal.SIGINT, handler)
        try:
            yield handler
        finally:
            if signal.getsignal(signal.SIGINT) == handler:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            forget(signal.SIGINT, handler, signal.default_int_handler)

    def on_interrupt(self, signum: int, frame: FrameType | None) -> None:
        # Beware: runs between any two bytecodes of any goroutine; so the cancel itself is left to the loop.
        self.interrupts += 1
        if self.interrupts == 1:
            self.loop.call_soon_threadsafe(self.interrupt_main)
        else:
            self.grace = 0.0
            with suppress(Exception):  # the interrupted code may have been writing to standard error itself
                write_error(f"interrupted twice; the goroutines:\n\n{describe(all_goroutines(), thread_of)}")
            raise KeyboardInterrupt

    def interrupt_main(self) -> None:
        if self.main.cancel("interrupted by Ctrl-C"):
            return
        if self.main_ran:
            raise KeyboardInterrupt  # Ctrl-C cuts the rest, or the shutting down, short
        self.interrupted_late = True

    # ── the end ──

    def shut_down(self) -> None:
        self.detector.stop()
        try:
            survivors = self.cancel_rest()
            survivors += self.cancel_rest_elsewhere()
            self.flush()  # the ends that threads have posted
        finally:
            self.sched.abandon()
            try:
                for g in self.sched.unretrieved():
                    tell_panic(g)
            finally:  # on_panic may have ended the program in its own way
                self.panics.report_further()
                self.sched.on_panic = None
                self.flush()
        log_names(f"goroutine(s) did not end within {self.grace:g} s of main's end", survivors)

    def cancel_rest(self) -> list[str]:
        """Cancel what still lives and wait for its end; the names of goroutines that were not ready in time."""
        deadline = self.loop.time() + self.grace
        while rest := self.sched.goroutines():
            _cancel_all(rest, "main is over")
            if not self.ended_by(deadline, rest):
                return [name_of(g) for g in self.sched.goroutines()]
        return []

    def cancel_rest_elsewhere(self) -> list[str]:
        """The same for worker threads. A plain function cannot be ended: it may outlive the program."""
        left = end_goroutines(lambda g: program_of(g) is self.sched, self.grace)
        return [name_of(g) for g in left]

    def run_until(self, future: asyncio.Future[None]) -> None:
        # Not run_until_complete: that of main may have been interrupted and left a stop() behind, which must not count.
        future.add_done_callback(lambda _: self.loop.stop())
        while not future.done():
            self.loop.run_forever()
        future.result()

    def flush(self) -> None:
        """Let the loop run all callbacks that are due, a stop() left behind included, and those that they make due."""
        self.loop.call_soon(self.loop.call_soon, self.loop.stop)
        try:
            self.loop.run_forever()
        except (KeyboardInterrupt, SystemExit):
            self.flush()
            raise

    def ended_by(self, deadline: float, rest: list[Goroutine[Any]]) -> bool:
        over = self.loop.create_future()
        timer = None if deadline == math.inf else self.loop.call_at(deadline, over.cancel)
        _Ending(rest, over)
        try:
            self.run_until(over)
        except asyncio.CancelledError:
            return False
        finally:
            if timer is not None:
                timer.cancel()
        return True


def _cancel_all(rest: list[Goroutine[Any]], why: str) -> None:
    # In a frame of its own: on 3.12 the frames below a goroutine that fails outlive it, with all that they name.
    for g in rest:
        _cancelled(g, why)


def _cancelled(g: Goroutine[Any], why: str) -> bool:
    """Whether the cancel went well: a foreign future that ``g`` awaits may refuse it by raising."""
    try:
        g.cancel(why)
    except Exception:
        with suppress(Exception):
            logger.exception("%r could not be cancelled", g)
        return False
    return True


class _Ending:
    """Resolves ``over`` when all of ``rest`` have ended; has a callback on one of them at a time."""

    def __init__(self, rest: list[Goroutine[Any]], over: asyncio.Future[None]) -> None:
        self.rest = rest
        self.over = over
        self.step()

    def step(self, _ended: object = None) -> None:
        while self.rest and self.rest[-1].done():
            self.rest.pop()
        if self.rest:
            self.rest[-1].add_done_callback(self.step)
        elif not self.over.done():
            self.over.set_result(None)


def _as_future(g: Goroutine[T]) -> asyncio.Future[T]:
    return cast("asyncio.Future[T]", g)  # it answers the same protocol
