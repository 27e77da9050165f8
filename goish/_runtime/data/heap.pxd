# The waits for a time at one scheduler: a heap, earliest first, behind a single loop timer.

cdef struct Alarm:
    double when          # loop time, seconds
    uint64_t order       # first come, first served at equal times
    PyObject* waiter     # owned: an Op or a TimerHandle, whose `index` is the place in the heap

cdef struct Timers:
    goish_mutex lock     # of the heap; a channel of after() may be waited on by other threads
    Alarm* heap
    Py_ssize_t count
    Py_ssize_t size
    uint64_t order
