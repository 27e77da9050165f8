# step.pyx - one step of a goroutine: up to its next wait, on which it is parked.
#
# The one way to block: a coroutine yields an Op, goroutine_park() puts the goroutine on it, and the operation that decides the
# Op wakes the goroutine (ready.pyx).
# A cancel that is due is delivered here: thrown into the coroutine, or raised at the wait on which it would be parked.
# Threads: the scheduler's own.
# Not here: what steps goroutines, and in which order (drain.pyx).

cdef extern from *:
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT
    PySendResult PyIter_Send(PyObject* iter, PyObject* arg, PyObject** result) noexcept
    int PyContext_Enter(PyObject* ctx) noexcept
    int PyContext_Exit(PyObject* ctx) noexcept


cdef void goroutine_step(Scheduler s, PyObject* gp) except *:
    # Runs the goroutine up to its next wait.
    global goish_tls_spent
    cdef Goroutine g = <Goroutine>gp
    cdef PyObject* result = NULL
    cdef PySendResult status
    s.current = gp
    s.steps += 1
    g.flags &= ~GF_CANCELLED
    goish_tls_spent = 0
    if enter_task(s, gp) < 0 or PyContext_Enter(<PyObject*>g.ctx) < 0:
        status = PYGEN_ERROR
    else:
        if g.state == G_CALLED and make_coro(g) < 0:
            status = PYGEN_ERROR
        elif g.state <= G_YIELDED and (g.flags & GF_MUST_CANCEL or goroutine_throws(g)):
            goish_store_state(&g.state, G_RUNNING)
            status = throw_into(g, &result)
        else:
            goish_store_state(&g.state, G_RUNNING)
            status = PyIter_Send(<PyObject*>g.coro, <PyObject*>None, &result)
        if PyContext_Exit(<PyObject*>g.ctx) < 0 and status != PYGEN_ERROR:
            PyErr_WriteUnraisable(<PyObject*>g)  # it left a Context entered that is not its own
    s.current = NULL
    if status == PYGEN_NEXT:
        if not g.flags & GF_GC_TAKEN:
            take_coro(g)
        if goish_is(result, <PyObject*>Op) and (<Op>result).state == OP_YIELDED:
            goroutine_park(s, g, <Op>result)
        else:
            await_foreign(s, g, <object>result)
        Py_DECREF(<object>result)
    elif status == PYGEN_RETURN:
        value = <object>result
        Py_DECREF(value)
        g.flags &= ~GF_PASSING  # a cancel that it has passed on may have brought it here
        if g.flags & (GF_MUST_CANCEL | GF_LATE) == GF_MUST_CANCEL and is_task(g):  # asyncio's rule: it was cancelled while it ran
            g.flags |= GF_CANCELLED
            goroutine_finish(s, g, cancelled_error_of(g), True)
        else:
            goroutine_finish(s, g, value, False)
    else:
        goroutine_fail(s, g)


cdef inline bint goroutine_throws(Goroutine g) noexcept:
    cdef bint there
    goish_lock(end_lock(g))
    there = type(g.cold) is GoroutineCold
    goish_unlock(end_lock(g))
    return there and (<GoroutineCold>g.cold).throw is not None


cdef PySendResult throw_into(Goroutine g, PyObject** result) noexcept:
    cdef PyObject* exc
    cdef PyObject* value
    try:
        if goroutine_throws(g):
            error, (<GoroutineCold>g.cold).throw = (<GoroutineCold>g.cold).throw, None
        else:
            g.flags &= ~GF_MUST_CANCEL
            error = cancelled_error_of(g)
        value = PyObject_CallMethodOneArg(<PyObject*>g.coro, <PyObject*>throw_name, <PyObject*>error)
    except BaseException as unexpected:
        goish_raise(<PyObject*>unexpected)
        return PYGEN_ERROR
    if value != NULL:
        result[0] = value
        return PYGEN_NEXT
    if not PyErr_ExceptionMatches(StopIteration):
        return PYGEN_ERROR
    exc = goish_take_exception()
    returned = (<object>exc).value
    Py_DECREF(<object>exc)
    Py_INCREF(returned)
    result[0] = <PyObject*>returned
    return PYGEN_RETURN


cdef inline void goroutine_park(Scheduler s, Goroutine g, Op op) noexcept:
    if not s.managed and not g.flags & GF_REGISTERED and not is_task(g):
        task_register(g)
    if op.flags & F_PAUSE or op.kind == W_GOSCHED:
        if op.flags & F_PAUSE:
            op.state = OP_NEW
            s.unlooked -= 1  # a step of a hundred operations counts twice
        else:
            op.state = OP_DONE
        goish_store_state(&g.state, G_YIELDED)
        run_push(s, <PyObject*>g)
        return
    op.owner = g
    if g.flags & GF_MUST_CANCEL and op.kind == W_JOIN and pass_cancel(op, cancel_message(g)):
        g.flags &= ~GF_MUST_CANCEL
    elif g.flags & GF_MUST_CANCEL:
        g.flags &= ~GF_MUST_CANCEL
        op_drop(op)
        op.value = cancelled_error_of(g)
        op.state = OP_FAILED
        g.flags |= GF_CANCELLED
        goish_store_state(&g.state, G_RUNNABLE)
        run_push(s, <PyObject*>g)
        return
    # All is set before the op can be found: another thread may complete it the moment it is linked.
    if goish_untrack(<PyObject*>op):
        op.used |= U_TAKEN
    g.wait = op
    g.link.since = s.now
    goish_store_state(&g.state, G_WAITING)
    s.blocked += waits[op.kind].native
    if not op_arm(op):
        goroutine_ready_here(s, g)


# ---- futures of asyncio ----

cdef void await_foreign(Scheduler s, Goroutine g, object awaited) except *:
    # An asyncio future, a bare yield, or rubbish. The rules are asyncio.Task's.
    if awaited is None:
        # Code relies on call_soon(f) before sleep(0) having run f after it: through the loop, not the run queue.
        goish_store_state(&g.state, G_YIELDED)
        task_soon(s, g)
        return
    try:
        error = foreign_error(s, g, awaited)
        if error is None:
            wait_for_future(s, g, awaited)
            if g.flags & GF_MUST_CANCEL and awaited.cancel(msg=cancel_message(g)):
                g.flags &= ~GF_MUST_CANCEL
            return
    except Exception as exc:
        error = exc
    g.wait = None
    cold_of(g).throw = error
    goish_store_state(&g.state, G_YIELDED)
    if is_task(g):
        task_soon(s, g)
    else:
        run_push(s, <PyObject*>g)
        arm_drain(s)


cdef object FUTURE = _asyncio.Future
cdef object future_loop = _asyncio.Future.get_loop
cdef object future_add_done_callback = _asyncio.Future.add_done_callback


cdef void wait_for_future(Scheduler s, Goroutine g, object awaited) except *:
    cdef PyObject* args[3]
    cdef Wake wake = Wake.__new__(Wake)
    wake.g = g
    if not is_task(g):
        goish_untrack(<PyObject*>wake)  # it leads to the goroutine alone, which is a root while it waits
        if not g.flags & GF_REGISTERED:
            task_register(g)
    awaited._asyncio_future_blocking = False
    g.wait = awaited
    g.link.since = s.now
    goish_store_state(&g.state, G_WAITING)
    base = own_context(s)
    if type(awaited) is not FUTURE:
        awaited.add_done_callback(wake, context=base)
    else:
        args[0] = <PyObject*>awaited
        args[1] = <PyObject*>wake
        args[2] = <PyObject*>base
        call_checked(PyObject_Vectorcall(<PyObject*>future_add_done_callback, args, 2, <PyObject*>context_keyword))


cdef object foreign_error(Scheduler s, Goroutine g, object awaited):
    cdef PyObject* future = <PyObject*>awaited
    if type(awaited) is FUTURE and awaited._asyncio_future_blocking:
        if call_checked(PyObject_Vectorcall(<PyObject*>future_loop, &future, 1, NULL)) is s.loop:
            return None
    blocking = True if type(awaited) is Goroutine else getattr(awaited, "_asyncio_future_blocking", None)
    if blocking is None:
        if isgenerator(awaited):
            return RuntimeError(f"yield was used instead of yield from for generator in {g!r} with {awaited!r}")
        return RuntimeError(f"{g!r} got bad yield: {awaited!r}; await asyncio futures, coroutines and goish operations")
    try:
        loop = awaited.get_loop()
    except AttributeError:
        loop = awaited._loop
    what = "Task" if is_task(g) else "goroutine"
    if loop is not s.loop:
        return RuntimeError(f"{what} {g!r} got Future {awaited!r} attached to a different loop")
    if not blocking:
        return RuntimeError(f"yield was used instead of yield from in {what} {g!r} with {awaited!r}")
    return None


cdef inline bint end_wait_for_future(Goroutine g) noexcept:
    # Ends the wait for a future. False: the goroutine does not wait any more.
    if g.state != G_WAITING:
        return False
    if task_is_unowned(g):
        task_own(g)
    if g.flags & GF_MUST_CANCEL or (g.sched.run_head != NULL and not is_task(g)):
        look_before_cancel(g)
    g.wait = None
    goish_store_state(&g.state, G_YIELDED)
    return True


cdef void look_before_cancel(Goroutine g) noexcept:
    # A cancel came before it could run, or may come. The outcome of the awaited future counts as retrieved; a cancel of that
    # future is the same cancel.
    try:
        g.wait.result()
    except CancelledError:
        g.flags &= ~GF_MUST_CANCEL
    except BaseException:
        pass
