# feed.pyx - one value for every subscriber of a broadcast, under its lock.
#
# Each subscriber has a channel of its own, its Feed, in which only the broadcast puts values. A send looks first whether every
# subscriber that blocks has room, and waits in `senders` if one has none; then it puts the value into all feeds, in one go.
# Invariants: a Feed has no senders. Only a put makes a feed fuller, and puts hold the broadcast's lock: a feed that was seen to
#   have room keeps it until the next put. So the feeds before `at` have room, and the feed at `at` is `awaited` if senders wait.
# Threads: any. A broadcast's lock is taken before a feed's, never after; `lock` of a feed guards what receivers touch. A feed is
#   borrowed by its broadcast: under the lock its references are not counted, since it may be about to go (feed_leave).
# Not here: the types that programs see, sending as an operation that waits (broadcast.pyx).

cdef inline bint feed_is_full(PyObject* feed) noexcept:
    # Only for those whose sender waits. Says to the receiver whether a sender has seen it full.
    cdef bint full
    if (<Feed>feed).slow != BLOCK:
        return False
    goish_lock(&(<Feed>feed).lock)
    full = (<Feed>feed).buffer.count >= (<Feed>feed).capacity
    goish_store_state(&(<Feed>feed).awaited, full)
    goish_unlock(&(<Feed>feed).lock)
    return full


cdef bint broadcast_has_room(Broadcast b) noexcept:
    # Under the lock: whether no subscriber makes a sender wait.
    while b.at != NULL:
        if feed_is_full(b.at):
            return False
        b.at = (<Feed>b.at).following
    return True


cdef uint32_t broadcast_put(Broadcast b, PyObject* value, Delivery* delivery) noexcept:
    # Under the lock, with room for it. How many subscribers have it.
    cdef AfterUnlock aside
    cdef PyObject* feed = b.first
    cdef PyObject* following
    cdef uint32_t reached = 0
    while feed != NULL:
        following = (<Feed>feed).following
        reached += feed_put(b, feed, value, delivery)
        feed = following
    b.at = b.first
    if b.history is not None:
        if chan_put(b.history, value, &aside) < 0:
            PyErr_Clear()
        if aside.dropped != NULL:
            delivery_keep(delivery, b, aside.dropped)
    return reached


cdef inline bint feed_put(Broadcast b, PyObject* feed, PyObject* value, Delivery* delivery) noexcept:
    cdef AfterUnlock aside
    cdef int happened
    goish_lock(&(<Feed>feed).lock)
    happened = chan_put(<Chan>feed, value, &aside)
    if happened != HAPPENED:
        feed_loses(feed, happened)
    goish_unlock(&(<Feed>feed).lock)
    if aside.wake != NULL:
        delivery.last[0] = aside.wake
        delivery.last = &(<Op>aside.wake).next
    if aside.dropped != NULL:
        delivery_keep(delivery, b, aside.dropped)
    if happened == FULL:
        (<Feed>feed).disconnected = True
        feed_unlink(b, feed)
        feed_end(feed, delivery)
    return happened == HAPPENED or (happened == DROPPED and (<Feed>feed).overflow == DROP_OLDEST)


cdef void feed_loses(PyObject* feed, int happened) noexcept:
    if happened < 0:
        PyErr_Clear()  # no memory for its buffer: it is told, as one that is slow
    (<Feed>feed).lost += 1
    if happened < 0 or (<Feed>feed).slow == DROP_OLDEST:
        (<Feed>feed).missed += 1


# ---- what is left to do ----

cdef inline void delivery_begin(Delivery* delivery) noexcept:
    delivery.woken = NULL
    delivery.last = &delivery.woken
    delivery.dropped = NULL
    delivery.count = 0


cdef void delivery_keep(Delivery* delivery, Broadcast b, PyObject* value) noexcept:
    # A value to be dropped after unlocking: one for each feed, and for the history. Takes the reference.
    if delivery.dropped == NULL:
        delivery.dropped = <PyObject**>PyMem_Malloc(<size_t>(b.count + 1) * sizeof(PyObject*))
        if delivery.dropped == NULL:
            Py_FatalError("goish: no memory for the values that slow subscribers lose")
    delivery.dropped[delivery.count] = value
    delivery.count += 1


cdef void delivery_settle(Delivery* delivery) noexcept:
    cdef Py_ssize_t i
    delivery.last[0] = NULL
    wake_chain(delivery.woken)
    for i in range(delivery.count):
        Py_DECREF(<object>delivery.dropped[i])
    PyMem_Free(delivery.dropped)


# ---- subscribed, and not ----

cdef void feed_link(Broadcast b, Feed feed) noexcept:
    # Under the lock.
    feed.subscribed = True
    feed.previous = b.last
    feed.following = NULL
    if b.last == NULL:
        b.first = <PyObject*>feed
    else:
        (<Feed>b.last).following = <PyObject*>feed
    b.last = <PyObject*>feed
    if b.at == NULL:
        b.at = <PyObject*>feed
    b.count += 1


cdef void feed_unlink(Broadcast b, PyObject* feed) noexcept:
    # Under the lock.
    cdef PyObject* previous = (<Feed>feed).previous
    cdef PyObject* following = (<Feed>feed).following
    (<Feed>feed).subscribed = False
    if b.at == feed:
        b.at = following
    if previous == NULL:
        b.first = following
    else:
        (<Feed>previous).following = following
    if following == NULL:
        b.last = previous
    else:
        (<Feed>following).previous = previous
    b.count -= 1


cdef void feed_end(PyObject* feed, Delivery* delivery) noexcept:
    # Under the broadcast's lock: closes the feed. Its wait_closed() channel has a lock of its own, taken next.
    cdef PyObject* closing = NULL
    goish_lock(&(<Feed>feed).lock)
    goish_store_state(&(<Feed>feed).closed, True)
    delivery.last = claim_all(&(<Feed>feed).receivers, delivery.last)
    if (<Feed>feed).cold is not None:
        closing = <PyObject*>(<ChanCold>(<Feed>feed).cold).closing
    goish_unlock(&(<Feed>feed).lock)
    if closing != NULL and closing != <PyObject*>None:
        goish_lock(&(<Chan>closing).lock)
        goish_store_state(&(<Chan>closing).closed, True)
        delivery.last = claim_all(&(<Chan>closing).receivers, delivery.last)
        goish_unlock(&(<Chan>closing).lock)


cdef void feed_leave(Feed feed) noexcept:
    # Its subscriber wants nothing more, or is gone: the feed is closed and empty, and no sender waits for it.
    cdef Broadcast b = feed.source
    cdef Delivery delivery
    cdef Ring values
    cdef Py_ssize_t i
    delivery_begin(&delivery)
    goish_lock(&b.lock)
    if feed.subscribed:
        feed_unlink(b, <PyObject*>feed)
    feed_end(<PyObject*>feed, &delivery)
    goish_unlock(&b.lock)
    goish_lock(&feed.lock)
    values = feed.buffer
    memset(&feed.buffer, 0, sizeof(Ring))
    feed.missed = 0
    feed.disconnected = False
    goish_unlock(&feed.lock)
    delivery_settle(&delivery)
    for i in range(values.count):
        Py_DECREF(<object>values.slots[(values.head + i) & (values.size - 1)])
    PyMem_Free(values.slots)
    broadcast_look(b)


# ---- sending ----

cdef int broadcast_send(Broadcast b, PyObject* op, PyObject* value, uint32_t* reached) noexcept:
    # Sends the value, borrowed, to all. If that has to wait, the op joins the senders, unless it is NULL.
    cdef Delivery delivery
    cdef int happened = WOULD_BLOCK
    broadcast_prune(b)
    delivery_begin(&delivery)
    goish_lock(&b.lock)
    if b.closed:
        happened = CLOSED
    elif b.senders.head == NULL and broadcast_has_room(b):
        reached[0] = broadcast_put(b, value, &delivery)
        happened = HAPPENED
    elif op != NULL:
        waitq_push(&b.senders, <Op>op)
    goish_unlock(&b.lock)
    delivery_settle(&delivery)
    return happened


cdef void broadcast_look(Broadcast b) noexcept:
    # There may be room for the first sender that waits, and for those behind it. Under no lock.
    while broadcast_is_due(b) and broadcast_send_first(b):
        pass


cdef bint broadcast_is_due(Broadcast b) noexcept:
    # Asked under the lock: a sender has found a feed full before it joins the senders.
    cdef bint due
    goish_lock(&b.lock)
    due = b.senders.head != NULL and broadcast_has_room(b)
    goish_unlock(&b.lock)
    return due


cdef bint broadcast_send_first(Broadcast b) noexcept:
    # False: no sender waits, or the first still has to.
    cdef Delivery delivery
    cdef PyObject* sender = NULL
    cdef PyObject* value = NULL
    broadcast_prune(b)
    delivery_begin(&delivery)
    goish_lock(&b.lock)
    if b.senders.head != NULL and broadcast_has_room(b):
        sender = waitq_claim(&b.senders)
        value = sent_value(sender)
        (<Op>sender).index = broadcast_put(b, value, &delivery)
    goish_unlock(&b.lock)
    if sender == NULL:
        return False
    delivery_settle(&delivery)
    op_wake(<Op>sender)
    Py_DECREF(<Op>sender)
    Py_DECREF(<object>value)
    return True


# ---- receiving ----

cdef inline int feed_take(Feed feed, PyObject** value, AfterUnlock* aside) noexcept:
    # Under the feed's lock, as chan_take(). LAGGED: first it is told how many values it has lost.
    if feed.missed > 0:
        aside.wake = aside.dropped = NULL
        aside.missed = feed.missed
        feed.missed = 0
        return LAGGED
    return chan_take(feed, value, aside)


cdef inline void feed_taken(Feed feed) noexcept:
    # After unlocking: there may be room that a sender waits for.
    if goish_load_state(&feed.awaited):
        broadcast_look(feed.source)


cdef int feed_recv_or_queue(Feed feed, PyObject* op, PyObject** value, AfterUnlock* aside) noexcept:
    # As recv_or_queue(). LAGGED: the value is the exception to raise.
    cdef int happened
    goish_lock(&feed.lock)
    happened = feed_take(feed, value, aside)
    if op != NULL and happened == WOULD_BLOCK:
        waitq_push(&feed.receivers, <Op>op)
    goish_unlock(&feed.lock)
    feed_taken(feed)
    if happened == LAGGED:
        error = lagged_error(aside.missed)
        Py_INCREF(error)
        value[0] = <PyObject*>error
    return happened


cdef object lagged_error(Py_ssize_t missed):
    try:
        return Lagged(missed)
    except BaseException as exc:
        return exc


cdef int feed_tell(Feed feed) except -1:
    # Raises Lagged if there is something to tell.
    cdef Py_ssize_t missed
    goish_lock(&feed.lock)
    missed, feed.missed = feed.missed, 0
    goish_unlock(&feed.lock)
    if missed > 0:
        raise Lagged(missed)
    return 0


# ---- receivers and senders of loops that are closed ----

cdef void broadcast_prune(Broadcast b) noexcept:
    waitq_prune(b, &b.senders)
    while broadcast_prune_receivers(b):
        pass


cdef bint broadcast_prune_receivers(Broadcast b) noexcept:
    # True: the first receivers of some feeds were of closed loops, and wait no more. Each loop is asked once in a row.
    cdef PyObject** found = NULL
    cdef PyObject* feed
    cdef PyObject* op
    cdef PyObject* asked = NULL
    cdef Py_ssize_t count = 0
    cdef Py_ssize_t i
    cdef bint gone = False
    cdef bint any_gone = False
    goish_lock(&b.lock)
    feed = b.first
    while feed != NULL:
        goish_lock(&(<Feed>feed).lock)
        op = (<Feed>feed).receivers.head
        if op != NULL and is_elsewhere(op) and waitq_live(&(<Feed>feed).receivers):
            op = (<Feed>feed).receivers.head
            wait = (<Op>op).owner if is_case(op) else <object>op
            s = waiter_sched(<Op>op)
            if found == NULL and (s is not None or waiter_is_orphan(op)):
                found = <PyObject**>PyMem_Malloc(<size_t>b.count * 2 * sizeof(PyObject*))
            if found != NULL and (s is not None or waiter_is_orphan(op)):
                Py_INCREF(wait)
                Py_INCREF(s)
                found[2 * count], found[2 * count + 1] = <PyObject*>wait, <PyObject*>s
                count += 1
        goish_unlock(&(<Feed>feed).lock)
        feed = (<Feed>feed).following
    goish_unlock(&b.lock)
    for i in range(count):
        wait, s = <object>found[2 * i], <object>found[2 * i + 1]
        if i == 0 or asked != <PyObject*>s:
            gone = s is None or loop_is_closed(<Scheduler>s)
            asked = <PyObject*>s
        if gone:
            op_give_up(<Op>wait, RuntimeError("the event loop of this wait is closed"))
            any_gone = True
        Py_DECREF(wait)
        Py_DECREF(s)
    PyMem_Free(found)
    return any_gone
