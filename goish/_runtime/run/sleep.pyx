# sleep.pyx - gosched() and sleep(): waits for nothing but time. Also which clock a thread goes by.
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
    NULL, NULL, NULL, NULL, False, NULL
)


waits[<int>W_SLEEP] = Wait(
    "sleep", False, must_wait, never_ready, sleep_arm, sleep_withdraw, finish_none, NULL, sleep_fire, NULL, NULL,
    NULL, NULL, NULL, NULL, False, NULL
)


cdef inline double checked_seconds(object seconds, str name) except? -1.0:
    return float_of(seconds, name, "() takes a number of seconds")


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

    Gives None. TypeError for no number, ValueError for NaN or more than a float holds. A cancel ends it at once and leaves no
    timer behind. Needs an event loop on this thread.

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


cdef Scheduler clock_here():
    # The scheduler by whose clock this thread's waits go; None: by the monotonic clock. So do those of a plain worker, whose loop
    # runs only as long as it has goroutines.
    cdef Scheduler s = None
    if goish_tls_sched != NULL or running_loop() is not None:
        s = scheduler_here()
    return None if s is not None and s.worker is not None and s.worker.kind == PLAIN else s


def clock_now():
    """The time by the clock of this thread's event loop, or else by the monotonic one."""
    cdef Scheduler s = clock_here()
    return goish_monotonic() if s is None else sched_clock(s)
