# Floor 1. The sleepers of one scheduler: a binary heap of Ops, earliest first, behind a single loop timer.

cdef struct Alarm:
    double when          # loop time, seconds
    uint64_t order       # first come, first served at equal times
    PyObject* op         # owned; op.index is the place in the heap

cdef struct Timers:
    goish_mutex lock     # of the heap; a channel of after() may be waited on by other threads
    Alarm* heap
    Py_ssize_t count
    Py_ssize_t size
    uint64_t order
