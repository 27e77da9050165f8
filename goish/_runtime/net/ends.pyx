# ends.pyx - how a Conn begins and ends: its transport comes, the peer ends or is lost, a deadline passes, it is closed.
#
#   begins          connection_made: what was kept is written, or the transport closed if the Conn was
#   the peer ends   eof_received: reads give what is there, then b""; writes go on
#   lost            connection_lost: reads give what is there, then b"" or the error; writes fail
#   deadline        the waiting ops of that direction fail; the Conn goes on
#   closed          all waiting ops fail at once; the transport sends what it has, and goes. What was not read is dropped
#   forgotten       (Conn.__del__) as abort(), with a ResourceWarning
#
# Owner of the socket: the Conn while it is CONN_RAW, the transport from CONN_BINDING on. Where the loop of a transport is closed,
# or is the parent's (in a forked child), nothing is asked of it: it closes its own socket when it is freed.
# Threads: the loop's own; conn_close() and conn_abort() from any: what they mark is seen at once, and the loop does the rest.

cdef void conn_made(Conn c, object transport) except *:
    cdef list kept
    c.sched = scheduler_at(running_loop())
    c.transport = transport
    c.stage = CONN_OPEN
    c.binding = c.ssl = (<ConnProtocol>c.protocol).closing = None
    c.tls = transport.get_extra_info("sslcontext") is not None
    kept, c.kept = c.kept, None
    if kept is not None:
        for data in kept:
            transport_write(transport, data)
    if c.closed:
        transport.close()
        return
    write_serve(c)
    conn_throttle(c)


cdef void conn_received(Conn c, object data) except *:
    cdef bytes chunk = data if type(data) is bytes else bytes(data)
    if c.closed or not chunk:
        return
    if c.readers.head != NULL and c.unread is None and len(chunk) <= UNREAD_MOST and read_hand_over(c, chunk):
        return
    unread_add(c, chunk)
    if c.readers.head != NULL:
        read_serve(c)
    if c.unread is not None:
        conn_throttle(c)


cdef bint conn_ended(Conn c) except -1:
    # The peer sends no more. True: the transport stays open for writing.
    cdef bint waited = waitq_live(&c.readers)
    c.eof = True
    read_serve(c)
    if not waited:
        conn_tell(c)
    return not c.tls and not c.closed


cdef void conn_lost(Conn c, object error) except *:
    cdef bint waited = waitq_live(&c.readers)
    c.stage = CONN_LOST
    c.binding = c.kept = (<ConnProtocol>c.protocol).closing = None
    if error is not None and c.error is None:
        c.error = error
    conn_unset_alarm(c)
    read_serve(c)
    write_serve(c)
    if not waited:
        conn_tell(c)


cdef void conn_tell(Conn c) except *:
    # Once. A reader that waits is told by what it reads.
    cdef bint gone = c.eof or c.stage == CONN_LOST
    if c.watch is None or not gone or c.closed or waitq_live(&c.readers):
        return
    fn, c.watch = c.watch, None
    fn()


# ---- deadlines ----

cdef void conn_alarm_fire(Op op) noexcept:
    cdef object conn = (<ConnProtocol>op.target).conn()
    cdef Conn c
    if conn is None or (<Conn>conn).alarm is not op:
        return
    c = <Conn>conn
    c.alarm = None
    conn_look_at_clock(c)


cdef void conn_look_at_clock(Conn c) noexcept:
    # Fails the waiting ops whose deadline has passed; sets the alarm for the others.
    cdef bint reads = c.readers.head != NULL and c.read_due < INFINITY
    cdef bint writes = c.writers.head != NULL and c.write_due < INFINITY
    cdef double now
    if not reads and not writes:
        return
    try:
        now = sched_clock(c.sched)
    except BaseException:
        logger.exception("the clock of %r failed", c.sched.loop)
        return
    if reads and c.read_due <= now:
        waitq_wake_all(c, &c.readers)
        reads = False
    if writes and c.write_due <= now:
        waitq_wake_all(c, &c.writers)
        writes = False
    conn_set_alarm(c, min(c.read_due if reads else INFINITY, c.write_due if writes else INFINITY))


waits[<int>W_CONN_ALARM] = Wait(
    "conn deadline", False, must_wait, never_ready, never_waits, never_withdrawn, finish_none, NULL, conn_alarm_fire, NULL, NULL,
    NULL, NULL, NULL, NULL, False, NULL
)


# ---- closed ----

cdef bint conn_mark_closed(Conn c) noexcept:
    # True: it was open, and this caller has closed it.
    cdef bint first
    goish_lock(&c.lock)
    first = not c.closed
    goish_store_state(&c.closed, True)
    goish_unlock(&c.lock)
    return first


cdef void conn_close(Conn c, bint at_once) except *:
    # Any thread. `at_once`: what was not sent is dropped.
    cdef bint first = conn_mark_closed(c)
    if not first and not at_once:
        return
    if c.stage == CONN_RAW:
        sock, c.sock = c.sock, None
        if sock is not None:
            sock.close()
    elif c.sched.dead or c.sched.inbox.shut:
        pass  # nothing waits, and the transport is nobody's
    elif is_here(c.sched):
        conn_close_here(c, at_once)
    else:
        sched_post(c.sched, conn_close_posted, (c, at_once), None)


def conn_close_posted(Conn c, at_once):
    """Does on the loop of ``c`` what a close on another thread has asked for."""
    conn_close_here(c, at_once)


cdef void conn_close_here(Conn c, bint at_once) except *:
    c.unread, c.at = None, 0
    c.watch = None
    conn_unset_alarm(c)
    waitq_wake_all(c, &c.readers)
    waitq_wake_all(c, &c.writers)
    if c.stage == CONN_OPEN:
        if at_once:
            c.transport.abort()
        else:
            c.transport.close()
    elif c.binding is not None and (at_once or c.kept is None):
        c.binding.cancel()
    elif c.kept is not None:
        (<ConnProtocol>c.protocol).closing = c  # until what was kept is written


cdef void conn_forgotten(Conn c) except *:
    # The program has let go of it without closing it. Nothing waits on it: an op would have kept it.
    if c.closed or c.stage == CONN_LOST or (c.sock is None and c.binding is None and c.transport is None):
        return
    try:
        warnings.warn(f"unclosed connection {c!r}", ResourceWarning)
    finally:
        conn_let_go(c)


cdef void conn_let_go(Conn c) except *:
    cdef Scheduler s = c.sched
    c.closed = True
    if c.stage == CONN_RAW:
        c.sock.close()
    elif s.dead or s.inbox.shut or s.loop.is_closed():
        return
    elif is_here(s):
        conn_unset_alarm(c)
        transport_end(c.transport, c.binding)
    else:
        sched_post(s, transport_end, (c.transport, c.binding), None)


def transport_end(transport, binding):
    """Ends a transport that no Conn has any more, or the task that makes one."""
    if transport is not None:
        transport.abort()
    elif binding is not None:
        binding.cancel()
