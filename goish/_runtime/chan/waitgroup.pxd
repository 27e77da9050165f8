# Go's sync.WaitGroup.

@cython.final
cdef class WaitGroup:
    cdef object __weakref__
    cdef WaitQueue waiters
    cdef Py_ssize_t n
    cdef goish_mutex lock
