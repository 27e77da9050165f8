# transfer.pyx - a value moves: into a channel, out of it, or straight from a sender to a receiver. Under the channel's lock.
#
# A channel is a ring of values between a queue of senders and a queue of receivers.
# Invariants (all but the first are checked by chan_check() in debug builds), counting only ops that still wait:
#   senders or receivers is empty, but for a select that holds both ends of one channel;
#   count > 0        implies receivers is empty;
#   count < capacity implies senders is empty;
#   closed           implies both are empty.
# A value or a slot given to a waiter is its own from that instant: nobody can take it before the waiter runs.
# Threads: `lock` guards every field. Under it no user code runs: an op to wake or a value to drop goes to an AfterUnlock, and
#   chan_settle() deals with it after unlocking.
# Not here: sending, receiving and closing as operations (handoff.pyx, batch.pyx), choosing between channels (select.pyx).

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
    if not is_case(op):
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
                aside.wake = op_to_wake(sender)
        return HAPPENED
    if ch.senders.head != NULL:
        sender = waitq_claim(&ch.senders)
        if sender != NULL:
            value[0] = value_unwrapped(ch, sent_value(sender))
            aside.wake = op_to_wake(sender)
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
            aside.wake = op_to_wake(receiver)
            return HAPPENED
    if ch.buffer.count < ch.capacity:
        if ch.buffer.count == ch.buffer.size and chan_reserve(ch) < 0:
            return -1
        Py_INCREF(<object>value)
        store_put(ch, value)
        return HAPPENED
    return WOULD_BLOCK if ch.overflow == BLOCK else chan_overflow(ch, value, aside)


cdef int chan_overflow(Chan ch, PyObject* value, AfterUnlock* aside) noexcept:
    # There is no room, and a send does not wait for it.
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
