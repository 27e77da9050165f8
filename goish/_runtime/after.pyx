# after.pyx - channels that fire: a timeout as a case of select.
#
# The channel holds one value from its deadline on. An alarm is set only while somebody waits: an after() that lost its select
# leaves nothing behind.
# Threads: the alarm is on the scheduler that made the channel.

cdef void timer_poll(Chan ch) noexcept:
    cdef ChanExtra extra = <ChanExtra>ch.extra
    if extra.deadline < INFINITY:
        timer_due(ch, extra)


cdef void timer_due(Chan ch, ChanExtra extra) noexcept:
    cdef Aside aside
    cdef double now
    cdef object fired
    try:
        now = clock(extra.sched)
        if now < extra.deadline:
            return
        fired = <object>now
        extra.deadline = INFINITY
        goish_lock(&ch.lock)
        chan_put(ch, <PyObject*>fired, &aside)
        goish_unlock(&ch.lock)
        chan_settle(ch, &aside)
    except BaseException:
        logger.exception("the clock of %r failed", extra.sched.loop)


cdef void timer_arm(Chan ch) noexcept:
    # An alarm only while somebody waits: an after() that lost its select leaves nothing behind.
    cdef ChanExtra extra = <ChanExtra>ch.extra
    if extra.alarm is None and extra.deadline < INFINITY:
        if extra.sched.dead or extra.sched.loop.is_closed():
            extra.sched = scheduler_here()  # made for a loop that is gone
        extra.alarm = new_op(W_TIMER, ch)
        timers_add(extra.sched, <PyObject*>extra.alarm, extra.deadline)


cdef void timer_disarm(Chan ch) noexcept:
    cdef ChanExtra extra = <ChanExtra>ch.extra
    if extra.alarm is not None and ch.receivers.count == 0:
        if extra.alarm.flags & F_LINKED:
            timers_remove(extra.sched, <PyObject*>extra.alarm)
        extra.alarm = None


cdef void timer_fire(Op op) noexcept:
    cdef Chan ch = <Chan>op.target
    (<ChanExtra>ch.extra).alarm = None
    timer_poll(ch)


waits[<int>W_TIMER] = Wait(
    "timer", False, must_wait, never_ready, never_waits, never_withdrawn, finish_none, NULL, timer_fire, NULL
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
    extra.sched = scheduler_here()
    extra.deadline = clock(extra.sched) + max(duration, 0.0)
    ch.capacity = 1
    ch.flags = C_TIMER | C_MADE
    ch.extra = extra
    return recv_view(ch)
