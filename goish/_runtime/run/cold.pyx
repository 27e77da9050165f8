# cold.pyx - what few goroutines need: a name, joiners, callbacks, a cancel's message, a fate. Also the Call behind a goroutine
# that is on no loop, and tasks that nothing owns.
#
# `cold` of a goroutine is None, TASK, the WaitGroup or Nursery that it reports to, or a GoroutineCold, which stays once made.
# Threads: any; end_lock() guards `cold` and the fields that other threads change.

# The `cold` of a goroutine of the task factory that needs no other: to asyncio's libraries it is a task in all it does.
cdef object TASK = object()


cdef inline goish_mutex* end_lock(Goroutine g) noexcept:
    return goish_stripe(<PyObject*>g)


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


# ---- the call behind a goroutine that is on no loop ----

cdef Call call_of(Goroutine g):
    # The Call of a goroutine, as long as it is on no loop and not over; any thread. If it just comes to a loop, `coro` is still
    # changed under the lock (make_coro_of_call, finish).
    if g.sched is not NO_LOOP:
        return None
    goish_lock(end_lock(g))
    coro = g.coro
    goish_unlock(end_lock(g))
    return <Call>coro if type(coro) is Call else None


cdef bint is_of_parent(Goroutine g) noexcept:
    # Whether this process is a fork and the call was given to the pool before it: nothing that is done here ends such a call.
    cdef Call call = call_of(g) if forks > 0 else None
    return call is not None and call.born != forks


# ---- tasks that nothing owns ----

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
