# timer.pyx - a channel that fires: it holds one value from its deadline on.
#
# An alarm is set only while the channel has waiters: an after() that lost its select leaves nothing behind.
# Threads: any may receive from it. The alarm is on the scheduler that made the channel; the channel's lock guards deadline,
#   alarm and scheduler. A thread that blocks needs no alarm: it looks at the clock itself (thread_park, thread_wait.pyx). A
#   channel that was made where no loop runs goes by the monotonic clock, and has no scheduler until a goroutine awaits it.

cdef void timer_poll(Chan ch) noexcept:
    if (<ChanCold>ch.cold).deadline < INFINITY:
        timer_due(ch)


cdef enum:
    GLANCES = 20  # a second: how often a blocked thread reads a clock that is not the system's


cdef double timer_due(Chan ch) noexcept:
    # Fires the channel if it is time; gives the seconds until then, infinite afterwards.
    cdef ChanCold cold = <ChanCold>ch.cold
    cdef Scheduler s = cold.sched
    cdef AfterUnlock aside
    cdef double now, deadline
    cdef object fired
    aside.wake = aside.dropped = NULL
    try:
        now = goish_monotonic() if s is None else sched_clock(s)
        fired = <object>now
        goish_lock(&ch.lock)
        deadline = cold.deadline if cold.sched is s else now + 1.0 / GLANCES  # by another clock since: the next look tells
        if now >= deadline:
            cold.deadline = INFINITY
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
    # Sets an alarm only while the channel has waiters: an after() that lost its select leaves nothing behind.
    cdef ChanCold cold = <ChanCold>ch.cold
    cdef Op alarm
    cdef Scheduler before, s
    cdef bint mine
    cdef double shift = 0.0  # between the clocks
    if cold.alarm is not None or cold.deadline == INFINITY:
        return
    before = s = cold.sched
    if s is None or s.dead or s.loop.is_closed():
        s = scheduler_here()  # made for a loop that is gone, or for none
    alarm = new_op(W_TIMER, ch)
    if before is None:
        shift = sched_clock(s) - goish_monotonic()
    goish_lock(&ch.lock)
    mine = cold.alarm is None and cold.deadline < INFINITY
    if mine:
        if cold.sched is None:
            cold.deadline += shift
        cold.sched = s
        cold.alarm = alarm
    goish_unlock(&ch.lock)
    if mine:
        timers_add(s, <PyObject*>alarm, cold.deadline)


cdef void timer_disarm(Chan ch) noexcept:
    cdef ChanCold cold = <ChanCold>ch.cold
    cdef Op alarm
    goish_lock(&ch.lock)
    alarm = cold.alarm if ch.receivers.count == 0 else None
    if alarm is not None:
        cold.alarm = None
    goish_unlock(&ch.lock)
    if alarm is not None:
        timers_remove(&cold.sched.alarms, <PyObject*>alarm)


cdef void timer_fire(Op op) noexcept:
    cdef Chan ch = <Chan>op.target
    cdef ChanCold cold = <ChanCold>ch.cold
    goish_lock(&ch.lock)
    if cold.alarm is op:
        cold.alarm = None
    goish_unlock(&ch.lock)
    timer_poll(ch)


waits[<int>W_TIMER] = Wait(
    "timer", False, must_wait, never_ready, never_waits, never_withdrawn, finish_none, NULL, timer_fire, NULL, NULL,
    NULL, NULL, NULL, NULL
)
