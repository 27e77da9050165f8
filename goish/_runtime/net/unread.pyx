# unread.pyx - the bytes of a Conn that were received and not read.
#
# A chunk that comes while nothing is unread stays as it came, and a read that takes it whole hands it on uncopied. Further chunks
# are collected in a bytearray: however small they are, memory is what was received, and each byte is copied in and out once.
#
# Invariants: `unread` is None (then `at` is 0), bytes with more than `at` of them, or a bytearray that is not empty (`at` is 0).
#   Whatever takes from their front, or gives back to it, changes `front`.
#   With more than UNREAD_MOST unread bytes and no reader waiting the transport is paused; it goes on below half of that, or when
#   a reader waits.
# Threads: the loop's own.

cdef enum:
    UNREAD_MOST = 65536


cdef inline Py_ssize_t unread_size(Conn c) noexcept:
    if c.unread is None:
        return 0
    if type(c.unread) is bytes:
        return len(<bytes>c.unread) - c.at
    return len(<bytearray>c.unread)


cdef int unread_add(Conn c, bytes data) except -1:
    if c.unread is None:
        c.unread = data
    elif type(c.unread) is bytes:
        joined = bytearray(memoryview(c.unread)[c.at:])
        joined += data
        c.unread, c.at = joined, 0
    else:
        c.unread += data
    return 0


cdef bytes unread_take(Conn c, Py_ssize_t most):
    # At most so many, from the front; at least one is there.
    cdef Py_ssize_t size = unread_size(c)
    cdef bytes taken
    c.front += 1
    if most > size:
        most = size
    if type(c.unread) is bytes:
        if most == len(<bytes>c.unread):
            taken, c.unread = c.unread, None
            return taken
        taken = (<bytes>c.unread)[c.at:c.at + most]
        c.at += most
    else:
        taken = (<char*><bytearray>c.unread)[:most]
        if most < size:
            del c.unread[:most]
    if most == size:
        c.unread, c.at = None, 0
    return taken


cdef int unread_give_back(Conn c, object data) except -1:
    # To the front: a read that took it will not be looked at.
    joined = bytearray(data)
    c.front += 1
    if c.unread is not None:
        joined += memoryview(c.unread)[c.at:]
    c.unread, c.at = (joined, 0) if joined else (None, 0)
    return 0


# ---- back-pressure ----

cdef void conn_throttle(Conn c) noexcept:
    # After bytes came, went, or a reader began to wait.
    cdef bint waited = c.readers.head != NULL
    if c.stage != CONN_OPEN or c.closed:
        return
    if not c.read_paused:
        if waited or unread_size(c) <= UNREAD_MOST:
            return
        c.read_paused = transport_called(c, "pause_reading")
    elif waited or unread_size(c) < UNREAD_MOST // 2:
        c.read_paused = not transport_called(c, "resume_reading")


cdef bint transport_called(Conn c, str name) noexcept:
    # A transport that cannot do it goes on as it did.
    try:
        getattr(c.transport, name)()
        return True
    except BaseException:
        logger.exception("%s() of %r failed", name, c.transport)
        return False
