# conn.pyx - Conn, as programs see it, and the protocol that its transport calls.
#
# Owners: the program has the Conn; the Conn its transport, and the transport the protocol, which knows the Conn weakly. So a
#   forgotten Conn is freed, and ends its transport.
# Threads: all operations are of the Conn's loop. close(), abort() and the state are for any thread.
# Not here: what the operations do (read.pyx, write.pyx), how a Conn ends (ends.pyx).

cdef class ConnProtocol:
    def itself(self):
        # The factory that a loop asks for the protocol of an accepted socket.
        return self

    def connection_made(self, transport):
        conn = self.conn()
        if conn is None:
            transport.abort()
        else:
            conn_made(<Conn>conn, transport)

    def data_received(self, data):
        conn = self.conn()
        if conn is not None:
            conn_received(<Conn>conn, data)

    def eof_received(self):
        conn = self.conn()
        return conn is not None and conn_ended(<Conn>conn)

    def connection_lost(self, exc):
        conn = self.conn()
        if conn is not None:
            conn_lost(<Conn>conn, exc)

    def pause_writing(self):
        conn = self.conn()
        if conn is not None:
            (<Conn>conn).write_paused = True

    def resume_writing(self):
        conn = self.conn()
        if conn is not None:
            (<Conn>conn).write_paused = False
            write_serve(<Conn>conn)

    def bound(self, task):
        # The task that makes the transport is over.
        if task.cancelled():
            self.failed(None)
        elif task.exception() is not None:
            self.failed(task.exception())

    def failed(self, error):
        # No transport comes. None: this side has given it up.
        conn = self.conn()
        if conn is not None and (<Conn>conn).stage == CONN_BINDING:
            conn_lost(<Conn>conn, error)

    def look(self):
        conn = self.conn()
        if conn is not None:
            read_serve(<Conn>conn)

    def give_back(self, data):
        conn = self.conn()
        if conn is not None:
            conn_give_back(<Conn>conn, data)


cdef class Conn(Waitable):
    """A connection: a stream of bytes each way. ``dial`` and ``Listener.accept`` give it. Go's ``net.Conn``.

    ``read`` and ``write`` are operations: await them, or make them cases of ``select``. Several goroutines may use one
    connection; those of one direction are served in the order in which they came. A read that is cancelled loses no byte,
    and a write that is cancelled has sent none.

    What the peer sends is buffered, up to 64 KiB; then the peer has to wait. When it has sent its last byte, reads give
    what is there and then ``b""``. When it is lost, reads give what is there, then raise the error of the system, such as
    ConnectionResetError, as writes do.

    It is its loop's: the operations are for the goroutines and tasks of the loop that made it, and raise RuntimeError on
    another. An accepted connection belongs to no loop until it is first read or written, so it may be sent to a worker
    before. Close it when it is done: one that is forgotten is cut, with a ResourceWarning.

    Example::

        from goish import net

        ours, theirs = net.pipe()
        async with ours, theirs:
            await ours.write(b"hello;")
            print(await theirs.read_until(b";"))  # -> b'hello;'
    """

    def __cinit__(self):
        cdef ConnProtocol protocol = ConnProtocol.__new__(ConnProtocol)
        protocol.conn = weak_reference(self)
        self.protocol = protocol
        self.read_due = self.write_due = INFINITY

    def __del__(self):
        conn_forgotten(self)

    def read(self, n=65536):
        """Up to ``n`` bytes: what is there, else what comes next; await it. ``b""`` at the end.

        ``n``: a whole number of bytes, 1 or more. Raises ConnClosed, DeadlineExceeded, or the error with which the
        connection was lost; TypeError or ValueError for another ``n``. A case of ``select`` gives the bytes and True.
        Cancelled, it has taken nothing.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            async with ours, theirs:
                await theirs.write(b"abc")
                print(await ours.read(2), await ours.read())  # -> b'ab' b'c'
        """
        if type(n) is int and n == UNREAD_MOST:
            return new_op(W_READ, self)
        checked_size(n, "n", 1)
        return reading_op(self, reading_new(READ_AT_MOST, n))

    def read_exactly(self, n):
        """``n`` bytes, no more and no less; await it.

        ``n``: a whole number, 0 or more. At an early end it raises ``asyncio.IncompleteReadError``, whose ``partial`` is what
        came. Otherwise as ``read``.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            async with ours, theirs:
                await theirs.write(b"abcd")
                print(await ours.read_exactly(3))  # -> b'abc'
        """
        checked_size(n, "n", 0)
        return reading_op(self, reading_new(READ_EXACTLY, n))

    def read_until(self, sep=b"\n", limit=65536):
        """All up to and with the separator ``sep``, by default that of lines; await it.

        ``sep``: bytes, one or more. ``limit``: a whole number of bytes, 1 or more, for the whole. Raises
        ``asyncio.LimitOverrunError`` if there are more without a separator (they stay unread), and
        ``asyncio.IncompleteReadError`` at an early end; its ``partial`` is what came. Otherwise as ``read``.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            async with ours, theirs:
                await theirs.write(b"one;two;")
                print(await ours.read_until(b";"), await ours.read_until(b";"))  # -> b'one;' b'two;'
        """
        cdef Reading wanted
        if type(sep) is not bytes:
            raise TypeError(f'sep is bytes, such as b"\\n"; got {sep!r} of type {type(sep).__name__}')
        if not sep:
            raise ValueError("sep is one byte or more; got none")
        checked_size(limit, "limit", 1)
        wanted = reading_new(READ_UNTIL, limit)
        wanted.sep = sep
        return reading_op(self, wanted)

    def read_into(self, buffer):
        """As many bytes as are there, into ``buffer``; await it. Gives how many: 0 at the end. Go's ``Read``.

        ``buffer``: a bytearray, or another writable buffer of 1 byte or more, which must keep its size meanwhile.
        TypeError or ValueError for others. Otherwise as ``read``.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            buffer = bytearray(8)
            async with ours, theirs:
                await theirs.write(b"abc")
                n = await ours.read_into(buffer)
                print(bytes(buffer[:n]))  # -> b'abc'
        """
        cdef Reading wanted
        into = writable_bytes(buffer)
        wanted = reading_new(READ_INTO, len(into))
        wanted.into = into
        return reading_op(self, wanted)

    def write(self, data):
        """Hands all of ``data`` to the transport, or nothing; await it. Gives how many bytes they are.

        It waits only while the transport has more than 64 KiB to send (or 64 KiB come before there is one). Small writes
        that follow each other go out together.

        ``data``: bytes, another bytes-like object, which is copied, or a list of these. Raises ConnClosed, DeadlineExceeded,
        or the error with which the connection was lost; TypeError for other data. A case of ``select`` gives the number
        and True. Cancelled, it has sent nothing.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            async with ours, theirs:
                print(await ours.write([b"head ", b"body"]))  # -> 9
                print(await theirs.read_exactly(9))  # -> b'head body'
        """
        return write_op(self, data)

    def try_write(self, data):
        """``write`` without waiting: True if it has happened, False if it would have to wait. Raises what ``write`` does.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            async with ours, theirs:
                print(ours.try_write(b"abc"), await theirs.read())  # -> True b'abc'
        """
        cdef PyObject* result = NULL
        cdef Op op = write_op(self, data)
        cdef int r
        op.used |= U_USED
        r = write_attempt(op, &result)
        if r < 0:
            raise_pending()
        Py_XDECREF(result)
        return r == 1

    def close_write(self):
        """Says to the peer that nothing more comes; it can still send. Writes that wait are sent first.

        A second call does nothing. RuntimeError on another loop, or if the transport cannot do it (TLS). Go's
        ``TCPConn.CloseWrite``.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            async with ours, theirs:
                ours.close_write()
                print(await theirs.read())  # -> b''
        """
        conn_end_writing(self)

    def close(self):
        """Closes it, both ways. What was written is still sent; what waits raises ConnClosed at once. Any thread.

        A second call does nothing. Bytes that were not read are dropped.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            ours.close()
            print(ours.closed, await theirs.read())  # -> True b''
            theirs.close()
        """
        conn_close(self, False)

    def abort(self):
        """Closes it without sending what was written. Any thread.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            async with theirs:
                ours.abort()
                print(ours.closed)  # -> True
        """
        conn_close(self, True)

    def set_deadline(self, when):
        """Sets when reads and writes fail, those that wait and those that come; ``None``: never. Go's ``SetDeadline``.

        ``when``: a time by the clock of the loop, as ``goish.time.now()`` gives it, in seconds. From then on they raise
        DeadlineExceeded, which is a TimeoutError; after a new deadline the connection is usable again. Nothing is lost.
        TypeError or ValueError for what is no time; RuntimeError on another loop. It costs a store.

        Example::

            from goish import net

            ours, theirs = net.pipe()
            async with ours, theirs:
                ours.set_deadline(goish.time.now() + 0.001)
                try:
                    await ours.read()
                except TimeoutError as error:
                    print(error)  # -> the read deadline of the connection has passed
        """
        conn_set_deadline(self, when, True, True)

    def set_read_deadline(self, when):
        """Sets when reads fail; ``None``: never. As ``set_deadline``."""
        conn_set_deadline(self, when, True, False)

    def set_write_deadline(self, when):
        """Sets when writes fail; ``None``: never. As ``set_deadline``."""
        conn_set_deadline(self, when, False, True)

    def get_extra_info(self, name, default=None):
        """What the transport knows by that name, such as ``"socket"``, ``"peercert"``; else ``default``.

        As ``asyncio.BaseTransport.get_extra_info``. An accepted connection has a transport from its first read or write on.
        """
        return default if self.transport is None else self.transport.get_extra_info(name, default)

    @property
    def local_addr(self):
        """The address of this end: ``(host, port)``, a path, or None if it is not known."""
        return conn_address(self, "sockname", "getsockname")

    @property
    def remote_addr(self):
        """The address of the peer: ``(host, port)``, a path, or None if it is not known."""
        return conn_address(self, "peername", "getpeername")

    @property
    def closed(self):
        """Whether ``close`` or ``abort`` was called. Any thread."""
        return goish_load_state(&self.closed) != 0

    def __aenter__(self):
        cdef Op op = new_op(W_GOSCHED, None)
        op.value = self
        op.state = OP_SETTLED
        return op

    def __aexit__(self, *_):
        conn_close(self, False)
        return done_op()

    def __aiter__(self):
        return self

    def __anext__(self):
        return new_op(W_READ_NEXT, self)

    def __repr__(self):
        return f"<Conn {conn_peer(self)} {conn_state(self)}>"

    def __reduce_ex__(self, protocol):
        raise TypeError("a Conn cannot be copied or pickled: pass it itself")


cdef object writable_bytes(object buffer):
    try:
        into = memoryview(buffer).cast("B")
    except TypeError:
        raise TypeError(
            f"buffer is a bytearray or another writable buffer; got {buffer!r} of type {type(buffer).__name__}"
        ) from None
    if into.readonly:
        raise TypeError(f"buffer is a bytearray or another writable buffer; got a {type(buffer).__name__}, which is read-only")
    if not len(into):
        raise ValueError("buffer has room for 1 byte or more; got an empty one")
    return into


cdef int conn_end_writing(Conn c) except -1:
    if c.ended:
        return 0
    if c.closed:
        raise conn_closed_error()
    if conn_enter(c) < 0:
        raise_pending()
    if c.transport is not None and not c.transport.can_write_eof():
        raise RuntimeError(f"{c!r} cannot be closed in one direction, as TLS cannot: close() ends both")
    c.ended = True
    write_serve(c)
    return 0


cdef int conn_set_deadline(Conn c, object when, bint reads, bint writes) except -1:
    cdef double due = INFINITY
    if when is not None:
        due = checked_time(when)
    if conn_is_elsewhere(c):
        raise RuntimeError(not_here(c))
    if reads:
        c.read_due = due
    if writes:
        c.write_due = due
    if c.readers.head != NULL or c.writers.head != NULL:
        conn_look_at_clock(c)
    return 0


cdef double checked_time(object when) except? -1.0:
    if type(when) is bool or not isinstance(when, (int, float)):
        raise TypeError(
            f"a deadline is a time in seconds, such as goish.time.now() + 5, or None; got {when!r} of type {type(when).__name__}"
        )
    if when != when:
        raise ValueError("a deadline is a time in seconds, such as goish.time.now() + 5, or None; got NaN")
    return when


cdef object conn_address(Conn c, str name, str method):
    sock = c.sock
    if name == "peername" and c.place is not None:
        return c.place
    if c.transport is not None:
        address = c.transport.get_extra_info(name)
        return (address[0].removeprefix("::ffff:"), address[1]) if type(address) is tuple else address
    if sock is None:
        return None
    address = getattr(sock, method)()
    return (address[0].removeprefix("::ffff:"), address[1]) if type(address) is tuple else address


cdef str conn_peer(Conn c):
    try:
        peer = conn_address(c, "peername", "getpeername")
    except OSError:
        peer = None
    return "to nobody" if peer is None else f"to {peer}" if peer else "to a local peer"


cdef str conn_state(Conn c):
    if c.closed:
        return "closed"
    return ("not bound to a loop", "connecting", "open", "lost")[c.stage]


# ---- made by goish.net ----

def conn_new(loop):
    """A Conn of that loop, and the protocol for its transport: ``(conn, protocol)``. On the thread of the loop."""
    cdef Conn c = Conn.__new__(Conn)
    c.sched = scheduler_of(loop)
    c.stage = CONN_BINDING
    return c, c.protocol


def conn_accepted(sock, address, ssl):
    """A Conn of an accepted socket, which it owns from now on, and of no loop yet. Any thread.

    ``address``: of the peer. ``ssl``: an SSLContext, or None.
    """
    cdef Conn c = Conn.__new__(Conn)
    c.sock = sock
    c.place = address
    c.ssl = ssl
    return c


def conn_watch(Conn conn, fn):
    """Has ``fn()`` called once, on the loop, when the peer is gone and no reader waits: at once if it is gone. None: nothing.

    Gone: it has sent its last byte, or was lost. Not if ``conn`` is closed by this side.
    """
    conn.watch = fn
    conn_tell(conn)


def conn_unsent(Conn conn):
    """How many bytes were written that the system has not taken. On the thread of the loop."""
    if conn.stage == CONN_OPEN:
        return conn.transport.get_write_buffer_size()
    return conn.kept_size if conn.stage == CONN_BINDING else 0
