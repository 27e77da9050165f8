"""Go's package ``golang.org/x/time/rate``: how often something may happen, and what to do only sometimes."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from threading import RLock
from typing import Final, TypeVarTuple, Unpack

from ._checks import check_function, check_no_loop, check_timeout
from ._runtime.core import (
    Bucket,
    Context,
    at,
    bucket_now,
    clock_now,
    current,
    gosched,
    number_as_float,
    publish_module,
    select,
    sleep,
)

__all__ = ["INF", "Limiter", "Reservation", "Sometimes", "every"]

Ts = TypeVarTuple("Ts")

INF: Final = math.inf
"""The limit that allows everything, whatever the burst."""

_NEVER: Final = 1e300  # seconds: a time that does not come
_UNYIELDING: Final = 100  # waits in a row that a loop does not notice


def every(seconds: float) -> float:
    """The limit of one event every ``seconds``: ``1 / seconds``; INF for 0. Go's ``rate.Every``.

    TypeError for no number, ValueError for a negative one or NaN.

    Example::

        from goish.rate import every

        print(every(0.5))  # -> 2.0
    """
    seconds = _checked_number("seconds", seconds)
    return 1 / seconds if seconds else INF


class Limiter:
    """Lets through ``limit`` events a second on average, and up to ``burst`` at once. Go's ``rate.Limiter``.

    A bucket that holds ``burst`` tokens, full at first, and gets ``limit`` new ones a second; each event takes a token.
    ``allow`` says whether there is one now, ``reserve`` when there will be, ``wait`` waits for it.

    ``limit``: a number, 0 (only the first ``burst`` events), or INF. ``burst``: a whole number; with 0 nothing passes
    unless ``limit`` is INF. TypeError or ValueError for anything else.

    Tokens are promised in the order in which they are asked for, so the first to wait is served first. The clock is
    ``goish.time.now``. One limiter serves goroutines, asyncio tasks on all loops, and threads.

    Example::

        from goish.rate import Limiter

        limiter = Limiter(10, burst=2)
        print([limiter.allow() for _ in range(3)])  # -> [True, True, False]
        await limiter.wait()  # a tenth of a second
    """

    __slots__ = ("__weakref__", "_bucket", "_unyielding")

    def __init__(self, limit: float, burst: int) -> None:
        self._bucket: Final = Bucket(_checked_number("limit", limit), _checked_count("burst", burst))
        self._unyielding = 0

    @property
    def limit(self) -> float:
        """Events a second."""
        return self._bucket.get()[0]

    @property
    def burst(self) -> int:
        """How many events may happen at once."""
        return int(self._bucket.get()[1])

    def tokens(self) -> float:
        """How many tokens there are now: negative if some are promised. Any thread. Go's ``Tokens``.

        Example::

            from goish.rate import Limiter

            print(Limiter(1, burst=5).tokens())  # -> 5.0
        """
        return self._bucket.get()[2]

    def set_limit(self, limit: float) -> None:
        """Changes the limit from now on. Any thread. What was reserved stays as it was promised. Go's ``SetLimit``."""
        self._bucket.set(_checked_number("limit", limit), math.nan)

    def set_burst(self, burst: int) -> None:
        """Changes the burst from now on. Any thread. What was reserved stays as it was promised. Go's ``SetBurst``."""
        self._bucket.set(math.nan, _checked_count("burst", burst))

    def allow(self, n: int = 1) -> bool:
        """Whether ``n`` events may happen now; if so their tokens are taken. Any thread. Go's ``Allow`` and ``AllowN``.

        For events that are dropped when there are too many. TypeError or ValueError unless ``n`` is a whole number,
        0 or more.

        Example::

            from goish.rate import Limiter

            limiter = Limiter(1, burst=5)
            print(limiter.allow(4), limiter.allow(4))  # -> True False
        """
        return self._bucket.take(n if type(n) is int and 0 <= n <= _MOST else _checked_count("n", n))

    def reserve(self, n: int = 1) -> Reservation:
        """Promises ``n`` events: the Reservation says how long to wait. Any thread. Go's ``Reserve`` and ``ReserveN``.

        For a caller that waits by itself, or may change its mind (``cancel``). Not ``ok`` if ``n`` is more than the
        burst. TypeError or ValueError unless ``n`` is a whole number, 0 or more.

        Example::

            from goish.rate import Limiter

            limiter = Limiter(10, burst=1)
            first, second = limiter.reserve(), limiter.reserve()
            print(first.delay(), 0 < second.delay() <= 0.1)  # -> 0.0 True
        """
        n = _checked_count("n", n)
        return Reservation(self._bucket, n, self._bucket.reserve(n, INF))

    async def wait(self, n: int = 1, *, ctx: Context | None = None) -> None:
        """Waits until ``n`` events may happen; their tokens are taken. Go's ``Wait`` and ``WaitN``.

        Does not wait in vain: ValueError at once if ``n`` is more than the burst, or no tokens come because the limit
        is 0; TimeoutError at once if they would not be there by the deadline of ``ctx``, or of the context in force
        (``context.fail_after``). When ``ctx`` is done, its ``err()`` is raised. A deadline of asyncio.timeout is not
        seen: there the wait is cut off.

        Cut off by a cancel, a timeout or ``ctx``, it gives the tokens back, but for what was promised to others since.
        Tokens that were there before the cancel are taken, and the cancel comes at the next wait. Needs an event loop
        on this thread; ``wait_blocking`` needs none.

        Example::

            from goish.rate import Limiter

            limiter = Limiter(1000, burst=1)
            for _ in range(3):
                await limiter.wait()
        """
        n = n if type(n) is int and 0 <= n <= _MOST else _checked_count("n", n)
        self._unyielding += 1
        if self._unyielding >= _UNYIELDING:
            self._unyielding = 0
            await gosched()
        bucket = self._bucket
        if ctx is not None and (error := ctx.err()) is not None:
            raise error
        deadline = (current() if ctx is None else ctx).deadline()
        granted = bucket.reserve(n, _NEVER if deadline is None else deadline)
        if granted is None:
            raise self._refusal("wait", n, "" if deadline is None else "the deadline of the context")
        when, begun, limit = granted
        if when <= begun:
            return
        self._unyielding = 0
        try:
            if ctx is None:
                await sleep(when - begun)
            elif (await select(at(when).recv(), ctx.done().recv_ok(), biased=True))[0]:
                raise ctx.err() or AssertionError("done() is closed, and there is no err()")
        except BaseException:
            bucket.give_back(n, when, limit)
            raise

    def wait_blocking(self, n: int = 1, timeout: float | None = None) -> None:
        """``wait`` for threads without an event loop: blocks the calling thread until ``n`` events may happen.

        ``timeout``: seconds, None to wait as long as it takes. TimeoutError at once if the tokens would not be there by
        then; ValueError as ``wait``; SyncOnLoop on a thread whose event loop runs. Ctrl-C ends the wait and gives the
        tokens back.

        Example::

            from goish.rate import Limiter

            Limiter(1000, burst=1).wait_blocking(timeout=1)
        """
        n = _checked_count("n", n)
        timeout = check_timeout(timeout)
        check_no_loop("wait_blocking()", "use await limiter.wait(), or limiter.allow()")
        granted = self._bucket.reserve(n, _NEVER if timeout is None else min(clock_now() + max(timeout, 0), _NEVER))
        if granted is None:
            raise self._refusal("wait_blocking", n, f"{timeout:g} s" if timeout is not None else "")
        when, begun, limit = granted
        if when <= begun:
            return
        try:
            at(when).recv_blocking()
        except BaseException:
            self._bucket.give_back(n, when, limit)
            raise

    def _refusal(self, call: str, n: int, within: str) -> Exception:
        limit, burst, _ = self._bucket.get()
        if n > burst:
            return ValueError(f"{call}({n}) takes at most the burst, {burst:g}")
        if limit == 0:
            return ValueError(f"{call}({n}) would wait for ever: the limit is 0, so no more tokens come")
        if not within:
            return ValueError(f"{call}({n}) would wait for ever: the limit is {limit:g} a second")
        return TimeoutError(f"{call}({n}): not within {within}")

    def __repr__(self) -> str:
        limit, burst, tokens = self._bucket.get()
        return f"<Limiter limit={limit:g}/s burst={burst:g} tokens={tokens:.3g}>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Limiter cannot be copied or pickled: its copies would let through twice as much")


class Reservation:
    """A promise of a Limiter, from ``limiter.reserve``: the events may happen after ``delay()`` seconds.

    ``ok`` is False if more was asked for than the burst: then nothing is promised.

    Example::

        from goish.rate import Limiter

        reservation = Limiter(10, burst=1).reserve()
        if reservation.ok:
            await sleep(reservation.delay())
    """

    __slots__ = ("_bucket", "_limit", "_reserved", "_when", "ok")

    ok: bool

    def __init__(self, bucket: Bucket, n: int, granted: tuple[float, float, float] | None) -> None:
        self._bucket = bucket
        self._reserved = [n]  # popped by the one thread that cancels
        self.ok = granted is not None
        self._when, _, self._limit = granted or (INF, 0.0, 0.0)

    def delay(self) -> float:
        """How many seconds to wait from now; 0.0: the events may happen; INF: never (not ``ok``, or a limit of 0).

        Example::

            from goish.rate import Limiter

            print(Limiter(10, burst=1).reserve(2).delay())  # -> inf
        """
        return max(self._when - clock_now(), 0.0)

    def cancel(self) -> None:
        """Says that the events do not happen: gives their tokens back, but for what was promised to later ones.

        Nothing if it was not ``ok``, if its time has come, or the second time. Any thread. Go's ``Cancel``.

        Example::

            from goish.rate import Limiter

            limiter = Limiter(1, burst=5)
            limiter.allow(5)
            later = limiter.reserve(2)
            later.cancel()
            print(limiter.tokens() >= 0)  # -> True
        """
        try:
            n = self._reserved.pop()
        except IndexError:
            return
        if self.ok:
            self._bucket.give_back(n, self._when, self._limit)

    def __repr__(self) -> str:
        return f"<Reservation {f'in {self.delay():g} s' if self.ok else 'refused'}>"


class Sometimes:
    """Does something only sometimes: a log line in a hot loop. Go's ``rate.Sometimes``.

    ``first``: the first so many calls; ``every``: every so many calls, the first included; ``interval``: a call that
    comes at least so many seconds after the last one that was done. Any of them is enough; the very first call is
    always done. 0 is none. TypeError or ValueError for anything else.

    Example::

        from goish.rate import Sometimes

        sometimes = Sometimes(first=2, every=4)
        print([n for n in range(9) if sometimes.do(list)])  # -> [0, 1, 4, 8]
    """

    __slots__ = ("__weakref__", "_count", "_last", "_lock", "every", "first", "interval")

    def __init__(self, first: int = 0, every: int = 0, interval: float = 0.0) -> None:
        self.first: Final = _checked_count("first", first)
        self.every: Final = _checked_count("every", every)
        self.interval: Final = _checked_number("interval", interval)
        self._count = 0
        self._last = 0.0
        self._lock: Final = RLock()  # re-entered by a signal handler or a finalizer

    def do(self, fn: Callable[[Unpack[Ts]], object], /, *args: *Ts) -> bool:
        """Calls ``fn(*args)`` if this is one of the times, and says whether it did. Any thread. Go's ``Do``.

        ``fn`` is a plain function, called before ``do`` returns; what it raises comes out. A coroutine function is
        started by ``sometimes.do(go, fn)``. Unlike in Go a second caller does not wait until ``fn`` returns.
        """
        check_function("do()", fn, "a plain function (def) and its arguments", "start it by do(go, fn)")
        if not self._is_due(bucket_now() if self.interval else 0.0):
            return False
        fn(*args)
        return True

    def _is_due(self, time: float) -> bool:
        with self._lock:
            count = self._count
            self._count = count + 1
            due = (
                count == 0
                or count < self.first
                or (self.every > 0 and count % self.every == 0)
                or (self.interval > 0 and time - self._last >= self.interval)
            )
            if due:
                self._last = time
            return due


_MOST: Final = 2**53  # up to which a float counts


def _checked_number(name: str, value: float) -> float:
    number = number_as_float(value, name, " is a number, 0 or more")
    if number < 0:
        raise ValueError(f"{name} is a number, 0 or more; got {value!r}")
    return number


def _checked_count(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{name} is a whole number, 0 or more, got {value!r} of type {type(value).__name__}")
    if not 0 <= value <= _MOST:
        raise ValueError(f"{name} is a whole number from 0 to 2**53, got {value}")
    return int(value)


publish_module(sys.modules[__name__])
