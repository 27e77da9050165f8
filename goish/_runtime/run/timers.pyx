# timers.pyx - the alarms of a loop: sleeps, channels that fire and the timers of asyncio's libraries.
#
# Invariants: a loop timer is armed for the earliest alarm (alarm_handle, alarm_at) whenever the heap is not empty; for an alarm
#   that another thread has added, as soon as the loop has its call (sched_post). It may be earlier than needed: taking out the
#   earliest leaves it, so that a loop of select(..., after(60)) does not arm a loop timer each time round.
# Threads: the scheduler's own; timers_add() and timers_announce() from any.
# Not here: the heap (data/heap.pyx), call_later of a goish loop (clock.pyx).

# ---- clocks ----

cdef object own_time = BaseEventLoop.time  # as it was before any library could replace it
cdef str time_name = "time"


cdef inline bint is_virtual(Scheduler s):
    # Whether the loop has a clock that is not the monotonic one: its class's, or one put in its place, on the loop or its class,
    # at any time. (Not on uvloop, whose timers are its own.) So this is asked anew each time a clock is read.
    if s.coarse_timers:
        return False
    return (s.loop_dict is not None and time_name in <dict>s.loop_dict) or type(s.loop).time is not own_time


cdef inline bint is_uvloops(Scheduler s) noexcept:
    # Whether it goes by uvloop's clock where that is another one than the system's (c/clock.h); None: a thread without a loop.
    return GOISH_UVLOOP_DIFFERS and s is not None and s.coarse_timers


cdef inline bint is_apart(Scheduler s):
    # Whether it goes by another clock than threads without a loop (None).
    return s is not None and (is_uvloops(s) or is_virtual(s))


cdef double sched_clock(Scheduler s) except? -1.0:
    if is_uvloops(s):
        return goish_uvloops()
    return s.loop.time() if is_virtual(s) else goish_monotonic()


cdef double loop_clock(Scheduler s) except? -1.0:
    # The clock by which the loop's own timers go; uvloop's stands still in a turn, and counts whole milliseconds.
    return s.loop.time() if s.coarse_timers else sched_clock(s)


# ---- alarms ----

cdef double LEAST_DELAY = 0.0005  # seconds: below, uvloop calls in this turn or the next


cdef enum:
    FAR = 86400  # seconds: a loop may refuse a timer that is years away; waking once a day costs nothing


cdef bint timers_add(Scheduler s, PyObject* waiter, double when) noexcept:
    # False: no memory.
    if not timers_insert(&s.alarms, waiter, when):
        return False
    timers_announce(s)
    return True


cdef inline void timers_announce(Scheduler s) noexcept:
    # After an insertion: the loop timer may have to go off earlier.
    if is_here(s):
        set_alarm(s)
    else:
        sched_post(s, s._rearm, (), None)


cdef void set_alarm(Scheduler s) noexcept:
    # Arms the loop timer for the earliest alarm, unless one as early is armed.
    cdef double when = timers_first(&s.alarms)
    cdef double delay
    if when == INFINITY:
        return
    if s.alarm_handle is not None and s.alarm_at <= when:
        return
    if s.alarm_handle is not None:
        s.alarm_handle.cancel()
    try:
        delay = min(max(when - loop_clock(s), 0.0), <double>FAR)
    except BaseException:
        logger.exception("the clock of %r failed", s.loop)
        delay = 0.0
    if s.coarse_timers:
        delay = ceil(delay * 1000.0) / 1000.0
    s.alarm_at = when
    s.alarm_handle = loop_call_retry(s.loop, s.call_later, (delay, s._alarm), own_context(s))
    if s.alarm_handle is None:
        inbox_poke(s)
    elif s.alarm_handle is False:
        s.alarm_handle = None
        s.dead = True  # the loop is closed


cdef void clear_alarm(Scheduler s) noexcept:
    if s.alarm_handle is not None:
        s.alarm_handle.cancel()
        s.alarm_handle = None


cdef void drop_alarms(Scheduler s) noexcept:
    # The loop is closed: no alarm goes off any more. A sleeper in a foreign task stays so until that task is cancelled.
    cdef PyObject* waiter
    while timers_pop(&s.alarms, INFINITY, &waiter):
        dropped = <object>waiter
        Py_DECREF(dropped)
        if type(dropped) is not Op:
            handle_dropped(<Handle>dropped)
        elif (<Op>dropped).kind != W_SLEEP:
            above.homeless(<Op>dropped)  # waiters on other loops may need it
    clear_alarm(s)


cdef void alarms_due(Scheduler s) except *:
    cdef double now = loop_clock(s)
    cdef PyObject* waiter
    s.alarm_handle = None
    try:
        while timers_pop(&s.alarms, now, &waiter):
            due = <object>waiter
            Py_DECREF(due)
            if goish_is(waiter, <PyObject*>Op):
                waits[(<Op>due).kind].fire(<Op>due)
            else:
                handle_run(<Handle>due)
    finally:
        set_alarm(s)
