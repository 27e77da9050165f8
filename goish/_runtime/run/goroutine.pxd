# A goroutine: a coroutine, its Context and what the scheduler must know.

cdef enum:
    G_QUEUED     # waits for a worker thread; `coro` is its Call
    G_CALLED     # on the run queue; `coro` (a function, of a pool a Call) is called at the first step; `wait`: the arguments
    G_NEW        # on the run queue, has not run yet
    G_YIELDED    # on the run queue (or due in a loop callback) by its own will: a cancel is thrown at the next step
    G_RUNNABLE   # on the run queue with the outcome of its wait: a cancel is delivered at the next wait
    G_RUNNING    # its coroutine executes on this thread
    G_WAITING    # parked; `wait` is the Op or foreign future that it waits for
    G_DONE       # finished; `wait` is the result or the exception

cdef enum:
    GF_MUST_CANCEL = 1   # a cancel is due at the next wait
    GF_HANDED = 1        # once done: an awaiter was given its exception
    GF_FAILED = 2        # `wait` is an exception (a CancelledError when GF_CANCELLED)
    GF_LATE = 2          # while it lives: the cancel of GF_MUST_CANCEL came after what it waited for had happened
    GF_CANCELLED = 4     # while it lives: RUNNABLE with a cancelled wait, so a further cancel adds nothing
    GF_RETRIEVED = 8     # its exception was retrieved
    GF_EXITED = 16       # ended by goexit()
    GF_PASSING = 16      # while it lives: passes a cancel on to what it awaits
    GF_REGISTERED = 32   # known to asyncio.all_tasks()
    GF_GC_TAKEN = 64     # its coroutine is untracked by the collector
    GF_CTX_TAKEN = 128   # likewise its Context, which is its own

cdef class Fate

cdef union Link:
    PyObject* next       # while runnable: the one behind on the run queue
    double since         # while waiting: when it parked, by the monotonic clock; failed: when that was seen, by the loop's


@cython.final
cdef class Goroutine:
    cdef object __weakref__
    cdef object coro         # None when done; while CALLED the function; of a pool's plain function its Call
    cdef object ctx
    cdef Scheduler sched
    cdef object wait         # see the states
    cdef object cold        # None, the WaitGroup or Nursery it reports to, TASK, or a GoroutineCold
    cdef object code         # where go() was called: code object ...
    cdef Link link
    cdef PyObject* all_prev  # the registry of live goroutines, which owns a reference
    cdef PyObject* all_next
    cdef readonly uint64_t id
    cdef int lasti           # ... and instruction
    cdef uint8_t state       # G_*
    cdef uint8_t flags       # GF_*
    cdef uint16_t cancels    # cancel() minus uncancel()
    cdef PyObject* attributes  # NULL or a dict: programs may set any attribute on a task (playwright, temporalio); c/goroutine.h


@cython.final
cdef class Wake:
    # The done callback of the asyncio future that a goroutine waits for.
    cdef Goroutine g
    cdef PyObject* next      # on the queue of turns (runq.pyx)
    cdef bint queued         # ... where it stands once, however many futures call it


@cython.final
cdef class Step:
    # A loop callback in which a goroutine that is on no queue takes its next step, once.
    cdef Goroutine g


@cython.final
cdef class GoroutineCold:
    # The fields that few goroutines need.
    cdef object name
    cdef object cancel_msg
    cdef object canceller    # where its last cancel() with a message was called: a code object ...
    cdef int cancel_lasti    # ... and instruction; for dumps
    cdef object throw        # an exception to throw at the next step
    cdef object wg           # the WaitGroup or Nursery it reports to
    cdef object scope        # None, or the Nursery of the sync_scope in which it was started
    cdef object callback     # the first done callback and its Context, or None and None: nearly always the only one
    cdef object callback_context
    cdef list callbacks      # further ones, of (callback, context)
    cdef WaitQueue joiners   # ops of its awaiters
    cdef object end_channel  # None, or the channel that its end closes (after.pyx)
    cdef object source       # where it was made, a stack summary: tasks in asyncio's debug mode
    cdef Fate fate           # or None
    cdef object bound        # None, or the Context whose cancel cancels it (bind.pyx)
    cdef bint is_task        # made by the task factory
    cdef bint ends_quietly   # ... and its destruction while it waits is not logged
    cdef bint is_unowned     # ... and what it waits for owns it, not the registry


@cython.final
cdef class Fate:
    # Decides what an exception that nobody awaits does, where it is not the program of the goroutine's Context alone.
    cdef object on_panic     # the goroutine's own policy, or None
    cdef Scheduler program   # that of the program that the goroutine belongs to; None: its Context names it
    cdef tuple given_up      # None, or where the first await that was given up stands: (code, line), empty if unknown
