# thread_wait.pyx - blocking a plain thread until an Op is decided.
#
# A thread without an event loop has nowhere to come back to. It parks on a lock that is taken, and lets other threads run. The
# thread that decides its op releases the lock. Everything else is as for a goroutine: the same queues, the same commit rule.
#
# Invariants: the park lock is released once for each op that another thread has decided. A thread that gives up withdraws its op
#   first. If that is refused, the op has happened, and the thread waits for its lock, which is about to be released. So no other
#   thread touches its ThreadWaiter or op when it goes on.
# Threads: the one that parks; thread_wake() from any.
# Not here: what an op does (handoff.pyx, select.pyx, join.pyx, waitgroup.pyx), the cancel of a blocked call (blocked.pyx).

# Threads that are parked without a timeout and whose op is undecided: like parked goroutines, they wake nobody. Each is in here
# only while that is so, to the instant, since a deadlock is concluded from it.
cdef set parked_for_ever = set()


cdef uint64_t wake_ups_of_threads = 0  # how many have been woken so far
cdef goish_mutex parked_lock


@cython.final
cdef class ThreadWaiter:
    def __cinit__(self):
        self.park_lock = PyThread_allocate_lock()
        if self.park_lock == NULL:
            raise MemoryError
        PyThread_acquire_lock(self.park_lock, 1)
        self.born = forks
        self.ident = PyThread_get_thread_ident()

    def __dealloc__(self):
        if self.park_lock != NULL:
            goish_free_park_lock(self.park_lock)


cdef void thread_wake(Op op, PyObject* waiter) noexcept:
    # The waiter may be gone once its lock is released.
    cdef ThreadWaiter thread_waiter = <ThreadWaiter>waiter
    thread_unlist(thread_waiter, True)
    goish_unpark(thread_waiter.park_lock)


cdef void thread_list(ThreadWaiter thread_waiter) noexcept:
    thread = PyThread_get_thread_native_id()
    goish_lock(&parked_lock)
    if not thread_waiter.woken:
        thread_waiter.thread = thread
        PySet_Add(parked_for_ever, thread)
    goish_unlock(&parked_lock)


cdef void thread_unlist(ThreadWaiter thread_waiter, bint decided) noexcept:
    global wake_ups_of_threads
    thread = None
    goish_lock(&parked_lock)
    wake_ups_of_threads += 1
    thread_waiter.woken = thread_waiter.woken or decided
    if thread_waiter.thread != 0:
        thread = thread_waiter.thread
        PySet_Discard(parked_for_ever, thread)
        thread_waiter.thread = 0
    goish_unlock(&parked_lock)


cdef double checked_timeout(object timeout) except -1.0:
    # Gives seconds; infinite for None, zero for less.
    if timeout is None:
        return INFINITY
    return max(float_of(timeout, "timeout", " is a number of seconds or None (wait for ever)"), 0.0)


cdef object thread_block(Op op, object timeout, str call, str instead):
    # Does `op`, blocking this thread as long as it must wait; its result. TimeoutError: it has not happened.
    cdef PyObject* result = NULL
    cdef double seconds
    cdef int r
    op.used |= U_USED
    seconds = checked_timeout(timeout)
    if asyncio_running_loop() is not None:
        raise SyncOnLoop(f"{call} would block the event loop that runs on this thread: {instead}")
    if cancelled_here():
        op.state = OP_YIELDED
        op_drop(op)
        raise_cancel_here()
    if has_children():
        return worker_pump(op, seconds)
    op.state = OP_SPENT
    r = waits[op.kind].attempt(op, &result)
    if r == 0:
        if seconds == 0.0:
            if op.kind == W_JOIN:
                give_up_on(<Goroutine>op.target, op)
            raise TimeoutError(f"{call}: not possible at once")
        r = thread_park_through(op, seconds, call, &result)
    if r < 0:
        raise_pending()
    value = <object>result
    Py_DECREF(value)
    return value


cdef int thread_park_through(Op op, double seconds, str call, PyObject** result) except? -1:
    cdef bint counted
    thread_waiter = ThreadWaiter.__new__(ThreadWaiter)
    counted = worker_blocks()  # may refuse, by raising: nothing has happened yet
    try:
        op.owner = thread_waiter
        if op_arm(op):
            thread_park_cancellable(op, <ThreadWaiter>thread_waiter, seconds, call)
    finally:
        if counted:
            worker_goes_on()
    return op_resume(op, result)


cdef void thread_park_cancellable(Op op, ThreadWaiter thread_waiter, double seconds, str call) except *:
    outer, pumped = waits_behind(), pumped_behind()
    if not waits_now(op, None):
        if thread_give_up(op, thread_waiter):
            raise_cancel_here()
        return
    try:
        thread_park(op, thread_waiter, seconds, call)
    finally:
        waits_again(outer, pumped)


# Seconds. A signal that comes between the check for signals and the wait, or while the thread spins, does not interrupt the wait:
# the thread looks again after this time, and then each time after twice as long.
cdef double FIRST_WAIT = 0.05


cdef void thread_park(Op op, ThreadWaiter thread_waiter, double seconds, str call) except *:
    # Waits until the op is decided; otherwise withdraws it, and raises the reason.
    cdef double deadline = goish_monotonic() + seconds
    cdef double pause = FIRST_WAIT
    cdef double left = min(seconds, pause)
    cdef int woken
    cdef bint for_ever = seconds == INFINITY and (waits[op.kind].due == NULL or waits[op.kind].due(op) == INFINITY)
    while True:
        if waits[op.kind].due != NULL:
            left = min(left, waits[op.kind].due(op))
        # Also before the first wait: a signal that has come does not interrupt it. From 3.12 on the collector may run here, too.
        if PyErr_CheckSignals() < 0:
            thread_unpark(op, thread_waiter, pending_exception())
        if for_ever:
            thread_list(thread_waiter)
        woken = goish_park(thread_waiter.park_lock, left, True)
        if woken == 1:
            return
        if for_ever:
            thread_unlist(thread_waiter, False)  # it may run Python, though its op is undecided
        left = deadline - goish_monotonic()
        if woken == 0 and left <= 0.0:
            if thread_give_up(op, thread_waiter):
                raise TimeoutError(f"{call}: not within {seconds:g} s")
            return
        pause *= 2.0
        left = min(left, pause)


cdef bint thread_give_up(Op op, ThreadWaiter thread_waiter) noexcept:
    # Withdraws the op. False: too late, it has happened.
    if waits[op.kind].withdraw(op):
        thread_unlist(thread_waiter, True)
        op.owner = op.value = None
        goish_store_state(&op.state, OP_SPENT)
        return True
    goish_park(thread_waiter.park_lock, INFINITY, False)
    return False


cdef void thread_unpark(Op op, ThreadWaiter thread_waiter, object exc) except *:
    # A signal handler has raised, as Ctrl-C does. The value received by then would be lost: it is undelivered.
    if not thread_give_up(op, thread_waiter):
        if goish_load_state(&op.state) == OP_FAILED and plain_here() != NULL:  # a cancel was first: it comes later
            goish_set_bits(&(<Goroutine>plain_here()).flags, GF_MUST_CANCEL)
        if (op.kind == W_SEND or op.kind == W_BROADCAST) and op.flags & F_OK:
            add_note(exc, "goish: the value had been sent when this was raised")
        op_drop(op)
        op.owner = op.value = None
    raise exc


# ---- all threads ----

def set_max_spinners(int threads):
    """Sets how many threads at most may spin for a moment before they sleep."""
    global goish_most_spinning
    goish_most_spinning = threads


def parked_threads():
    """The threads that are blocked in a goish call without a timeout and were not woken yet, by native id. Any thread."""
    goish_lock(&parked_lock)
    threads = list(parked_for_ever)
    goish_unlock(&parked_lock)
    return frozenset(threads)


def threads_woken():
    """How many threads have been woken so far, blocked ones and idle workers: the same number twice, and none was. Any thread."""
    cdef uint64_t count
    goish_lock(&parked_lock)
    count = wake_ups_of_threads
    goish_unlock(&parked_lock)
    for p in all_pools():
        goish_lock(&(<Pool>p).lock)
        count += (<Pool>p).wake_ups
        goish_unlock(&(<Pool>p).lock)
    return count


cdef void forget_parked_threads() noexcept:
    # In a forked child: the threads are the parent's.
    global parked_lock
    parked_lock = empty_lock()
    parked_for_ever.clear()


# ---- a thread as a waiter ----

cdef bint thread_is_orphan(PyObject* waiter) noexcept:
    # A thread is there as long as it waits; but no thread outlives a fork, save the one that has forked.
    return (<ThreadWaiter>waiter).born != forks


cdef object place_of_thread(PyObject* waiter):
    return place_here() if (<ThreadWaiter>waiter).ident == PyThread_get_thread_ident() else ()


waiters[<int>BY_THREAD] = Waiter(thread_wake, sched_of_nobody, thread_is_orphan, place_of_thread, True)
