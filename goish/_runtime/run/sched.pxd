# The scheduler of one thread's loop: run queue, registry of live goroutines, the drain.

# The functions of later floors (threads/, chan/, aio/) that this one calls. Set once, at the end of core.pyx.
cdef struct Above:
    bint (*feed)(Scheduler s) except *          # the next call for a worker's loop that has nothing else to run
    void (*awake)(Scheduler s) noexcept         # a worker's loop runs
    void (*idle)(Scheduler s) noexcept          # ... has nothing to run
    Scheduler (*scheduler_of_worker)()          # where a goroutine goes that a plain call starts
    list (*calls)()                             # the goroutines that are on no loop
    Py_ssize_t (*live)() except? -1             # how many
    void (*forget_threads)() noexcept           # in a forked child
    int (*leave)(object wait_group) except -1   # a goroutine that it counts has ended
    void (*member_ended)(object nursery, Goroutine g) noexcept
    void (*scope_add)(object nursery, Goroutine g) noexcept   # it was started in a sync_scope
    void (*close)(object channel) noexcept      # the channel that the end of a goroutine closes
    object (*call_later)(object loop)           # the loop's own, where call_later() is goish's
    double (*due)(object ctx) noexcept          # seconds until the deadline of a context, which is cancelled if it has passed
    void (*awaited)(object ctx) noexcept        # a waiter on this loop needs its alarm
    void (*homeless)(Op alarm) noexcept         # the loop of a timer, or of a deadline, is closed
    int (*check)() except -1                    # raises if the context in force here is cancelled
    object (*in_force)(object ctx, object context)   # a contextvars.Context with that context in force
    int (*bind)(Goroutine g, object ctx) except -1   # the cancel of the context cancels the goroutine
    void (*unbound)(object g, object ctx) noexcept   # ... which has ended
    object (*checked_ctx)(object ctx)
    object (*refused_by)(object ctx)            # the message if the context is over, or None

cdef Above above


@cython.final
cdef class Scheduler:
    cdef object __weakref__
    cdef readonly object loop
    cdef object get_debug
    cdef object call_soon        # the loop's own, as the next one and call_later: those of a goish loop come back to us
    cdef object call_soon_threadsafe
    cdef readonly object call_later
    cdef object loop_close       # the loop's own: its close() is ours first (sched.pyx)
    cdef bint close_replaced     # ... and the loop had one already that was not its type's
    cdef object drain_callback
    cdef object base             # the Context of loop callbacks: one per scheduler, a Context can be entered once at a time
    cdef object loop_dict        # the loop's own attributes: one may be a clock (timers.pyx)
    cdef bint coarse_timers      # uvloop counts in whole milliseconds, and may be early
    cdef unsigned long thread
    cdef PyObject* run_head      # the run queue: borrowed, the registry owns
    cdef PyObject* run_tail
    cdef TurnQueue turns         # of a goish loop: the steps of tasks and the callbacks of its next turns
    cdef object turn_callback
    cdef bint is_ours            # a loop of new_event_loop()
    cdef bint makes_tasks        # the task factory was used
    cdef bint debug              # ... in debug mode
    cdef bint entered            # a turn is at work and has made a task the current one
    cdef PyObject* all_head      # the registry: owns every live goroutine
    cdef bint armed              # a drain is on its way
    cdef bint draining
    cdef bint nests              # the loop may be run from within a goroutine (nest_asyncio)
    cdef bint dead               # the loop is closed
    cdef bint ending             # abandon() is at work, or was
    cdef readonly bint managed   # under goish.run: it ends what is left when main returns
    cdef PyObject* current       # borrowed: the goroutine that runs
    cdef Py_ssize_t live         # this thread counts, any may read
    cdef readonly Py_ssize_t blocked   # of these: wait for something only goroutines do
    cdef readonly uint64_t steps
    cdef int unlooked            # steps until the drain looks at the clock
    cdef double now              # read at the start of a slice and every few steps
    cdef Timers alarms
    cdef readonly object alarm_handle     # the loop timer for the earliest alarm
    cdef double alarm_at
    cdef Inbox inbox
    cdef Lending lent
    cdef public object on_panic
    cdef public object on_idle
    cdef list failed             # finished with an exception that was not retrieved yet
    cdef bint failed_watched     # a reminder is on its way
    cdef dict late               # by id: asyncio tasks whose cancel lost against a commit, with the message; None: never any
    cdef Worker worker           # whose loop this is, or None
