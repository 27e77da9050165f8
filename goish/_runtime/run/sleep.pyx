# sleep.pyx - gosched() and sleep(): waits for nothing but time.
#
# Threads: the scheduler's own.
# Not here: the alarms (timers.pyx), channels that fire (chan/timer.pyx).

cdef int must_wait(Op op, PyObject** result) noexcept:
    return 0


cdef bint never_ready(Op op) noexcept:
    return False


cdef bint never_waits(Op op) noexcept:
    op.state = OP_DONE
    return False


cdef bint never_withdrawn(Op op) noexcept:
    return False


cdef bint sleep_arm(Op op) noexcept:
    cdef Scheduler s
    try:
        s = waiter_sched(op) or scheduler_here()
        op.target = s
        if timers_add(s, <PyObject*>op, sched_clock(s) + <double>op.value):
            return True
        raise MemoryError
    except BaseException as exc:
        op.value = exc
        op.state = OP_FAILED
        return False


cdef bint sleep_withdraw(Op op) noexcept:
    if op.state != OP_WAITING:
        return False
    op.state = OP_FAILED
    timers_remove(&(<Scheduler>op.target).alarms, <PyObject*>op)
    return True


cdef void sleep_fire(Op op) noexcept:
    op.state = OP_DONE
    op.value = None
    op_wake(op)


waits[<int>W_GOSCHED] = Wait(
    "gosched", False, must_wait, never_ready, never_waits, never_withdrawn, finish_none, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL
)


waits[<int>W_SLEEP] = Wait(
    "sleep", False, must_wait, never_ready, sleep_arm, sleep_withdraw, finish_none, NULL, sleep_fire, NULL, NULL,
    NULL, NULL, NULL, NULL
)


cdef double checked_seconds(object seconds, str name) except? -1.0:
    try:
        duration = float(seconds) if not isinstance(seconds, str) else None
    except TypeError:
        duration = None
    if duration is None:
        raise TypeError(f"{name}() takes a number of seconds, got {seconds!r} of type {type(seconds).__name__}")
    if duration != duration:
        raise ValueError(f"{name}() takes a number of seconds, not NaN")
    return duration


def gosched():
    """Lets other goroutines run: await it; the goroutine goes to the end of the run queue. Go's ``runtime.Gosched``.

    Gives None. A cancel that comes meanwhile is raised here. Needs an event loop on this thread.

    Example::

        async def other():
            print("other")  # -> other

        go(other)
        await gosched()
    """
    return new_op(W_GOSCHED, None)


def sleep(seconds):
    """Waits for ``seconds``, never less; await it. Zero or less is ``gosched()``. Go's ``time.Sleep``, but in seconds.

    Gives None. ValueError for NaN. A cancel ends it at once and leaves no timer behind. Needs an event loop on this
    thread.

    Example::

        await sleep(0.001)
    """
    cdef Op op
    cdef double duration = checked_seconds(seconds, "sleep")
    if duration <= 0.0:
        return new_op(W_GOSCHED, None)
    op = new_op(W_SLEEP, None)
    op.value = duration
    return op
