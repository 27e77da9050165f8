# The waiters: the kinds of an op's `owner`, and what each answers. A new kind is a row of `waiters` and a line of waiter_kind();
# the shortest example is BY_THREAD (thread_wait.pyx). By type the kinds are told apart besides in op_wake() (a short cut for
# goroutines), inbox_take() (an Op in an inbox is a task's), and where an op is driven: op_resume(), future.pyx.

cdef enum:
    BY_NOBODY
    BY_GOROUTINE
    BY_TASK      # a TaskWaiter: an asyncio task, or another caller of add_done_callback()
    BY_THREAD    # a ThreadWaiter
    N_WAITERS

cdef struct Waiter:
    void (*wake)(Op op, PyObject* waiter) noexcept    # its op is decided: the waiter goes on. Any thread, under no lock
    Scheduler (*sched)(PyObject* waiter)              # on whose loop it waits; None: on none
    bint (*is_orphan)(PyObject* waiter) noexcept      # without a loop: nothing in this process ever takes what it is given
    object (*place)(PyObject* waiter)                 # where it waits in the program: (code, line), or () if that is not known
    bint polls                                        # looks at the clocks of its op by itself

cdef Waiter[N_WAITERS] waiters


@cython.final
cdef class TaskWaiter:
    # An op turned towards asyncio: its callbacks, and their loop. It belongs to the op and to its twin.
    cdef object loop
    cdef Scheduler sched     # of that loop: wake-ups from other threads go through its inbox
    cdef list callbacks      # of (callback, context); the loop's thread only
    cdef Op held             # the op, as long as there are callbacks
