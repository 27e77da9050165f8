# What a listener gives: connections that were accepted, to those that wait for one.

@cython.final
cdef class Acceptor(Waitable):
    cdef WaitQueue waiters
    cdef Ring ready          # connections that nobody has taken yet
    cdef object wanted       # called when a waiter waits: the listener then looks for connections
    cdef str text            # where it listens, for errors
    cdef uint8_t closed
