# acceptor.pyx - accepting, as an operation that waits: connections from a listener to those that ask for one.
#
# The listener offers what it has accepted, and is told when somebody begins to wait. It is a channel with one sender that never
# waits; but an end is ConnClosed, and a connection that nobody takes is closed.
#
# Invariants (under `lock`): if some wait, none is ready and it is not closed. A connection is the listener's until it is offered,
#   then the acceptor's, then the waiter's.
# Threads: any.
# Not here: sockets (goish/_net/listener.py).

cdef class Acceptor(Waitable):
    def __init__(self, str text, wanted):
        self.text = text
        self.wanted = wanted

    def __dealloc__(self):
        while self.ready.count > 0:
            Py_DECREF(<object>ring_pop(&self.ready))
        PyMem_Free(self.ready.slots)

    def accept(self):
        # To be awaited: a connection.
        return new_op(W_ACCEPT, self)

    def accept_next(self):
        # As accept(), for async for: StopAsyncIteration at the end.
        return new_op(W_ACCEPT_NEXT, self)

    def offer(self, conn):
        # Gives a connection to the first that waits, or keeps it. One that is offered after the close is closed.
        acceptor_offer(self, conn)

    def close(self):
        # What waits raises ConnClosed; connections that nobody took are closed. False: it was closed already.
        return acceptor_close(self)

    @property
    def closed(self):
        return goish_load_state(&self.closed) != 0

    @property
    def room(self):
        # How many connections are waited for; negative: so many wait to be taken.
        return self.waiters.count - self.ready.count


cdef int acceptor_offer(Acceptor a, object conn) except -1:
    cdef PyObject* op
    cdef bint kept
    waitq_prune(a, &a.waiters)
    goish_lock(&a.lock)
    op = NULL if a.closed else waitq_claim(&a.waiters)
    kept = op == NULL and not a.closed and a.ready.count < a.ready.size
    if op != NULL:
        (<Op>op).value = conn
        (<Op>op).flags |= F_OK
        op = op_to_wake(op)
    elif kept:
        Py_INCREF(conn)
        ring_push(&a.ready, <PyObject*>conn)
    goish_unlock(&a.lock)
    if op != NULL:
        wake_chain(op)
    elif not kept:
        return acceptor_keep(a, conn)
    return 0


cdef int acceptor_keep(Acceptor a, object conn) except -1:
    # There was no room; or it is closed.
    cdef bint closed
    cdef bint again
    goish_lock(&a.lock)
    closed = a.closed
    again = closed or ring_reserve(&a.ready) == 0
    goish_unlock(&a.lock)
    if closed:
        (<object>conn).close()
    elif again:
        return acceptor_offer(a, conn)
    return 0


cdef bint acceptor_close(Acceptor a) except -1:
    cdef PyObject* woken
    cdef bint first
    goish_lock(&a.lock)
    first = not a.closed
    goish_store_state(&a.closed, True)
    woken = claim_chain(&a.waiters)
    goish_unlock(&a.lock)
    wake_chain(woken)
    conn = acceptor_pop(a)
    while conn is not None:
        conn.close()
        conn = acceptor_pop(a)
    return first


cdef object acceptor_pop(Acceptor a):
    # A connection that is ready, or None.
    cdef PyObject* conn = NULL
    goish_lock(&a.lock)
    if a.ready.count > 0:
        conn = ring_pop(&a.ready)
    goish_unlock(&a.lock)
    if conn == NULL:
        return None
    taken = <object>conn
    Py_DECREF(taken)
    return taken


# ---- the rows of the table of waits ----

cdef int accept_give(Op op, object conn, PyObject** result) noexcept:
    # None: the listener is closed.
    if conn is None and op.kind == W_ACCEPT_NEXT:
        PyErr_SetNone(StopAsyncIteration)
        return -1
    if conn is None:
        error = ConnClosed(f"accept on a closed listener: {(<Acceptor>op.target).text}")
        goish_raise_here(<PyObject*>error)
        return -1
    Py_INCREF(conn)
    result[0] = <PyObject*>conn
    return 1


cdef int accept_attempt(Op op, PyObject** result) noexcept:
    cdef Acceptor a = <Acceptor>op.target
    if op.flags & F_OK:  # as a case, under the lock
        return accept_finish(op, result)
    waitq_prune(a, &a.waiters)
    conn = acceptor_pop(a)
    if conn is None and not goish_load_state(&a.closed):
        return 0
    return accept_give(op, conn, result)


cdef bint accept_ready(Op op) noexcept:
    return (<Acceptor>op.target).ready.count > 0 or (<Acceptor>op.target).closed


cdef bint accept_case_take(Op op) noexcept:
    cdef Acceptor a = <Acceptor>op.target
    if a.ready.count > 0:
        op.value = <object>ring_head(&a.ready)
        Py_DECREF(<object>ring_pop(&a.ready))
        op.flags |= F_OK
    return True


cdef bint accept_arm(Op op) noexcept:
    cdef Acceptor a = <Acceptor>op.target
    cdef PyObject* conn = NULL
    cdef bint closed
    goish_lock(&a.lock)
    closed = a.closed
    if a.ready.count > 0:
        conn = ring_pop(&a.ready)
    elif not closed:
        waitq_push(&a.waiters, op)
    goish_unlock(&a.lock)
    if conn == NULL and not closed:
        accept_waits(op)
        return True
    op.state = OP_DONE
    if conn != NULL:
        op.value = <object>conn
        Py_DECREF(<object>conn)
        op.flags |= F_OK
    return False


cdef void accept_waits(Op op) noexcept:
    try:
        (<Acceptor>op.target).wanted()
    except BaseException:
        logger.exception("accepting at %s failed", (<Acceptor>op.target).text)


cdef int accept_finish(Op op, PyObject** result) noexcept:
    conn = None
    if op.flags & F_OK:
        conn, op.value = op.value, None
        op.flags &= ~F_OK
    return accept_give(op, conn, result)


cdef void accept_drop(Op op) noexcept:
    # The next waiter has it.
    if not op.flags & F_OK:
        return
    conn, op.value = op.value, None
    try:
        acceptor_offer(<Acceptor>op.target, conn)
    except BaseException:
        logger.exception("%r is lost", conn)


cdef WaitQueue* accept_queue(Op op) noexcept:
    return &(<Acceptor>op.target).waiters


cdef int accepting
for accepting in (W_ACCEPT, W_ACCEPT_NEXT):
    waits[accepting] = Wait(
        "accept", False, accept_attempt, accept_ready, accept_arm, waitable_withdraw, accept_finish, accept_drop, NULL, NULL,
        NULL, accept_ready, accept_case_take, accept_queue, NULL, True, accept_waits
    )
waits[<int>W_ACCEPT_NEXT].case_ready = NULL
