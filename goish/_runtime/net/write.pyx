# write.pyx - writing to a Conn, as an operation that waits.
#
# A write hands all of its bytes to the transport, or none: it waits while the transport is above its high-water mark. So a
# cancelled write has sent nothing. What is handed over while the transport is on its way is kept, up to KEPT_MOST.
#
# Invariants: writers are served in the order in which they came. A decided op has F_OK, or what has become of the Conn is the
#   reason. Its value is what it writes, bytes or a list of bytes: none of them can change any more.
# Threads: as read.pyx.

cdef enum:
    KEPT_MOST = 65536


cdef inline bint write_possible(Conn c) noexcept:
    # Whether the first writer need not wait.
    if c.closed or c.stage == CONN_LOST:
        return True
    return not c.write_paused if c.stage == CONN_OPEN else c.kept_size < KEPT_MOST


cdef Py_ssize_t written_size(object data) except -1:
    cdef Py_ssize_t size = 0
    if type(data) is bytes:
        return len(<bytes>data)
    for part in <list>data:
        size += len(<bytes>part)
    return size


cdef object write_hand_over(Conn c, object data):
    # Does a write that need not wait: None, or an exception.
    if c.closed or c.stage == CONN_LOST:
        return write_failed(c)
    if c.stage != CONN_OPEN:
        if c.kept is None:
            c.kept = []
        c.kept_size += written_size(data)
        c.kept.append(data)
    else:
        transport_write(c.transport, data)
    return None


# There asyncio's own transport takes whatever is given to writelines(), and never pauses the writer (CVE-2024-12254).
cdef bint writelines_is_endless = (3, 12) <= sys.version_info < (3, 12, 9) or (3, 13) <= sys.version_info < (3, 13, 2)


cdef void transport_write(object transport, object data) except *:
    if type(data) is bytes:
        transport.write(data)
    elif writelines_is_endless and type(transport).__module__ == "asyncio.selector_events":
        transport.write(b"".join(data))
    else:
        transport.writelines(data)


cdef object write_failed(Conn c):
    # The exception of a write that was decided without having happened.
    if c.closed:
        return conn_closed_error()
    if c.error is not None:
        return conn_lost_error(c)
    if c.stage == CONN_LOST:
        return BrokenPipeError(errno.EPIPE, "the connection is gone: its peer, or the loop, has closed it")
    return conn_late_error("write")


# ---- decided by what the transport says ----

cdef void write_serve(Conn c) noexcept:
    # Decides the writers whose turn it is, and wakes them.
    cdef PyObject* op = write_claim(c)
    while op != NULL:
        try:
            if write_hand_over(c, (<Op>op).value) is None:
                (<Op>op).flags |= F_OK
        except BaseException as exc:
            write_broken(c, exc)
        op_wake(<Op>op)
        Py_DECREF(<Op>op)
        op = write_claim(c)
    if c.ended and c.stage == CONN_OPEN and c.writers.head == NULL:
        transport_called(c, "write_eof")


cdef void write_broken(Conn c, object error) noexcept:
    # The transport does not take it: neither this write nor a later one can happen.
    if c.error is None:
        c.error = error
    c.stage = CONN_LOST


cdef PyObject* write_claim(Conn c) noexcept:
    cdef PyObject* op = NULL
    goish_lock(&c.lock)
    if write_possible(c):
        op = waitq_claim(&c.writers)
    goish_unlock(&c.lock)
    return op


# ---- the row of the table of waits ----

cdef inline bint write_at_once(Conn c) noexcept:
    return write_possible(c) and not (c.writers.head != NULL and waitq_live(&c.writers))


cdef str write_name = "write"


cdef inline bint write_is_plain(Conn c, object data) noexcept:
    # The usual case: nothing is in the way.
    return (
        type(data) is bytes and c.stage == CONN_OPEN and not c.write_paused and not c.closed and not c.ended
        and c.writers.head == NULL and c.write_due == INFINITY
    )


cdef int write_plain(Conn c, object data, PyObject** result) noexcept:
    cdef PyObject* done = PyObject_CallMethodOneArg(<PyObject*>c.transport, <PyObject*>write_name, <PyObject*>data)
    if done == NULL:
        return -1
    Py_DECREF(<object>done)
    result[0] = PyLong_FromSsize_t(len(<bytes>data))
    return 1 if result[0] != NULL else -1


cdef int write_attempt(Op op, PyObject** result) noexcept:
    cdef PyObject* conn = <PyObject*>op.target
    cdef object size = None
    if <PyObject*>(<Conn>conn).sched != goish_tls_sched and conn_enter(<Conn>conn) < 0:
        return -1
    if write_is_plain(<Conn>conn, op.value):
        return write_plain(<Conn>conn, op.value, result)
    try:
        error = write_refusal(<Conn>conn)
        if error is None:
            if not write_at_once(<Conn>conn):
                return 0
            error = write_hand_over(<Conn>conn, op.value)
        if error is None:
            size = written_size(op.value)
    except BaseException as exc:
        error = exc
    if error is not None:
        goish_raise_here(<PyObject*>error)
        return -1
    Py_INCREF(size)
    result[0] = <PyObject*>size
    return 1


cdef object write_refusal(Conn c):
    # Why it does not even wait, or None.
    if c.closed:
        return conn_closed_error()
    if c.ended:
        return ConnClosed("write after close_write()")
    if c.write_due < INFINITY and is_past(c, c.write_due):
        return conn_late_error("write")
    return None


cdef bint write_ready(Op op) noexcept:
    cdef Conn c = <Conn>op.target
    if conn_is_elsewhere(c) or c.ended:
        return True  # the attempt says so
    return c.sched is not None and write_at_once(c)


cdef bint write_arm(Op op) noexcept:
    cdef Conn c = <Conn>op.target
    cdef PyObject* result = NULL
    cdef int r = write_attempt(op, &result)
    if r == 0:
        goish_lock(&c.lock)
        waitq_push(&c.writers, op)
        goish_unlock(&c.lock)
        write_waits(op)
        return True
    if r == 1:
        Py_DECREF(<object>result)
        op.flags |= F_OK
        op.state = OP_DONE
    else:
        op.value = pending_exception()
        op.state = OP_FAILED
    return False


cdef void write_waits(Op op) noexcept:
    cdef Conn c = <Conn>op.target
    if c.sched is None:  # as a case, it was queued first; what is written now is kept until there is a transport
        if conn_enter(c) < 0:
            write_broken(c, pending_exception())
        write_serve(c)
    elif c.write_due < INFINITY:
        conn_set_alarm(c, c.write_due)


cdef bint write_withdraw(Op op) noexcept:
    return op_unlink(op, &(<Conn>op.target).writers, &(<Conn>op.target).lock)


cdef int write_finish(Op op, PyObject** result) noexcept:
    cdef object size
    try:
        if not op.flags & F_OK:
            error = write_failed(<Conn>op.target)
            goish_raise_here(<PyObject*>error)
            return -1
        size = written_size(op.value)
    except BaseException as exc:
        goish_raise_here(<PyObject*>exc)
        return -1
    Py_INCREF(size)
    result[0] = <PyObject*>size
    return 1


cdef WaitQueue* write_queue(Op op) noexcept:
    return &(<Conn>op.target).writers


waits[<int>W_WRITE] = Wait(
    "conn write", False, write_attempt, write_ready, write_arm, write_withdraw, write_finish, NULL, NULL, NULL, NULL,
    write_ready, read_case_take, write_queue, NULL, True, write_waits
)


# ---- the ops ----

cdef object checked_data(object data):
    # What is written must not change before the transport has sent it: bytes as they are, the rest copied.
    if type(data) is bytes:
        return data
    if isinstance(data, (list, tuple)):
        return [part if type(part) is bytes else copied_data(part) for part in data]
    return copied_data(data)


cdef bytes copied_data(object data):
    if isinstance(data, str):
        raise TypeError('a connection takes bytes, got str: write text.encode(), or b"..."')
    try:
        return bytes(memoryview(data))
    except TypeError:
        raise TypeError(
            f"a connection takes bytes, a bytearray, a memoryview, or a list of these; got {data!r} of type {type(data).__name__}"
        ) from None


cdef Op write_op(Conn c, object data):
    data = checked_data(data)
    cdef Op op = new_op(W_WRITE, c)
    op.value = data
    return op
