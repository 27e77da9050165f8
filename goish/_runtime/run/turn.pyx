# turn.pyx - what a goish loop runs in its next turn: steps of tasks and callbacks, in the order that asyncio has.
#
# asyncio keeps one queue: task steps, call_soon, done callbacks and the wake-ups by futures run in the order in which they were
# asked for, and what is asked for during a turn runs in the next. A loop of new_event_loop() keeps this queue here and gives
# the loop below it one callback a turn. A task's step is then a place in the queue, not a Handle.
#
# Invariants: if the queue is not empty, the loop below is about to call turn_run() (armed). turn_run() runs only what was queued
#   when it began. A call that another thread has put into the inbox is queued before anything that this thread queues after it.
# Threads: the loop's own; call_soon_threadsafe from any that does not run the loop, through the inbox; Handle.cancel from any:
#   the thread that takes a handle out of H_WAITING empties it, no other. In debug mode, and on loops that are not goish's,
#   tasks take their steps by handles of the loop: the same order, at the loop's own price.
# Not here: goroutines of go() and what channels wake, which have the run queue (sched.pyx); timers (clock.pyx).

cdef enum:
    H_WAITING
    H_RAN
    H_CANCELLED


cdef class Handle:
    """What ``loop.call_soon`` of a goish loop gives; as ``asyncio.Handle``."""

    def cancel(self):
        """Takes the callback back, if it has not been called yet."""
        if goish_swap_state(&self.state, H_WAITING, H_CANCELLED):
            if self.linked:
                timers_remove(self.sched, <PyObject*>self)
            handle_over(self)
        else:
            goish_store_state(&self.state, H_CANCELLED)

    def cancelled(self):
        """Whether ``cancel`` was called."""
        return self.state == H_CANCELLED

    def get_context(self):
        """The contextvars.Context in which the callback is called."""
        return self.context

    @property
    def _cancelled(self):
        return self.state == H_CANCELLED

    def __repr__(self):
        name = type(self).__name__
        when = f" when={self.due}" if isinstance(self, TimerHandle) else ""
        if self.state != H_WAITING:
            return f"<{name} {'ran' if self.state == H_RAN else 'cancelled'}{when}>"
        return f"<{name}{when} {_format_callback_source(self.callback, self.args)}>"


cdef Handle handle_new(Scheduler s, object callback, object args, object context):
    cdef Handle h = Handle.__new__(Handle)
    h.sched = s
    h.callback = callback
    h.args = args
    h.context = PyContext_CopyCurrent() if context is None else context
    # A waiting handle is a root, as a goroutine is: tens of thousands may wait at once, and the collector need not look at them.
    # Nothing else holds the tuple.
    goish_untrack(<PyObject*>h)
    goish_untrack(<PyObject*>args)
    return h


cdef void handle_over(Handle h) noexcept:
    # The caller ended the handle's wait. The handle holds nothing any more: without the GIL it is freed only when the
    # thread that made it runs Python again, and with it the collector does not see what it holds.
    if h.owns_context:
        goish_retrack(<PyObject*>h.context)
        h.owns_context = False
    h.callback = h.args = h.context = h.sched = None


cdef void handle_dropped(Handle h) noexcept:
    # The handle never runs any more.
    if goish_swap_state(&h.state, H_WAITING, H_CANCELLED):
        handle_over(h)


cdef void handle_run(Handle h) except *:
    # Errors go where those of every callback of a loop go.
    cdef bint entered = False
    if not goish_swap_state(&h.state, H_WAITING, H_RAN):
        return
    callback, args, context, s = h.callback, h.args, h.context, h.sched
    handle_over(h)
    try:
        if context is not (<Scheduler>s).base:  # in which turn_run() runs
            if PyContext_Enter(<PyObject*>context) < 0:
                raise_pending()
            entered = True
        call_checked(PyObject_Vectorcall(<PyObject*>callback, goish_tuple_items(<PyObject*>args), len(<tuple>args), NULL))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as exc:
        what = _format_callback_source(callback, args)
        (<Scheduler>s).loop.call_exception_handler({"message": f"Exception in callback {what}", "exception": exc, "handle": h})
    finally:
        if entered:
            PyContext_Exit(<PyObject*>context)


# ---- the queue ----

cdef inline bint has_turns(Scheduler s) noexcept:
    return s.is_ours and not s.debug


cdef inline void turn_link(Scheduler s, PyObject* item) noexcept:
    link_of(item)[0] = NULL
    if s.turns.tail == NULL:
        s.turns.head = item
    else:
        link_of(s.turns.tail)[0] = item
    s.turns.tail = item
    s.turns.count += 1


cdef inline PyObject* turn_pop(Scheduler s) noexcept:
    cdef PyObject* item = s.turns.head
    s.turns.head = link_of(item)[0]
    if s.turns.head == NULL:
        s.turns.tail = NULL
    s.turns.count -= 1
    return item


cdef inline int turn_arm(Scheduler s, object call) except -1:
    # `call`: the own call_soon, or call_soon_threadsafe, of the loop below. Raises what that raises: the loop is closed.
    cdef PyObject* args[2]
    if s.turns.armed:
        return 0
    base = own_context(s)
    args[0] = <PyObject*>s.turn_callback
    args[1] = <PyObject*>base
    call_checked(PyObject_Vectorcall(<PyObject*>call, args, 1, <PyObject*>context_keyword))
    s.turns.armed = True
    return 0


cdef inline int turn_push(Scheduler s, PyObject* item) except -1:
    # Takes the reference of a Wake or Handle, unless it raises.
    turn_after_inbox(s)
    turn_arm(s, s.call_soon)
    turn_link(s, item)
    return 0


cdef inline void turn_after_inbox(Scheduler s) noexcept:
    if s.inbox.head != NULL and is_here(s):
        inbox_take(s)


cdef void turn_push_late(Scheduler s, PyObject* item) noexcept:
    # For where nothing may be raised.
    turn_link(s, item)
    if not s.turns.armed:
        s.turns.armed = post_callback(s, s.turn_callback)


cdef void turn_run(Scheduler s) except *:
    global goish_tls_sched
    cdef PyObject* outer = goish_tls_sched
    cdef PyObject* outer_current = s.current
    cdef bint was_entered = outer_current != NULL and not (s.nests and asyncio_current_task(s.loop) is None)
    cdef Py_ssize_t left
    goish_tls_sched = <PyObject*>s
    settle_here(s)
    s.turns.armed = False
    s.nests = is_nestable(s)
    s.now = goish_monotonic()
    if s.inbox.head != NULL:
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


cdef void turns_drop(Scheduler s) noexcept:
    # The loop is closed. The tasks are still there: the queue does not own them.
    cdef PyObject* item
    s.turns.armed = False
    while s.turns.head != NULL:
        item = turn_pop(s)
        if not goish_is(item, <PyObject*>Goroutine):
            item_discard(item)


# ---- steps of tasks ----

cdef int task_soon(Scheduler s, Goroutine g) except -1:
    # The next step of a task, or of a goroutine that yields to the loop: in the order of the loop's callbacks.
    if has_turns(s):
        turn_push(s, <PyObject*>g)
    else:
        s.call_soon(step_of(g), context=own_context(s))
    return 0


cdef void task_woken(Scheduler s, Goroutine g) noexcept:
    if has_turns(s):
        turn_after_inbox(s)
        turn_push_late(s, <PyObject*>g)
    elif loop_call_retry(s.loop, s.call_soon, (step_of(g),), own_context(s)) is None:
        run_push(s, <PyObject*>g)  # out of its order, but not forgotten
        arm_drain(s)


# ---- call_soon and its like ----

cdef PyObject* loop_call_soon(PyObject* self, PyObject** args, size_t n, PyObject* kwnames) noexcept:
    # As the interpreter hands a call over: `n` positional arguments, behind them those named in `kwnames`.
    try:
        handle = asked_soon(scheduler_at(<object>self), args, <Py_ssize_t>n, kwnames)
    except BaseException as exc:
        goish_raise(<PyObject*>exc)
        return NULL
    Py_INCREF(handle)
    return <PyObject*>handle


cdef object asked_soon(Scheduler s, PyObject** args, Py_ssize_t n, PyObject* kwnames):
    cdef object context = None
    if s.debug or n == 0 or not is_context_only(kwnames):
        return call_checked(PyObject_Vectorcall(<PyObject*>s.call_soon, args, <size_t>n, kwnames))
    if goish_is(args[0], <PyObject*>Wake) and not (<Wake>args[0]).queued and (not GOISH_LOCKS or is_here(s)):
        turn_push(s, args[0])
        (<Wake>args[0]).queued = True
        Py_INCREF(<object>args[0])
        return None  # asyncio's futures, which call this, look at no handle
    if kwnames != NULL:
        context = <object>args[n]
    h = handle_new(s, <object>args[0], goish_tuple_of(args + 1, n - 1), context)
    if GOISH_LOCKS and not is_here(s):
        queue_elsewhere(s, h)
        return h
    turn_push(s, <PyObject*>h)
    Py_INCREF(h)
    return h


cdef inline bint is_context_only(PyObject* kwnames) noexcept:
    if kwnames == NULL or kwnames == <PyObject*>context_keyword:
        return True
    return len(<tuple>kwnames) == 1 and (<tuple>kwnames)[0] == "context"


cdef int queue_elsewhere(Scheduler s, Handle h) except -1:
    Py_INCREF(h)
    if not inbox_push(s, <PyObject*>h):
        raise RuntimeError("Event loop is closed")
    return 0


cdef object asked_soon_threadsafe(Scheduler s, object callback, tuple args, object context):
    if s.debug:
        return s.call_soon_threadsafe(callback, *args, context=context)
    h = handle_new(s, callback, args, context)
    if not is_run_here(s):  # not is_here(): another thread may begin to run a loop of this one at any moment
        queue_elsewhere(s, h)
        return h
    # A signal handler may ask while the loop sleeps: the loop below is woken, not only given the call.
    turn_arm(s, s.call_soon_threadsafe)
    turn_after_inbox(s)
    turn_link(s, <PyObject*>h)
    Py_INCREF(h)
    return h
