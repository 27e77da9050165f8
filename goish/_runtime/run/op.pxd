# One wait as a value, and the table of what can be waited for.

# The states of an Op, and what may follow each:
#
#             step: must wait           park/arm                 another completes it
#     NEW ───────────────────► YIELDED ─────────► WAITING ────────────────────────► DONE ──► SPENT
#      │ step: done at once                          │ cancel, failure                        ▲
#      └─────────────────────────────────────────────┼──────────────────► FAILED              │
#                                                    └────────────────────►                   │
#      └──────────────────────────────────────────────────────────────────────────────────────┘
cdef enum:
    OP_NEW       # nothing has happened; may be awaited or be a case of a select
    OP_YIELDED   # gave itself to the driver of the coroutine; holds no place in any queue
    OP_WAITING   # linked (or armed) and owned; the thread that completes it decides it, under the lock of its target
    OP_DONE      # decided: the operation happened (F_OK) or its channel closed; nothing undoes it
    OP_FAILED    # withdrawn: value is the exception to raise, the operation did not happen
    OP_SETTLED   # like DONE with a computed result in value; kept, because a future may be asked again
    OP_SPENT     # its result was taken

cdef enum:
    F_LINKED = 1     # in a wait queue or the timer heap
    F_OK = 2         # the operation happened; without it, the channel was closed
    F_WAITED = 4     # it could not complete at once
    F_PAUSE = 8      # yields only to let others run: nothing was tried yet, or there is nothing to try
    F_BLOCKING = 16  # the asyncio protocol's "yielded by an await"
    F_DEFAULT = 32   # a select that must not wait
    F_BIASED = 64    # a select that prefers the first ready case
    F_MARK = 128     # seen already (while select checks its cases)

cdef enum:
    U_USED = 1       # a select took it (and leaves it NEW), or it is no program's: not a forgotten await
    U_TAKEN = 2      # untracked by the collector
    U_QUIET = 4      # of a join: the waiter looks at the outcome itself; of a send: its value comes back to the sender
    U_TWIN = 8       # a future: another op waits in its place, its `value`
    U_FINALIZED = 16  # by the collector, which calls a finalizer once in the life of an object
    U_BY_HAND = 32   # its __await__ was called by name: `yield from` may iterate it

# The ways to wait. Each is a row of the table `waits`, filled by the file that knows how.
cdef enum:
    W_GOSCHED
    W_SLEEP
    W_JOIN
    W_WAITGROUP
    W_EVENT
    W_LATCH
    W_SEND
    W_RECV
    W_RECV_OK
    W_RECV_INFO
    W_CLOSED         # the end of a channel: its target is one in which there never is anything
    W_GRANT          # a lock, or units of a semaphore
    W_BROADCAST      # a value for every subscriber
    W_SIGNAL         # of a Cond
    W_NEXT           # async for
    W_SELECT
    W_READ           # of a Conn
    W_READ_NEXT      # async for over what a Conn reads
    W_WRITE
    W_ACCEPT         # of a listener
    W_ACCEPT_NEXT    # async for over a listener
    W_TIMER          # the alarm of an after() channel: never awaited
    W_DEADLINE       # the alarm of a context: never awaited
    W_CONN_ALARM     # ... of a Conn's deadlines
    N_WAITS

cdef struct Wait:
    const char* reason                                   # as dumps show it
    bint native                                          # only another goroutine (or a channel user) can end it
    int (*attempt)(Op op, PyObject** result) noexcept    # 1: done, *result is a new reference; 0: must wait; -1: raised
    bint (*ready)(Op op) noexcept                        # would it complete at once? NULL: yes
    bint (*arm)(Op op) noexcept                          # links an owned op; False: it was completed instead
    bint (*withdraw)(Op op) noexcept                     # unlinks a waiting op (-> OP_FAILED); False: decided already
    int (*finish)(Op op, PyObject** result) noexcept     # the result of a DONE op: 1 or -1
    void (*drop)(Op op) noexcept                         # a begun op whose result nobody takes: NULL, or saves its value
    void (*fire)(Op op) noexcept                         # its alarm went off (timers only)
    const char* (*detail)(Op op) noexcept                # what a dump adds in brackets, or NULL
    double (*due)(Op op) noexcept                        # sees to its clocks; seconds until the next goes off. NULL: it has none
    # As a case of a select; NULL: it is none, or select knows how (those on channels). All but the last under the target's lock.
    bint (*case_ready)(Op op) noexcept
    bint (*case_take)(Op op) noexcept                    # does it; False: it would have to wait after all
    WaitQueue* (*queue)(Op op) noexcept
    void (*case_left)(Op op) noexcept                    # its select has withdrawn it from the queue, undecided
    bint case_gives                                      # as a case it gives what its await gives; else None
    void (*case_waits)(Op op) noexcept                   # its select begins to wait, and holds no lock. NULL: no matter

cdef Wait[N_WAITS] waits


@cython.final
cdef class Op:
    cdef object target       # Chan, Goroutine, WaitGroup, the cases of a select, or None
    cdef object owner        # the waiter (waiter.pxd); of a case its select; or None
    cdef object value        # what travels: to be sent, received, the deadline of a sleep, or the exception to raise
    cdef PyObject* prev      # neighbours in a wait queue, borrowed
    cdef PyObject* next
    cdef uint8_t kind        # W_*
    cdef uint8_t state       # OP_*
    cdef uint8_t flags       # F_*
    cdef uint8_t used        # U_*
    cdef uint32_t index      # case number in its select; of a select: the decided case; of a timer: place in the heap
