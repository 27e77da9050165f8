# Go's sync.WaitGroup.

@cython.final
cdef class WaitGroup(Counter):
    pass
