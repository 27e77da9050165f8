# end.pyx - the end of a goroutine: its outcome, its joiners, its callbacks.
#
# Invariants: `state` changes to DONE with the outcome, under end_lock(); from then on nobody joins and no callback is noted. (The
#   exception is a task that is freed while it waits: task_destroy, panic.pyx.)
#   Joiners and callbacks are told in the order in which they asked, as in asyncio.
# Threads: the scheduler's own; goroutine_end(), goroutine_notify() and what they call from any: a call that is on no loop ends on
#   the thread that runs or cancels it.
# Not here: the end of a call that was on no loop (call.pyx), what becomes of an exception that nobody awaits (panic.pyx).

cdef void goroutine_fail(Scheduler s, Goroutine g) except *:
    cdef PyObject* exc = goish_take_exception()
    error = <object>exc
    Py_DECREF(error)
    g.flags &= ~GF_PASSING  # a cancel that it has passed on may have brought it here
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
    # The end of a goroutine that is on a loop.
    cdef object cold
    if goish_load_state(&g.flags) & GF_REGISTERED:
        task_unregister(g)
    cold = goroutine_end(g, outcome, GF_FAILED if failed else 0)
    registry_unlink(s, g)  # before it wakes a waiter, which finds the goroutine counted off
    try:
        if failed and not (goish_load_state(&g.flags) & (GF_CANCELLED | GF_RETRIEVED) or is_task(g) or nursery_takes(cold)):
            keep_failed(s, g, cold)
        elif cold is not None:
            leave_wait_group(g)
        if type(cold) is GoroutineCold:
            goroutine_notify(s, g, <GoroutineCold>cold)
    finally:
        Py_DECREF(g)  # the registry's


cdef object goroutine_end(Goroutine g, object outcome, uint8_t flags):
    # The one way to DONE. Gives `cold`, whose joiners and callbacks the caller tells; one that is made from now on has none.
    cdef object cold
    cdef object coro = None
    cdef object _before  # dropped after unlocking: the arguments of one that never ran
    goish_lock(end_lock(g))
    goish_clear_bits(&g.flags, GF_LATE | GF_MUST_CANCEL)  # no cancel comes any more
    goish_set_bits(&g.flags, flags)
    _before, g.wait = g.wait, outcome
    goish_store_state(&g.state, G_DONE)
    cold = g.cold
    if type(g.coro) is Call or (GOISH_LOCKS and not of_task(<PyObject*>cold)):
        coro, g.coro = g.coro, None  # another thread may be looking at it
    goish_unlock(end_lock(g))
    coro = None
    goroutine_release(g, flags & GF_FAILED != 0)
    return cold


cdef void goroutine_release(Goroutine g, bint failed) noexcept:
    # A goroutine that has ended may be part of a cycle, unless nothing that it keeps could lead back to it. That is the common
    # case, and thousands of kept handles would be new to the collector just when they are of no interest.
    if not is_task(g):  # asyncio's tasks keep theirs, to be shown
        drop_coro(g)
    if GOISH_LOCKS:
        return  # nothing is ever untracked, and another thread may be making `cold`
    if failed or PyObject_IS_GC(<PyObject*>g.wait) or g.attributes != NULL or not bare_context(g) or not bare_cold(g):
        untrack_no_more(g)


cdef void close_unstarted(Call call) except *:
    # Closes the coroutine, or it would complain that nobody has awaited it.
    if is_coro(call.fn):
        call.fn.close()
    elif hasattr(call.fn, "_close_unstarted"):
        call.fn._close_unstarted()


# ---- joiners and callbacks ----

cdef void goroutine_notify(Scheduler s, Goroutine g, GoroutineCold cold) except *:
    cdef list callbacks
    cdef PyObject* woken
    cdef uint32_t called_back = 0
    cdef object error = None
    cdef object bound
    goish_lock(end_lock(g))
    callback, context = cold.callback, cold.callback_context
    callbacks = cold.callbacks
    cold.callback = cold.callback_context = cold.callbacks = None
    bound, cold.bound = cold.bound, None
    goish_unlock(end_lock(g))
    if bound is not None:
        above.unbound(g, bound)
    if cold.end_channel is not None:
        above.close(cold.end_channel)
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
    # A loop that takes no callback (the recursion limit is near, a signal handler raises) keeps it from none of the others.
    if context is not None:
        woken = wake_asked_before(woken, called_back)
        try:
            call_back(s, callback, g, context)
        except BaseException as exc:
            error = exc
        called_back = 1
    if callbacks is not None:
        for entry in callbacks:
            woken = wake_asked_before(woken, called_back)
            try:
                call_back(s if len(entry) == 2 else entry[2], entry[0], g, entry[1])
            except BaseException as exc:
                error = exc
            called_back += 1
    wake_chain(woken)
    if error is not None:
        raise error


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


cdef PyObject* wake_asked_before(PyObject* op, uint32_t called_back) noexcept:
    # Wakes the first joiners of a chain, those asked for so far; gives the rest.
    cdef PyObject* following
    while op != NULL and ((<Op>op).kind != W_JOIN or (<Op>op).index <= called_back):
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
