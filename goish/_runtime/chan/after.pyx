# after.pyx - channels that something else fires or closes: a timeout, the end of a goroutine.
#
# Threads: any.
# Not here: how an after() channel fires (timer.pyx), the end of a goroutine (end.pyx).

def after(seconds):
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
    cdef double duration = checked_seconds(seconds, "after")
    cdef Scheduler s = clock_here()
    return recv_view(timer_new(s, timer_clock(s) + max(duration, 0.0), C_MADE))


def at(when):
    """A channel that gives the time once, at ``when`` by ``goish.time.now``: a deadline as a case of ``select``.

    A time that has passed fires at once. Otherwise as ``goish.after``. crossbeam's ``at``.

    Example::

        deadline = goish.time.now() + 0.001
        index, value, ok = await select(chan().recv(), goish.time.at(deadline).recv())
        print(index, value == deadline)  # -> 1 True
    """
    return recv_view(timer_new(clock_here(), checked_seconds(when, "at"), C_MADE))


# ---- the end of a goroutine ----

cdef void end_channel_close(object ended) noexcept:
    chan_close(<Chan>ended)


def goroutine_end_channel(Goroutine g):
    """The channel that is closed when ``g`` is done: each goroutine has one, however often it is asked for. Any thread."""
    cdef GoroutineCold cold
    cdef Chan fresh = chan()
    cdef Chan ch = fresh
    cdef bint over
    if goish_load_state(&g.state) != G_DONE:
        cold = cold_of(g)
        goish_lock(end_lock(g))
        over = goish_load_state(&g.state) == G_DONE
        if not over and cold.end_channel is None:
            cold.end_channel = fresh
        if not over:
            ch = <Chan>cold.end_channel
        goish_unlock(end_lock(g))
        if not over:
            return recv_view(ch)
    chan_close(fresh)
    return recv_view(fresh)
