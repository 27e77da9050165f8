# handoff.pyx - how a value gets from sender to receiver: a ring of values between a queue of senders and a queue of receivers.
#
# Invariants (checked by chan_check() in debug builds), counting only ops that still wait:
#   senders or receivers is empty, but for a select that holds both ends of one channel;
#   count > 0        implies receivers is empty;
#   count < capacity implies senders is empty;
#   closed           implies both are empty.
# A value or a slot given to a waiter is its own from that instant: nobody can take it before the waiter runs.
# Threads: `lock` guards every field. Under it no user code runs: an op to wake or a value to drop goes to an AfterUnlock, and
#   chan_settle() deals with it after unlocking.
# Not here: the type that programs see (chan.pyx), choosing between channels (select.pyx), the run queue (sched.pyx).

# ---- waiters of a loop that is closed ----

# A channel does not notice that a loop closes. A waiter of another loop is checked before it is given anything: a value for a
# closed loop's goroutine or task would never be seen. In a forked child the same holds for all waiters of the parent.

cdef inline void waitq_prune(Chan ch, WaitQueue* q) noexcept:
    if q.head != NULL and (GOISH_LOCKS or is_elsewhere(q.head)):
        while waitq_prune_closed(ch, q):
            pass


cdef bint waitq_prune_closed(Chan ch, WaitQueue* q) noexcept:
    # True: the first waiter was of a closed loop. It waits no more, whichever thread has withdrawn it.
    op = None
    wait = None
    owner = None
    goish_lock(&ch.lock)
    if waitq_live(q) and is_elsewhere(q.head):
        # Of a case it takes the select. Held from here on: another thread may be looking too, or that loop is just being closed.
        op = <object>q.head
        wait = (<Op>op).owner if type((<Op>op).owner) is Op else op
        owner = owner_behind(<Op>op)
    goish_unlock(&ch.lock)
    if owner is None or not is_gone(owner):
        return False
    op_give_up(<Op>wait, RuntimeError("the event loop of this wait is closed"))
    return True


cdef object owner_behind(Op op):
    # For a linked op, under the lock: the Scheduler of its owner, or the ThreadWaiter of a thread.
    cdef PyObject* owner = <PyObject*>op.owner
    if goish_is(owner, <PyObject*>Op):
        owner = <PyObject*>(<Op>owner).owner
    if goish_is(owner, <PyObject*>Goroutine):
        return (<Goroutine>owner).sched
    if goish_is(owner, <PyObject*>TaskWaiter):
        return (<TaskWaiter>owner).sched
    return <object>owner if goish_is(owner, <PyObject*>ThreadWaiter) else None


cdef bint is_gone(object owner) noexcept:
    # A thread is there as long as it waits; but no thread outlives a fork, save the one that has forked.
    return (<ThreadWaiter>owner).born != forks if type(owner) is ThreadWaiter else loop_is_closed(<Scheduler>owner)


cdef bint loop_is_closed(Scheduler s) noexcept:
    try:
        return s.dead or s.loop.is_closed()
    except (RecursionError, MemoryError):
        return False  # it could not even be asked
    except Exception:
        logger.exception("%r does not say whether it is closed", s.loop)
        return False


# ---- taking and putting, under the lock ----

cdef enum:
    LARGE = 4096  # slots of an empty ring that are worth giving back: growing to them again is cheap by comparison


cdef inline PyObject* store_take(Chan ch) noexcept:
    cdef PyObject* item
    cdef PyObject* value
    if not ch.flags & C_HEAP:
        item = ring_pop(&ch.buffer)
        if ch.buffer.count == 0 and ch.buffer.size > LARGE:
            ring_trim(&ch.buffer)
        return item
    item = heap_pop(&ch.buffer)
    if ch.buffer.count == 0 and ch.buffer.size > LARGE:
        ring_trim(&ch.buffer)
    value = <PyObject*>(<Prioritized>item).value
    Py_INCREF(<object>value)
    Py_DECREF(<object>item)
    return value


cdef inline void store_put(Chan ch, PyObject* value) noexcept:
    if ch.flags & C_HEAP:
        heap_push(&ch.buffer, value)
    else:
        ring_push(&ch.buffer, value)


cdef inline PyObject* sent_value(PyObject* op) noexcept:
    # The value of a decided sender, an owned reference. A case of a select keeps its own: it may be used again.
    cdef PyObject* value = <PyObject*>(<Op>op).value
    Py_INCREF(<object>value)
    if not goish_is(<PyObject*>(<Op>op).owner, <PyObject*>Op):
        (<Op>op).value = None
    (<Op>op).flags |= F_OK
    return value


cdef inline PyObject* value_unwrapped(Chan ch, PyObject* value) noexcept:
    # Gives the value that a receiver sees of a sent one (steals and returns a reference).
    cdef PyObject* inner
    if not ch.flags & C_HEAP:
        return value
    inner = <PyObject*>(<Prioritized>value).value
    Py_INCREF(<object>inner)
    Py_DECREF(<object>value)
    return inner


cdef object value_unwrap(object value):
    return (<Prioritized>value).value if type(value) is Prioritized else value


cdef inline int chan_take(Chan ch, PyObject** value, AfterUnlock* aside) noexcept:
    cdef PyObject* sender = NULL
    aside.wake = aside.dropped = NULL
    if ch.buffer.count > 0:
        value[0] = store_take(ch)
        if ch.senders.head != NULL:
            sender = waitq_claim(&ch.senders)
            if sender != NULL:
                store_put(ch, sent_value(sender))  # the slot just freed
                aside.wake = sender
        return HAPPENED
    if ch.senders.head != NULL:
        sender = waitq_claim(&ch.senders)
        if sender != NULL:
            value[0] = value_unwrapped(ch, sent_value(sender))
            aside.wake = sender
            return HAPPENED
    return CLOSED if ch.closed else WOULD_BLOCK


cdef inline int chan_put(Chan ch, PyObject* value, AfterUnlock* aside) noexcept:
    # -1 and MemoryError if there is no room for the room.
    cdef PyObject* receiver
    aside.wake = aside.dropped = NULL
    if ch.closed:
        return CLOSED
    if ch.receivers.head != NULL:
        receiver = waitq_claim(&ch.receivers)
        if receiver != NULL:
            Py_INCREF(<object>value)
            value = value_unwrapped(ch, value)
            (<Op>receiver).value = <object>value
            Py_DECREF(<object>value)
            (<Op>receiver).flags |= F_OK
            aside.wake = receiver
            return HAPPENED
    if ch.buffer.count < ch.capacity:
        if ch.buffer.count == ch.buffer.size and chan_reserve(ch) < 0:
            return -1
        Py_INCREF(<object>value)
        store_put(ch, value)
        return HAPPENED
    if ch.overflow == BLOCK:
        return WOULD_BLOCK
    if ch.overflow == ERROR:
        return FULL
    if ch.overflow == DROP_OLDEST:
        aside.dropped = store_take(ch)
        Py_INCREF(<object>value)
        store_put(ch, value)
        return DROPPED
    Py_INCREF(<object>value)
    aside.dropped = value_unwrapped(ch, value)
    return DROPPED


cdef int chan_reserve(Chan ch) noexcept:
    try:
        return ring_reserve(&ch.buffer)
    except MemoryError as exc:
        goish_raise(<PyObject*>exc)
        return -1


# ---- is it possible at once? ----

cdef inline bint recv_ready(Chan ch) noexcept:
    return ch.buffer.count > 0 or (ch.senders.head != NULL and waitq_live(&ch.senders)) or ch.closed


cdef inline bint send_ready(Chan ch) noexcept:
    if ch.buffer.count < ch.capacity or ch.closed:
        return True
    return (ch.receivers.head != NULL and waitq_live(&ch.receivers)) or ch.overflow != BLOCK


cdef bint op_recv_ready(Op op) noexcept:
    cdef Chan ch = <Chan>op.target
    cdef bint possible
    goish_lock(&ch.lock)
    possible = recv_ready(ch)
    goish_unlock(&ch.lock)
    return possible


cdef bint op_send_ready(Op op) noexcept:
    cdef Chan ch = <Chan>op.target
    cdef bint possible
    goish_lock(&ch.lock)
    possible = send_ready(ch)
    goish_unlock(&ch.lock)
    return possible


# ---- afterwards, without the lock ----

cdef inline void chan_settle(Chan ch, AfterUnlock* aside) noexcept:
    if GOISH_DEBUG:
        chan_check(ch)
    if aside.wake != NULL:
        op_wake(<Op>aside.wake)
        Py_DECREF(<object>aside.wake)
    if aside.dropped != NULL:
        value_undelivered(<PyObject*>ch, <object>aside.dropped)
        Py_DECREF(<object>aside.dropped)


cdef void value_undelivered(PyObject* ch, object value) noexcept:
    # A value that entered a send and will never be received goes to the channel's hook, exactly once.
    cdef object cold = (<Chan>ch).cold
    if cold is None or (<ChanCold>cold).on_undelivered is None:
        return
    try:
        (<ChanCold>cold).on_undelivered(value)
    except BaseException as exc:
        logger.exception("on_undelivered of %r failed", <object>ch)
        loop = running_loop()
        if loop is not None and not isinstance(exc, Exception):
            loop_call_retry(loop, loop.call_soon, (_raise_error, exc), None)  # SystemExit and KeyboardInterrupt are for the loop


cdef void chan_check(Chan ch) noexcept:
    # The invariants, in debug builds.
    cdef bint receivers, senders
    goish_lock(&ch.lock)
    receivers = waitq_live(&ch.receivers)
    senders = waitq_live(&ch.senders)
    cdef const char* broken = NULL
    if receivers and ch.buffer.count > 0:
        broken = "receivers wait although values are buffered"
    elif senders and ch.buffer.count < ch.capacity:
        broken = "senders wait although there is room"
    elif ch.closed and (receivers or senders):
        broken = "somebody waits on a closed channel"
    elif ch.buffer.count > ch.capacity:
        broken = "more values than the capacity allows"
    goish_unlock(&ch.lock)
    if broken != NULL:
        Py_FatalError(broken)


# ---- receiving: rows of the table of waits ----

cdef inline int op_give(Op op, PyObject* value, bint ok, PyObject** result) noexcept:
    # The result of a receive, in the shape its method promises; steals value (NULL when closed).
    if ok and (op.kind == W_RECV or op.kind == W_NEXT):
        result[0] = value
        return 1
    return op_give_other(op, value, ok, result)


cdef int op_give_other(Op op, PyObject* value, bint ok, PyObject** result) noexcept:
    received = None
    if ok:
        received = <object>value
        Py_DECREF(received)
    elif op.kind == W_NEXT:
        PyErr_SetNone(StopAsyncIteration)
        return -1
    elif op.kind == W_CLOSED:
        return finish_none(op, result)
    cdef bint raises = not ok and op.kind == W_RECV
    try:  # Python code runs here, and in it perhaps a signal handler that raises
        if raises:
            shaped = ChanClosed("receive on a channel that is closed and drained")
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
    cdef int happened
    if (<Chan>chan).flags & C_TIMER:
        timer_poll(<Chan>chan)
    waitq_prune(<Chan>chan, &(<Chan>chan).senders)
    goish_lock(&(<Chan>chan).lock)
    happened = chan_take(<Chan>chan, &value, &aside)
    goish_unlock(&(<Chan>chan).lock)
    if happened == WOULD_BLOCK:
        return 0
    chan_settle(<Chan>chan, &aside)
    return op_give(op, value, happened == HAPPENED, result)


cdef bint recv_arm(Op op) noexcept:
    cdef Chan ch = <Chan>op.target
    cdef PyObject* value = NULL
    cdef AfterUnlock aside
    cdef int happened
    if ch.flags & C_TIMER:
        timer_poll(ch)
    waitq_prune(ch, &ch.senders)
    goish_lock(&ch.lock)
    happened = chan_take(ch, &value, &aside)
    if happened == WOULD_BLOCK and not ch.flags & C_NIL:
        waitq_push(&ch.receivers, op)
    goish_unlock(&ch.lock)
    if happened == WOULD_BLOCK:
        if ch.flags & C_TIMER and type(op.owner) is not ThreadWaiter:
            timer_arm(ch)
        return True
    op.state = OP_DONE
    if happened == HAPPENED:
        op.value = <object>value
        Py_DECREF(<object>value)
        op.flags |= F_OK
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
        recv_due
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
    cdef int happened
    waitq_prune(<Chan>chan, &(<Chan>chan).receivers)
    goish_lock(&(<Chan>chan).lock)
    happened = chan_put(<Chan>chan, <PyObject*>op.value, &aside)
    goish_unlock(&(<Chan>chan).lock)
    if happened == WOULD_BLOCK:
        return 0
    chan_settle(<Chan>chan, &aside)
    return send_result(op, happened, result)


cdef bint send_arm(Op op) noexcept:
    cdef Chan ch = <Chan>op.target
    cdef AfterUnlock aside
    cdef int happened
    waitq_prune(ch, &ch.receivers)
    goish_lock(&ch.lock)
    happened = chan_put(ch, <PyObject*>op.value, &aside)
    if happened == WOULD_BLOCK and not ch.flags & C_NIL:
        waitq_push(&ch.senders, op)
    goish_unlock(&ch.lock)
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
    "chan send", True, send_attempt, op_send_ready, send_arm, send_withdraw, send_finish, send_drop, NULL, nil_detail, NULL
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
    if ch.flags & (C_TIMER | C_SINGLE_RECEIVER):
        check_flavor(ch, False)
        if ch.flags & C_TIMER:
            timer_poll(ch)
    waitq_prune(ch, &ch.senders)
    goish_lock(&ch.lock)
    happened = chan_take(ch, &value, &aside)
    goish_unlock(&ch.lock)
    if happened == WOULD_BLOCK:
        return EMPTY
    if happened == CLOSED:
        if kind == W_RECV:
            raise ChanClosed()
        return (None, False)
    received = <object>value
    Py_DECREF(received)
    chan_settle(ch, &aside)
    return received if kind == W_RECV else (received, True)


cdef bint chan_try_send(Chan ch, object value) except -1:
    cdef AfterUnlock aside
    cdef int happened
    if ch.flags & (C_SINGLE_SENDER | C_HEAP):
        check_flavor(ch, True)
        value = for_heap(ch, value)
    waitq_prune(ch, &ch.receivers)
    goish_lock(&ch.lock)
    happened = chan_put(ch, <PyObject*>value, &aside)
    goish_unlock(&ch.lock)
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
    if ch.flags & C_TIMER:
        raise TypeError("the channel of after() cannot be closed")
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
    fresh = Chan()
    cold = ChanCold.__new__(ChanCold)
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
