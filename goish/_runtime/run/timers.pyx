# timers.pyx - sleeping, and the alarms of after() channels and of asyncio's libraries (clock.pyx).
#
# Invariants: heap[i] is not later than its children; waiter.index == i for the one at i; a loop timer is armed for the earliest
#   alarm (alarm_handle, alarm_at) whenever the heap is not empty. It may be earlier than needed: taking out the earliest leaves
#   it, so that a loop of select(..., after(60)) does not arm a loop timer each time round.
# Threads: `lock` guards the heap, into which another thread may put the alarm of an after() channel; the rest is the scheduler's.

cdef object own_time = BaseEventLoop.time  # as it was before any library could replace it
cdef str time_name = "time"


cdef inline bint is_virtual(Scheduler s):
    # Whether the loop has a clock that is not the monotonic one: its class's, or one put in its place, on the loop or its class,
    # at any time. (Not on uvloop, whose timers are its own.) So this is asked anew each time a clock is read.
    if s.coarse_timers:
        return False
    return (s.loop_dict is not None and time_name in <dict>s.loop_dict) or type(s.loop).time is not own_time


cdef double sched_clock(Scheduler s) except? -1.0:
    return s.loop.time() if is_virtual(s) else goish_monotonic()


cdef double loop_clock(Scheduler s) except? -1.0:
    # The clock by which the loop's own timers go; uvloop's stands still in a turn, and counts whole milliseconds.
    return s.loop.time() if s.coarse_timers else sched_clock(s)


cdef inline bint alarm_earlier(Alarm* a, Alarm* b) noexcept:
    return a.when < b.when or (a.when == b.when and a.order < b.order)


cdef inline void heap_place(Alarm* heap, Py_ssize_t i, Alarm alarm) noexcept:
    heap[i] = alarm
    if goish_is(alarm.waiter, <PyObject*>Op):
        (<Op>alarm.waiter).index = <uint32_t>i
    else:
        (<Handle>alarm.waiter).index = <uint32_t>i


cdef void sift_up(Alarm* heap, Py_ssize_t i, Alarm alarm) noexcept:
    cdef Py_ssize_t parent
    while i > 0:
        parent = (i - 1) >> 1
        if not alarm_earlier(&alarm, &heap[parent]):
            break
        heap_place(heap, i, heap[parent])
        i = parent
    heap_place(heap, i, alarm)


cdef void sift_down(Alarm* heap, Py_ssize_t count, Py_ssize_t i, Alarm alarm) noexcept:
    cdef Py_ssize_t child = 2 * i + 1
    while child < count:
        if child + 1 < count and alarm_earlier(&heap[child + 1], &heap[child]):
            child += 1
        if not alarm_earlier(&heap[child], &alarm):
            break
        heap_place(heap, i, heap[child])
        i = child
        child = 2 * i + 1
    heap_place(heap, i, alarm)


cdef bint timers_add(Scheduler s, PyObject* waiter, double when) noexcept:
    # False: no memory.
    cdef Timers* t = &s.alarms
    cdef Alarm* heap
    cdef Alarm alarm
    cdef Py_ssize_t size
    goish_lock(&t.lock)
    if t.count == t.size:
        size = 16 if t.size == 0 else 2 * t.size
        heap = <Alarm*>PyMem_Realloc(t.heap, <size_t>size * sizeof(Alarm))
        if heap == NULL:
            goish_unlock(&t.lock)
            return False
        t.heap = heap
        t.size = size
    alarm.when = when
    alarm.order = t.order
    alarm.waiter = waiter
    t.order += 1
    t.count += 1
    Py_INCREF(<object>waiter)
    if goish_is(waiter, <PyObject*>Op):
        (<Op>waiter).flags = (<Op>waiter).flags | F_LINKED
    else:
        (<Handle>waiter).linked = True
    sift_up(t.heap, t.count - 1, alarm)
    goish_unlock(&t.lock)
    if is_here(s):
        set_alarm(s)
    else:
        sched_post(s, s._rearm, (), None)
    return True


cdef void timers_remove(Scheduler s, PyObject* waiter) noexcept:
    # The heap's reference is dropped: the caller holds one.
    cdef bint was
    goish_lock(&s.alarms.lock)
    was = is_linked(waiter)
    if was:
        timers_take(&s.alarms, waiter)
    goish_unlock(&s.alarms.lock)
    if was:
        Py_DECREF(<object>waiter)


cdef inline bint is_linked(PyObject* waiter) noexcept:
    if goish_is(waiter, <PyObject*>Op):
        return (<Op>waiter).flags & F_LINKED
    return (<Handle>waiter).linked


cdef void timers_take(Timers* t, PyObject* waiter) noexcept:
    cdef Py_ssize_t i
    cdef Alarm last
    if goish_is(waiter, <PyObject*>Op):
        (<Op>waiter).flags = (<Op>waiter).flags & ~F_LINKED
        i = (<Op>waiter).index
    else:
        (<Handle>waiter).linked = False
        i = (<Handle>waiter).index
    t.count -= 1
    last = t.heap[t.count]
    if i < t.count:
        if i > 0 and alarm_earlier(&last, &t.heap[(i - 1) >> 1]):
            sift_up(t.heap, i, last)
        else:
            sift_down(t.heap, t.count, i, last)


cdef bint timers_pop(Timers* t, double latest, PyObject** waiter) noexcept:
    # Pops the earliest alarm, with its reference, unless it is later than that.
    cdef bint due
    goish_lock(&t.lock)
    due = t.count > 0 and t.heap[0].when <= latest
    if due:
        waiter[0] = t.heap[0].waiter
        timers_take(t, waiter[0])
    goish_unlock(&t.lock)
    return due


cdef double timers_first(Timers* t) noexcept:
    # When the earliest goes off; infinite if there is none.
    cdef double when
    goish_lock(&t.lock)
    when = t.heap[0].when if t.count > 0 else INFINITY
    goish_unlock(&t.lock)
    return when


cdef double LEAST_DELAY = 0.0005  # seconds: below, uvloop calls in this turn or the next

cdef enum:
    FAR = 86400  # seconds: a loop may refuse a timer that is years away; waking once a day costs nothing


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


cdef void drop_alarms(Scheduler s) noexcept:
    # The loop is closed: no alarm goes off any more. A sleeper in a foreign task stays so until that task is cancelled.
    cdef PyObject* waiter
    while timers_pop(&s.alarms, INFINITY, &waiter):
        if not goish_is(waiter, <PyObject*>Op):
            handle_dropped(<Handle>waiter)
        Py_DECREF(<object>waiter)
    clear_alarm(s)


cdef void clear_alarm(Scheduler s) noexcept:
    if s.alarm_handle is not None:
        s.alarm_handle.cancel()
        s.alarm_handle = None


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


# ---- sleep ----

cdef int must_wait(Op op, PyObject** result) noexcept:
    return 0


cdef bint never_ready(Op op) noexcept:
    return False


cdef bint sleep_arm(Op op) noexcept:
    cdef Scheduler s
    try:
        s = op_scheduler(op)
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
    timers_remove(<Scheduler>op.target, <PyObject*>op)
    return True


cdef void sleep_fire(Op op) noexcept:
    op.state = OP_DONE
    op.value = None
    op_wake(op)


cdef bint never_waits(Op op) noexcept:
    op.state = OP_DONE
    return False


cdef bint never_withdrawn(Op op) noexcept:
    return False


waits[<int>W_GOSCHED] = Wait(
    "gosched", False, must_wait, never_ready, never_waits, never_withdrawn, finish_none, NULL, NULL, NULL, NULL
)
waits[<int>W_SLEEP] = Wait(
    "sleep", False, must_wait, never_ready, sleep_arm, sleep_withdraw, finish_none, NULL, sleep_fire, NULL, NULL
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


cdef Scheduler op_scheduler(Op op):
    if type(op.owner) is Goroutine:
        return (<Goroutine>op.owner).sched
    if type(op.owner) is TaskWaiter:
        return scheduler_of((<TaskWaiter>op.owner).loop)
    return scheduler_here()
