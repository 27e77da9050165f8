# A flag, and a number that goes down only.

@cython.final
cdef class Event(Counter):
    pass


@cython.final
cdef class Latch(Counter):
    pass
