# broadcast.pyx - Broadcast and its subscriptions, as programs see them; sending as an operation that waits.
#
# Threads: any.
# Not here: how a value reaches all subscribers (feed.pyx). A subscription receives as any channel does (handoff.pyx).

# ---- the row of the table of waits ----

cdef int broadcast_attempt(Op op, PyObject** result) noexcept:
    cdef uint32_t reached = 0
    cdef int happened = broadcast_send(<Broadcast>op.target, NULL, <PyObject*>op.value, &reached)
    if happened == WOULD_BLOCK:
        return 0
    if happened == CLOSED:
        return send_refuse(op, CLOSED)
    op.index = reached
    op.flags |= F_OK
    op.value = None
    return broadcast_finish(op, result)


cdef bint broadcast_ready(Op op) noexcept:
    cdef Broadcast b = <Broadcast>op.target
    cdef bint possible
    goish_lock(&b.lock)
    possible = b.closed or (b.senders.head == NULL and broadcast_has_room(b))
    goish_unlock(&b.lock)
    return possible


cdef bint broadcast_arm(Op op) noexcept:
    cdef uint32_t reached = 0
    cdef int happened = broadcast_send(<Broadcast>op.target, <PyObject*>op, <PyObject*>op.value, &reached)
    if happened == WOULD_BLOCK:
        return True
    op.state = OP_DONE
    if happened == HAPPENED:
        op.index = reached
        op.flags |= F_OK
        op.value = None
    return False


cdef bint broadcast_withdraw(Op op) noexcept:
    cdef Broadcast b = <Broadcast>op.target
    return op_unlink(op, &b.senders, &b.lock)


cdef int broadcast_finish(Op op, PyObject** result) noexcept:
    if not op.flags & F_OK:
        return send_refuse(op, CLOSED)
    reached = op.index
    shaped = <object>reached
    Py_INCREF(shaped)
    result[0] = <PyObject*>shaped
    return 1


waits[<int>W_BROADCAST] = Wait(
    "broadcast", True, broadcast_attempt, broadcast_ready, broadcast_arm, broadcast_withdraw, broadcast_finish, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, False, NULL
)


# ---- making ----

cdef dict SLOW = {"block": BLOCK, "drop_oldest": DROP_OLDEST, "drop_newest": DROP_NEWEST, "disconnect": DISCONNECT}


cdef uint8_t checked_slow(object slow) except 255:
    if type(slow) is not str or slow not in SLOW:
        raise ValueError(f"slow is one of {', '.join(map(repr, SLOW))}; got {slow!r}")
    return SLOW[slow]


cdef Py_ssize_t checked_room(object capacity, Py_ssize_t least) except -1:
    # The capacity of a subscriber's buffer.
    if type(capacity) is not int:
        raise TypeError(
            "capacity is the number of values that a subscriber buffers, a whole number, 1 or more; "
            f"got {capacity!r} of type {type(capacity).__name__}"
        )
    if capacity < 1:
        raise ValueError(f"a subscriber buffers one value at least: capacity is 1 or more, got {capacity}")
    if capacity < least:
        raise ValueError(f"replay={least} values do not fit into a capacity of {capacity}")
    if capacity >= PY_SSIZE_T_MAX:
        raise OverflowError(f"a capacity of {capacity} is more than memory can address")
    return capacity


cdef Py_ssize_t checked_replay(object replay) except -1:
    if type(replay) is not int:
        raise TypeError(
            f"replay is the number of values that a new subscriber gets first, got {replay!r} of type {type(replay).__name__}"
        )
    if replay < 0:
        raise ValueError(f"replay is 0 or more, got {replay}")
    return replay


cdef Chan history_of(Py_ssize_t replay):
    cdef Chan history = Chan.__new__(Chan)
    history.flags = C_MADE
    history.capacity = replay
    history.overflow = DROP_OLDEST
    return history


cdef Feed feed_new(Broadcast b, Py_ssize_t capacity, uint8_t slow):
    cdef Feed feed = Feed.__new__(Feed)
    cdef uint8_t* overflow = [BLOCK, ERROR, DROP_OLDEST, DROP_NEWEST, ERROR, DROP_OLDEST]
    feed.flags = C_FEED | C_MADE
    feed.capacity = capacity
    feed.slow = slow
    feed.overflow = overflow[slow]
    feed.source = b
    return feed


cdef int feed_subscribe(Feed feed, Broadcast b) except -1:
    cdef Py_ssize_t i
    cdef Ring* values
    cdef int failed = 0
    goish_lock(&b.lock)
    if b.history is not None:
        values = &b.history.buffer
        for i in range(values.count):
            failed = chan_reserve(feed) if feed.buffer.count == feed.buffer.size else 0
            if failed:
                break
            Py_INCREF(<object>values.slots[(values.head + i) & (values.size - 1)])
            ring_push(&feed.buffer, values.slots[(values.head + i) & (values.size - 1)])
    if failed == 0 and b.closed:
        feed.closed = True
    elif failed == 0:
        feed_link(b, feed)
    goish_unlock(&b.lock)
    if failed:
        raise pending_exception()
    return 0


cdef bint broadcast_close(Broadcast b) noexcept:
    # False if it was closed already.
    cdef Delivery delivery
    cdef PyObject* feed
    cdef bint first
    delivery_begin(&delivery)
    goish_lock(&b.lock)
    first = not b.closed
    b.closed = True
    while b.first != NULL:
        feed = b.first
        feed_unlink(b, feed)
        feed_end(feed, &delivery)
    delivery.last = claim_all(&b.senders, delivery.last)
    goish_unlock(&b.lock)
    delivery_settle(&delivery)
    return first


# ---- as programs see them ----

cdef class Broadcast:
    """Broadcast(capacity, *, replay=0, slow="block")\n--\n\n\
    Every subscriber gets every value that is sent after it subscribed. Go has none: there it is a list of channels.

    ``capacity``: how many values are buffered for each subscriber, 1 or more.
    ``replay``: so many of the last values a new subscriber gets first; at most ``capacity``.
    ``slow``: what becomes of a subscriber whose buffer is full. ``"block"``: the sender waits for it. ``"drop_oldest"``: it
    loses its oldest value, and its next receive raises ``Lagged`` once, which says how many are missing. ``"drop_newest"``:
    it does not get the new one. ``"disconnect"``: it is closed; its receives end with ChanClosed, caused by ``Disconnected``.
    TypeError, ValueError or OverflowError for other values of these. ``Broadcast[int](8)`` is typed, for type checkers.

    Senders and subscribers may be goroutines, asyncio tasks on any loops, and threads.

    Example::

        async def listen(name, sub):
            async for price in sub:
                print(name, price)  # -> a 42 b 42

        prices = Broadcast(8)
        listeners = [go(listen, name, prices.subscribe()) for name in ("a", "b")]
        print(await prices.send(42))  # -> 2
        prices.close()
        await wait_all(*listeners)
    """

    def __init__(self, capacity, *, replay=0, slow="block"):
        cdef Py_ssize_t kept = checked_replay(replay)
        cdef Py_ssize_t room = checked_room(capacity, kept)
        cdef uint8_t policy = checked_slow(slow)
        if self.flags & C_MADE:
            raise RuntimeError("a Broadcast is made once")
        self.flags |= C_MADE
        self.capacity = room
        self.slow = policy
        if kept > 0:
            self.history = history_of(kept)

    def send(self, value, /):
        """Sends ``value`` to every subscriber; await it. Gives the number of subscribers that it has reached.

        It waits until every subscriber that blocks has room, and then reaches all at one instant. With no subscriber it
        gives 0 at once. Senders are served in the order in which they came. Cancelled, it has reached nobody; once it has
        reached them, the cancel comes at the next wait. Raises SendOnClosed, also while it waits. It is no case of
        ``select``.

        Example::

            b = Broadcast(1)
            sub = b.subscribe()
            print(await b.send("a"), await sub.recv())  # -> 1 a
        """
        cdef Op op = new_op(W_BROADCAST, self)
        op.value = value
        return op

    def try_send(self, value, /):
        """Sends ``value`` to every subscriber if that needs no wait: True if it did, else nobody has it. Any thread.

        Raises SendOnClosed.

        Example::

            b = Broadcast(1)
            sub = b.subscribe()
            print(b.try_send("a"), b.try_send("b"))  # -> True False
        """
        cdef uint32_t reached = 0
        cdef int happened = broadcast_send(self, NULL, <PyObject*>value, &reached)
        if happened == CLOSED:
            raise SendOnClosed(value)
        return happened == HAPPENED

    def send_blocking(self, value, /, timeout=None):
        """``send`` for threads without an event loop: blocks the calling thread until every subscriber has room.

        ``timeout``: seconds, None to wait for ever. TimeoutError if it was not sent by then: nobody has it. SendOnClosed as
        ``send``; SyncOnLoop on a thread whose event loop runs. Ctrl-C ends the wait.

        Example::

            b = Broadcast(1)
            sub = b.subscribe()
            print(b.send_blocking("a", timeout=1), sub.recv_blocking())  # -> 1 a
        """
        return thread_block(self.send(value), timeout, "send_blocking()", "use await b.send(v), or b.try_send(v)")

    def subscribe(self, *, slow=None, capacity=None):
        """Subscribes: a ``Subscription``, which gets every value whose send happens from now on. Any thread.

        ``slow`` and ``capacity`` are those of the Broadcast unless given. It lasts until its ``close``, the end of its
        ``with`` block, or until nothing refers to it. A closed Broadcast still gives what it replays.

        Example::

            b = Broadcast(4, replay=2)
            for word in ("a", "b", "c"):
                await b.send(word)
            with b.subscribe(slow="drop_oldest") as sub:
                print(sub.try_recv_many())  # -> ['b', 'c']
        """
        cdef Py_ssize_t kept = 0 if self.history is None else self.history.capacity
        cdef Py_ssize_t room = self.capacity if capacity is None else checked_room(capacity, kept)
        cdef uint8_t policy = self.slow if slow is None else checked_slow(slow)
        cdef Feed feed
        cdef Subscription view
        if not self.flags & C_MADE:
            raise RuntimeError("this Broadcast was not initialised: its __init__ has not run")
        feed = feed_new(self, room, policy)
        view = Subscription.__new__(Subscription)
        view.chan = feed
        feed_subscribe(feed, self)
        return view

    def close(self):
        """Closes it: subscribers can still receive what is buffered, then their receives end. Any thread.

        Senders that wait get SendOnClosed. Raises CloseOfClosed the second time.

        Example::

            b = Broadcast(1)
            sub = b.subscribe()
            b.try_send("a")
            b.close()
            print([v async for v in sub])  # -> ['a']
        """
        if not broadcast_close(self):
            raise CloseOfClosed()

    def close_once(self):
        """Closes it if it is open, and says whether it did. Any thread.

        Example::

            b = Broadcast(1)
            print(b.close_once(), b.close_once())  # -> True False
        """
        return broadcast_close(self)

    @property
    def closed(self):
        """Whether it is closed. True may be relied on; False may be out of date at once."""
        return goish_load_state(&self.closed) != 0

    @property
    def subscribers(self):
        """How many are subscribed. Any thread; out of date at once."""
        return self.count

    def __repr__(self):
        closed = " closed" if self.closed else ""
        return f"<Broadcast cap={self.capacity} subscribers={self.count} waiting={self.senders.count}{closed}>"

    __class_getitem__ = classmethod(GenericAlias)

    def __reduce_ex__(self, protocol):
        raise TypeError("a Broadcast cannot be copied or pickled: pass it itself, goroutines and threads share it")


cdef class Feed:
    def __del__(self):
        if self.source is not None:
            feed_leave(self)


cdef class Subscription(RecvChan):
    """What ``Broadcast.subscribe`` gives: the receiving end of a channel that the broadcast fills.

    It receives as a ``RecvChan`` does: ``recv``, ``recv_ok``, ``async for``, ``recv_blocking``, ``try_recv``, ``recv_many``,
    and as a case of ``select``. Several may receive from one subscription: each value goes to one of them.

    Example::

        b = Broadcast(1)
        with b.subscribe() as sub:
            await b.send("a")
            print(await sub.recv(), b.subscribers)  # -> a 1
        print(b.subscribers)  # -> 0
    """

    def close(self):
        """Ends the subscription and drops what is buffered: receives raise ChanClosed, no sender waits for it. Any thread.

        A second close does nothing.

        Example::

            b = Broadcast(1)
            sub = b.subscribe()
            b.try_send("a")
            sub.close()
            print(sub.try_recv_ok(), b.subscribers)  # -> (None, False) 0
        """
        feed_leave(<Feed>self.chan)

    @property
    def lost(self):
        """How many values it has lost so far, because it was slow. Any thread; out of date at once."""
        return (<Feed>self.chan).lost

    def __enter__(self):
        return self

    def __exit__(self, type, value, traceback):
        feed_leave(<Feed>self.chan)

    def __repr__(self):
        return chan_repr(self.chan, "Subscription")


# ---- for recv_many and Watch ----

def tell_later(Chan feed, Py_ssize_t missed):
    """Has the next receive say that values are missing, for one that was told of it but cannot say so."""
    goish_lock(&feed.lock)
    (<Feed>feed).missed += missed
    goish_unlock(&feed.lock)


def latest_of(Broadcast b):
    """The value that was sent last, of a Broadcast that replays it."""
    value = None
    goish_lock(&b.lock)
    if b.history.buffer.count > 0:
        value = <object>b.history.buffer.slots[(b.history.buffer.head + b.history.buffer.count - 1) & (b.history.buffer.size - 1)]
    goish_unlock(&b.lock)
    return value


def broadcast_of_latest(value):
    """A Broadcast of which each subscriber has the latest value alone, once; it begins with ``value``."""
    cdef Broadcast b = Broadcast(1, replay=1)
    cdef uint32_t reached = 0
    b.slow = LATEST
    broadcast_send(b, NULL, <PyObject*>value, &reached)
    return b
