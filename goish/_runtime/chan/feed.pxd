# A broadcast, and the channel of each of its subscribers.

cdef enum:
    DISCONNECT = 4       # beside BLOCK, DROP_OLDEST and DROP_NEWEST: what becomes of a subscriber that is full
    LATEST = 5           # as DROP_OLDEST, but the subscriber is not told


@cython.final
cdef class Broadcast(Waitable):
    cdef WaitQueue senders
    cdef PyObject* first         # the subscribed Feeds, borrowed: a Feed takes itself out before it is freed
    cdef PyObject* last
    cdef PyObject* at            # the first Feed that may be full; NULL: all have room
    cdef Py_ssize_t count        # of the subscribed
    cdef Chan history            # what a new subscriber gets first, or None
    cdef Py_ssize_t capacity
    cdef uint8_t slow
    cdef uint8_t closed


@cython.final
cdef class Feed(Chan):
    cdef Broadcast source
    cdef PyObject* previous      # neighbours among the subscribed
    cdef PyObject* following
    cdef Py_ssize_t missed       # values lost that the subscriber was not told of yet
    cdef Py_ssize_t lost         # all that it has lost
    cdef uint8_t slow
    cdef uint8_t subscribed
    cdef uint8_t awaited         # full when a sender last looked: tell the broadcast of room
    cdef uint8_t disconnected    # for being slow


@cython.final
cdef class Subscription(RecvChan):
    pass


# What a delivery leaves to be done after unlocking.
cdef struct Delivery:
    PyObject* woken              # owned ops that it decided, linked by `next`
    PyObject** last
    PyObject** dropped           # owned values that a subscriber will never receive
    Py_ssize_t count
