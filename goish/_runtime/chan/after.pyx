# after.pyx - channels that something else fires or closes: a timeout, the end of a goroutine.
#
# Threads: any.
# Not here: how an after() channel fires (timer.pyx), the end of a goroutine (end.pyx).

def after(seconds):
    """A channel that gives the loop's time once, ``seconds`` from now: a timeout as a case of ``select``.

    Go's ``time.After``. Returns a RecvChan, for ``select_blocking`` too: where no event loop runs it goes by the system's
    monotonic clock. TypeError for no number, ValueError for NaN. Any thread. Zero or less fires at once. It is never closed.
    No timer runs unless a waiter needs it, so an ``after`` whose select another case won costs nothing.

    Example::

        results = chan()
        index, value, ok = await select(results.recv(), after(0.001).recv())
        print("timeout" if index == 1 else value)  # -> timeout
    """
    cdef Chan ch = Chan.__new__(Chan)
    cdef ChanCold cold = ChanCold.__new__(ChanCold)
    cdef double duration = checked_seconds(seconds, "after")
    cdef Scheduler s = None
    if goish_tls_sched != NULL or running_loop() is not None:
        s = scheduler_here()
    if s is None or (s.worker is not None and s.worker.kind == PLAIN):  # such a loop runs only as long as it has goroutines
        cold.deadline = goish_monotonic() + max(duration, 0.0)
    else:
        cold.sched = s
        cold.deadline = sched_clock(s) + max(duration, 0.0)
    ch.capacity = 1
    ch.flags = C_TIMER | C_MADE
    ch.cold = cold
    return recv_view(ch)


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
