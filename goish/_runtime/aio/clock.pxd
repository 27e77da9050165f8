# A timer of asyncio's libraries, and the loop that makes them.

@cython.final
cdef class TimerHandle(Handle):
    pass


cdef class Clock:
    pass
