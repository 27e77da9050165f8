# Work for threads: the calls that wait in a pool, and the workers that take them.

cdef enum:
    PLAIN = 0    # a function: a worker runs one after the other, outside of any loop
    LOOP = 1     # a coroutine function: a worker's loop takes as many as come
    KINDS = 2
    KEEPERS = 2  # no kind, but a further list of idle workers: plain ones that run the loop of goroutines which calls have left
    LISTS = 3

cdef enum:
    FULL_RAISE
    FULL_BLOCK   # the thread waits until there is room
    FULL_RUN     # it runs the call itself

cdef enum:
    ANYWHERE     # spawn: on any thread, that of the syncing caller too
    ON_WORKER    # go_thread: on a worker, on another one than the caller's if there is one
    ELSEWHERE    # submit: never on the thread of the caller


cdef enum:
    KEEP         # goroutines that a call has left go on
    AWAIT        # it is over when they are
    CANCEL       # ... and it cancels them


@cython.final
cdef class Call:
    # A call to run. While it waits, and while a plain one runs, it is its goroutine's `coro`.
    cdef object fn           # or a coroutine that has not started
    cdef tuple args          # of a foreign call: its function
    cdef dict kwargs         # or None
    cdef Pool pool
    cdef Call parent         # the plain call that has made this one, until the parent ends
    cdef PyObject* origin    # the worker that has made it, only to be compared
    cdef uint8_t kind
    cdef bint named          # a plain call: its thread bears its name meanwhile
    cdef uint8_t where
    cdef unsigned int born   # in which process of a line of forks
    cdef Op waits            # what its thread is blocked by, which a cancel withdraws; None: by nothing
    cdef Scheduler pumped    # of its worker, which runs meanwhile; None: nothing does, the thread is parked
    cdef Goroutine inner     # the call that its thread runs meanwhile, since this one waits for it
    cdef bint foreign        # `fn` is a concurrent.futures.Future: it runs on an executor that is not goish's


cdef struct CallQueue:
    PyObject* head           # goroutines linked by all_prev and all_next; the queue owns a reference of each
    PyObject* tail
    Py_ssize_t count


cdef struct IdleList:
    PyObject* head           # workers, borrowed: last come, first woken
    Py_ssize_t count


@cython.final
cdef class FlowVar:
    cdef object __weakref__
    cdef Goroutine g         # None: empty, or its result was taken
    cdef uint8_t consumed
    cdef bint as_value       # its result is an Ok or an Err


cdef class Spawner:
    # An object that gives work to a pool. The pool closes when its last reference goes.
    cdef object __weakref__
    cdef Pool pool


cdef class Pool:
    cdef object __weakref__
    cdef readonly str name           # of its executor
    cdef object start                # start(kind): makes a worker's thread
    cdef CallQueue[KINDS] queues
    cdef CallQueue active            # plain calls begun and not over, on any thread
    cdef IdleList[LISTS] idle
    cdef Py_ssize_t[KINDS] started   # threads
    cdef bint[KINDS] searching       # a searcher is awake that has not taken anything yet: no need to wake another
    cdef Py_ssize_t coming           # ... of a loop: how many live goroutines it has
    cdef double[KINDS] starved       # the system refused a thread: until when none is asked for, if there are others
    cdef uint64_t wake_ups             # how often an idle plain worker was woken
    cdef Py_ssize_t busy             # plain workers that are awake and not blocked
    cdef Py_ssize_t blocked          # plain workers that are blocked in goish
    cdef Py_ssize_t kept             # plain workers on which calls have left goroutines
    cdef readonly uint64_t finished  # plain calls that are over, calls of coroutine functions that were begun
    cdef readonly Py_ssize_t size    # how many may be busy; and how many loops
    cdef object follow               # follow(pool): checks whether the size has changed; None: it is fixed
    cdef double follow_every         # seconds
    cdef double follow_at            # when to look next
    cdef Py_ssize_t most             # how many plain threads there may be, blocked ones included
    cdef Py_ssize_t pending          # how many calls may wait; -1: any number
    cdef uint8_t on_full         # what a full queue does
    cdef int children            # what becomes of goroutines that a call has left
    cdef Py_ssize_t space_waiters          # threads that wait for room in the queue
    cdef Chan space                  # a thread that waits for space receives from it
    cdef bint closed
    cdef goish_mutex lock            # guards all of it, the idle workers' fields, and the state of a queued goroutine


@cython.final
cdef class Worker:
    cdef object __weakref__
    cdef readonly Pool pool
    cdef readonly str name
    cdef readonly unsigned long thread
    cdef Scheduler sched         # of its loop; of a plain worker None until a call starts a goroutine
    cdef PyObject* current       # borrowed: the plain goroutine that runs here
    cdef PyObject* idle_prev
    cdef PyObject* idle_next
    cdef void* park_lock  # a plain worker parks here
    cdef uint8_t kind
    cdef Py_ssize_t load         # of an idle worker with a loop: its live goroutines
    cdef bint idle               # in the list of idle workers
    cdef bint kept               # a plain worker: calls have left goroutines on its loop
    cdef bint tends              # ... which it runs, in the list of keepers or just picked from there
    cdef bint stops              # ... and is about to stop
    cdef bint told               # it is the pool's `searching` worker
    cdef bint excess             # woken to leave, unless something waits
    cdef bint blocked            # in a goish call: another worker may run meanwhile
    cdef bint left               # its thread ends
    cdef unsigned int born       # in which process of a line of forks
    cdef uint64_t sees           # the call that waits, was made here and is better run elsewhere: its goroutine's id
    cdef uint64_t insists        # ... and no other worker has taken it for a while
    cdef bint is_borrowed              # of no pool: a thread that runs a call which it waits for
