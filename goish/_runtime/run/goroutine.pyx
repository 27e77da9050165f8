# goroutine.pyx - one goroutine: started, stepped, parked, readied, finished.
#
# The one way to block: a coroutine yields an Op, goroutine_park() puts the goroutine on it, and the operation that decides the
# Op calls goroutine_ready().
#
#   go() ──► CALLED ──► NEW ──► RUNNING ──► DONE
#                                │  ▲
#                   yields an Op │  │ run queue     a pause or gosched: YIELDED, on the run queue at once
#                                ▼  │               a decided wait: RUNNABLE, its result comes with the next step
#                             WAITING ── goroutine_ready() ──► RUNNABLE
#
# CALLED: go(fn, ...) holds function and arguments until the first step makes the coroutine. A million goroutines that wait for
#   their turn need half the memory, and one that never waits lives and dies in the processor's cache.
# Invariants: a live goroutine is in its scheduler's registry, which owns a reference; it is on the run queue only while CALLED,
#   NEW, YIELDED or RUNNABLE; `wait` is set exactly while CALLED (then the arguments or None), WAITING (then what it waits
#   for) and DONE (then the outcome).
# Threads: any may call goroutine_ready(), join, and ask for a callback: end_lock() guards the change to DONE with the outcome,
#   the making of `cold`, the joiners and callbacks. All else on the scheduler's thread. After DONE other threads only set
#   GF_RETRIEVED.
# Not here: starting one (go.pyx), the handle that programs hold (task.pyx), its awaiters (join.pyx), the run queue's slices
#   (sched.pyx), what becomes of an exception that nobody awaits (panic.pyx).

cdef Goroutine new_goroutine(Scheduler s, object coro, object context, object cold):
    cdef Goroutine g = make_goroutine(s, coro, context, cold)
    run_push(s, <PyObject*>g)
    arm_drain(s)
    return g


cdef inline Goroutine make_goroutine(Scheduler s, object coro, object context, object cold):
    cdef Goroutine g = Goroutine.__new__(Goroutine)
    cdef PyObject* code = goish_caller(&g.lasti)
    if code != NULL:
        g.code = <object>code
        Py_DECREF(g.code)
    g.id = goish_next_id()
    g.state = G_NEW
    g.sched = s
    g.coro = coro
    g.cold = cold
    if context is None:
        g.ctx = PyContext_CopyCurrent()
        if goish_untrack(<PyObject*>g.ctx):
            g.flags |= GF_CTX_TAKEN
    else:
        g.ctx = context
    # A live goroutine is a root: the collector need not look at it, its suspended frame or its Context. A million parked ones
    # would otherwise be traversed again and again. goroutine_release(), or at the latest goroutine_retrack(), tracks it again.
    take_coro(g)
    goish_untrack(<PyObject*>g)
    registry_add(s, g)
    return g


cdef inline void take_coro(Goroutine g) noexcept:
    if PyCoro_CheckExact(g.coro) and goish_untrack(<PyObject*>g.coro):
        g.flags |= GF_GC_TAKEN


cdef Goroutine new_call(Scheduler s, object fn, PyObject** args, Py_ssize_t n, object context, object cold):
    # For a function for which goish_deferrable() is true.
    cdef tuple given = None
    cdef Goroutine g
    if n > 0:
        given = goish_tuple_of(args, n)
        goish_untrack(<PyObject*>given)
    g = new_goroutine(s, fn, context, cold)
    g.wait = given
    g.state = G_CALLED
    return g


cdef int make_coro(Goroutine g) noexcept:
    # CALLED -> NEW; -1 and an exception if the call failed.
    cdef PyObject* coro
    cdef PyObject** args = NULL
    cdef Py_ssize_t n = 0
    if type(g.coro) is Call:
        return make_coro_of_call(g)
    if g.wait is not None:
        args = goish_tuple_items(<PyObject*>g.wait)
        n = len(<tuple>g.wait)
    coro = PyObject_Vectorcall(<PyObject*>g.coro, args, n, NULL)
    if coro == NULL:
        return -1
    goish_store_state(&g.state, G_NEW)
    g.coro = <object>coro
    g.wait = None
    Py_DECREF(g.coro)
    return 0


cdef int make_coro_of_call(Goroutine g) noexcept:
    cdef Call call = <Call>g.coro
    try:
        coro = call.fn
        if call.args is not None:
            coro = coro(*call.args) if call.kwargs is None else coro(*call.args, **call.kwargs)
            if not is_coro(coro):
                raise TypeError(f"{call.fn!r} passes for a coroutine function (async def) but returned {type(coro).__name__}")
    except BaseException as exc:
        error = exc if call.kwargs is None else with_advice(exc, call.kwargs)
        goish_raise(<PyObject*>error)
        return -1
    goish_store_state(&g.state, G_NEW)
    swap_coro(g, coro)
    return 0


# ---- stepping ----

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
        if g.flags & (GF_MUST_CANCEL | GF_LATE) == GF_MUST_CANCEL and is_task(g):  # asyncio's rule: it was cancelled while it ran
            g.flags |= GF_CANCELLED
            goroutine_finish(s, g, cancelled_error_of(g), True)
        else:
            goroutine_finish(s, g, value, False)
    else:
        goroutine_fail(s, g)


cdef inline goish_mutex* end_lock(Goroutine g) noexcept:
    return goish_stripe(<PyObject*>g)


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


# ---- waking ----

cdef void goroutine_ready(Goroutine g) noexcept:
    # Makes a waiting goroutine runnable; any thread.
    cdef Scheduler s = g.sched
    if is_run_here(s):
        goroutine_ready_here(s, g)
    else:
        inbox_push(s, <PyObject*>g)


cdef inline void goroutine_ready_here(Scheduler s, Goroutine g) noexcept:
    if g.state != G_WAITING:
        return
    goish_store_state(&g.state, G_RUNNABLE)
    if type(g.wait) is Op:
        s.blocked -= waits[(<Op>g.wait).kind].native
        if (<Op>g.wait).kind < W_SEND and not g.flags & GF_CANCELLED and (<Op>g.wait).state != OP_FAILED:
            goish_store_state(&g.state, G_YIELDED)  # nothing has changed hands, so nothing is lost by a cancel that comes now
    joined = type(g.wait) is Op and (<Op>g.wait).kind == W_JOIN
    g.wait = None
    if joined and is_task(g):
        task_woken(s, g)
        return
    run_push(s, <PyObject*>g)
    arm_drain(s)


# ---- the end ----

cdef void goroutine_fail(Scheduler s, Goroutine g) except *:
    cdef PyObject* exc = goish_take_exception()
    error = <object>exc
    Py_DECREF(error)
    if isinstance(error, CancelledError):
        g.flags |= GF_CANCELLED
        goroutine_finish(s, g, error, True)
    elif isinstance(error, GoExit):
        g.flags |= GF_EXITED
        goroutine_finish(s, g, None, False)
    elif isinstance(error, (KeyboardInterrupt, SystemExit)) and s.worker is None:
        g.flags |= GF_RETRIEVED
        goroutine_finish(s, g, error, True)
        raise error
    else:
        if s.worker is not None and ends_program(g, error):
            g.flags |= GF_RETRIEVED
        goroutine_finish(s, g, error, True)


cdef void goroutine_finish(Scheduler s, Goroutine g, object outcome, bint failed) except *:
    cdef object cold
    cdef object coro = None
    goish_lock(end_lock(g))
    goish_clear_bits(&g.flags, GF_LATE | GF_MUST_CANCEL)
    if failed:
        g.flags |= GF_FAILED
    g.wait = outcome  # None before
    goish_store_state(&g.state, G_DONE)
    cold = g.cold
    if GOISH_LOCKS and not of_task(<PyObject*>cold):
        coro, g.coro = g.coro, None  # as in goroutine_release(), but another thread may be looking at it
    goish_unlock(end_lock(g))
    coro = None
    if goish_load_state(&g.flags) & GF_REGISTERED:
        task_unregister(g)
    goroutine_release(g, failed)
    if failed and not goish_load_state(&g.flags) & (GF_CANCELLED | GF_RETRIEVED) and not is_task(g):
        keep_failed(s, g, cold)
    elif cold is not None:
        leave_wait_group(g)
    if type(cold) is GoroutineCold:
        goroutine_notify(s, g, <GoroutineCold>cold)
    registry_remove(s, g)


cdef void goroutine_release(Goroutine g, bint failed) noexcept:
    # A goroutine that has ended may be part of a cycle, unless nothing that it keeps could lead back to it. That is the common
    # case, and thousands of kept handles would be new to the collector just when they are of no interest.
    if not is_task(g):  # asyncio's tasks keep theirs, to be shown
        drop_coro(g)
    if GOISH_LOCKS:
        return  # nothing is ever untracked, and another thread may be making `cold`
    if failed or PyObject_IS_GC(<PyObject*>g.wait) or g.attributes != NULL or not bare_context(g) or not bare_cold(g):
        untrack_no_more(g)


cdef inline bint bare_context(Goroutine g) noexcept:
    return g.flags & GF_CTX_TAKEN and PyObject_Size(<PyObject*>g.ctx) == 0


cdef inline bint bare_cold(Goroutine g) noexcept:
    cdef GoroutineCold cold
    if type(g.cold) is not GoroutineCold:
        return True
    cold = <GoroutineCold>g.cold
    return cold.cancel_msg is None and cold.source is None and cold.fate is None


cdef void untrack_no_more(Goroutine g) noexcept:
    if GOISH_LOCKS:
        return
    goroutine_retrack(<PyObject*>g)
    if type(g.cold) is GoroutineCold:
        goish_retrack(<PyObject*>g.cold)
    goish_retrack(<PyObject*>g)


cdef void goroutine_retrack(PyObject* g) noexcept:
    # Coroutine and Context must be tracked again before the goroutine drops them: their deallocators count on it.
    if GOISH_LOCKS:
        return
    if (<Goroutine>g).flags & GF_GC_TAKEN:
        goish_retrack(<PyObject*>(<Goroutine>g).coro)
    if (<Goroutine>g).flags & GF_CTX_TAKEN:
        goish_retrack(<PyObject*>(<Goroutine>g).ctx)
    goish_clear_bits(&(<Goroutine>g).flags, GF_GC_TAKEN | GF_CTX_TAKEN)


cdef inline void drop_coro(Goroutine g) noexcept:
    if not GOISH_LOCKS and g.flags & GF_GC_TAKEN:
        goish_retrack(<PyObject*>g.coro)
        goish_clear_bits(&g.flags, GF_GC_TAKEN)
    g.coro = None


cdef void attribute_set(PyObject* g) noexcept:
    if (<Goroutine>g).state == G_DONE:
        untrack_no_more(<Goroutine>g)


cdef void goroutine_notify(Scheduler s, Goroutine g, GoroutineCold cold) except *:
    cdef list callbacks
    cdef PyObject* woken
    cdef uint32_t called_back = 0
    goish_lock(end_lock(g))
    callback, context = cold.callback, cold.callback_context
    callbacks = cold.callbacks
    cold.callback = cold.callback_context = cold.callbacks = None
    goish_unlock(end_lock(g))
    if cold.end_channel is not None:
        close_ended(cold.end_channel)
    if context is None and callbacks is None:
        wake_joiners(g, cold)
        return
    if s.dead and s.worker is None:
        wake_joiners(g, cold)
        if not is_task(g):  # asyncio's are not called any more either
            call_back_at_the_end(g, callback, context, callbacks)
        return
    # In the order of asking, as in asyncio; a join's index is the number of callbacks that were asked for before it.
    woken = claim_joiners(g, cold)
    if context is not None:
        woken = wake_asked_before(woken, called_back)
        call_back(s, callback, g, context)
        called_back = 1
    if callbacks is not None:
        for entry in callbacks:
            woken = wake_asked_before(woken, called_back)
            call_back(s if len(entry) == 2 else entry[2], entry[0], g, entry[1])
            called_back += 1
    wake_chain(woken)


cdef PyObject* wake_asked_before(PyObject* op, uint32_t called_back) noexcept:
    # Wakes the first joiners of a chain, those asked for so far; gives the rest.
    cdef PyObject* following
    while op != NULL and (goish_is(<PyObject*>(<Op>op).owner, <PyObject*>Op) or (<Op>op).index <= called_back):
        following = (<Op>op).next
        (<Op>op).next = NULL
        wake_chain(op)
        op = following
    return op


cdef void call_back_at_the_end(Goroutine g, object callback, object context, list callbacks) except *:
    # The goroutine's loop is closed, but the thread that asked may be elsewhere and wait for it.
    if context is not None:
        call_back_now(callback, g, context)
    if callbacks is not None:
        for entry in callbacks:
            call_back_now(entry[0], g, entry[1])


cdef object call_back(Scheduler s, object fn, Goroutine g, object context):
    # False: its loop is closed.
    if s is NO_LOOP:
        return call_back_now(fn, g, context)
    if not is_here(s):
        return sched_post(s, fn, (g,), context)
    call_soon(s, fn, g, context)
    return True


cdef object call_back_now(object fn, Goroutine g, object context):
    # On the thread that ends a call, closes a loop, or asks too late.
    try:
        context.run(fn, g)
    except BaseException as exc:
        if not ends_program(g, exc):
            logger.error("a done callback of %r raised", g, exc_info=exc_info(exc))
    return True


cdef Ending close_ended  # of the floor above, which sets it


cdef inline void wake_joiners(Goroutine g, GoroutineCold cold) noexcept:
    if cold.joiners.head != NULL:  # no joiner comes any more: it is done
        wake_chain(claim_joiners(g, cold))


cdef PyObject* claim_joiners(Goroutine g, GoroutineCold cold) noexcept:
    cdef PyObject* woken = NULL
    cdef PyObject** last = &woken
    cdef PyObject* op
    goish_lock(end_lock(g))
    last = claim_all(&cold.joiners, last)
    last[0] = NULL
    goish_unlock(end_lock(g))
    if goish_load_state(&g.flags) & GF_FAILED:
        op = woken
        while op != NULL:
            if is_elsewhere(op) and not (<Op>op).used & U_QUIET:
                goish_set_bits(&g.flags, GF_RETRIEVED)  # the awaiter gets it there, perhaps after this loop has ended
            op = (<Op>op).next
    return woken


# ---- cancelling ----

cdef GoroutineCold new_cold():
    # For a live goroutine: goroutine_release() tracks it again, as all that the goroutine owns.
    cdef GoroutineCold cold = GoroutineCold.__new__(GoroutineCold)
    goish_untrack(<PyObject*>cold)
    return cold


cdef GoroutineCold cold_of(Goroutine g):
    cdef GoroutineCold cold = cold_made(g)
    if cold is not None:
        return cold
    cold = new_cold()
    goish_lock(end_lock(g))
    if type(g.cold) is not GoroutineCold:  # another thread may have made one
        if g.cold is TASK:
            cold.is_task = True
        else:
            cold.wg = g.cold
        g.cold = cold
    goish_unlock(end_lock(g))
    if goish_load_state(&g.state) == G_DONE:
        untrack_no_more(g)
    return <GoroutineCold>g.cold


# The `cold` of a goroutine of the task factory that needs no other: to asyncio's libraries it is a task in all it does.
cdef object TASK = object()


cdef object take_cancelled(Goroutine g):
    # The CancelledError of a cancelled goroutine, handed over once, as asyncio does: kept, it would keep its traceback's frames.
    goish_lock(end_lock(g))
    exc = g.wait
    g.wait = None
    goish_unlock(end_lock(g))
    if exc is None:
        return cancelled_error_of(g)
    if exc.args:
        set_cancel_message(g, exc.args[0])
    return exc


cdef object take_exception(Goroutine g):
    # The first awaiter sees where the exception comes from. Each raise adds the frames of that awaiter; kept, they would grow.
    if goish_load_state(&g.flags) & GF_HANDED:
        PyException_SetTraceback(g.wait, None)  # not by an attribute, which a frozen dataclass refuses
    goish_set_bits(&g.flags, GF_RETRIEVED | GF_HANDED)
    return g.wait


cdef GoroutineCold cold_made(Goroutine g):
    # The GoroutineCold of `g`, or None.
    cdef bint there
    goish_lock(end_lock(g))
    there = type(g.cold) is GoroutineCold
    goish_unlock(end_lock(g))
    return <GoroutineCold>g.cold if there else None  # once made, it stays


cdef inline bint of_task(PyObject* cold) noexcept:
    # Under the lock: whether this is the `cold` of a goroutine that the task factory made.
    return cold == <PyObject*>TASK or (goish_is(cold, <PyObject*>GoroutineCold) and (<GoroutineCold>cold).is_task)


cdef bint is_task(Goroutine g) noexcept:
    cdef bint made_by_factory
    goish_lock(end_lock(g))
    made_by_factory = of_task(<PyObject*>g.cold)
    goish_unlock(end_lock(g))
    return made_by_factory


cdef object cancel_message(Goroutine g):
    cdef object msg = None
    goish_lock(end_lock(g))
    if type(g.cold) is GoroutineCold:
        msg = (<GoroutineCold>g.cold).cancel_msg
    goish_unlock(end_lock(g))
    return msg


cdef void set_cancel_message(Goroutine g, object msg) except *:
    cdef GoroutineCold cold = cold_of(g)
    cdef object _before
    goish_lock(end_lock(g))
    _before = cold.cancel_msg  # dropped after unlocking
    cold.cancel_msg = msg
    goish_unlock(end_lock(g))


cdef object cancelled_error_of(Goroutine g):
    return cancelled_error(cancel_message(g))


cdef void goroutine_must_cancel(Goroutine g, object msg, bint late) except *:
    if msg is not None or cancel_message(g) is not None:
        set_cancel_message(g, msg)
    g.flags |= GF_MUST_CANCEL
    if late:
        g.flags |= GF_LATE
    else:
        g.flags &= ~GF_LATE


cdef Fate fate_of(Goroutine g):
    cdef GoroutineCold cold = cold_of(g)
    cdef Fate fresh = Fate.__new__(Fate)
    goish_lock(end_lock(g))
    if cold.fate is None:  # another thread may have made one
        cold.fate = fresh
    goish_unlock(end_lock(g))
    return cold.fate  # once made, it stays


cdef Fate fate_made(Goroutine g):
    # The Fate of `g`, or None.
    cdef Fate fate = None
    goish_lock(end_lock(g))
    if type(g.cold) is GoroutineCold:
        fate = (<GoroutineCold>g.cold).fate
    goish_unlock(end_lock(g))
    return fate


@cython.freelist(64)
cdef class GoroutineCold:
    pass


@cython.final
cdef class Fate:
    pass


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


cdef Step step_of(Goroutine g):
    cdef Step following = Step.__new__(Step)
    following.g = g
    return following


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


cdef void swap_coro(Goroutine g, object coro) noexcept:
    # Another thread may be looking at the Call.
    goish_lock(end_lock(g))
    _before = g.coro  # dropped after unlocking
    g.coro = coro
    goish_unlock(end_lock(g))


cdef void close_unstarted(Call call) except *:
    # Closes the coroutine, or it would complain that nobody has awaited it.
    if is_coro(call.fn):
        call.fn.close()
    elif hasattr(call.fn, "_close_unstarted"):
        call.fn._close_unstarted()


cdef bint is_of_parent(Goroutine g) noexcept:
    # Whether this process is a fork and the call was given to the pool before it: nothing that is done here ends such a call.
    cdef Call call = call_of(g) if forks > 0 else None
    return call is not None and call.born != forks


cdef Call call_of(Goroutine g):
    # The Call of a goroutine, as long as it is on no loop and not over; any thread. If it just comes to a loop, `coro` is still
    # changed under the lock (make_coro_of_call, finish).
    if g.sched is not NO_LOOP:
        return None
    goish_lock(end_lock(g))
    coro = g.coro
    goish_unlock(end_lock(g))
    return <Call>coro if type(coro) is Call else None


cdef inline bint task_is_unowned(Goroutine g) noexcept:
    return not GOISH_LOCKS and g.state == G_WAITING and type(g.cold) is GoroutineCold and (<GoroutineCold>g.cold).is_unowned


cdef inline void task_own(Goroutine g) noexcept:
    (<GoroutineCold>g.cold).is_unowned = False
    Py_INCREF(g)


cdef void task_disown(Goroutine g) noexcept:
    # From here on the collector looks into it, and may free it.
    cold_of(g).is_unowned = True
    untrack_no_more(g)
    Py_DECREF(g)
