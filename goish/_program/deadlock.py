"""Finding out that all goroutines are asleep and that nothing can wake them.

The scheduler says each time its goroutines all wait for one another (``on_idle``); that alone is no deadlock, for a
timer, a socket, a thread, a signal handler or another task may be about to wake one. So a suspicion is looked into a
moment later, and only if nothing has run since: ``wake_source`` walks everything that can make the loop call code.

Threads are asleep where they are blocked in goish without a timeout, or wait for work that nobody has given them; the
loops of workers are asked themselves, and held while the verdict is passed (stop_world.py)::

    all wait ──► look: no source ──► a moment later the same ──► ask the workers' loops ──► hold them, look ──► found
                   ▲ something has run, or been woken, or could be ◄──┴──────────────────────┴──────────────┘

Invariant: silence is always allowed, a false alarm never. A thing that cannot be looked into counts as able to wake.
Threads are looked at one after the other, so a thread that was asleep may have been woken since. Therefore a verdict
needs two looks. Between and during them no sleeping thread was woken (``threads_woken()`` gives the same number: a
thread that waits in goish or idles in a pool is counted when it is woken, before it runs). Each was asleep in the first
look and was not woken before the end of the second, so all are asleep in between. No thread is left to wake one, nor to
post anything to a loop that stands still. Threads come first in a look: what they have left in a loop is found behind
them.
Threads: the loop's thread only.
Not here: what becomes of the program (run.py), what the report says (_inspect/dump.py).
"""

from __future__ import annotations

import _thread
import asyncio
import concurrent.futures
import gc
import os
import signal
import socket
import sys
import threading
from asyncio.base_events import BaseEventLoop
from asyncio.selector_events import BaseSelectorEventLoop
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from time import monotonic, thread_time
from types import BuiltinMethodType, MethodType
from typing import Any, Final, cast

from .._inspect.dump import describe, describe_thread
from .._runtime.core import (
    Goroutine,
    Op,
    Scheduler,
    calls_await_others,
    parked_threads,
    pooled_calls,
    thread_frames,
    threads_woken,
)
from .._threads.workers import is_idle, running_loops, thread_of
from .stop_world import HOLD, StopWorld

FIRST_LOOK: Final = 0.02  # seconds; long enough that a program with short pauses is hardly ever looked into
LAST_LOOK: Final = 1.0  # looks at a program that waits for the outside world get this rare
SHARE: Final = 0.01  # ... and rarer where a large heap makes them slow: they may take this part of a processor's time
ANSWERS: Final = 10  # times as long as the look took for each loop: so long nothing disturbs a round of questions
SAVED: Final = 1.0  # seconds that may be saved of it, so that a verdict does not wait where the heap is large

_THREADS: Final = "/proc/self/task"  # every thread of this process, those of C libraries included
_C_THREADS_WITHOUT_CALLBACKS: Final = ("libuv-worker", "iou-")  # their work is seen as requests of the loop


class Detector:
    """Watches one scheduler and calls ``found(report)`` once for each time that it is deadlocked."""

    def __init__(self, sched: Scheduler, loop: asyncio.AbstractEventLoop, found: Callable[[str], object]) -> None:
        self._sched = sched
        self._loop = loop
        self._found = found
        self._timer: asyncio.TimerHandle | None = None  # the next look; at most one is ever armed
        self._delay = FIRST_LOOK
        self._steps = -1  # the scheduler's step count when the suspicion arose
        self._woken = -1  # how many threads had been woken at the last look, if that has found nothing
        self._round: StopWorld | None = None  # the last question to the loops of workers
        self._saved = SAVED
        self._saved_at = monotonic()
        self._older_threads = _thread_ids()
        self._own_handler: object = None

    def start(self, own_handler: object = None) -> None:
        """Begin to watch; ``own_handler`` is the runtime's signal handler, which is no sign of an outside world."""
        self._own_handler = own_handler
        self._sched.on_idle = self.suspect

    def stop(self) -> None:
        self._sched.on_idle = None
        self._disarm()
        self._end_round()

    def suspect(self) -> None:
        """All goroutines wait for one another: look into it soon. Called often, so it does next to nothing."""
        if self._timer is None:
            self._woken = -1
            self._arm(FIRST_LOOK)

    def _arm(self, delay: float) -> None:
        self._delay = delay
        self._steps = self._sched.steps
        self._timer = self._sched.call_later(
            delay, self._look
        )  # the detector's own timer: a timer of a goish loop may wake a goroutine

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_round(self) -> None:
        if self._round is not None:
            self._round.release()

    def _look(self) -> None:
        sched = self._sched
        self._end_round()
        if sched.blocked != sched.live or sched.timers:
            self._timer = None
        elif sched.steps != self._steps:
            self._woken = -1
            self._arm(FIRST_LOOK)
        else:
            self._inspect()

    def _inspect(self) -> None:
        began = thread_time()
        before = threads_woken()
        loops = running_loops()
        busy = bool(loops) and self._round is not None and self._round.is_ignored()
        first = self._woken != before
        look = self.wake_source if first else self.last_source
        source = "a worker that does not answer" if busy else look(set(loops))
        used = thread_time() - began
        pause = self._pay(used)
        self._woken = before if source is None else -1
        if source is None and first:
            self._arm(FIRST_LOOK)
        elif source is None and not loops:
            self._conclude([])
        else:
            answering = ANSWERS * used * (1 + len(loops)) if source is None else 0.0
            self._arm(max(min(2 * self._delay, LAST_LOOK), pause, answering))
            if source is None:
                self._ask(loops.values())

    def _pay(self, used: float) -> float:
        """Take the seconds that looks have used from those saved; how long the next look has to wait for more."""
        now = monotonic()
        if self._round is not None:
            used += self._round.bill()
        self._saved = min(self._saved + (now - self._saved_at) * SHARE, SAVED) - used
        self._saved_at = now
        return max(-self._saved / SHARE, 0.0)

    def wake_source(self, still: set[int]) -> str | None:
        """Name something that could still wake a goroutine; None when there is nothing.

        ``still``: the threads, by native id, whose loops are looked at otherwise.
        """
        return (
            _thread_source(self._older_threads, still)
            or ("a call that a pool has" if calls_await_others() else None)
            or _signal_source(self._own_handler)
            or _task_source(self._loop)
            or _loop_source(self._loop, self._is_own_handle)
        )

    def last_source(self, still: set[int]) -> str | None:
        """The same, with what is too dear to be asked unless a verdict hangs on it."""
        return self.wake_source(still) or ("a call that a worker has taken" if _has_taken_call() else None)

    def _is_own_handle(self, handle: object) -> bool:
        """Whether a timer of the loop is this detector's or the scheduler's (which reports its timers itself)."""
        return handle is self._timer or _is_of(handle, self._sched)

    # ── the loops of workers ──

    def _ask(self, loops: Iterable[Scheduler], hold: float = 0.0) -> None:
        self._round = StopWorld(loops, self._sched, _source_there, self._heard, hold)
        self._round.ask()

    def _heard(self, answered: StopWorld) -> None:
        """All are at rest; with ``hold``, they stand still."""
        sched = self._sched
        if answered is not self._round or self._timer is None or not sched.at_rest or sched.steps != self._steps:
            answered.release()
        elif not answered.holds:
            self._ask(answered.loops, hold=max(HOLD, 4 * answered.spent))
        else:
            self._judge(answered)

    def _judge(self, held: StopWorld) -> None:
        report = None
        try:
            if held.conclude() and self._is_silent(held):
                report = self._report(held.texts)
        finally:
            held.release()
        if report is not None:
            self._disarm()
            self._found(report)

    def _is_silent(self, held: StopWorld) -> bool:
        source = self.last_source(held.threads) or next(filter(None, map(_source_still, held.loops)), None)
        everyone = set(running_loops().values()) == set(held.loops)
        return source is None and everyone and self._sched.at_rest and threads_woken() == self._woken

    # ── the verdict ──

    def _conclude(self, texts: list[str]) -> None:
        self._timer = None
        if threads_woken() == self._woken and self._sched.at_rest:
            self._found(self._report(texts))
        else:
            self._arm(FIRST_LOOK)

    def _report(self, elsewhere: list[str]) -> str:
        """The waits of all goroutines: those of this loop, of the workers' loops, functions on workers, threads."""
        texts = [
            describe(self._sched.goroutines(), thread_of),
            *elsewhere,
            describe(pooled_calls(), thread_of),
            *_blocked_threads(),
        ]
        return "\n\n".join(filter(None, texts))


def _source_there(sched: Scheduler) -> str | None:
    """Name what could wake a goroutine on a worker's loop; on its thread."""
    if not sched.at_rest:
        return "a goroutine of a worker"
    return _task_source(sched.loop) or _loop_source(sched.loop, lambda handle: _is_of(handle, sched), False)


def _source_still(sched: Scheduler) -> str | None:
    """Name what has come to a loop since it stands still."""
    if not sched.at_rest:
        return "a goroutine of a worker"
    others = (handle for handle in _due(sched.loop) if not _is_of(handle, sched))
    return "a callback that is due" if any(not handle.cancelled() for handle in others) else None


def _is_of(handle: object, sched: Scheduler) -> bool:
    callbacks = (part for part in gc.get_referents(handle) if isinstance(part, (MethodType, BuiltinMethodType)))
    return any(callback.__self__ is sched for callback in callbacks)


def _blocked_threads() -> Iterator[str]:
    """Describe the blocked threads that belong to no pool."""
    waiting = parked_threads()
    for thread in threading.enumerate():
        if thread.native_id in waiting and is_idle(thread) is None:
            yield describe_thread(thread)


# ── threads ──


def _thread_ids() -> frozenset[str]:
    try:
        return frozenset(os.listdir(_THREADS))
    except OSError:
        return frozenset()


def _thread_source(older: frozenset[str], still: set[int]) -> str | None:
    """A thread that may run Python code: not this one, no idle worker of a pool, none that waits for goroutines.

    ``still``: those, by native id, whose loops are looked at otherwise.
    """
    if threading.current_thread() is not threading.main_thread():
        return "the main thread"
    asleep = parked_threads() | still
    idle = [thread for thread in threading.enumerate() if thread.native_id in asleep or _is_idle_worker(thread)]
    if _thread._count() > len(idle):  # pyright: ignore[reportPrivateUsage]
        return "another thread"
    known = older.union(str(thread.native_id) for thread in idle)
    if any(_may_call_back(thread_id) for thread_id in _thread_ids() - known):
        return "a thread of a C library"
    return None


def _is_idle_worker(thread: threading.Thread) -> bool:
    """Whether all workers of this thread's ThreadPoolExecutor wait for work: then none acts before it is given some."""
    if (idle_in_goish := is_idle(thread)) is not None:
        return idle_in_goish
    if getattr(thread, "_target", None) is not _of_thread_pools("_worker"):
        return False
    arguments = getattr(thread, "_args", ())
    executor = arguments[0]() if arguments else None
    if not isinstance(executor, concurrent.futures.ThreadPoolExecutor):
        return False
    # Not the executor's count of its idle threads: it counts too many up to 3.11, and from 3.12 on too few as well.
    return executor._work_queue.empty() and _waits_for_work(executor._threads)


def _of_thread_pools(name: str) -> object:
    """A private part of ThreadPoolExecutor's module; None where the program has not imported it."""
    return getattr(sys.modules.get("concurrent.futures.thread"), name, None)


def _waits_for_work(workers: Iterable[threading.Thread]) -> bool:
    """Whether all are where the workers of a ThreadPoolExecutor take their next call."""
    frames = thread_frames()
    at = getattr(_of_thread_pools("_worker"), "__code__", None)
    return all((frame := frames.get(one.ident or 0)) is not None and frame.f_code is at for one in workers)


def _has_taken_call() -> bool:
    """Whether a worker of a ThreadPoolExecutor may have taken a call that it has not begun: its frame does not tell."""
    kind = _of_thread_pools("_WorkItem")
    items: Iterable[Any] = gc.get_referrers(kind) if isinstance(kind, type) else ()
    # Those that have begun or will not begin may be left in garbage for as long as it pleases the collector.
    return any(type(item) is kind and not (item.future.running() or item.future.done()) for item in items)


def _may_call_back(thread_id: str) -> bool:
    if thread_id == str(threading.get_native_id()):
        return False
    try:
        with open(f"{_THREADS}/{thread_id}/comm", encoding="utf-8", errors="replace") as comm:
            return not comm.read().startswith(_C_THREADS_WITHOUT_CALLBACKS)
    except OSError:  # it has ended meanwhile
        return False


# ── signals ──


def _signal_source(own: object) -> str | None:
    """A signal handler written in Python: it may send to a channel."""
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if callable(handler) and handler not in (signal.default_int_handler, own):
            return f"the handler of {signal.Signals(number).name}"
    return None


# ── asyncio tasks ──


def _task_source(loop: asyncio.AbstractEventLoop) -> str | None:
    """A task that waits for anything but goroutines, channels and other such tasks."""
    for task in cast("set[object]", asyncio.all_tasks(loop)):
        if not isinstance(task, Goroutine) and not _waits_for_goish(task):
            return repr(task)
    return None


def _waits_for_goish(task: object) -> bool:
    waiter = getattr(task, "_fut_waiter", None)
    # A gather() waits for its children; tasks among them are looked at by themselves.
    awaited: Iterable[object] = getattr(waiter, "_children", [waiter])
    return all(isinstance(one, (Op, Goroutine, asyncio.Task)) for one in awaited)


# ── loops ──


def _loop_source(
    loop: asyncio.AbstractEventLoop, is_own: Callable[[object], bool], has_timer: bool = True
) -> str | None:
    """A callback that is due, a timer, or anything the loop watches in the operating system.

    ``has_timer``: a timer of goish's own is armed there.
    """
    if isinstance(loop, BaseSelectorEventLoop):
        return _selector_source(loop, is_own)
    if any(cls.__module__ == "uvloop.loop" for cls in type(loop).__mro__):
        return _uvloop_source(loop, is_own, has_timer)
    return "a loop of unknown kind"


def _selector_source(loop: BaseSelectorEventLoop, is_own: Callable[[object], bool]) -> str | None:
    if type(loop)._run_once is not BaseEventLoop._run_once:  # type: ignore[attr-defined]
        return "a loop of unknown kind"
    inside: Any = loop
    if any(not handle.cancelled() and not is_own(handle) for handle in _due(loop)):
        return "a callback that is due"
    if any(not handle.cancelled() and not is_own(handle) for handle in inside._scheduled):
        return "a timer"
    if any(fd != inside._ssock.fileno() for fd in inside._selector.get_map()):
        return "a file descriptor"
    return None


def _due(loop: asyncio.AbstractEventLoop) -> Iterator[asyncio.Handle]:
    """The callbacks that are due on a loop of a kind that is known."""
    if isinstance(loop, BaseSelectorEventLoop):
        inside: Any = loop
        yield from inside._ready
    else:
        for part in gc.get_referents(loop):
            if isinstance(part, deque):
                yield from cast("deque[asyncio.Handle]", part)


# uvloop keeps its state out of Python's sight, but each of its handles and requests refers to the loop, and the
# garbage collector knows which object refers to which.
_UVLOOP_MACHINERY: Final = {"UVAsync", "UVIdle", "UVCheck"}  # the loop's own; one of each, always there
_UVLOOP_PASSIVE: Final = {"Handle", "TimerHandle", "Server", "SSLProtocol", "_SSLProtocolTransport"}  # act by others


def _uvloop_source(loop: asyncio.AbstractEventLoop, is_own: Callable[[object], bool], has_timer: bool) -> str | None:
    parts = gc.get_referents(loop)
    if any(not handle.cancelled() and not is_own(handle) for handle in _due(loop)):
        return "a callback that is due"
    users = [user for user in gc.get_referrers(loop) if type(user).__module__ == "uvloop.loop"]
    quiet = {id(poll) for poll in _signal_polls(parts)}
    own_timers = (user for user in users if type(user).__name__ == "TimerHandle" and is_own(user))
    quiet.update(id(part) for timer in own_timers for part in gc.get_referents(timer))
    seen: set[str] = set()
    for user in users:
        kind = type(user).__name__
        seen.add(kind)
        if id(user) not in quiet and not _is_passive(user, kind):
            return f"uvloop's {kind}"
    # Beware: should a future uvloop hide its handles from the collector, an empty list would look like silence.
    expected = _UVLOOP_MACHINERY | {"UVTimer"} if has_timer else _UVLOOP_MACHINERY
    return None if seen >= expected else "a loop of unknown kind"


def _signal_polls(parts: Iterable[object]) -> Iterator[object]:
    """The poll handles of the socket by which the operating system's signals reach the loop."""
    own = {part.fileno() for part in parts if isinstance(part, socket.socket)}
    for part in parts:
        if isinstance(part, dict):
            yield from (poll for fd, poll in cast("dict[object, object]", part).items() if fd in own)


def _is_passive(user: object, kind: str) -> bool:
    return (
        kind in _UVLOOP_MACHINERY
        or kind in _UVLOOP_PASSIVE
        or kind.startswith("__pyx_scope_struct")  # the locals of a coroutine: its task is looked at by itself
        or isinstance(user, asyncio.Future)
        or "closed=True" in repr(user)
    )
