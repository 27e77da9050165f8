# Go's sync.WaitGroup.

@cython.final
cdef class WaitGroup(Waitable):
    cdef WaitQueue waiters
    cdef Py_ssize_t n
