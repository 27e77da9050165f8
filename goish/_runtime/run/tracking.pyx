# tracking.pyx - goroutines and the cyclic collector.
#
# A live goroutine is a root: the collector need not look at it, its suspended frame or its Context. A million parked ones would
# otherwise be traversed again and again. What has ended and cannot be part of a cycle stays out of the collector, too.
# Invariant: what a goroutine has untracked is tracked again before it drops it: the deallocators count on it.
# Threads: any, with the GIL. Without it nothing is ever untracked.

cdef inline void take_coro(Goroutine g) noexcept:
    if PyCoro_CheckExact(g.coro) and goish_untrack(<PyObject*>g.coro):
        g.flags |= GF_GC_TAKEN


cdef void goroutine_retrack(PyObject* g) noexcept:
    # Coroutine and Context must be tracked again before the goroutine drops them: their deallocators count on it.
    if GOISH_LOCKS:
        return
    if (<Goroutine>g).flags & GF_GC_TAKEN:
        goish_retrack(<PyObject*>(<Goroutine>g).coro)
    if (<Goroutine>g).flags & GF_CTX_TAKEN:
        goish_retrack(<PyObject*>(<Goroutine>g).ctx)
    goish_clear_bits(&(<Goroutine>g).flags, GF_GC_TAKEN | GF_CTX_TAKEN)


cdef void untrack_no_more(Goroutine g) noexcept:
    if GOISH_LOCKS:
        return
    goroutine_retrack(<PyObject*>g)
    if type(g.cold) is GoroutineCold:
        goish_retrack(<PyObject*>g.cold)
    goish_retrack(<PyObject*>g)


cdef inline void drop_coro(Goroutine g) noexcept:
    if not GOISH_LOCKS and g.flags & GF_GC_TAKEN:
        goish_retrack(<PyObject*>g.coro)
        goish_clear_bits(&g.flags, GF_GC_TAKEN)
    g.coro = None


cdef void attribute_set(PyObject* g) noexcept:
    if (<Goroutine>g).state == G_DONE:
        untrack_no_more(<Goroutine>g)


cdef inline bint bare_context(Goroutine g) noexcept:
    return g.flags & GF_CTX_TAKEN and PyObject_Size(<PyObject*>g.ctx) == 0


cdef inline bint bare_cold(Goroutine g) noexcept:
    cdef GoroutineCold cold
    if type(g.cold) is not GoroutineCold:
        return True
    cold = <GoroutineCold>g.cold
    return cold.cancel_msg is None and cold.source is None and cold.fate is None
