# handoff.pyx - sending and receiving: as operations that wait, on a thread, and at once; closing.
#
# Each operation is a row in the table of waits. What happens to the value is in transfer.pyx, where the invariants stand.
# Threads: any; the channel's lock guards what changes.
# Not here: the type that programs see (chan.pyx), many values at once (batch.pyx), choosing between channels (select.pyx), waking
#   (op_wake, ready.pyx).

# ---- try, or queue ----

cdef inline int recv_or_queue(Chan ch, PyObject* op, PyObject** value, AfterUnlock* aside) noexcept:
    # Takes a value, an owned reference. If there is none, the op joins the receivers, unless it is NULL.
    cdef int happened
    if ch.flags & (C_TIMER | C_FEED):
        if ch.flags & C_FEED:
            return feed_recv_or_queue(<Feed>ch, op, value, aside)
        timer_poll(ch)
    waitq_prune(ch, &ch.senders)
    goish_lock(&ch.lock)
    happened = chan_take(ch, value, aside)
    if op != NULL and happened == WOULD_BLOCK and not ch.flags & C_NIL:
        waitq_push(&ch.receivers, <Op>op)
    goish_unlock(&ch.lock)
    return happened


cdef inline int send_or_queue(Chan ch, PyObject* op, PyObject* value, AfterUnlock* aside) noexcept:
    # Puts the value, borrowed. If there is no room, the op joins the senders, unless it is NULL.
    cdef int happened
    waitq_prune(ch, &ch.receivers)
    goish_lock(&ch.lock)
    happened = chan_put(ch, value, aside)
    if op != NULL and happened == WOULD_BLOCK and not ch.flags & C_NIL:
        waitq_push(&ch.senders, <Op>op)
    goish_unlock(&ch.lock)
    return happened


# ---- receiving: rows of the table of waits ----

cdef str DRAINED = "receive on a channel that is closed and drained"


cdef inline bint is_cut_off(Chan ch) noexcept:
    # Whether its end is an error, also of an iteration: its subscriber was disconnected.
    return ch.flags & C_FEED and (<Feed>ch).disconnected


cdef object closed_error(Chan ch):
    error = ChanClosed(DRAINED)
    if is_cut_off(ch):
        error.__cause__ = Disconnected(ch.capacity)
    return error


cdef inline int op_give(Op op, PyObject* value, bint ok, PyObject** result) noexcept:
    # The result of a receive, in the shape its method promises; steals value (NULL when closed).
    if ok and (op.kind == W_RECV or op.kind == W_NEXT):
        result[0] = value
        return 1
    return op_give_other(op, value, ok, result)


cdef int op_give_other(Op op, PyObject* value, bint ok, PyObject** result) noexcept:
    cdef bint raises
    received = None
    if ok:
        received = <object>value
        Py_DECREF(received)
    elif value != NULL:  # what a subscriber is told
        goish_raise_here(value)
        Py_DECREF(<object>value)
        return -1
    elif op.kind == W_NEXT and not is_cut_off(<Chan>op.target):
        PyErr_SetNone(StopAsyncIteration)
        return -1
    elif op.kind == W_CLOSED:
        return finish_none(op, result)
    raises = not ok and (op.kind == W_RECV or op.kind == W_NEXT)
    try:  # Python code runs here, and in it perhaps a signal handler that raises
        if raises:
            shaped = closed_error(<Chan>op.target)
        else:
            shaped = (received, ok) if op.kind == W_RECV_OK else Received(received, ok, op.flags & F_WAITED != 0)
    except BaseException as exc:
        if ok:
            value_undelivered(<PyObject*>op.target, received)
        raises, shaped = True, exc
    if raises:
        goish_raise_here(<PyObject*>shaped)
        return -1
    Py_INCREF(shaped)
    result[0] = <PyObject*>shaped
    return 1


cdef int recv_attempt(Op op, PyObject** result) noexcept:
    cdef PyObject* chan = <PyObject*>op.target
    cdef PyObject* value = NULL
    cdef AfterUnlock aside
    cdef int happened = recv_or_queue(<Chan>chan, NULL, &value, &aside)
    if happened == WOULD_BLOCK:
        return 0
    chan_settle(<Chan>chan, &aside)
    return op_give(op, value, happened == HAPPENED, result)


cdef bint recv_arm(Op op) noexcept:
    cdef Chan ch = <Chan>op.target
    cdef PyObject* value = NULL
    cdef AfterUnlock aside
    cdef int happened = recv_or_queue(ch, <PyObject*>op, &value, &aside)
    if happened == WOULD_BLOCK:
        if ch.flags & C_TIMER and not waiters[waiter_kind(<PyObject*>op.owner)].polls:
            timer_arm(ch)
        return True
    op.state = OP_DONE
    if value != NULL:
        op.value = <object>value
        Py_DECREF(<object>value)
    if happened == HAPPENED:
        op.flags |= F_OK
    elif happened == LAGGED:
        op.state = OP_FAILED
    chan_settle(ch, &aside)
    return False


cdef bint recv_withdraw(Op op) noexcept:
    cdef Chan ch = <Chan>op.target
    if not op_unlink(op, &ch.receivers, &ch.lock):
        return False
    if ch.flags & C_TIMER:
        timer_disarm(ch)
    return True


cdef int recv_finish(Op op, PyObject** result) noexcept:
    cdef PyObject* value = NULL
    if op.flags & F_OK:
        value = <PyObject*>op.value
        Py_INCREF(<object>value)
        op.value = None
    return op_give(op, value, op.flags & F_OK, result)


cdef void recv_drop(Op op) noexcept:
    if op.flags & F_OK:
        value, op.value = op.value, None
        value_undelivered(<PyObject*>op.target, value)


cdef const char* nil_detail(Op op) noexcept:
    if (<Chan>op.target).flags & C_NIL:
        return "nil chan"
    return NULL


cdef double recv_due(Op op) noexcept:
    return timer_due(<Chan>op.target) if (<Chan>op.target).flags & C_TIMER else INFINITY


cdef int receiving
for receiving in (W_RECV, W_RECV_OK, W_RECV_INFO, W_CLOSED, W_NEXT):
    waits[receiving] = Wait(
        "chan receive", True, recv_attempt, op_recv_ready, recv_arm, recv_withdraw, recv_finish, recv_drop, NULL, nil_detail,
        recv_due, NULL, NULL, NULL, NULL, False, NULL
    )


# ---- sending ----

cdef int send_result(Op op, int happened, PyObject** result) noexcept:
    # The result of a send that did not have to wait.
    if happened == CLOSED or happened == FULL or happened < 0:
        return send_refuse(op, happened)
    op.value = None
    shaped = happened == DROPPED
    Py_INCREF(shaped)
    result[0] = <PyObject*>shaped
    return 1


cdef int send_refuse(Op op, int happened) noexcept:
    value, op.value = op.value, None
    value = value_unwrap(value)
    if happened != CLOSED and happened != FULL:
        return -1
    try:
        error = SendOnClosed(value) if happened == CLOSED else ChanFull(value)
    except BaseException as exc:
        error = exc
    goish_raise_here(<PyObject*>error)
    return -1


cdef int send_attempt(Op op, PyObject** result) noexcept:
    cdef PyObject* chan = <PyObject*>op.target
    cdef AfterUnlock aside
    cdef int happened = send_or_queue(<Chan>chan, NULL, <PyObject*>op.value, &aside)
    if happened == WOULD_BLOCK:
        return 0
    chan_settle(<Chan>chan, &aside)
    return send_result(op, happened, result)


cdef bint send_arm(Op op) noexcept:
    cdef Chan ch = <Chan>op.target
    cdef AfterUnlock aside
    cdef int happened = send_or_queue(ch, <PyObject*>op, <PyObject*>op.value, &aside)
    if happened == WOULD_BLOCK:
        return True
    op.state = OP_DONE
    if happened == HAPPENED or happened == DROPPED:
        op.flags |= F_OK
        op.value = None
    elif happened != CLOSED:
        send_refuse(op, happened)
        op.value = pending_exception()
        op.state = OP_FAILED
    chan_settle(ch, &aside)
    return False


cdef bint send_withdraw(Op op) noexcept:
    cdef Chan ch = <Chan>op.target
    if not op_unlink(op, &ch.senders, &ch.lock):
        return False
    value, op.value = op.value, None
    value = value_unwrap(value)
    if not op.used & U_QUIET:
        value_undelivered(<PyObject*>ch, value)
    return True


cdef void send_drop(Op op) noexcept:
    if not op.flags & F_OK and not op.used & U_QUIET:
        value, op.value = op.value, None
        value_undelivered(<PyObject*>op.target, value_unwrap(value))


cdef int send_finish(Op op, PyObject** result) noexcept:
    if not op.flags & F_OK:
        return send_refuse(op, CLOSED)
    shaped = op.flags & F_WAITED != 0
    Py_INCREF(shaped)
    result[0] = <PyObject*>shaped
    return 1


waits[<int>W_SEND] = Wait(
    "chan send", True, send_attempt, op_send_ready, send_arm, send_withdraw, send_finish, send_drop, NULL, nil_detail, NULL,
    NULL, NULL, NULL, NULL, False, NULL
)


cdef Op send_op(Chan ch, object value):
    cdef Op op
    if ch.flags & (C_SINGLE_SENDER | C_HEAP):  # first: a refused send leaves no op behind that seems forgotten
        check_flavor(ch, True)
        value = for_heap(ch, value)
    op = new_op(W_SEND, ch)
    op.value = value
    return op


def send_or_return(Chan ch, value):
    """For ``send_many``: a send whose value, cut off, comes back to the sender, and does not go to ``on_undelivered``."""
    cdef Op op = send_op(ch, value)
    op.used |= U_QUIET
    return op


def report_undelivered(Chan ch, value):
    """Gives ``on_undelivered`` a value that nobody will receive."""
    value_undelivered(<PyObject*>ch, value)


cdef object for_heap(Chan ch, object value):
    # A heap orders Prioritized items and nothing else.
    if ch.flags & C_HEAP and type(value) is not Prioritized:
        return with_priority(<PriorityChan>ch, value, 0.0)
    return value


cdef Op recv_op(Chan ch, int kind):
    if ch.flags & C_SINGLE_RECEIVER:
        check_flavor(ch, False)
    return new_op(kind, ch)


# ---- on threads without an event loop ----

cdef object chan_send_blocking(Chan ch, object value, object timeout):
    return thread_block(send_op(ch, value), timeout, "send_blocking()", "use await ch.send(v), or ch.try_send(v)")


cdef object chan_next(Chan ch):
    value, ok = thread_block(recv_op(ch, W_RECV_OK), None, "iterating over a channel", "use async for")
    if not ok and is_cut_off(ch):
        raise closed_error(ch)
    if not ok:
        raise StopIteration
    return value


cdef object chan_recv_blocking(Chan ch, int kind, object timeout):
    if kind == W_RECV:
        return thread_block(recv_op(ch, kind), timeout, "recv_blocking()", "use await ch.recv(), or ch.try_recv()")
    if kind == W_RECV_INFO:
        return thread_block(recv_op(ch, kind), timeout, "recv_info_blocking()", "use await ch.recv_info(), or ch.try_recv_ok()")
    return thread_block(recv_op(ch, kind), timeout, "recv_ok_blocking()", "use await ch.recv_ok(), or ch.try_recv_ok()")


# ---- the operations that do not wait ----

cdef object chan_try_recv(Chan ch, int kind):
    # W_RECV: the value alone. W_RECV_OK: with True, or (None, False).
    cdef PyObject* value = NULL
    cdef AfterUnlock aside
    cdef int happened
    if ch.flags & C_SINGLE_RECEIVER:
        check_flavor(ch, False)
    happened = recv_or_queue(ch, NULL, &value, &aside)
    if happened == WOULD_BLOCK:
        return EMPTY
    if happened == CLOSED:
        if kind == W_RECV:
            raise closed_error(ch)
        return (None, False)
    received = <object>value
    Py_DECREF(received)
    if happened == LAGGED:
        raise received
    chan_settle(ch, &aside)
    return received if kind == W_RECV else (received, True)


cdef bint chan_try_send(Chan ch, object value) except -1:
    cdef AfterUnlock aside
    cdef int happened
    if ch.flags & (C_SINGLE_SENDER | C_HEAP):
        check_flavor(ch, True)
        value = for_heap(ch, value)
    happened = send_or_queue(ch, NULL, <PyObject*>value, &aside)
    if happened == CLOSED:
        raise SendOnClosed(value_unwrap(value))
    if happened < 0:
        raise pending_exception()
    refused_here = happened == FULL or happened == WOULD_BLOCK
    if happened == DROPPED and ch.overflow == DROP_NEWEST:
        Py_DECREF(<object>aside.dropped)  # the caller's still, so not undelivered
        aside.dropped = NULL
        refused_here = True
    chan_settle(ch, &aside)
    return not refused_here


cdef object chan_peek_item(Chan ch):
    cdef PyObject* op
    item = EMPTY
    if ch.flags & C_TIMER:
        timer_poll(ch)
    goish_lock(&ch.lock)
    if ch.buffer.count > 0:
        item = <object>ring_head(&ch.buffer)
    else:
        op = ch.senders.head
        if op != NULL and waitq_live(&ch.senders):
            item = (<Op>ch.senders.head).value
    goish_unlock(&ch.lock)
    return value_unwrap(item)


cdef bint chan_close(Chan ch) except -1:
    # Decides every waiter before it wakes any: receivers, then senders. False if the channel was closed already.
    cdef PyObject* woken = NULL
    cdef PyObject** last = &woken
    if ch.flags & C_NIL:
        raise CloseOfNil()
    if ch.flags & C_TIMER and (<ChanCold>ch.cold).ctx is None:
        raise TypeError("a channel that fires cannot be closed")
    goish_lock(&ch.lock)
    if ch.closed:
        goish_unlock(&ch.lock)
        return False
    goish_store_state(&ch.closed, True)
    last = claim_all(&ch.receivers, last)
    last = claim_all(&ch.senders, last)
    last[0] = NULL
    closing = (<ChanCold>ch.cold).closing if ch.cold is not None else None
    goish_unlock(&ch.lock)
    wake_chain(woken)
    if closing is not None:
        chan_close(<Chan>closing)
    return True


cdef Op closed_op(Chan ch):
    return new_op(W_CLOSED, ch if ch.flags & C_NIL else closing_of(ch))


cdef Chan closing_of(Chan ch):
    # `closed` and `closing` change under one lock: either the thread that closes sees this channel, or it is closed here.
    cdef Chan closing
    cdef bint closed
    cdef Chan fresh = Chan()
    cold = ChanCold.__new__(ChanCold)
    if ch.flags & C_TIMER and (<ChanCold>ch.cold).ctx is not None:  # it needs the alarm, too
        timed = ChanCold.__new__(ChanCold)
        (<ChanCold>timed).ctx = (<ChanCold>ch.cold).ctx
        (<ChanCold>timed).deadline = (<ChanCold>ch.cold).deadline
        fresh.cold = timed
        fresh.flags |= C_TIMER
    goish_lock(&ch.lock)
    if ch.cold is None:
        ch.cold = cold
    if (<ChanCold>ch.cold).closing is None:
        (<ChanCold>ch.cold).closing = fresh
    closing = (<ChanCold>ch.cold).closing
    closed = ch.closed
    goish_unlock(&ch.lock)
    if closed:
        chan_close(closing)
    return closing
