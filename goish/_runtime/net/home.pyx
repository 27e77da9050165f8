# home.pyx - the loop of a Conn: which it is, how an accepted socket comes to it, and the one alarm for its deadlines.
#
# Invariants: `sched` is set once. Who sets it takes the socket, under the lock (`stage` leaves CONN_RAW); the transport owns it
#   from then on. An alarm is in the heap only while it is `alarm`; its target is the protocol, so that it keeps no Conn alive.
#   While an op waits whose direction has a deadline, an alarm is set for that time or an earlier one.
# Threads: the loop's own; conn_enter() from any.

cdef int conn_enter(Conn c) noexcept:
    # Whether this thread may use the Conn: -1, raised, if its loop does not run here. A raw one is bound to the loop that does.
    try:
        if c.sched is None:
            conn_bind(c)
        if not is_run_here(c.sched):
            raise RuntimeError(not_here(c))
    except BaseException as exc:
        goish_raise_here(<PyObject*>exc)
        return -1
    return 0


cdef inline bint conn_is_elsewhere(Conn c) noexcept:
    return c.sched is not None and <PyObject*>c.sched != goish_tls_sched and not is_run_here(c.sched)


cdef str not_here(Conn c):
    if loop_is_closed(c.sched):
        return f"the event loop of {c!r} is closed"
    return (
        f"{c!r} belongs to another event loop, and its operations are for that loop's goroutines and tasks: give them the data "
        "through a channel; an accepted connection may go through one itself, before its first read or write"
    )


cdef int conn_bind(Conn c) except -1:
    loop = need_loop("a connection is read or written")
    cdef Scheduler s = scheduler_of(loop)
    cdef bint mine
    goish_lock(&c.lock)
    mine = c.stage == CONN_RAW and not c.closed
    if mine:
        c.stage = CONN_BINDING
        c.sched = s
    goish_unlock(&c.lock)
    if not mine:
        if c.sched is None:
            raise conn_closed_error()
        return 0
    sock, c.sock = c.sock, None
    try:
        coro = loop.connect_accepted_socket((<ConnProtocol>c.protocol).itself, sock, ssl=c.ssl)
        if c.ssl is None:
            binding_begin(c, loop, coro)
            return 0
        c.binding = loop.create_task(coro)
    except BaseException:
        sock.close()
        c.stage = CONN_LOST
        raise
    c.binding.add_done_callback((<ConnProtocol>c.protocol).bound)
    return 0


@cython.final
cdef class Binding:
    # What makes the transport of a plain connection. A task would do as well: it costs three turns of the loop more, and a fifth
    # of all that a connection of one request costs.
    cdef object coro
    cdef object loop
    cdef object waits        # the future that the coroutine waits for
    cdef ConnProtocol protocol

    def __call__(self, _=None):
        binding_step(self)

    def cancel(self):
        if self.waits is not None:
            self.waits.cancel()


cdef int binding_begin(Conn c, object loop, object coro) except -1:
    cdef Binding b = Binding.__new__(Binding)
    b.coro = coro
    b.loop = loop
    b.protocol = c.protocol
    c.binding = b
    return binding_step(b)


cdef int binding_step(Binding b) except -1:
    b.waits = None
    try:
        waits = b.coro.send(None)
    except StopIteration:
        b.coro = None
        return 0
    except BaseException as exc:
        b.coro = None
        b.protocol.failed(None if isinstance(exc, asyncio.CancelledError) else exc)
        return 0
    if waits is None:
        b.loop.call_soon(b)
        return 0
    waits._asyncio_future_blocking = False
    b.waits = waits
    waits.add_done_callback(b)
    return 0


cdef object conn_late_error(str direction):
    return DeadlineExceeded(f"the {direction} deadline of the connection has passed")


cdef object conn_closed_error():
    return ConnClosed("use of a closed connection")


# ---- deadlines ----

cdef inline bint is_past(Conn c, double due) except -1:
    return due < INFINITY and due <= sched_clock(c.sched)


cdef void conn_set_alarm(Conn c, double due) noexcept:
    # An op waits that is due then. An alarm that is earlier stays: it will find that there is time left.
    cdef Scheduler s = c.sched
    if due == INFINITY or (c.alarm is not None and c.alarm_at <= due):
        return
    conn_unset_alarm(c)
    c.alarm = new_op(W_CONN_ALARM, c.protocol)
    c.alarm.used |= U_USED
    c.alarm_at = due
    if not timers_add(s, <PyObject*>c.alarm, due):
        c.alarm = None


cdef void conn_unset_alarm(Conn c) noexcept:
    cdef Op alarm = c.alarm
    c.alarm = None
    if alarm is not None:
        timers_remove(&c.sched.alarms, <PyObject*>alarm)
