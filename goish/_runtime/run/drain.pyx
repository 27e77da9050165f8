# drain.pyx - the order in which goroutines run on this thread's loop, and the callbacks by which it runs them.
#
# Goroutines run in batches inside one loop callback (the drain): a step costs a C call into the coroutine, not a loop
# callback. A drain ends when nothing is runnable or its slice is over, so that sockets and timers are served in between.
# Steps of tasks and callbacks of a goish loop run in its turns, in the order that asyncio has.
#
# Invariants: while a goroutine runs it is the loop's current task, in its own Context. turn_run() runs only what was queued when
#   it began.
# Threads: the scheduler's own.
# Not here: one goroutine's step (step.pyx), asyncio's current task (current.pyx).

# ---- goroutines ----

cdef enum:
    CLOCK_EVERY = 32   # steps between looks at the clock, and at what other threads have sent


cdef void sched_drain(Scheduler s) except *:
    global goish_tls_sched
    cdef PyObject* outer = goish_tls_sched
    cdef PyObject* outer_current = s.current
    cdef bint was_entered = outer_current != NULL and not (s.nests and asyncio_current_task(s.loop) is None)
    cdef bint nested = s.draining
    cdef bint debug = s.get_debug()
    cdef double end
    goish_tls_sched = <PyObject*>s
    settle_here(s)
    s.draining = True
    s.armed = False
    look_at_nesting(s)
    s.now = goish_monotonic()
    s.unlooked = CLOCK_EVERY
    end = s.now + (LOOKS if s.lent.lively else SLICE)
    if s.worker is not None:
        above.awake(s)
    try:
        if s.run_head != NULL and s.worker is not None:
            above.feed(s)  # once a slice, or calls would wait as long as its goroutines are busy
        while s.run_head != NULL or (s.worker is not None and above.feed(s)):
            if debug:
                timed_step(s, run_pop(s))
            else:
                goroutine_step(s, run_pop(s))
            s.unlooked -= 1
            if s.unlooked <= 0:
                s.unlooked = CLOCK_EVERY
                s.now = goish_monotonic()
                if lend_if_asked(s) or s.now >= end:
                    break
                if GOISH_LOCKS and goish_load_pointer(&s.inbox.head) != NULL:
                    inbox_take(s)  # or a thread that talks to the loop would wait for the end of the slice each time
    finally:
        leave_tasks(s, outer_current, was_entered)
        goish_tls_sched = outer
        s.draining = nested
        if s.run_head != NULL:
            arm_drain(s)
        if s.failed:
            look_at_failed(s)
    if s.run_head == NULL and s.turns.head == NULL and not nested:
        sched_idle(s)


cdef void timed_step(Scheduler s, PyObject* gp) except *:
    # In asyncio's debug mode the loop names the callback that was slow, which here is always the drain.
    cdef double start = goish_monotonic()
    cdef double took
    g = <Goroutine>gp
    try:
        goroutine_step(s, gp)
    finally:
        took = goish_monotonic() - start
        if took >= s.loop.slow_callback_duration:
            asyncio_logger.warning("Executing %r took %.3f seconds", g, took)


cdef void run_step(Scheduler s, PyObject* g) except *:
    global goish_tls_sched
    # One step outside of a drain, in the turn of a loop callback.
    cdef PyObject* outer = goish_tls_sched
    cdef PyObject* outer_current = s.current
    cdef bint was_entered = outer_current != NULL and not (s.nests and asyncio_current_task(s.loop) is None)
    goish_tls_sched = <PyObject*>s
    settle_here(s)
    s.now = goish_monotonic()
    try:
        goroutine_step(s, g)
    finally:
        leave_tasks(s, outer_current, was_entered)
        goish_tls_sched = outer
        if s.run_head != NULL:
            arm_drain(s)
        if s.failed:
            look_at_failed(s)
    if s.run_head == NULL and s.turns.head == NULL:
        sched_idle(s)


cdef void sched_idle(Scheduler s) except *:
    if s.alarms.count == 0 and s.alarm_handle is not None:
        clear_alarm(s)
    if s.worker is not None:
        above.idle(s)
    if s.on_idle is not None and s.live == s.blocked and s.alarms.count == 0:
        s.on_idle()
    inbox_spin(s)


# ---- the turns of a goish loop ----

cdef void turn_run(Scheduler s) except *:
    global goish_tls_sched
    cdef PyObject* outer = goish_tls_sched
    cdef PyObject* outer_current = s.current
    cdef bint was_entered = outer_current != NULL and not (s.nests and asyncio_current_task(s.loop) is None)
    cdef Py_ssize_t left
    goish_tls_sched = <PyObject*>s
    settle_here(s)
    s.turns.armed = False
    look_at_nesting(s)
    s.now = goish_monotonic()
    if goish_load_pointer(&s.inbox.head) != NULL:
        inbox_take(s)
    left = s.turns.count
    s.entered = False
    try:
        while left > 0 and s.turns.head != NULL:  # a loop that is run from within runs some
            left -= 1
            if s.nests and s.turns.count > 1:
                turn_arm(s, s.call_soon)
            turn_item(s, turn_pop(s))
    finally:
        leave_tasks(s, outer_current, was_entered)
        goish_tls_sched = outer
        if s.turns.head != NULL and not s.turns.armed:
            s.turns.armed = post_callback(s, s.turn_callback)
        if s.run_head != NULL:
            arm_drain(s)
        if s.failed:
            look_at_failed(s)
    if s.run_head == NULL and s.turns.head == NULL:
        sched_idle(s)
    else:
        lend_if_asked(s)


cdef inline void turn_item(Scheduler s, PyObject* item) except *:
    cdef Goroutine g
    if goish_is(item, <PyObject*>Goroutine):
        s.entered = True
        goroutine_step(s, item)
        return
    owned = <object>item
    Py_DECREF(owned)
    if goish_is(item, <PyObject*>Wake):
        (<Wake>item).queued = False
        g = (<Wake>item).g
        if end_wait_for_future(g):
            s.entered = True
            goroutine_step(s, <PyObject*>g)
        return
    if s.entered:  # callbacks run in no task
        leave_tasks(s, NULL, False)
        s.entered = False
    handle_run(<Handle>item)


cdef void inbox_called(Scheduler s) except *:
    # The loop calls this, as another thread has asked. On a goish loop this is the turn that the call belongs to.
    if s.alarm_handle is None and s.alarms.count > 0:
        set_alarm(s)
    if has_turns(s) and not s.turns.armed:
        s.inbox.woke = True
        turn_run(s)
    else:
        inbox_collect(s)


# ---- callbacks of other loops, and of futures ----

@cython.freelist(64)
cdef class Step:
    def __call__(self, /):
        cdef Goroutine g = self.g
        self.g = None
        if g is not None and G_NEW <= g.state <= G_RUNNABLE:
            run_step(g.sched, <PyObject*>g)

    @property
    def __qualname__(self):  # as asyncio shows a callback
        return "Goroutine.step" if self.g is None else f"Goroutine[{self.g.id}].step"


@cython.no_gc_clear  # it may be called while its cycle is taken apart
@cython.freelist(64)
cdef class Wake:
    def __call__(self, future, /):
        wake_now(self.g)

    def __eq__(self, other):  # for remove_done_callback
        return type(other) is Wake and (<Wake>other).g is self.g

    def __hash__(self):
        return hash(self.g)

    @property
    def __qualname__(self):  # as asyncio shows a callback
        return f"Goroutine[{self.g.id}].wakeup"


cdef bint may_step_now(Scheduler s) noexcept:
    # Whether a callback of the loop may step a goroutine whose wait it has decided: nobody runs, and nobody is ready before it.
    # That saves a drain, and the turn of the loop before it.
    if goish_tls_sched != NULL or s.run_head != NULL or s.debug or s.nests:
        return False
    if current_tasks is not None:
        return not <dict>current_tasks
    try:
        return asyncio_current_task(s.loop) is None
    except BaseException:
        return False


cdef void step_now(Scheduler s, Goroutine g) except *:
    cdef PyObject* op = awaited_op(g)
    if g.state != G_WAITING:
        return
    goish_store_state(&g.state, G_RUNNABLE)
    if op != NULL:
        s.blocked -= waits[(<Op>op).kind].native
    g.wait = None
    run_step(s, <PyObject*>g)
    s.unlooked -= 1
    if s.unlooked <= 0:
        s.unlooked = CLOCK_EVERY
        s.now = goish_monotonic()
        lend_if_asked(s)


cdef void wake_now(Goroutine g) except *:
    # A task steps in a loop callback of its own: that is asyncio's order. A goroutine steps there, too, unless others are ready
    # already.
    cdef Scheduler s = g.sched
    if not end_wait_for_future(g):
        return
    if s.run_head == NULL or is_task(g):
        run_step(s, <PyObject*>g)
    else:
        run_push(s, <PyObject*>g)
        arm_drain(s)
