# ticker.pyx - Timer and Ticker: channels that fire, with what stops and resets them.
#
# Threads: any.
# Not here: how they fire (timer.pyx), after() (after.pyx), after_func() and tick() (goish/time.py).

cdef class Timer:
    """Timer(seconds)\n--\n\n\
    Gives the time once, ``seconds`` from now, on its channel ``c``, unless it is stopped. Go's ``time.NewTimer``.

    ``seconds``: a number; zero or less fires at once. TypeError for no number, ValueError for NaN. Any thread; where no
    event loop runs it goes by the system's monotonic clock. Nothing runs unless a receiver waits, so a timer that is
    forgotten is gone. ``goish.after`` is a timer that needs no ``stop``.

    Example::

        timer = goish.time.Timer(0.001)
        await timer.c.recv()
        print(timer.stop())  # -> False
    """

    def __cinit__(self):
        self.chan = timer_new(None, INFINITY, C_RESETS)  # stopped, until __init__ has run

    def __init__(self, seconds):
        cdef double duration = checked_seconds(seconds, "Timer")
        timer_start(self.chan, max(duration, 0.0))

    @property
    def c(self):
        """The channel: a RecvChan that gives the time for which the timer was set, by ``goish.time.now``. It is never closed.

        Its ``len`` and ``cap`` are 0, as Go's. Of several receivers that wait the first has the value. Of a timer of
        ``after_func`` it is never ready.
        """
        return recv_view(NIL if (<ChanCold>self.chan.cold).action is not None else self.chan)

    def stop(self):
        """Stops the timer: True if it was still to fire, or its value had not been received. Any thread. Go's ``Stop``.

        No value of before can be received afterwards. A receiver that waits goes on waiting. Of a timer of
        ``after_func``, True says that the function is not called.

        Example::

            timer = goish.time.Timer(0)
            print(timer.stop(), timer.stop(), timer.c.try_recv() is EMPTY)  # -> True False True
        """
        return timer_stop(self.chan)

    def reset(self, seconds):
        """Sets the timer to ``seconds`` from now, whether it has fired or not; gives what ``stop`` would. Go's ``Reset``.

        No value of before can be received afterwards; a receiver that waits gets the new one. Any thread. TypeError for
        no number, ValueError for NaN, and nothing has changed then.

        Example::

            timer = goish.time.Timer(60)
            print(timer.reset(0.001))  # -> True
            await timer.c.recv()
        """
        return timer_reset(self.chan, checked_seconds(seconds, "reset"))

    def __repr__(self):
        return timer_repr(self.chan, "Timer")

    def __reduce_ex__(self, protocol):
        raise TypeError("a Timer cannot be copied or pickled")


cdef class Ticker:
    """Ticker(seconds, missed="skip")\n--\n\n\
    Gives the time every ``seconds`` on its channel ``c``, first ``seconds`` from now. Go's ``time.NewTicker``.

    ``async for t in ticker`` goes on until it is left; on a thread without an event loop ``for``. A tick is the time for
    which it was due, by ``goish.time.now``; at most one waits for a receiver. What a receiver that comes too late finds,
    says ``missed``:

    * ``"skip"``: one tick at once, and the next at the next multiple of ``seconds``; the others are dropped (Go).
    * ``"burst"``: all ticks that it has missed, one by one, without a wait between them.
    * ``"delay"``: one tick at once, and the next ``seconds`` after that one was received.

    ``seconds``: more than 0, or ValueError. Nothing runs unless a receiver waits, so a ticker that is forgotten is gone,
    and ``stop`` is not needed for that. Any thread.

    Example::

        n = 0
        async for t in goish.time.Ticker(0.001):
            n += 1
            if n == 3:
                break
        print(n)  # -> 3
    """

    def __cinit__(self):
        cdef ChanCold cold
        self.chan = timer_new(None, INFINITY, C_RESETS)
        cold = <ChanCold>self.chan.cold
        cold.beat = Beat.__new__(Beat)
        cold.beat.period = INFINITY

    def __init__(self, seconds, missed="skip"):
        cdef double period = checked_period(seconds, "Ticker")
        cdef Beat beat = (<ChanCold>self.chan.cold).beat
        if not isinstance(missed, str) or missed not in MISSED:
            raise ValueError(f'missed is one of "skip", "burst", "delay"; got {missed!r}')
        timer_start(self.chan, period)
        beat.missed = MISSED[missed]

    @property
    def c(self):
        """The channel: a RecvChan that gives each tick's time. It is never closed; its ``len`` and ``cap`` are 0, as Go's."""
        return recv_view(self.chan)

    @property
    def drift(self):
        """How late the last tick was given, in seconds: 0 if a receiver was waiting and the loop was free. Any thread.

        Example::

            ticker = goish.time.Ticker(0.001)
            await sleep(0.003)
            await ticker.c.recv()
            print(ticker.drift >= 0.002)  # -> True
        """
        return (<ChanCold>self.chan.cold).beat.drift

    def stop(self):
        """Stops it: no tick can be received any more, and the channel stays open. True if it ran. Any thread. Go's ``Stop``.

        A receiver that waits goes on waiting, so ``async for`` ends by ``break``, or with a ``select``.

        Example::

            ticker = goish.time.Ticker(0.001)
            print(ticker.stop(), ticker.stop())  # -> True False
        """
        return timer_stop(self.chan)

    def reset(self, seconds):
        """Has it tick every ``seconds``, first ``seconds`` from now; drops a tick that waits. True if it ran. Any thread.

        ValueError for zero or less and for NaN, and nothing has changed then. Go's ``Reset``.

        Example::

            ticker = goish.time.Ticker(60)
            print(ticker.reset(0.001))  # -> True
            await ticker.c.recv()
        """
        return timer_reset(self.chan, checked_period(seconds, "reset"))

    def __aiter__(self):
        return self

    def __anext__(self):
        return new_op(W_NEXT, self.chan)

    def __iter__(self):
        return self

    def __next__(self):
        return chan_next(self.chan)

    def __repr__(self):
        return timer_repr(self.chan, "Ticker")

    def __reduce_ex__(self, protocol):
        raise TypeError("a Ticker cannot be copied or pickled")


cdef class Beat:
    pass


cdef dict MISSED = {"skip": MISSED_SKIP, "burst": MISSED_BURST, "delay": MISSED_DELAY}


cdef double checked_period(object seconds, str name) except? -1.0:
    cdef double period = checked_seconds(seconds, name)
    if period <= 0.0:
        raise ValueError(f"{name}() takes a period of more than 0 seconds, got {seconds!r}")
    return period


cdef int timer_start(Chan ch, double seconds) except -1:
    if ch.flags & C_MADE:
        raise RuntimeError("a timer or a ticker is made once; reset(seconds) sets it again")
    ch.flags |= C_MADE
    (<ChanCold>ch.cold).sched = clock_here()
    timer_reset(ch, seconds)
    return 0


cdef str timer_repr(Chan ch, str kind):
    cdef ChanCold cold = <ChanCold>ch.cold
    cdef double left
    timer_poll(ch)
    left = cold.deadline - timer_clock(cold.sched)
    every = "" if cold.beat is None else f" every={cold.beat.period:g} s"
    return f"<{kind}{every} {'due' if ch.buffer.count else 'stopped' if left == INFINITY else f'in {max(left, 0.0):g} s'}>"


def new_calling_timer(seconds, action):
    """For ``after_func``: a Timer that has this thread's loop call ``action()``."""
    cdef double duration = checked_seconds(seconds, "after_func")
    cdef Timer timer
    if clock_here() is None:
        raise RuntimeError("after_func() needs an event loop on this thread, which starts the goroutine")
    timer = Timer.__new__(Timer)
    (<ChanCold>timer.chan.cold).action = action
    timer_start(timer.chan, max(duration, 0.0))
    return timer
