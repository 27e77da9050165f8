# timer.pyx - channels that fire: each holds one value, the time, from its deadline on (after(), a Timer, a Ticker), or is closed
# then (the done() of a context).
#
# The value is put into the channel when a receiver looks, so nothing runs meanwhile, and a channel that is stopped, reset or
# forgotten leaves nothing behind. An alarm is set only while receivers wait (and for after_func(), always).
#
# Invariants: `alarm` is in the heap of `sched`, or None. A reset or a stop leaves no value in the buffer.
# Threads: any may receive from it. The alarm is on the scheduler that made the channel; the channel's lock guards deadline, beat,
#   alarm and scheduler, and is taken before that of the heap. A thread that blocks needs no alarm: it looks at the clock itself
#   (thread_park, thread_wait.pyx). A channel that was made where no loop runs goes by the monotonic clock, and has no scheduler
#   until a goroutine awaits it.
# Not here: the types (ticker.pyx), after() (after.pyx).

cdef void timer_poll(Chan ch) noexcept:
    if (<ChanCold>ch.cold).deadline < INFINITY:
        timer_due(ch)


cdef double GLANCE = 0.05  # seconds: how often a blocked thread looks at a clock that it cannot sleep by


cdef double timer_clock(Scheduler s) except? -1.0:
    return goish_monotonic() if s is None else sched_clock(s)


cdef double timer_due(Chan ch) noexcept:
    # Fires the channel if it is time, for each tick that a receiver waits for. Gives the seconds until a blocked thread must look
    # again; infinite: never.
    cdef ChanCold cold = <ChanCold>ch.cold
    cdef Scheduler s = cold.sched
    cdef AfterUnlock aside
    cdef double now, left
    cdef bint more = True
    cdef bint steady        # a thread can sleep by this clock
    cdef bint stays         # a reset wakes a thread, by an alarm; or there is none
    if cold.ctx is not None:
        return above.due(cold.ctx)
    try:
        now = timer_clock(s)
        steady = s is None or not is_virtual(s)
        stays = not ch.flags & C_RESETS or (s is not None and not s.dead)
    except BaseException:
        logger.exception("the clock of %r failed", s.loop)
        return GLANCE
    left = GLANCE
    while more:
        aside.wake = aside.dropped = NULL
        goish_lock(&ch.lock)
        more = cold.sched is s  # or it goes by another clock since: the next look tells
        if more:
            left = timer_look(ch, now, &aside)
            more = left <= 0.0 and ch.receivers.head != NULL
        goish_unlock(&ch.lock)
        chan_settle(ch, &aside)
    return left if stays and (steady or left == INFINITY) else min(left, GLANCE)


cdef double timer_look(Chan ch, double now, AfterUnlock* aside) noexcept:
    # Under the lock: as timer_due(), for one tick.
    cdef ChanCold cold = <ChanCold>ch.cold
    cdef PyObject* fired
    cdef bint given = False
    if ch.buffer.count > 0 and cold.beat is not None and cold.beat.missed == MISSED_DELAY:
        cold.deadline = beat_next(cold.beat, now, False)  # the tick has not been taken: the next one counts from when it is
    if now < cold.deadline:
        return cold.deadline - now
    if ch.buffer.count == 0:
        fired = PyFloat_FromDouble(cold.deadline)
        if fired == NULL or chan_put(ch, fired, aside) != HAPPENED:
            PyErr_Clear()  # no memory: it stays due
            Py_XDECREF(fired)
            return GLANCE
        Py_XDECREF(fired)
        given = True
    if cold.beat is None:
        cold.deadline = INFINITY
    else:
        if given:
            cold.beat.drift = now - cold.deadline
        cold.deadline = beat_next(cold.beat, now, given)
    return cold.deadline - now if cold.deadline > now or given else cold.beat.period


cdef double beat_next(Beat beat, double now, bint given) noexcept:
    # When the next tick is due. All times are multiples of one another, so no error adds up.
    cdef double due
    if beat.missed == MISSED_BURST:
        beat.n += given
        return beat.first + beat.n * beat.period
    if beat.missed == MISSED_DELAY:
        beat.first = now
        beat.n = 1.0
    else:
        beat.n = max(beat.n, floor((now - beat.first) / beat.period)) + 1.0
    due = beat.first + beat.n * beat.period
    return due if due > now else nextafter(now, INFINITY)  # a period smaller than the clock can tell


# ---- the alarm ----

cdef void timer_arm(Chan ch) noexcept:
    # Sets the alarm, for a receiver that waits.
    cdef ChanCold cold = <ChanCold>ch.cold
    if cold.ctx is not None:
        above.awaited(cold.ctx)
    elif cold.sched is not None and is_at_work(cold.sched):
        if cold.alarm is None and cold.deadline < INFINITY:
            timer_arm_on(ch, cold.sched)
    elif cold.deadline < INFINITY or ch.flags & C_RESETS:
        timer_arm_on(ch, scheduler_here())  # made for a loop that is gone or has stopped, or for none


cdef bint is_at_work(Scheduler s) noexcept:
    return not s.dead and (is_run_here(s) or s.loop.is_running())


cdef void timer_arm_on(Chan ch, Scheduler s) noexcept:
    cdef ChanCold cold = <ChanCold>ch.cold
    cdef Scheduler before = cold.sched
    cdef Op alarm = new_op(W_TIMER, ch)
    cdef Op _former = None  # freed after unlocking
    cdef double shift = clock_shift(before, s)
    cdef bint mine
    goish_lock(&ch.lock)
    if cold.sched is before and before is not s:
        _former = timer_unset(cold)
        timer_shift(cold, shift)
        cold.sched = s
    mine = cold.alarm is None and cold.sched is s and cold.deadline < INFINITY
    if mine and timers_insert(&s.alarms, <PyObject*>alarm, cold.deadline):
        cold.alarm = alarm
    goish_unlock(&ch.lock)
    if mine:
        timers_announce(s)
        if s.dead:  # closed meanwhile: it has looked through its alarms before this one, or finds it
            timer_homeless(alarm)


cdef double clock_shift(Scheduler before, Scheduler s) noexcept:
    # What to add to a time of the one clock for that of the other.
    try:
        if not is_apart(before) and not is_apart(s):
            return 0.0
        return sched_clock(s) - timer_clock(before)
    except BaseException:
        logger.exception("the clock of %r failed", s.loop)
        return 0.0


cdef void timer_shift(ChanCold cold, double shift) noexcept:
    cold.deadline += shift
    if cold.beat is not None:
        cold.beat.first += shift


cdef void timer_homeless(Op op) noexcept:
    # The loop of the alarm is closed: it moves to that of a receiver who waits on another.
    cdef Chan ch = <Chan>op.target
    cdef ChanCold cold = <ChanCold>ch.cold
    cdef Scheduler s = None
    cdef bint mine
    goish_lock(&ch.lock)
    mine = cold.alarm is op
    if mine:
        cold.alarm = None
        s = sched_of_receiver(ch)
    goish_unlock(&ch.lock)
    if s is not None:
        timer_arm_on(ch, s)


cdef Scheduler sched_of_receiver(Chan ch):
    # Under the lock: of the first receiver that waits on a loop that lives.
    cdef PyObject* op = ch.receivers.head
    cdef Scheduler s
    while op != NULL:
        s = waiter_sched(<Op>op)
        if s is not None and not s.dead:
            return s
        op = (<Op>op).next
    return None


cdef void timer_disarm(Chan ch) noexcept:
    # Takes the alarm back once no receiver waits.
    cdef ChanCold cold = <ChanCold>ch.cold
    cdef Op _alarm = None
    if cold.ctx is not None:
        return  # the context keeps its alarm
    goish_lock(&ch.lock)
    if ch.receivers.count == 0 and cold.action is None:
        _alarm = timer_unset(cold)
    goish_unlock(&ch.lock)


cdef Op timer_unset(ChanCold cold):
    # Under the lock. The caller frees the alarm after unlocking.
    cdef Op alarm = cold.alarm
    if alarm is not None:
        cold.alarm = None
        timers_remove(&cold.sched.alarms, <PyObject*>alarm)
    return alarm


cdef void timer_fire(Op op) noexcept:
    cdef Chan ch = <Chan>op.target
    cdef ChanCold cold = <ChanCold>ch.cold
    cdef bint mine
    cdef bint acts = False
    goish_lock(&ch.lock)
    mine = cold.alarm is op  # or it was stopped or reset since
    if mine:
        cold.alarm = None
        acts = cold.action is not None
        if acts:
            cold.deadline = INFINITY
    goish_unlock(&ch.lock)
    if acts:
        timer_act(cold)
    elif mine:
        timer_poll(ch)
        if ch.receivers.head != NULL:
            timer_arm(ch)


cdef void timer_act(ChanCold cold) noexcept:
    try:
        cold.action()
    except BaseException:
        logger.exception("the function of after_func() could not be started")


waits[<int>W_TIMER] = Wait(
    "timer", False, must_wait, never_ready, never_waits, never_withdrawn, finish_none, NULL, timer_fire, NULL, NULL,
    NULL, NULL, NULL, NULL, False, NULL
)


# ---- made, stopped, reset ----

cdef Chan timer_new(Scheduler s, double deadline, uint8_t flags):
    cdef Chan ch = Chan.__new__(Chan)
    cdef ChanCold cold = ChanCold.__new__(ChanCold)
    cold.sched = s
    cold.deadline = deadline
    ch.capacity = 1
    ch.flags = C_TIMER | flags
    ch.cold = cold
    return ch


cdef bint timer_stop(Chan ch) noexcept:
    # True: what it was set for has not happened, and will not.
    cdef ChanCold cold = <ChanCold>ch.cold
    cdef PyObject* stale = NULL
    cdef Op _alarm
    cdef bint pending
    goish_lock(&ch.lock)
    pending = timer_clear(ch, &stale)
    _alarm = timer_unset(cold)
    goish_unlock(&ch.lock)
    Py_XDECREF(stale)
    return pending


cdef bint timer_clear(Chan ch, PyObject** stale) noexcept:
    # Under the lock.
    cdef ChanCold cold = <ChanCold>ch.cold
    cdef bint pending = cold.deadline < INFINITY
    cold.deadline = INFINITY
    if ch.buffer.count > 0:
        stale[0] = ring_pop(&ch.buffer)
        pending = True
    return pending


cdef bint timer_reset(Chan ch, double seconds) except -1:
    # As timer_stop(), and sets it for `seconds` from now, a Ticker for every so many.
    cdef ChanCold cold = <ChanCold>ch.cold
    cdef Scheduler s = timer_home(ch)
    cdef PyObject* stale = NULL
    cdef Op alarm = new_op(W_TIMER, ch)
    cdef Op _former
    cdef double now = timer_clock(s)
    cdef bint pending, armed
    goish_lock(&ch.lock)
    pending = timer_clear(ch, &stale)
    _former = timer_unset(cold)
    _former_home, cold.sched = cold.sched, s
    cold.deadline = now + max(seconds, 0.0)
    if cold.beat is not None:
        cold.beat.period = seconds
        cold.beat.first = now
        cold.beat.n = 1.0
    armed = s is not None and cold.deadline < INFINITY and (ch.receivers.head != NULL or cold.action is not None)
    if armed and timers_insert(&s.alarms, <PyObject*>alarm, cold.deadline):
        cold.alarm = alarm
    goish_unlock(&ch.lock)
    Py_XDECREF(stale)
    if armed:
        timers_announce(s)
        if s.dead:
            timer_homeless(alarm)
    return pending


cdef Scheduler timer_home(Chan ch):
    # By whose clock it goes from now on: as before, or if that loop is gone, by that of a receiver who waits, or by none.
    cdef ChanCold cold = <ChanCold>ch.cold
    cdef Scheduler s = cold.sched
    if s is not None and not s.dead and not s.loop.is_closed():
        return s
    goish_lock(&ch.lock)
    s = sched_of_receiver(ch)
    goish_unlock(&ch.lock)
    return s
