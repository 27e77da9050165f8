# The values in a channel: a growable array used as a circle (first in, first out) or as a binary heap (smallest first).

# struct Ring is in c/chan.h, where the collector's view of it is.


@cython.final
@cython.freelist(64)
cdef class Prioritized:
    cdef double priority     # smallest first
    cdef uint64_t order      # then first in, first out
    cdef object value
