# chan.pyx - the channel as programs see it: Chan, PriorityChan, NIL.
#
# Threads: as the docstrings say; each method passes on to a function that takes the lock.
# Not here: how values move (transfer.pyx), sending, receiving and closing (handoff.pyx), the two ends of a channel (view.pyx).

cdef Ring* chan_ring(PyObject* ch) noexcept:
    return &(<Chan>ch).buffer


cdef class Chan:
    """Chan(capacity=0, *, overflow="block", flavor="mpmc", on_undelivered=None)\n--\n\n\
    A channel: goroutines and asyncio tasks hand each other values through it. Go's ``chan T``.

    ``capacity``: 0 is unbuffered (a send is complete when a receiver has the value), n buffers n values, ``math.inf``
    all of them. ``Chan[int](8)`` is typed, for type checkers.
    ``overflow``: what a send does when n values are buffered: ``"block"`` waits, ``"error"`` raises ChanFull,
    ``"drop_oldest"`` and ``"drop_newest"`` drop a value.
    ``flavor``: ``"mpsc"`` and ``"spsc"`` declare a single consumer, ``"spmc"`` and ``"spsc"`` a single producer; a
    second one raises FlavorError, in debug mode only (``run(debug=True)``, ``python -X dev``).
    ``on_undelivered``: called with each value that entered a send and that nobody will receive: it was dropped, its
    sender was cancelled, or the event loop of its receiver has ended.
    Raises TypeError, ValueError or OverflowError for other values of these.

    ``async for v in ch`` receives until ``ch`` is closed and drained, and so does ``for v in ch`` on a thread without an
    event loop. ``len(ch)`` is the number of buffered values; ``bool(ch)`` is always true. Threads: ``try_*``, ``close``,
    ``peek``, ``statistics`` and the properties may be used on any, with or without an event loop. What is awaited needs
    one on its thread, and no particular one; what blocks (``*_blocking``) needs a thread without.

    Example::

        async def count(out):
            for n in range(3):
                await out.send(n)
            out.close()

        numbers = Chan()
        go(count, numbers)
        print([n async for n in numbers])  # -> [0, 1, 2]
    """

    def __init__(self, capacity=0, *, overflow="block", flavor="mpmc", on_undelivered=None):
        if self.flags & C_MADE:
            raise RuntimeError("a channel is made once; make another with chan()")
        self.flags |= C_MADE
        self.capacity = checked_capacity(capacity)
        if overflow != "block" or flavor != "mpmc" or on_undelivered is not None:
            chan_configure(self, overflow, flavor, on_undelivered)

    def __dealloc__(self):
        # There are no waiters here: each keeps the channel alive.
        cdef Py_ssize_t i
        for i in range(self.buffer.count):
            Py_DECREF(<object>self.buffer.slots[(self.buffer.head + i) & (self.buffer.size - 1)])
        PyMem_Free(self.buffer.slots)

    def send(self, value, /):
        """Sends ``value``; await it, or give it to ``select``. Waits until a receiver has it or the buffer has room.

        Gives True if it had to wait or to drop a value (``overflow``), otherwise False. Raises SendOnClosed if the
        channel is closed, also while it waits, and ChanFull (``overflow="error"``); the value is on the exception.
        Cancelled, nobody receives the value; once it is taken, the send returns normally and the cancel comes at the
        next wait. Go's ``c <- v``.

        Example::

            ch = chan(1)
            print(await ch.send("a"))  # -> False
            print(len(ch))  # -> 1
        """
        return send_op(self, value)

    def recv(self):
        """Receives the next value; waits until there is one. Await it, or make it a case of ``select``. Go's ``<-c``.

        Raises ChanClosed when the channel is closed and drained (Go gives a zero value). Cancelled, nothing was
        received; a value that was handed over before is returned, and the cancel comes at the next wait.

        Example::

            ch = chan(1)
            await ch.send("a")
            print(await ch.recv())  # -> a
        """
        if self.flags & C_SINGLE_RECEIVER:
            check_flavor(self, False)
        return new_op(W_RECV, self)

    def recv_ok(self):
        """Receives ``(value, True)``, or ``(None, False)`` when the channel is closed and drained.

        Otherwise as ``recv``. Go's ``v, ok := <-c``.

        Example::

            ch = chan(1)
            await ch.send("a")
            ch.close()
            print(await ch.recv_ok(), await ch.recv_ok())  # -> ('a', True) (None, False)
        """
        return recv_op(self, W_RECV_OK)

    def recv_info(self):
        """Like ``recv_ok``, and says whether it had to wait: a ``Received(value, ok, waited)``.

        Example::

            ch = chan(1)
            await ch.send("a")
            print(await ch.recv_info())  # -> Received(value='a', ok=True, waited=False)
        """
        return recv_op(self, W_RECV_INFO)

    def __aiter__(self):
        return self

    def __anext__(self):
        return recv_op(self, W_NEXT)

    def send_blocking(self, value, /, timeout=None):
        """``send`` for threads without an event loop: blocks the calling thread until the value is sent.

        ``timeout``: seconds, None to wait for ever. Returns True if it had to wait or to drop a value, otherwise False.
        Raises TimeoutError if it was not sent by then, SendOnClosed and ChanFull as ``send`` does, SyncOnLoop on a thread
        whose event loop runs. Ctrl-C ends the wait; other threads run meanwhile.

        Example::

            ch = chan(1)
            print(ch.send_blocking("a", timeout=1))  # -> False
        """
        return chan_send_blocking(self, value, timeout)

    def recv_blocking(self, timeout=None):
        """``recv`` for threads without an event loop: blocks the calling thread until there is a value.

        ``timeout``: seconds, None to wait for ever. Raises TimeoutError if nothing was received by then, ChanClosed when the
        channel is closed and drained, SyncOnLoop on a thread whose event loop runs. Ctrl-C ends the wait; a value that
        was handed over at that moment goes to ``on_undelivered``. Other threads run meanwhile.

        Example::

            ch = chan(1)
            ch.try_send("a")
            print(ch.recv_blocking(timeout=1))  # -> a
        """
        return chan_recv_blocking(self, W_RECV, timeout)

    def recv_ok_blocking(self, timeout=None):
        """As ``recv_blocking``, but gives ``(value, True)``, or ``(None, False)`` when the channel is closed and drained.

        Example::

            ch = chan()
            ch.close()
            print(ch.recv_ok_blocking())  # -> (None, False)
        """
        return chan_recv_blocking(self, W_RECV_OK, timeout)

    def recv_info_blocking(self, timeout=None):
        """As ``recv_blocking``, but gives a ``Received``, which says whether it had to wait.

        Example::

            ch = chan(1)
            ch.try_send("a")
            print(ch.recv_info_blocking())  # -> Received(value='a', ok=True, waited=False)
        """
        return chan_recv_blocking(self, W_RECV_INFO, timeout)

    def __iter__(self):
        return self

    def __next__(self):
        return chan_next(self)

    def __contains__(self, value):
        raise TypeError("what is in a channel cannot be asked, only received")

    def try_send(self, value, /):
        """Sends ``value`` if it can without waiting: to a receiver that waits, or into the buffer. Any thread.

        True if it was sent (``send`` gives True if it waited); False if not: the value is still the caller's, also with
        ``overflow`` ``"error"`` and ``"drop_newest"``. Raises SendOnClosed. Go's ``select`` with ``default``.

        Example::

            ch = chan(1)
            print(ch.try_send("a"), ch.try_send("b"))  # -> True False
        """
        return chan_try_send(self, value)

    def try_recv(self):
        """Receives if it can without waiting: from the buffer, or from a sender that waits. Any thread.

        Returns the value, or EMPTY when nothing is there. Raises ChanClosed when the channel is closed and drained.

        Example::

            ch = chan(1)
            print(ch.try_recv() is EMPTY)  # -> True
            ch.try_send("a")
            print(ch.try_recv())  # -> a
        """
        return chan_try_recv(self, W_RECV)

    def try_recv_ok(self):
        """As ``try_recv``, with an ok as in Go: ``(value, True)``, or ``(None, False)`` when closed and drained.

        EMPTY, which is false, when nothing is there. Any thread.

        Example::

            ch = chan(1)
            ch.try_send("a")
            if received := ch.try_recv_ok():
                print(received)  # -> ('a', True)
        """
        return chan_try_recv(self, W_RECV_OK)

    def try_send_many(self, values):
        """Sends all of ``values``, in order, if it can without waiting; otherwise none. Any thread.

        No other sender's values come between. Returns True if they were sent. Raises SendOnClosed.

        Example::

            ch = chan(2)
            print(ch.try_send_many("abc"), ch.try_send_many("ab"))  # -> False True
        """
        return chan_try_send_batch(self, values)

    def try_recv_many(self, max=None):
        """What can be received without waiting, a list of at most ``max`` values (None: all), in order. Any thread.

        Empty if nothing is there, closed or not. ValueError if ``max`` is negative.

        Example::

            ch = chan(3)
            ch.try_send_many("abc")
            print(ch.try_recv_many(2), ch.try_recv_many())  # -> ['a', 'b'] ['c']
        """
        return chan_try_recv_batch(self, max)

    def send_many(self, values):
        """Sends ``values`` in order, waiting for each as ``send`` does; a coroutine: await it.

        Returns how many were sent: all. Cut off by a cancel, a timeout, ``close`` (SendOnClosed) or a full channel
        (ChanFull), it raises; ``sent`` on the exception says how many were sent, ``unsent`` is the list of the others,
        which nobody receives. (Of a TimeoutError of ``asyncio.timeout`` they are on its ``__cause__``.)

        Example::

            ch = chan(3)
            print(await ch.send_many("abc"))  # -> 3
        """
        return send_many(self, values)

    def recv_many(self, max, *, linger=0.0):
        """Waits for one value, takes what else is there, and waits up to ``linger`` seconds for more.

        A coroutine: await it. Returns a list of 1 to ``max`` values, or ``[]`` when the channel is closed and drained.
        ValueError if ``max`` is below 1. A cancel while nothing was received is raised here; later, while it lingers,
        what was received is returned and the cancel comes at the next wait. (So ``asyncio.timeout`` around it raises
        nothing if no wait follows in its block, but ``expired()`` is true.)

        Example::

            ch = chan(3)
            await ch.send_many("abc")
            print(await ch.recv_many(2))  # -> ['a', 'b']
        """
        return recv_many(self, checked_max(max, 1), checked_linger(linger))

    def peek(self):
        """How many values are buffered, as ``len(ch)``. Any thread; out of date at once if others use the channel."""
        return chan_len(self)

    def peek_item(self):
        """The value that the next receive would get, or EMPTY; it stays in the channel. Any thread.

        Example::

            ch = chan(1)
            ch.try_send("a")
            print(ch.peek_item(), len(ch))  # -> a 1
        """
        return chan_peek_item(self)

    def close(self):
        """Closes the channel: buffered values can still be received, then receives end. Any thread. Go's ``close``.

        Every waiter is woken: receivers with "closed", senders with SendOnClosed, which has their value. Raises
        CloseOfClosed the second time, CloseOfNil for NIL.

        Example::

            ch = chan(1)
            ch.try_send("a")
            ch.close()
            print([v async for v in ch])  # -> ['a']
        """
        if not chan_close(self):
            raise CloseOfClosed()

    def close_once(self):
        """Closes the channel if it is open, and says whether it did. Any thread.

        For clean-up code, where a second close is no mistake. Raises CloseOfNil for NIL.

        Example::

            ch = chan()
            print(ch.close_once(), ch.close_once())  # -> True False
        """
        return chan_close(self)

    def wait_closed(self):
        """Waits until the channel is closed, whatever is still in it; awaited, or a case of ``select``. Any thread.

        For a sender that stops when the receivers do. Gives None; in a select ``ok`` is False. A cancel ends the
        wait. On a thread without an event loop: ``select_blocking(ch.wait_closed())``.

        Example::

            async def close():
                ch.close()

            ch = chan(1)
            ch.try_send("a")
            go(close)
            await ch.wait_closed()
            print(len(ch))  # -> 1
        """
        return closed_op(self)

    @property
    def closed(self):
        """Whether it is closed. True may be relied on; False may be out of date at once."""
        return goish_load_state(&self.closed) != 0

    @property
    def cap(self):
        """Its capacity: an int, or ``math.inf``. Go's ``cap(c)``."""
        return chan_cap(self)

    @property
    def flavor(self):
        """What kind of channel this is and what it promises: a ``Flavor``."""
        return chan_flavor(self)

    @property
    def sender(self):
        """The send-only view, a ``SendChan``. Go's ``chan<- T``."""
        cdef SendChan view = SendChan.__new__(SendChan)
        view.chan = self
        return view

    @property
    def receiver(self):
        """The receive-only view, a ``RecvChan``. Go's ``<-chan T``."""
        return recv_view(self)

    def statistics(self):
        """How many values and waiters there are now: a ``ChanStatistics``. Any thread."""
        return chan_statistics(self)

    def __len__(self):
        return chan_len(self)

    def __bool__(self):
        return True

    def __eq__(self, other):
        return base_of(other) is self

    def __hash__(self):
        return <Py_hash_t>(<size_t><PyObject*>self >> 4)

    def __repr__(self):
        return chan_repr(self, type(self).__name__)

    __class_getitem__ = classmethod(GenericAlias)

    def __reduce_ex__(self, protocol):
        raise_no_channel_copy()


cdef class PriorityChan(Chan):
    """PriorityChan(capacity=math.inf, *, overflow="block", flavor="mpmc", on_undelivered=None)\n--\n\n\
    A channel whose next value is the most urgent: the smallest ``priority``; of equals, the ``send`` called first.

    ``capacity`` is 1 or more, by default unbounded. The other parameters are those of ``Chan``, but for
    ``overflow="drop_oldest"``, and so are the methods; values sent by a batch, ``send_many`` or ``sender`` have
    priority 0. Of senders that wait for room the first is served first, whatever its priority.

    Example::

        jobs = PriorityChan()
        await jobs.send("sweep", priority=5)
        await jobs.send("fire!", priority=1)
        print(await jobs.recv())  # -> fire!
    """

    def __cinit__(self):
        self.flags = C_HEAP
        self.capacity = PY_SSIZE_T_MAX

    def __init__(self, capacity=INFINITY, *, overflow="block", flavor="mpmc", on_undelivered=None):
        if checked_capacity(capacity) == 0:
            raise ValueError("a PriorityChan needs a capacity of 1 or more (or math.inf): values are ordered in its buffer")
        Chan.__init__(self, capacity)
        chan_configure(self, overflow, flavor, on_undelivered)

    def send(self, value, /, priority=0.0):
        """Sends ``value``; the smallest ``priority`` (a number, not NaN) is received first. See ``Chan.send``.

        Senders that wait for room are served in the order in which they came, whatever their priority.

        Example::

            jobs = PriorityChan()
            await jobs.send("later", 1)
            await jobs.send("now", -1)
            print(jobs.try_recv_many())  # -> ['now', 'later']
        """
        return send_op(self, with_priority(self, value, priority))

    def send_blocking(self, value, /, timeout=None, priority=0.0):
        """Sends ``value`` with ``priority``, blocking the calling thread. See ``Chan.send_blocking``.

        Example::

            jobs = PriorityChan()
            jobs.send_blocking("sweep", priority=5)
            jobs.send_blocking("fire!", priority=1)
            print(jobs.recv_blocking())  # -> fire!
        """
        return chan_send_blocking(self, with_priority(self, value, priority), timeout)

    def try_send(self, value, /, priority=0.0):
        """Sends ``value`` with ``priority`` if that is possible without waiting. See ``Chan.try_send``."""
        return chan_try_send(self, with_priority(self, value, priority))


def chan(capacity=0, *, overflow="block", flavor="mpmc", on_undelivered=None):
    """Makes a channel, as ``Chan`` does, which describes the parameters. Go's ``make(chan T, n)``. Any thread.

    Example::

        unbuffered, buffered = chan(), chan(8)
        print(unbuffered.cap, buffered.cap)  # -> 0 8
    """
    cdef Chan ch = Chan.__new__(Chan)
    ch.capacity = checked_capacity(capacity)
    ch.flags = C_MADE
    if overflow != "block" or flavor != "mpmc" or on_undelivered is not None:
        chan_configure(ch, overflow, flavor, on_undelivered)
    return ch


cdef Chan make_nil():
    cdef Chan ch = Chan.__new__(Chan)
    ch.flags = C_NIL | C_MADE
    return ch


NIL = make_nil()
