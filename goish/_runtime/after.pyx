# after.pyx - channels that fire: a timeout as a case of select.
#
# The channel holds one value from its deadline on. An alarm is set only while somebody waits: an after() that lost its select
# leaves nothing behind.
# Threads: any may receive from it. The alarm is on the scheduler that made the channel; the channel's lock guards deadline,
#   alarm and scheduler. A thread that blocks needs no alarm: it looks at the clock itself (seat.pyx: due).

cdef void timer_poll(Chan ch) noexcept:
    if (<ChanExtra>ch.extra).deadline < INFINITY:
        timer_due(ch)


cdef enum:
    GLANCES = 20  # a second: of a blocked thread at a clock that is not the system's


cdef double timer_due(Chan ch) noexcept:
    # Fires it if it is time; seconds until then otherwise, infinite afterwards.
    cdef ChanExtra extra = <ChanExtra>ch.extra
    cdef Aside aside
    cdef double now, deadline
    cdef object fired
    aside.wake = aside.dropped = NULL
    try:
        now = clock(extra.sched)
        fired = <object>now
        goish_lock(&ch.lock)
        deadline = extra.deadline
        if now >= deadline:
            extra.deadline = INFINITY
            chan_put(ch, <PyObject*>fired, &aside)
        goish_unlock(&ch.lock)
        chan_settle(ch, &aside)
        if now >= deadline:
            return INFINITY
        return deadline - now if extra.sched.loop_time is None else 1.0 / GLANCES
    except BaseException:
        logger.exception("the clock of %r failed", extra.sched.loop)
        return 1.0 / GLANCES


cdef void timer_arm(Chan ch) noexcept:
    # An alarm only while somebody waits: an after() that lost its select leaves nothing behind.
    cdef ChanExtra extra = <ChanExtra>ch.extra
    cdef Op alarm
    cdef Scheduler before, s
    cdef bint mine
    if extra.alarm is not None or extra.deadline == INFINITY:
        return
    before = s = extra.sched
    if s.dead or s.loop.is_closed():
        s = scheduler_here()  # made for a loop that is gone
    alarm = new_op(W_TIMER, ch)
    goish_lock(&ch.lock)
    mine = extra.alarm is None and extra.deadline < INFINITY
    if mine:
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

    Go's ``time.After``. Returns a RecvChan for this thread's event loop: RuntimeError if none runs, ValueError for NaN.
    Zero or less fires at once. It is never closed. No timer runs unless somebody waits on it, so one whose select
    another case won costs nothing.

    Example::

        results = chan()
        index, value, ok = await select(results.recv(), after(0.001).recv())
        print("timeout" if index == 1 else value)  # -> timeout
    """
    cdef Chan ch = Chan.__new__(Chan)
    cdef ChanExtra extra = ChanExtra.__new__(ChanExtra)
    cdef double duration = checked_seconds(seconds, "after")
    if goish_tls_sched == NULL and goish_tls_worker == NULL and running_loop() is None:
        raise RuntimeError(
            "after() counts by an event loop's clock, and none runs on this thread: give the call a timeout, such as "
            "ch.recv_blocking(timeout=seconds) or select_blocking(..., timeout=seconds), or start the program with "
            "goish.run(main)"
        )
    extra.sched = scheduler_here()
    extra.deadline = clock(extra.sched) + max(duration, 0.0)
    ch.capacity = 1
    ch.flags = C_TIMER | C_MADE
    ch.extra = extra
    return recv_view(ch)
