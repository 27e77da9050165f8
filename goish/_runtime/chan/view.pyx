# view.pyx - the two ends of a channel, Go's chan<- and <-chan: views that are equal to their channel. Also CancelToken, a channel
# that is closed to stop others, and parked_on(), for leaks.
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


@cython.final
cdef class CancelToken:
    """CancelToken()\n--\n\n\
    Tells many goroutines and functions at once to stop, whichever thread they are on.

    A function that computes calls ``check`` from time to time; a goroutine takes ``token.done().recv()`` as a case of
    ``select``. Any thread may use it. A deadline is ``loop.call_later(seconds, token.cancel)``.

    Example::

        def search(token):
            while True:
                token.check()

        token = CancelToken()
        g = go_thread(search, token)
        token.cancel("enough")
        try:
            await g
        except asyncio.CancelledError as error:
            print(error)  # -> enough
    """

    def __cinit__(self):
        self.chan = Chan()

    def __init__(self, *given, **named):
        if given or named:
            raise TypeError("CancelToken() takes no arguments; a deadline is loop.call_later(seconds, token.cancel)")

    def cancel(self, reason=None):
        """Cancels it, for good; False if it was cancelled before. ``reason`` is what the CancelledError says.

        Example::

            token = CancelToken()
            print(token.cancel(), token.cancel())  # -> True False
        """
        if not self.chan.closed:
            self.reason = reason
        return chan_close(self.chan)

    def check(self):
        """Raises CancelledError once it is cancelled; a few hundredths of a microsecond otherwise.

        Example::

            CancelToken().check()
        """
        if goish_load_state(&self.chan.closed):
            raise cancelled_error(self.reason)

    def cancelled(self):
        """Whether the token was cancelled."""
        return goish_load_state(&self.chan.closed) != 0

    def done(self):
        """A channel that is closed when it is cancelled, as Go's ``ctx.Done()``: a case of ``select``.

        Example::

            token = CancelToken()
            token.cancel()
            print(await select(chan().recv(), token.done().recv()))  # -> (1, None, False)
        """
        return recv_view(self.chan)

    def __repr__(self):
        return f"<CancelToken{' cancelled' if self.chan.closed else ''}>"


def parked_on(obj):
    """The operations that wait on a channel (receivers first), on a goroutine's end or on a wait group."""
    cdef Chan ch = base_of(obj)
    cdef GoroutineCold cold
    cdef list found = []
    if ch is not None:
        list_waiters(&ch.receivers, &ch.lock, found)
        list_waiters(&ch.senders, &ch.lock, found)
    elif type(obj) is WaitGroup:
        list_waiters(&(<WaitGroup>obj).waiters, &(<WaitGroup>obj).lock, found)
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
