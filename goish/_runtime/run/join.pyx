# join.pyx - await g: waiting for the end of a goroutine.
#
# The awaiters are linked in its `cold` until it is DONE; the outcome stays with the goroutine, for any number of awaiters.
# Threads: end_lock(g) guards the joiners and the step to DONE.

cdef int join_attempt(Op op, PyObject** result) noexcept:
    cdef Goroutine g = <Goroutine>op.target
    if goish_load_state(&g.state) == G_DONE:
        return join_finish(op, result)
    if is_of_parent(g):
        PyErr_SetString(RuntimeError, "this call was made before the fork and is the parent process's: it never ends here")
        return -1
    if <PyObject*>g.sched != goish_tls_sched:
        if not op.used & U_QUIET and is_task(g) and not is_here(g.sched) and asyncio_running_loop() is not None:
            return join_refused(g)
    elif g.sched.current == <PyObject*>g:
        PyErr_SetString(
            RuntimeError,
            "Task cannot await on itself: it would wait for ever" if is_task(g)
            else "a goroutine cannot await itself: it would wait for ever",
        )
        return -1
    cold_of(g)  # here, where nothing is linked yet: the collector may run user code in it
    return 0


cdef int join_refused(Goroutine g) noexcept:
    try:
        error = RuntimeError(
            f"{g!r} is attached to a different loop, which asyncio's tasks cannot be awaited from: "
            "start it by go(), or let it send its result through a channel"
        )
    except BaseException as exc:
        error = exc
    goish_raise_here(<PyObject*>error)
    return -1


cdef bint join_arm(Op op) noexcept:
    cdef Goroutine g = <Goroutine>op.target
    cdef GoroutineCold cold = cold_of(g)
    cdef bint linked
    goish_lock(end_lock(g))
    linked = goish_load_state(&g.state) != G_DONE
    if linked:
        if not is_case(<PyObject*>op):
            op.index = asked_so_far(cold)
        waitq_push(&cold.joiners, op)
    else:
        op.state = OP_DONE
    goish_unlock(end_lock(g))
    return linked


cdef inline uint32_t asked_so_far(GoroutineCold cold) noexcept:
    return (cold.callback_context is not None) + (0 if cold.callbacks is None else <uint32_t>len(cold.callbacks))


cdef bint join_withdraw(Op op) noexcept:
    if not op_unlink(op, &cold_of(<Goroutine>op.target).joiners, end_lock(<Goroutine>op.target)):
        return False
    give_up_on(<Goroutine>op.target, op)
    return True


cdef void join_drop(Op op) noexcept:
    cdef Goroutine g = <Goroutine>op.target
    if op.state == OP_DONE and is_task(g):
        if not op.used & U_QUIET:
            goish_set_bits(&g.flags, GF_RETRIEVED)  # asyncio's manners: as if the awaiter had it
        return
    if op.state == OP_DONE and not op.used & U_QUIET and not goish_load_state(&g.flags) & GF_HANDED:
        goish_clear_bits(&g.flags, GF_RETRIEVED)  # only this awaiter was to get it
    give_up_on(g, op)


cdef int join_finish(Op op, PyObject** result) noexcept:
    cdef Goroutine g = <Goroutine>op.target
    if op.used & U_QUIET:
        return finish_none(op, result)
    if goish_load_state(&g.flags) & GF_FAILED:
        goish_set_bits(&g.flags, GF_RETRIEVED)
        try:
            error = take_cancelled(g) if goish_load_state(&g.flags) & GF_CANCELLED else take_exception(g)
        except BaseException as exc:
            error = exc
        goish_raise_here(<PyObject*>error)
        return -1
    value = goroutine_outcome(g)
    Py_INCREF(value)
    result[0] = <PyObject*>value
    return 1


cdef object take_exception(Goroutine g):
    # The first awaiter sees where the exception comes from. Each raise adds the frames of that awaiter; kept, they would grow.
    if goish_load_state(&g.flags) & GF_HANDED:
        PyException_SetTraceback(goroutine_outcome(g), None)  # not by an attribute, which a frozen dataclass refuses
    goish_set_bits(&g.flags, GF_RETRIEVED | GF_HANDED)
    return goroutine_outcome(g)


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


cdef Op quiet_join(Goroutine g):
    # Waits for the end of `g`, however it ends: raises only the exceptions of the waiter itself.
    cdef Op op = new_op(W_JOIN, g)
    op.used |= U_QUIET
    return op


def end_of(Goroutine g):
    """Waits for the end of ``g``; await it. Does not consume the result. Cancelling the waiter does not cancel ``g``."""
    return quiet_join(g)


cdef list awaiters_of(Goroutine g):
    # The goroutines that await it. An op keeps its owner as long as it is linked.
    cdef GoroutineCold cold = cold_made(g)
    cdef list found = []
    cdef PyObject* op
    if cold is None:
        return found
    goish_lock(end_lock(g))
    op = cold.joiners.head
    while op != NULL:
        if goish_is(<PyObject*>(<Op>op).owner, <PyObject*>Goroutine):
            found.append((<Op>op).owner)
        op = (<Op>op).next
    goish_unlock(end_lock(g))
    return found


waits[<int>W_JOIN] = Wait(
    "goroutine", True, join_attempt, NULL, join_arm, join_withdraw, join_finish, join_drop, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, False, NULL
)
