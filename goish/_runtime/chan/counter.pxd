# A number, and those that wait until it is zero.

cdef class Counter(Waitable):
    cdef WaitQueue waiters
    cdef Py_ssize_t n
    cdef list noted              # in debug mode: the waits that were decided by the last zero
