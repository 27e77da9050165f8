# view.pyx - the two ends of a channel, Go's chan<- and <-chan: views that are equal to their channel. Also
# parked_on(), for leaks.
#
# Threads: any.

cdef object recv_view(Chan ch):
    cdef RecvChan view = RecvChan.__new__(RecvChan)
    view.chan = ch
    return view


cdef Chan base_of(object ch):
    if isinstance(ch, Chan):
        return <Chan>ch
    if type(ch) is SendChan:
        return (<SendChan>ch).chan
    if isinstance(ch, RecvChan):
        return (<RecvChan>ch).chan
    return None


cdef class ChanView:
    # The common base of both ends.

    def peek(self):
        """See ``Chan.peek``."""
        return chan_len(self.chan)

    def statistics(self):
        """See ``Chan.statistics``."""
        return chan_statistics(self.chan)

    def wait_closed(self):
        """See ``Chan.wait_closed``."""
        return closed_op(self.chan)

    @property
    def closed(self):
        """See ``Chan.closed``."""
        return goish_load_state(&self.chan.closed) != 0

    @property
    def cap(self):
        """See ``Chan.cap``."""
        return chan_cap(self.chan)

    @property
    def flavor(self):
        """See ``Chan.flavor``."""
        return chan_flavor(self.chan)

    def __len__(self):
        return chan_len(self.chan)

    def __bool__(self):
        return True

    def __eq__(self, other):
        return base_of(other) is self.chan

    def __hash__(self):
        return hash(self.chan)

    __class_getitem__ = classmethod(GenericAlias)

    def __reduce_ex__(self, protocol):
        raise_no_channel_copy()


cdef class SendChan(ChanView):
    """The sending end of a channel, ``ch.sender``: it cannot receive. Go's ``chan<- T``.

    It is equal to its channel.

    Example::

        ch = chan(1)
        out = ch.sender
        await out.send("a")
        print(out == ch, await ch.recv())  # -> True a
    """

    def send(self, value, /):
        """See ``Chan.send``."""
        return send_op(self.chan, value)

    def send_blocking(self, value, /, timeout=None):
        """See ``Chan.send_blocking``."""
        return chan_send_blocking(self.chan, value, timeout)

    def try_send(self, value, /):
        """See ``Chan.try_send``."""
        return self.chan.try_send(value)

    def try_send_many(self, values):
        """See ``Chan.try_send_many``."""
        return chan_try_send_batch(self.chan, values)

    def send_many(self, values):
        """See ``Chan.send_many``."""
        return self.chan.send_many(values)

    def close(self):
        """See ``Chan.close``."""
        self.chan.close()

    def close_once(self):
        """See ``Chan.close_once``."""
        return chan_close(self.chan)

    def __repr__(self):
        return chan_repr(self.chan, "SendChan")


cdef class RecvChan(ChanView):
    """The receiving end of a channel, ``ch.receiver``: it can neither send nor close. Go's ``<-chan T``.

    It is equal to its channel.

    Example::

        ch = chan(1)
        inbox = ch.receiver
        await ch.send("a")
        print(await inbox.recv())  # -> a
    """

    def recv(self):
        """See ``Chan.recv``."""
        return recv_op(self.chan, W_RECV)

    def recv_ok(self):
        """See ``Chan.recv_ok``."""
        return recv_op(self.chan, W_RECV_OK)

    def recv_info(self):
        """See ``Chan.recv_info``."""
        return recv_op(self.chan, W_RECV_INFO)

    def __aiter__(self):
        return self

    def __anext__(self):
        return recv_op(self.chan, W_NEXT)

    def recv_blocking(self, timeout=None):
        """See ``Chan.recv_blocking``."""
        return chan_recv_blocking(self.chan, W_RECV, timeout)

    def recv_ok_blocking(self, timeout=None):
        """See ``Chan.recv_ok_blocking``."""
        return chan_recv_blocking(self.chan, W_RECV_OK, timeout)

    def recv_info_blocking(self, timeout=None):
        """See ``Chan.recv_info_blocking``."""
        return chan_recv_blocking(self.chan, W_RECV_INFO, timeout)

    def __iter__(self):
        return self

    def __next__(self):
        return chan_next(self.chan)

    def __contains__(self, value):
        return value in self.chan

    def try_recv(self):
        """See ``Chan.try_recv``."""
        return chan_try_recv(self.chan, W_RECV)

    def try_recv_ok(self):
        """See ``Chan.try_recv_ok``."""
        return chan_try_recv(self.chan, W_RECV_OK)

    def try_recv_many(self, max=None):
        """See ``Chan.try_recv_many``."""
        return chan_try_recv_batch(self.chan, max)

    def recv_many(self, max, *, linger=0.0):
        """See ``Chan.recv_many``."""
        return recv_many(self.chan, checked_max(max, 1), checked_linger(linger))

    def peek_item(self):
        """See ``Chan.peek_item``."""
        return chan_peek_item(self.chan)

    def __repr__(self):
        return chan_repr(self.chan, "RecvChan")


def channel_of(obj):
    """The Chan behind an end of it, or itself. TypeError for anything else."""
    cdef Chan ch = base_of(obj)
    if ch is None:
        raise TypeError(f"a channel is asked for, got {obj!r} of type {type(obj).__name__}")
    return ch


def parked_on(obj):
    """The operations that wait on a channel (receivers first), on a goroutine's end, on a counter, a lock or a signal."""
    cdef Chan ch = base_of(obj)
    cdef GoroutineCold cold
    cdef list found = []
    if ch is not None:
        list_waiters(&ch.receivers, &ch.lock, found)
        list_waiters(&ch.senders, &ch.lock, found)
    elif isinstance(obj, Counter):
        list_waiters(&(<Counter>obj).waiters, &(<Counter>obj).lock, found)
    elif isinstance(obj, Gate):
        list_waiters(&(<Gate>obj).waiters, &(<Gate>obj).lock, found)
    elif isinstance(obj, Notifier):
        list_waiters(&(<Notifier>obj).waiters, &(<Notifier>obj).lock, found)
    elif type(obj) is Goroutine:
        cold = cold_made(<Goroutine>obj)
        if cold is not None:
            list_waiters(&cold.joiners, end_lock(<Goroutine>obj), found)
    return found


cdef void list_waiters(WaitQueue* q, goish_mutex* lock, list found) except *:
    cdef PyObject* op
    goish_lock(lock)
    op = q.head
    while op != NULL:
        found.append(<object>op)
        op = (<Op>op).next
    goish_unlock(lock)
