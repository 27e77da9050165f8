# batch.pyx - many values at once: one critical section and one pass of wake-ups for all.
#
# Not here: send_many and recv_many, which wait (many.py).
# Threads: under the lock no list is made and nothing dropped, as in transfer.pyx.

cdef bint chan_try_send_batch(Chan ch, object values) except -1:
    # Sends all or nothing, in one critical section and one pass of wake-ups.
    cdef list given = list(values)
    cdef list items = given
    cdef Py_ssize_t n = len(items)
    cdef Py_ssize_t i
    cdef AfterUnlock aside
    cdef PyObject* woken = NULL
    cdef PyObject** last = &woken
    cdef list dropped = []
    cdef int happened = HAPPENED
    if ch.flags & C_HEAP:
        items = [with_priority(<PriorityChan>ch, value, 0.0) for value in items]
    if ch.flags & C_SINGLE_SENDER:
        check_flavor(ch, True)
    waitq_prune_all(ch, &ch.receivers)
    goish_lock(&ch.lock)
    if ch.closed:
        goish_unlock(&ch.lock)
        raise SendOnClosed(given)
    # One value needs no count: putting it tells, and may decide a select without the GIL too.
    if ch.overflow != DROP_OLDEST and (n != 1 or ch.overflow == DROP_NEWEST) and not room_for(ch, n):
        goish_unlock(&ch.lock)
        return False
    for i in range(n):
        happened = chan_put(ch, PyList_GET_ITEM(items, i), &aside)
        if aside.wake != NULL:
            last[0] = aside.wake
            last = &(<Op>aside.wake).next
        if aside.dropped != NULL:
            dropped.append(<object>aside.dropped)
            Py_DECREF(<object>aside.dropped)
        if happened != HAPPENED and happened != DROPPED:
            break  # no memory, or one value that no receiver takes
    last[0] = NULL
    goish_unlock(&ch.lock)
    wake_chain(woken)
    for value in dropped:
        value_undelivered(<PyObject*>ch, value)
    if happened < 0:
        raise pending_exception()
    return happened == HAPPENED or happened == DROPPED


cdef Py_ssize_t checked_max(object most, Py_ssize_t least) except -1:
    if not isinstance(most, int) and not hasattr(most, "__index__"):
        raise TypeError(f"max is a whole number, {least} or more, got {most!r} of type {type(most).__name__}")
    if most < least:
        raise ValueError(f"max is {least} or more, got {most}")
    return most


cdef double checked_linger(object linger) except? -1.0:
    return float_of(linger, "linger", " is a number of seconds")


cdef bint room_for(Chan ch, Py_ssize_t n) noexcept:
    # Whether n values can be sent at once: buffer slots and distinct receivers that wait (a select counts once). Without the
    # GIL a select may be decided elsewhere at any instant, so there it cannot be counted on.
    cdef Py_ssize_t missing = n - (ch.capacity - ch.buffer.count)
    cdef PyObject* op
    cdef PyObject* owner
    if missing <= 0:
        return True
    op = ch.receivers.head
    while op != NULL and missing > 0:
        owner = <PyObject*>(<Op>op).owner
        if not is_case(op):
            missing -= 1
        elif not GOISH_LOCKS and (<Op>owner).state == OP_WAITING and not (<Op>owner).flags & F_MARK:
            (<Op>owner).flags |= F_MARK
            missing -= 1
        op = (<Op>op).next
    op = NULL if GOISH_LOCKS else ch.receivers.head
    while op != NULL:
        if is_case(op):
            (<Op>(<Op>op).owner).flags &= ~F_MARK
        op = (<Op>op).next
    return missing <= 0


cdef list chan_try_recv_batch(Chan ch, object most):
    cdef Py_ssize_t limit = PY_SSIZE_T_MAX if most is None else checked_max(most, 0)
    if ch.flags & C_FEED:
        feed_tell(<Feed>ch)
    return chan_recv_batch(ch, limit)


def recv_rest(Chan ch, Py_ssize_t most):
    """For ``recv_many``, which has values already: what else is there, but nothing behind a gap."""
    return [] if ch.flags & C_FEED and (<Feed>ch).missed > 0 else chan_recv_batch(ch, most)


cdef list chan_recv_batch(Chan ch, Py_ssize_t limit):
    # Receives in one critical section: the list is made before, because making it may run the collector, which runs user code.
    cdef Py_ssize_t n = 0
    cdef AfterUnlock aside
    cdef PyObject* value = NULL
    cdef PyObject* woken = NULL
    cdef PyObject** last = &woken
    cdef list values
    if ch.flags & (C_TIMER | C_SINGLE_RECEIVER):
        check_flavor(ch, False)
        if ch.flags & C_TIMER:
            timer_poll(ch)
    limit = min(limit, ch.buffer.count + ch.senders.count)
    values = [None] * limit
    waitq_prune_all(ch, &ch.senders)
    goish_lock(&ch.lock)
    while n < limit and chan_take(ch, &value, &aside) == HAPPENED:
        Py_DECREF(None)
        PyList_SET_ITEM(values, n, value)
        n += 1
        if aside.wake != NULL:
            last[0] = aside.wake
            last = &(<Op>aside.wake).next
    last[0] = NULL
    goish_unlock(&ch.lock)
    if n < limit:
        del values[n:]
    wake_chain(woken)
    if ch.flags & C_FEED:
        feed_taken(<Feed>ch)
    return values
