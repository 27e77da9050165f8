# What work is done under: a deadline, values, and whether it is cancelled. Go's context.

@cython.final
cdef class Ending:
    # Why contexts are cancelled: one object for all that one cancel reaches.
    cdef object cause        # None, or the exception that the caller gave
    cdef bint expired        # a deadline has passed
    cdef object code         # where the cancel was called, or the deadline set: code object ...
    cdef int lasti           # ... and instruction; None where no Python code did
    cdef uint64_t order      # counts through the process


cdef class Context:
    cdef object __weakref__
    cdef Context parent       # whose values it sees; None: a root
    cdef Context source       # the nearest ancestor that can be cancelled; None: nothing above can
    cdef object key           # of with_value()
    cdef object held          # its value
    # The rest only of one that can be cancelled by itself.
    cdef goish_mutex lock     # guards what changes: over, ending, further, children, hooks, chan, view, alarm
    cdef bint is_source       # it can
    cdef bint is_timed        # its deadline is its own, not that of an ancestor
    cdef uint8_t over         # `ending` is set
    cdef Py_ssize_t place     # among the children of its source; -1: in no list
    cdef Ending ending        # None while it is live
    cdef list further         # None, or the endings of later cancels, which changed nothing
    cdef list children        # the live ones
    cdef dict hooks           # run at the end: goroutines and callables, in the order in which they came
    cdef Chan chan            # closed at the end; None until done() needs it
    cdef RecvChan view
    cdef double until         # the deadline; infinite: none
    cdef Context expires      # the ancestor whose deadline it is
    cdef Scheduler clock      # by which that goes; None: the system's monotonic one
    cdef Op alarm             # on `alarm_on`: the timer of the deadline
    cdef Scheduler alarm_on
    cdef object late          # the cause when the deadline passes, or None
    cdef object code          # where the deadline was set
    cdef int lasti


@cython.final
cdef class CancelToken(Context):
    pass


@cython.final
cdef class CancelFunc:
    cdef Context ctx
