# after.pyx - channels that fire: a timeout as a case of select.
#
# The channel holds one value from its deadline on. An alarm is set only while somebody waits: an after() that lost its select
# leaves nothing behind.
# Threads: any may receive from it. The alarm is on the scheduler that made the channel; the channel's lock guards deadline,
#   alarm and scheduler. A thread that blocks needs no alarm: it looks at the clock itself (seat.pyx: due). One that was made
#   where no loop runs goes by the monotonic clock, and has no scheduler before somebody awaits it.

cdef void timer_poll(Chan ch) noexcept:
    if (<ChanExtra>ch.extra).deadline < INFINITY:
        timer_due(ch)


cdef enum:
    GLANCES = 20  # a second: of a blocked thread at a clock that is not the system's


cdef double timer_due(Chan ch) noexcept:
    # Fires it if it is time; seconds until then otherwise, infinite afterwards.
    cdef ChanExtra extra = <ChanExtra>ch.extra
    cdef Scheduler s = extra.sched
    cdef Aside aside
    cdef double now, deadline
    cdef object fired
    aside.wake = aside.dropped = NULL
    try:
        now = goish_monotonic() if s is None else clock(s)
        fired = <object>now
        goish_lock(&ch.lock)
        deadline = extra.deadline if extra.sched is s else now + 1.0 / GLANCES  # by another clock since: the next look tells
        if now >= deadline:
            extra.deadline = INFINITY
            chan_put(ch, <PyObject*>fired, &aside)
        goish_unlock(&ch.lock)
        chan_settle(ch, &aside)
        if now >= deadline:
            return INFINITY
        return deadline - now if s is None or not is_virtual(s) else 1.0 / GLANCES
    except BaseException:
        logger.exception("the clock of %r failed", s.loop)
        return 1.0 / GLANCES


cdef void timer_arm(Chan ch) noexcept:
    # An alarm only while somebody waits: an after() that lost its select leaves nothing behind.
    cdef ChanExtra extra = <ChanExtra>ch.extra
    cdef Op alarm
    cdef Scheduler before, s
    cdef bint mine
    cdef double shift = 0.0  # between the clocks
    if extra.alarm is not None or extra.deadline == INFINITY:
        return
    before = s = extra.sched
    if s is None or s.dead or s.loop.is_closed():
        s = scheduler_here()  # made for a loop that is gone, or for none
    alarm = new_op(W_TIMER, ch)
    if before is None:
        shift = clock(s) - goish_monotonic()
    goish_lock(&ch.lock)
    mine = extra.alarm is None and extra.deadline < INFINITY
    if mine:
        if extra.sched is None:
            extra.deadline += shift
        extra.sched = s
        extra.alarm = alarm
    goish_unlock(&ch.lock)
    if mine:
        timers_add(s, <PyObject*>alarm, extra.deadline)


cdef void timer_disarm(Chan ch) noexcept:
    cdef ChanExtra extra = <ChanExtra>ch.extra
    cdef Op alarm
    goish_lock(&ch.lock)
    alarm = extra.alarm if ch.receivers.count == 0 else None
    if alarm is not None:
        extra.alarm = None
    goish_unlock(&ch.lock)
    if alarm is not None:
        timers_remove(extra.sched, <PyObject*>alarm)


cdef void timer_fire(Op op) noexcept:
    cdef Chan ch = <Chan>op.target
    cdef ChanExtra extra = <ChanExtra>ch.extra
    goish_lock(&ch.lock)
    if extra.alarm is op:
        extra.alarm = None
    goish_unlock(&ch.lock)
    timer_poll(ch)


waits[<int>W_TIMER] = Wait(
    "timer", False, must_wait, never_ready, never_waits, never_withdrawn, finish_none, NULL, timer_fire, NULL, NULL
)


def after(seconds):
    """A channel that gives the loop's time once, ``seconds`` from now: a timeout as a case of ``select``.

    Go's ``time.After``. Returns a RecvChan, for ``select_blocking`` too: where no event loop runs it goes by the system's
    monotonic clock. TypeError for no number, ValueError for NaN. Any thread. Zero or less fires at once. It is never closed.
    No timer runs unless somebody waits on it, so one whose select another case won costs nothing.

    Example::

        results = chan()
        index, value, ok = await select(results.recv(), after(0.001).recv())
        print("timeout" if index == 1 else value)  # -> timeout
    """
    cdef Chan ch = Chan.__new__(Chan)
    cdef ChanExtra extra = ChanExtra.__new__(ChanExtra)
    cdef double duration = checked_seconds(seconds, "after")
    cdef Scheduler s = None
    if goish_tls_sched != NULL or running_loop() is not None:
        s = scheduler_here()
    if s is None or (s.worker is not None and s.worker.kind == PLAIN):  # whose loop runs only as long as it has goroutines
        extra.deadline = goish_monotonic() + max(duration, 0.0)
    else:
        extra.sched = s
        extra.deadline = clock(s) + max(duration, 0.0)
    ch.capacity = 1
    ch.flags = C_TIMER | C_MADE
    ch.extra = extra
    return recv_view(ch)


# ---- the end of a goroutine ----

cdef void close_once(object ended) noexcept:
    chan_close(<Chan>ended)


close_ended = close_once


def goroutine_end_channel(Goroutine g):
    """The channel that is closed when ``g`` is done: there is one for each goroutine, whoever asks how often. Any thread."""
    cdef Extra extra
    cdef Chan fresh = chan()
    cdef Chan ch = fresh
    cdef bint over
    if goish_load_state(&g.state) != G_DONE:
        extra = extra_of(g)
        goish_lock(end_lock(g))
        over = goish_load_state(&g.state) == G_DONE
        if not over and extra.end_channel is None:
            extra.end_channel = fresh
        if not over:
            ch = <Chan>extra.end_channel
        goish_unlock(end_lock(g))
        if not over:
            return recv_view(ch)
    chan_close(fresh)
    return recv_view(fresh)
