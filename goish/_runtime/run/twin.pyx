# twin.pyx - an op as a future of asyncio: a twin waits in its place.
#
# asyncio has the op, but a twin is queued: the twin is the op's `value` until it is decided. The queue owns the twin. The
# TaskWaiter of both owns the op as long as a callback is due; after that only the program owns it. So an op that the program has
# let go (asyncio.wait gives it what is pending) is freed, and withdraws its twin: what nobody can see takes nothing.
# Threads: the loop's own; but any thread may ask a future for its outcome, so `value` changes under the stripe of the op.
# Not here: making a twin (future.pyx).

cdef void end_twin(Op op, object value, uint8_t state) noexcept:
    cdef object _before  # dropped after unlocking
    goish_lock(goish_stripe(<PyObject*>op))
    op.used &= ~U_TWIN
    _before, op.value = op.value, value
    goish_store_state(&op.state, state)
    goish_unlock(goish_stripe(<PyObject*>op))


cdef Op who_waits(Op op):
    # The twin of the op, or the op itself if it has none.
    cdef object waiting = op
    goish_lock(goish_stripe(<PyObject*>op))
    if op.used & U_TWIN:
        waiting = op.value
    goish_unlock(goish_stripe(<PyObject*>op))
    return <Op>waiting


cdef bint op_settle(Op op):
    # Takes over what has become of its twin: once, since a future may be asked again and again. False: nothing yet.
    cdef PyObject* result = NULL
    cdef uint8_t state
    cdef Op twin
    if not op.used & U_TWIN:
        return op.state >= OP_DONE
    twin = <Op>op.value
    state = goish_load_state(&twin.state)
    if state == OP_DONE:
        see_decision(twin)
        goish_store_state(&twin.state, OP_SPENT)
        if waits[twin.kind].finish(twin, &result) == 1:
            value = <object>result
            Py_DECREF(value)
            end_twin(op, value, OP_SETTLED)
        else:
            end_twin(op, pending_exception(), OP_FAILED)
        return True
    if state == OP_WAITING or (state == OP_FAILED and not isinstance(twin.value, BaseException)):
        return False  # or it was withdrawn elsewhere, and the reason is about to be written
    end_twin(op, twin.value, state)
    return True


cdef inline void see_decision(Op op) noexcept:
    # withdraw() of a decided op does no more than take the lock and give it back.
    if GOISH_LOCKS:
        waits[op.kind].withdraw(op)


cdef void op_forsake(PyObject* op) noexcept:
    # Nothing refers to the op any more: it is about to be freed, and must not be counted (as `&=` would).
    cdef Op twin
    if not (<Op>op).used & U_TWIN:
        return
    twin = <Op>(<Op>op).value
    (<Op>op).used = (<Op>op).used & ~U_TWIN
    (<Op>op).state = OP_SPENT
    (<Op>op).value = None
    if twin.target is None or waits[twin.kind].withdraw(twin):  # without one it is apart, or has nothing to give
        return
    if (twin.state == OP_DONE or twin.state == OP_SETTLED) and waits[twin.kind].drop != NULL:
        waits[twin.kind].drop(twin)
        twin.state = OP_SPENT


cdef bint op_finalized(PyObject* op) noexcept:
    # Whether the op has a twin to forsake. It is not used again.
    (<Op>op).used = (<Op>op).used | U_FINALIZED
    return (<Op>op).used & U_TWIN


cdef void op_taken_apart(PyObject* op) noexcept:
    # A waiting op is whole, because a queue has it; a decided one may have been taken apart before.
    cdef Op twin
    if not (<Op>op).used & U_TWIN:
        return
    twin = <Op>(<Op>op).value
    (<Op>op).used = (<Op>op).used & ~U_TWIN
    if goish_load_state(&twin.state) == OP_WAITING:
        waits[twin.kind].withdraw(twin)
