# blocked.pyx - a plain call whose thread is blocked in goish, and its cancel.
#
# `waits` of its Call is the op, from when it is armed until it is over. It changes under end_lock() of the goroutine, under which
# a canceller sets GF_MUST_CANCEL: so either the canceller finds the op, or the thread that blocks finds the cancel. If the op is
# decided, the cancel stays for the next blocking call, or check_cancel().
# Threads: the one that blocks; cancel_blocked() and blocked_by() from any.
# Not here: blocking (thread_wait.pyx), running the worker's loop meanwhile (worker_pump, worker.pyx).

# ---- on its thread ----

cdef inline PyObject* plain_here() noexcept:
    # Borrowed: the goroutine of the plain call that runs on this thread, or NULL.
    return (<Worker>goish_tls_worker).current if goish_tls_worker != NULL else NULL


cdef inline bint cancelled_here() noexcept:
    cdef PyObject* g = plain_here()
    return g != NULL and goish_load_state(&(<Goroutine>g).flags) & GF_MUST_CANCEL != 0


cdef int raise_cancel_here() except -1:
    cdef Goroutine g = <Goroutine>plain_here()
    goish_clear_bits(&g.flags, GF_MUST_CANCEL)
    raise cancelled_error_of(g)


cdef int look_for_cancel() except -1:
    if cancelled_here():
        raise_cancel_here()
    return 0


def check_cancel():
    """Raises CancelledError if the running goroutine or ``go_thread`` call was cancelled; for code that computes.

    A function on a worker thread cannot be interrupted while it computes: it looks from time to time. A goish call that
    blocks (``recv_blocking``, ``sync`` ...) looks by itself. After the CancelledError the cancel of a goroutine
    counts as delivered. Raises also while the context that is in force here (``context.current()``) is cancelled. Elsewhere it
    does nothing. Any thread may call it; it takes a fraction of a microsecond.

    Example::

        def work():
            while True:
                check_cancel()

        g = go_thread(work)
        g.cancel()
        try:
            await g
        except asyncio.CancelledError:
            print("cancelled")  # -> cancelled
    """
    cdef PyObject* g = running_here()
    if g != NULL and goish_load_state(&(<Goroutine>g).flags) & GF_MUST_CANCEL:
        goish_clear_bits(&(<Goroutine>g).flags, GF_MUST_CANCEL)
        raise cancelled_error_of(<Goroutine>g)
    above.check()


cdef bint waits_now(Op op, Scheduler pumped):
    # Notes the op that the thread blocks by. False: the call was cancelled before.
    cdef Goroutine g
    cdef Call call
    cdef bint cancelled
    if plain_here() == NULL:
        return True
    g = <Goroutine>plain_here()
    call = pooled_call(<PyObject*>g)
    goish_lock(end_lock(g))
    cancelled = goish_load_state(&g.flags) & GF_MUST_CANCEL
    if not cancelled:
        call.waits = op
        call.pumped = pumped
    goish_unlock(end_lock(g))
    return not cancelled


cdef Op waits_behind():
    # What the thread waits for already, if a signal handler or a finalizer blocks in the midst of that. Or None.
    return pooled_call(plain_here()).waits if plain_here() != NULL else None


cdef Scheduler pumped_behind():
    return pooled_call(plain_here()).pumped if plain_here() != NULL else None


cdef void waits_again(Op outer, Scheduler pumped) noexcept:
    # The wait is over; the one behind it, if there is one, goes on. A cancel that has come meanwhile, and was too late for the
    # wait that is over, is for that one.
    cdef Goroutine g
    cdef Call call
    cdef bint cancelled
    cdef Op _op  # dropped after unlocking
    cdef Scheduler _pumped
    if plain_here() == NULL:
        return
    g = <Goroutine>plain_here()
    call = pooled_call(<PyObject*>g)
    goish_lock(end_lock(g))
    _op, call.waits = call.waits, outer
    _pumped, call.pumped = call.pumped, pumped
    cancelled = outer is not None and goish_load_state(&g.flags) & GF_MUST_CANCEL
    goish_unlock(end_lock(g))
    if cancelled and pumped is not None:
        sched_post(pumped, cancel_pumped, (g,), None)
    elif cancelled and op_give_up(outer, cancelled_error_of(g)):
        goish_clear_bits(&g.flags, GF_MUST_CANCEL)


cdef bint set_inner(Goroutine g, Goroutine inner) noexcept:
    # Notes the inner call. Whether the outer one was cancelled before.
    cdef Call call = pooled_call(<PyObject*>g)
    cdef Goroutine _before  # dropped after unlocking
    goish_lock(end_lock(g))
    _before = call.inner
    call.inner = inner
    goish_unlock(end_lock(g))
    return goish_load_state(&g.flags) & GF_MUST_CANCEL != 0


# ---- from any thread ----

cdef Op blocked_op(Goroutine g):
    # Gives the op by which the thread of a plain call is blocked, or None. Any thread.
    cdef Call call = call_of(g)
    cdef Op op = None
    if call is not None:
        goish_lock(end_lock(g))
        op = call.waits
        goish_unlock(end_lock(g))
    return op


cdef str blocked_by(Goroutine g):
    # Gives what the thread of a plain call is blocked by, in Go's words; None: by nothing of goish. Any thread.
    cdef Op op = blocked_op(g)
    return None if op is None else (<bytes>waits[op.kind].reason).decode()


cdef int cancel_blocked(Goroutine g, Call call, object msg) except -1:
    # Wakes a plain call that is blocked, or leaves the cancel for its next look. Any thread. The call that its thread runs
    # meanwhile is cancelled with it: nothing else could get it out of there.
    while call is not None:
        g = cancel_one(g, call, msg)
        if g is None:
            return 0
        call = call_of(g)
        if msg is not None:
            set_cancel_message(g, msg)
    return 0


cdef Goroutine cancel_one(Goroutine g, Call call, object msg):
    # Cancels one call, and gives the call that must be cancelled with it, or None.
    cdef Op op
    cdef Op before = None
    cdef Goroutine inner
    cdef Scheduler pumped
    while True:
        goish_lock(end_lock(g))
        op = call.waits
        pumped = call.pumped
        inner = call.inner
        if <PyObject*>g.coro == <PyObject*>call and (op is None or op is before or pumped is not None):
            goish_set_bits(&g.flags, GF_MUST_CANCEL)
        goish_unlock(end_lock(g))
        if pumped is not None:
            sched_post(pumped, cancel_pumped, (g,), None)
            return None
        if op is None or op is before:
            return inner
        if op_give_up(op, cancelled_error(msg)):
            return None
        before = op  # decided: but it may have come to the next one meanwhile


def cancel_pumped(Goroutine g):
    # On the worker whose loop runs while the call is blocked.
    cdef Call call = call_of(g)
    cdef Op op = None if call is None else call.waits
    if op is None or not goish_load_state(&g.flags) & GF_MUST_CANCEL:
        return
    if op.flags & F_PAUSE:  # it has not begun yet
        call.pumped.loop.call_soon(cancel_pumped, g)
        return
    if op.state == OP_NEW:
        op.value = cancelled_error_of(g)
        op.state = OP_FAILED
    elif goish_load_state(&op.state) != OP_WAITING or not op_fail(who_waits(op), cancelled_error_of(g)):
        return
    goish_clear_bits(&g.flags, GF_MUST_CANCEL)
