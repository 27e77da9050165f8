# A connection, and what its operations wait for.

cdef class Conn

cdef enum:
    CONN_RAW         # an accepted socket, of no loop yet
    CONN_BINDING     # of a loop; its transport is on its way
    CONN_OPEN
    CONN_LOST        # its transport is gone, or never came

cdef enum:
    READ_AT_MOST
    READ_EXACTLY
    READ_UNTIL
    READ_INTO


@cython.final
@cython.freelist(16)
cdef class Reading:
    # What a read wants, other than what is there: the value of its op.
    cdef uint8_t how         # READ_*
    cdef Py_ssize_t n        # bytes; of READ_UNTIL the limit
    cdef bytes sep           # of READ_UNTIL
    cdef Py_ssize_t scanned  # ... how many of the unread bytes hold no separator,
    cdef uint64_t front      # ... while they begin where they did then
    cdef object into         # of READ_INTO: a memoryview
    cdef object result       # once it is decided: what it gives, or an exception


@cython.final
cdef class ConnProtocol:
    # What the transport calls. It knows its Conn weakly: a Conn that the program has forgotten is freed.
    cdef object conn         # a weak reference
    cdef Conn closing        # one that was closed before it had its transport, and has something to send
    cdef object __weakref__


@cython.final
cdef class Conn(Waitable):
    cdef WaitQueue readers   # each waits for more than there is
    cdef WaitQueue writers   # while the transport is above its high-water mark
    cdef Scheduler sched     # of its loop; None: of none yet
    cdef object transport    # None before CONN_OPEN
    cdef object protocol     # the transport has it, too
    cdef object unread       # what was received and not read: bytes as they came, or a bytearray; None: nothing
    cdef Py_ssize_t at       # of bytes: where the unread ones begin
    cdef uint64_t front      # another one whenever the unread bytes begin elsewhere: some were taken, or given back
    cdef double read_due     # the deadlines, by the clock of the loop; infinite: none
    cdef double write_due
    cdef Op alarm            # in the heap of the loop, not later than what waits is due
    cdef double alarm_at
    cdef object error        # why the transport was lost, if that was an error
    cdef object watch        # called once when the peer is gone and no reader waits
    cdef object sock         # of CONN_RAW: the socket. Else where it was: see `place`
    cdef object ssl          # of CONN_RAW: the context of its TLS
    cdef object place        # of an accepted one: the peer's address
    cdef object binding      # of CONN_BINDING: what makes the transport, a Binding or (TLS) a task
    cdef list kept           # of CONN_BINDING: what was written
    cdef Py_ssize_t kept_size
    cdef uint8_t stage       # CONN_*; its loop's thread, but for the first change, which is under the lock
    cdef uint8_t closed      # by close() or abort(). Any thread, under the lock
    cdef uint8_t eof         # the peer sends no more
    cdef uint8_t ended       # close_write() was called
    cdef uint8_t read_paused
    cdef uint8_t write_paused
    cdef uint8_t tls
