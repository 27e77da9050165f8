# goroutine.pyx - a goroutine, and its life.
#
#   go() ──► CALLED ──► NEW ──► RUNNING ──► DONE
#                                │  ▲
#                   yields an Op │  │ run queue     a pause or gosched: YIELDED, on the run queue at once
#                                ▼  │               a decided wait: RUNNABLE, its result comes with the next step
#                             WAITING ── goroutine_ready() ──► RUNNABLE
#
# go(coro) begins as NEW; a call of a pool as QUEUED (pool.pyx).
# CALLED: go(fn, ...) holds function and arguments until the first step makes the coroutine. A million goroutines that wait for
#   their turn need half the memory, and one that never waits lives and dies in the processor's cache.
# Invariants: a live goroutine is in its scheduler's registry, which owns a reference (registry.pyx); it is on the run queue only
#   while CALLED, NEW, YIELDED or RUNNABLE; `wait` is set exactly while CALLED (then the arguments or None), WAITING (then what it
#   waits for) and DONE (then the outcome).
# Threads: any may call goroutine_ready(), join, and ask for a callback: end_lock() guards the change to DONE with the outcome,
#   the making of `cold`, the joiners and callbacks. All else on the scheduler's thread. After DONE other threads only set
#   GF_RETRIEVED.
# Not here: go() itself (go.pyx), stepping and parking (step.pyx), waking (ready.pyx), the end (end.pyx), its awaiters
#   (join.pyx), the handle that programs hold (task.pyx).

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


# ---- its coroutine ----

cdef int make_coro(Goroutine g) noexcept:
    # CALLED -> NEW; -1 and an exception if the call failed.
    cdef PyObject* coro
    cdef PyObject** args = NULL
    cdef Py_ssize_t n = 0
    if type(g.coro) is Call:
        return make_coro_of_call(g)
    given = call_arguments(g)
    if given is not None:
        args = goish_tuple_items(<PyObject*>given)
        n = len(given)
    coro = PyObject_Vectorcall(<PyObject*>g.coro, args, n, NULL)
    if coro == NULL:
        return -1
    goish_store_state(&g.state, G_NEW)
    g.coro = <object>coro
    g.wait = None
    Py_DECREF(g.coro)
    return 0


cdef int make_coro_of_call(Goroutine g) noexcept:
    cdef Call call = pooled_call(<PyObject*>g)
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


cdef void swap_coro(Goroutine g, object coro) noexcept:
    # Another thread may be looking at the Call.
    goish_lock(end_lock(g))
    _before = g.coro  # dropped after unlocking
    g.coro = coro
    goish_unlock(end_lock(g))
