# A channel.

cdef enum:
    BLOCK
    ERROR
    DROP_OLDEST
    DROP_NEWEST

cdef enum:
    C_NIL = 1            # parks every sender and receiver
    C_HEAP = 2           # a PriorityChan: the ring is a heap of Prioritized
    C_TIMER = 4          # fires: of after(), a Timer, a Ticker, or the done() of a context with a deadline
    C_SINGLE_SENDER = 8
    C_SINGLE_RECEIVER = 16
    C_MADE = 32          # __init__ has run
    C_RESETS = 64        # of a Timer or a Ticker: fires again when it is reset
    C_FEED = 128         # of a subscriber: a Feed (feed.pxd)


cdef class Waitable:
    # What the cases of a select wait for.
    cdef object __weakref__
    cdef goish_mutex lock        # guards every field; with the GIL it is the GIL
    cdef uint8_t flags           # C_*, for good


cdef class Chan(Waitable):
    cdef Ring buffer
    cdef Py_ssize_t capacity     # PY_SSIZE_T_MAX: unbounded
    cdef WaitQueue receivers
    cdef WaitQueue senders
    cdef object cold            # None or a ChanCold
    cdef uint8_t overflow
    cdef uint8_t closed


@cython.final
cdef class ChanCold:
    # The fields that few channels need.
    cdef object on_undelivered
    cdef object sender           # weak references to the declared single producer and consumer
    cdef object receiver
    cdef double deadline         # of a channel that fires: when it does so next, by the clock of `sched`; infinite: not again
    cdef Scheduler sched
    cdef Op alarm
    cdef Beat beat               # of a Ticker
    cdef object action           # of after_func(): called instead
    cdef Chan closing            # ends with the channel; None until a wait_closed() needs it
    cdef object ctx              # the Context whose done() this is, if that has a deadline


cdef enum:
    MISSED_SKIP
    MISSED_BURST
    MISSED_DELAY


@cython.final
cdef class Beat:
    # The times at which a Ticker fires: first + n * period.
    cdef double period           # seconds
    cdef double first            # the start, or the last tick of which the others count
    cdef double n                # of the next tick
    cdef double drift            # how late the last tick was, seconds
    cdef uint8_t missed          # MISSED_*: what becomes of the ticks that a late receiver has missed


@cython.final
cdef class Timer:
    cdef Chan chan


@cython.final
cdef class Ticker:
    cdef Chan chan


@cython.final
cdef class PriorityChan(Chan):
    cdef uint64_t order


cdef class ChanView:
    cdef Chan chan
    cdef object __weakref__


@cython.final
cdef class SendChan(ChanView):
    pass


cdef class RecvChan(ChanView):
    pass


# What chan_take() and chan_put() give (transfer.pyx).
cdef enum:
    WOULD_BLOCK = 0
    HAPPENED = 1
    CLOSED = 2
    DROPPED = 3          # happened by dropping an item
    FULL = 4             # overflow="error"
    LAGGED = 5           # nothing was taken: the subscriber is told first that it has lost values

# They need the channel's lock. An op to wake and a value to drop go in here, and chan_settle() deals with them after unlocking.
cdef struct AfterUnlock:
    PyObject* wake       # owned Op decided by this operation
    PyObject* dropped    # owned value that will never be received
    Py_ssize_t missed    # of LAGGED alone: how many
