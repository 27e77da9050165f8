# read.pyx - reading from a Conn, as an operation that waits.
#
# A read takes its bytes when it is decided: by the turn in which they came, straight from the transport's callback. So one that
# was decided is delivered, whatever comes before its turn (the commit rule); if it never has a turn, its bytes go back to the
# front of the unread ones.
#
# Invariants: readers are served in the order in which they came. If some wait, the first of them wants more than is there, and
#   there is neither an end nor an error.
#   A decided op has F_OK and its bytes, or an exception, or neither: then what has become of the Conn is the reason.
# Threads: the loop's own. Only a waiting op that is let go may be withdrawn on another, so the lock guards the queue.

@cython.final
cdef class Reading:
    pass


cdef inline bint is_plain(PyObject* op) noexcept:
    # read(), which takes what is there: its value is None.
    return not goish_is(<PyObject*>(<Op>op).value, <PyObject*>Reading)


cdef inline bint read_is_over(Conn c) noexcept:
    return c.eof or c.stage == CONN_LOST or c.closed


cdef bint read_possible(Conn c, PyObject* op) noexcept:
    # Whether the read need not wait. The deadline is the alarm's matter.
    cdef Reading wanted
    cdef Py_ssize_t size = unread_size(c)
    if read_is_over(c):
        return True
    if is_plain(op):
        return size > 0
    wanted = <Reading>(<Op>op).value
    if wanted.how == READ_EXACTLY:
        return size >= wanted.n
    if wanted.how == READ_UNTIL:
        return unread_find(c, wanted) >= 0 or size > wanted.n
    return size > 0


cdef Py_ssize_t unread_find(Conn c, Reading wanted) noexcept:
    # Where the separator begins; -1: there is none. It goes on where it stopped, unless the unread bytes begin elsewhere by now.
    cdef Py_ssize_t size = unread_size(c)
    cdef Py_ssize_t found
    if size < len(wanted.sep):
        return -1
    if wanted.front != c.front:
        wanted.scanned = 0
        wanted.front = c.front
    try:
        found = c.unread.find(wanted.sep, c.at + wanted.scanned)
    except BaseException:
        return -1
    if found >= 0:
        return found - c.at
    wanted.scanned = size - len(wanted.sep) + 1
    return -1


cdef object read_take(Conn c, object wanted, bint* ok):
    # Does a read that need not wait: its bytes, or an exception if not `ok`.
    ok[0] = False
    if c.closed:
        return conn_closed_error()
    if type(wanted) is Reading:
        taken = read_take_wanted(c, <Reading>wanted, ok)
    elif c.unread is not None:
        taken = unread_take(c, UNREAD_MOST)
        ok[0] = True
    elif c.error is not None:
        return conn_lost_error(c)
    else:
        taken = b""
        ok[0] = True
    if c.read_paused:
        conn_throttle(c)
    return taken


cdef object read_take_wanted(Conn c, Reading wanted, bint* ok):
    cdef Py_ssize_t size = unread_size(c)
    cdef Py_ssize_t found = wanted.n
    if wanted.how == READ_INTO or wanted.how == READ_AT_MOST:
        return read_take_some(c, wanted, ok)
    if wanted.how == READ_UNTIL:
        found = unread_find(c, wanted)
        found += len(wanted.sep) if found >= 0 else 0
        if found > wanted.n or (found < 0 and size > wanted.n):
            where = f"separator is found, {found} bytes on" if found > 0 else f"separator is not found in {size} bytes"
            return asyncio.LimitOverrunError(f"{where}, and limit is {wanted.n}", max(found, size))
    if 0 <= found <= size:
        ok[0] = True
        return b"" if found == 0 else unread_take(c, found)
    if c.error is not None:
        return conn_lost_error(c)
    rest = b"" if c.unread is None else unread_take(c, size)
    return asyncio.IncompleteReadError(rest, None if wanted.how == READ_UNTIL else wanted.n)


cdef object read_take_some(Conn c, Reading wanted, bint* ok):
    cdef bytes taken
    if c.unread is None and c.error is not None:
        return conn_lost_error(c)
    ok[0] = True
    taken = b"" if c.unread is None else unread_take(c, wanted.n)
    if wanted.how == READ_AT_MOST:
        return taken
    wanted.into[:len(taken)] = taken
    return len(taken)


cdef object conn_lost_error(Conn c):
    # A new one each time: one that is raised again and again would grow by its traceback.
    if type(c.error) in (ConnectionResetError, BrokenPipeError, ConnectionAbortedError, TimeoutError, OSError):
        return type(c.error)(*c.error.args)
    return c.error


# ---- decided by what the transport says ----

cdef void read_serve(Conn c) noexcept:
    # Decides the readers whose turn it is, and wakes them.
    cdef PyObject* op = read_claim(c)
    while op != NULL:
        read_settle(c, <Op>op)
        op_wake(<Op>op)
        Py_DECREF(<Op>op)
        op = read_claim(c)


cdef bint read_hand_over(Conn c, bytes chunk) noexcept:
    # The usual case: a chunk comes, nothing is unread, and read() waits. False: it is not so.
    cdef PyObject* op
    cdef PyObject* owner
    goish_lock(&c.lock)
    op = c.readers.head if waitq_live(&c.readers) else NULL
    while op != NULL and is_plain(op):
        waitq_remove(&c.readers, <Op>op)
        if op_claim(op):
            break
        Py_DECREF(<Op>op)
        op = c.readers.head if waitq_live(&c.readers) else NULL
    else:
        op = NULL
    goish_unlock(&c.lock)
    if op == NULL:
        return False
    (<Op>op).value = chunk
    (<Op>op).flags |= F_OK
    owner = <PyObject*>(<Op>op).owner
    if goish_is(owner, <PyObject*>Goroutine) and may_step_now(c.sched):
        g = <Goroutine>owner
        Py_DECREF(<Op>op)
        read_step(c.sched, g)
    else:
        op_wake(<Op>op)
        Py_DECREF(<Op>op)
    return True


cdef void read_step(Scheduler s, Goroutine g) noexcept:
    # What ends the program (Ctrl-C, sys.exit) is the loop's matter: a transport would take it for an error of its own.
    try:
        step_now(s, g)
    except BaseException as exc:
        raise_later(s.loop, exc)


cdef PyObject* read_claim(Conn c) noexcept:
    # Decides the first reader, if there is what it wants: an owned reference, or NULL.
    cdef PyObject* op
    goish_lock(&c.lock)
    while waitq_live(&c.readers):
        op = c.readers.head
        if not read_possible(c, op):
            break
        waitq_remove(&c.readers, <Op>op)
        if op_claim(op):
            goish_unlock(&c.lock)
            return op
        Py_DECREF(<Op>op)  # its select was decided elsewhere
    goish_unlock(&c.lock)
    return NULL


cdef void read_settle(Conn c, Op op) noexcept:
    cdef bint ok = False
    try:
        taken = read_take(c, op.value, &ok)
    except BaseException as exc:
        taken = exc
    if type(op.value) is Reading:
        (<Reading>op.value).result = taken
    elif ok:
        op.value = taken
    if ok:
        op.flags |= F_OK


cdef object read_failed(Conn c, object wanted):
    # The exception of a read that was decided without bytes.
    if type(wanted) is Reading and isinstance((<Reading>wanted).result, BaseException):
        error, (<Reading>wanted).result = (<Reading>wanted).result, None
        return error
    if c.closed:
        return conn_closed_error()
    if c.error is not None:
        return conn_lost_error(c)
    return conn_late_error("read")


# ---- the rows of the table of waits ----

cdef int read_result(Op op, object value, PyObject** result) noexcept:
    # Gives the bytes in the shape that was promised.
    if op.kind == W_READ_NEXT and not len(<bytes>value):
        PyErr_SetNone(StopAsyncIteration)
        return -1
    Py_INCREF(value)
    result[0] = <PyObject*>value
    return 1


cdef inline bint read_is_whole(Conn c) noexcept:
    # A chunk as it came, and nothing else to see to.
    return (
        type(c.unread) is bytes and c.at == 0 and len(<bytes>c.unread) <= UNREAD_MOST and not c.closed and not c.read_paused
        and c.read_due == INFINITY
    )


cdef int read_attempt(Op op, PyObject** result) noexcept:
    cdef object value
    cdef PyObject* conn = <PyObject*>op.target
    cdef bint ok = False
    if <PyObject*>(<Conn>conn).sched != goish_tls_sched and conn_enter(<Conn>conn) < 0:
        return -1
    if (<Conn>conn).readers.head != NULL and waitq_live(&(<Conn>conn).readers):
        return 0
    if (<Conn>conn).read_due == INFINITY and not read_possible(<Conn>conn, <PyObject*>op):
        return 0
    if op.value is None and op.kind == W_READ and read_is_whole(<Conn>conn):
        value, (<Conn>conn).unread = (<Conn>conn).unread, None
        (<Conn>conn).front += 1
        Py_INCREF(value)
        result[0] = <PyObject*>value
        return 1
    try:
        if is_past(<Conn>conn, (<Conn>conn).read_due) and not (<Conn>conn).closed:
            taken = conn_late_error("read")
        elif not read_possible(<Conn>conn, <PyObject*>op):
            return 0
        else:
            taken = read_take(<Conn>conn, op.value, &ok)
    except BaseException as exc:
        taken = exc
    if ok:
        return read_result(op, taken, result)
    goish_raise_here(<PyObject*>taken)
    return -1


cdef bint read_ready(Op op) noexcept:
    cdef Conn c = <Conn>op.target
    if conn_is_elsewhere(c):
        return True  # the attempt says so
    return c.sched is not None and not (c.readers.head != NULL and waitq_live(&c.readers)) and read_possible(c, <PyObject*>op)


cdef bint read_arm(Op op) noexcept:
    cdef Conn c = <Conn>op.target
    cdef bint first
    if <PyObject*>c.sched != goish_tls_sched and conn_enter(c) < 0:
        op.value = pending_exception()
        op.state = OP_FAILED
        return False
    goish_lock(&c.lock)
    first = not waitq_live(&c.readers)
    if not first or not read_possible(c, <PyObject*>op):
        waitq_push(&c.readers, op)
        first = False
    goish_unlock(&c.lock)
    if first:
        op.state = OP_DONE
        read_settle(c, op)
        return False
    read_waits(op)
    return True


cdef void read_waits(Op op) noexcept:
    cdef Conn c = <Conn>op.target
    if c.sched is None and conn_enter(c) < 0:  # as a case, it was queued first
        c.error = pending_exception()
        c.stage = CONN_LOST
        read_serve(c)
        return
    if c.read_paused:
        conn_throttle(c)
    if c.read_due < INFINITY:
        conn_set_alarm(c, c.read_due)


cdef bint read_withdraw(Op op) noexcept:
    cdef Conn c = <Conn>op.target
    if not op_unlink(op, &c.readers, &c.lock):
        return False
    read_left(op)
    return True


cdef void read_left(Op op) noexcept:
    # The first reader may have left: the next may want less. Where it was let go on another thread, the loop looks.
    cdef Conn c = <Conn>op.target
    if c.readers.head == NULL:
        if not c.read_paused and not conn_is_elsewhere(c):
            conn_throttle(c)
    elif conn_is_elsewhere(c):
        sched_post(c.sched, (<ConnProtocol>c.protocol).look, (), None)
    else:
        read_serve(c)


cdef int read_finish(Op op, PyObject** result) noexcept:
    cdef object value
    cdef Conn c = <Conn>op.target
    if not op.flags & F_OK:
        try:
            error = read_failed(c, op.value)
        except BaseException as exc:
            error = exc
        goish_raise_here(<PyObject*>error)
        return -1
    value = op_bytes(op)
    return read_result(op, value, result)


cdef object op_bytes(Op op):
    # Takes the result of a decided op out of it: a case may be given to another select.
    if type(op.value) is Reading:
        value, (<Reading>op.value).result = (<Reading>op.value).result, None
    else:
        value, op.value = op.value, None
    return value


cdef void read_drop(Op op) noexcept:
    cdef Conn c = <Conn>op.target
    cdef Reading wanted
    if not op.flags & F_OK:
        return
    try:
        wanted = <Reading>op.value if type(op.value) is Reading else None
        data = op_bytes(op)
        if wanted is not None and wanted.how == READ_INTO:
            data = bytes(wanted.into[:data])
        if not data or c.closed:
            return
        if conn_is_elsewhere(c):
            sched_post(c.sched, (<ConnProtocol>c.protocol).give_back, (data,), None)
        else:
            conn_give_back(c, data)
    except BaseException:
        logger.exception("bytes of %r are lost", c)


cdef int conn_give_back(Conn c, object data) except -1:
    unread_give_back(c, data)
    read_serve(c)
    return 0


cdef WaitQueue* read_queue(Op op) noexcept:
    return &(<Conn>op.target).readers


cdef bint read_case_take(Op op) noexcept:
    return True  # its attempt does it, once the locks are free


cdef int reading
for reading in (W_READ, W_READ_NEXT):
    waits[reading] = Wait(
        "conn read", False, read_attempt, read_ready, read_arm, read_withdraw, read_finish, read_drop, NULL, NULL, NULL,
        read_ready, read_case_take, read_queue, read_left, True, read_waits
    )
waits[<int>W_READ_NEXT].case_ready = NULL


# ---- the ops ----

cdef Op reading_op(Conn c, Reading wanted):
    cdef Op op = new_op(W_READ, c)
    op.value = wanted
    return op


cdef Reading reading_new(uint8_t how, Py_ssize_t n):
    cdef Reading wanted = Reading.__new__(Reading)
    wanted.how = how
    wanted.n = n
    return wanted


cdef int checked_size(object n, str name, Py_ssize_t least) except -1:
    if type(n) is not int:
        raise TypeError(f"{name} is a whole number of bytes, {least} or more; got {n!r} of type {type(n).__name__}")
    if not least <= n <= PY_SSIZE_T_MAX:
        raise ValueError(
            f"{name} is a whole number of bytes, {least} or more; got {n}; all up to the end is "
            'b"".join([chunk async for chunk in conn])'
        )
    return 0
