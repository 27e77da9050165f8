# Floor 1. A timer of asyncio's libraries.

@cython.final
cdef class TimerHandle:
    cdef object callback
    cdef tuple args
    cdef object context
    cdef Scheduler sched
    cdef double due          # loop time, seconds
    cdef uint32_t index      # place in the heap
    cdef uint8_t state       # T_*
    cdef bint linked         # in the heap; guarded by its lock
    cdef bint owns_context   # a copy of ours, out of the collector


cdef class Clock:
    pass
