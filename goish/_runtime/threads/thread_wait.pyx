# thread_wait.pyx - blocking a plain thread until an Op is decided.
#
# A thread without an event loop has nowhere to come back to. It parks on a lock that is taken, and lets other threads run. The
# thread that decides its op releases the lock. Everything else is as for a goroutine: the same queues, the same commit rule.
#
# Invariants: the park lock is released once for each op that another thread has decided. A thread that gives up withdraws its op
#   first. If that is refused, the op has happened, and the thread waits for its lock, which is about to be released. So no other
#   thread touches its ThreadWaiter or op when it goes on.
# A plain call of a pool can be cancelled while its thread is blocked: `waits` of its Call is the op, from when it is armed until
#   it is over. It and GF_MUST_CANCEL change under end_lock() of the goroutine: so either the canceller finds the op, or the
#   thread that blocks finds the cancel. If the op is decided, the cancel stays for the next blocking call, or check_cancel().
# Threads: the one that parks; thread_wake() and cancel_blocked() from any.
# Not here: what an op does (handoff.pyx, select.pyx, goroutine.pyx, waitgroup.pyx).

# Called as a thread is about to block, and as it goes on: by them a pool starts another worker meanwhile.
cdef object before_blocking = None
cdef object after_blocking = None

# Threads that are parked without a timeout and whose op is undecided: like parked goroutines, they wake nobody. Each is in here
# only while that is so, to the instant, since a deadlock is concluded from it.
cdef set seated_for_ever = set()
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
            PyThread_release_lock(self.park_lock)  # taken, whatever has happened; Python 3.11 and 3.12 want it so
            PyThread_free_lock(self.park_lock)


cdef void thread_wake(PyObject* waiter) noexcept:
    # The waiter may be gone once its lock is released.
    cdef ThreadWaiter thread_waiter = <ThreadWaiter>waiter
    thread_unlist(thread_waiter)
    goish_unpark(thread_waiter.park_lock)


cdef void thread_list(ThreadWaiter thread_waiter) noexcept:
    thread = PyThread_get_thread_native_id()
    goish_lock(&parked_lock)
    if not thread_waiter.rung:
        thread_waiter.thread = thread
        PySet_Add(seated_for_ever, thread)
    goish_unlock(&parked_lock)


cdef void thread_unlist(ThreadWaiter thread_waiter) noexcept:
    global wake_ups_of_threads
    thread = None
    goish_lock(&parked_lock)
    wake_ups_of_threads += 1
    thread_waiter.rung = True
    if thread_waiter.thread != 0:
        thread = thread_waiter.thread
        PySet_Discard(seated_for_ever, thread)
        thread_waiter.thread = 0
    goish_unlock(&parked_lock)


cdef double checked_timeout(object timeout) except -1.0:
    # Gives seconds; infinite for None, zero for less.
    cdef double seconds
    if timeout is None:
        return INFINITY
    if type(timeout) is bool or not (hasattr(timeout, "__float__") or hasattr(timeout, "__index__")):
        raise TypeError(
            f"timeout is a number of seconds or None (wait for ever), got {timeout!r} of type {type(timeout).__name__}"
        )
    seconds = float(timeout)
    if seconds != seconds:
        raise ValueError("timeout is a number of seconds or None (wait for ever), not NaN")
    return max(seconds, 0.0)


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
    goish_lock(&parked_lock)
    blocks, goes_on = before_blocking, after_blocking
    goish_unlock(&parked_lock)
    thread_waiter = ThreadWaiter.__new__(ThreadWaiter)
    if blocks is not None:
        blocks()  # may refuse, by raising: nothing has happened yet
    try:
        op.owner = thread_waiter
        if op_arm(op):
            thread_park_cancellable(op, <ThreadWaiter>thread_waiter, seconds, call)
    finally:
        if goes_on is not None:
            tell_goes_on(goes_on)
    return op_resume(op, result)


cdef void tell_goes_on(object goes_on) noexcept:
    # An exception of goes_on() must not cost what was received.
    try:
        goes_on()
    except BaseException:
        logger.exception("%r failed after a thread had blocked", goes_on)


cdef void thread_park_cancellable(Op op, ThreadWaiter thread_waiter, double seconds, str call) except *:
    if not waits_now(op, None):
        if thread_give_up(op, thread_waiter):
            raise_cancel_here()
        return
    try:
        thread_park(op, thread_waiter, seconds, call)
    finally:
        waits_no_more()


# Seconds. A signal that comes between the check for signals and the wait, or while the thread spins, does not interrupt the wait:
# the thread looks again after this time.
cdef double FIRST_WAIT = 0.05


cdef void thread_park(Op op, ThreadWaiter thread_waiter, double seconds, str call) except *:
    # Waits until the op is decided; otherwise withdraws it, and raises the reason.
    cdef double deadline = goish_monotonic() + seconds
    cdef double left = min(seconds, FIRST_WAIT)
    cdef int rung
    if seconds == INFINITY and (waits[op.kind].due == NULL or waits[op.kind].due(op) == INFINITY):
        thread_list(thread_waiter)
    while True:
        if waits[op.kind].due != NULL:
            left = min(left, waits[op.kind].due(op))
        if PyErr_CheckSignals() < 0:  # also before the first wait: a signal that has come does not interrupt it
            thread_unpark(op, thread_waiter, pending_exception())
        rung = goish_park(thread_waiter.park_lock, left, True)
        if rung == 1:
            return
        left = deadline - goish_monotonic()
        if rung == 0 and left <= 0.0:
            if thread_give_up(op, thread_waiter):
                raise TimeoutError(f"{call}: not within {seconds:g} s")
            return


cdef bint thread_give_up(Op op, ThreadWaiter thread_waiter) noexcept:
    # Withdraws the op. False: too late, it has happened.
    if waits[op.kind].withdraw(op):
        thread_unlist(thread_waiter)
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
        if op.kind == W_SEND and op.flags & F_OK:
            add_note(exc, "goish: the value had been sent when this was raised")
        op_drop(op)
        op.owner = op.value = None
    raise exc


# ---- cancelling a plain call that is blocked ----

cdef inline PyObject* plain_here() noexcept:
    # Borrowed: the goroutine of the plain call that runs on this thread, or NULL.
    return (<Worker>goish_tls_worker).current if goish_tls_worker != NULL else NULL


cdef inline Call plain_call(PyObject* g):
    # On its thread: until the call is over no other thread changes `coro`.
    return <Call>(<Goroutine>g).coro


cdef inline bint cancelled_here() noexcept:
    cdef PyObject* g = plain_here()
    return g != NULL and goish_load_state(&(<Goroutine>g).flags) & GF_MUST_CANCEL != 0


cdef int raise_cancel_here() except -1:
    cdef Goroutine g = <Goroutine>plain_here()
    goish_clear_bits(&g.flags, GF_MUST_CANCEL)
    raise cancelled_error_of(g)


cdef int look_for_cancel() except -1:
    if cancelled_here():
        raise_cancel_here()
    return 0


cdef bint waits_now(Op op, Scheduler pumped):
    # Notes the op that the thread blocks by. False: the call was cancelled before.
    cdef Goroutine g
    cdef Call call
    cdef bint cancelled
    if plain_here() == NULL:
        return True
    g = <Goroutine>plain_here()
    call = plain_call(<PyObject*>g)
    goish_lock(end_lock(g))
    cancelled = goish_load_state(&g.flags) & GF_MUST_CANCEL
    if not cancelled:
        call.waits = op
        call.pumped = pumped
    goish_unlock(end_lock(g))
    return not cancelled


cdef void waits_no_more() noexcept:
    cdef Goroutine g
    cdef Call call
    if plain_here() == NULL:
        return
    g = <Goroutine>plain_here()
    call = plain_call(<PyObject*>g)
    goish_lock(end_lock(g))
    call.waits = None  # the caller holds both
    call.pumped = None
    goish_unlock(end_lock(g))


cdef str blocked_by(Goroutine g):
    # Gives what the thread of a plain call is blocked by, in Go's words; None: by nothing of goish. Any thread.
    cdef Call call = call_of(g)
    cdef Op op = None
    if call is not None:
        goish_lock(end_lock(g))
        op = call.waits
        goish_unlock(end_lock(g))
    return None if op is None else (<bytes>waits[op.kind].reason).decode()


cdef bint set_inner(Goroutine g, Goroutine inner) noexcept:
    # Notes the inner call. Whether the outer one was cancelled before.
    cdef Call call = plain_call(<PyObject*>g)
    cdef Goroutine _before  # dropped after unlocking
    goish_lock(end_lock(g))
    _before = call.inner
    call.inner = inner
    goish_unlock(end_lock(g))
    return goish_load_state(&g.flags) & GF_MUST_CANCEL != 0


cdef int cancel_blocked(Goroutine g, Call call, object msg) except -1:
    # Wakes a plain call that is blocked, or leaves the cancel for its next look. Any thread. The call that its thread runs
    # meanwhile is cancelled with it: nothing else could get it out of there.
    while call is not None:
        g = cancel_one(g, call, msg)
        if g is None:
            return 0
        call = call_of(g)
        if msg is not None:
            set_cancel_message(g, msg)
    return 0


cdef Goroutine cancel_one(Goroutine g, Call call, object msg):
    # Cancels one call, and gives the call that must be cancelled with it, or None.
    cdef Op op
    cdef Op before = None
    cdef Goroutine inner
    cdef Scheduler pumped
    while True:
        goish_lock(end_lock(g))
        op = call.waits
        pumped = call.pumped
        inner = call.inner
        if <PyObject*>g.coro == <PyObject*>call and (op is None or op is before or pumped is not None):
            goish_set_bits(&g.flags, GF_MUST_CANCEL)
        goish_unlock(end_lock(g))
        if pumped is not None:
            sched_post(pumped, cancel_pumped, (g,), None)
            return None
        if op is None or op is before:
            return inner
        if op_give_up(op, cancelled_error(msg)):
            return None
        before = op  # decided: but it may have come to the next one meanwhile


def cancel_pumped(Goroutine g):
    # On the worker whose loop runs while the call is blocked.
    cdef Call call = call_of(g)
    cdef Op op = None if call is None else call.waits
    if op is None or not goish_load_state(&g.flags) & GF_MUST_CANCEL:
        return
    if op.flags & F_PAUSE:  # it has not begun yet
        call.pumped.loop.call_soon(cancel_pumped, g)
        return
    if op.state == OP_NEW:
        op.value = cancelled_error_of(g)
        op.state = OP_FAILED
    elif goish_load_state(&op.state) != OP_WAITING or not op_fail(who_waits(op), cancelled_error_of(g)):
        return
    goish_clear_bits(&g.flags, GF_MUST_CANCEL)


def on_blocking(blocks, goes_on):
    """Has ``blocks()`` called on a thread that is about to block in a goish call, and ``goes_on()`` when it goes on.

    For pools. ``blocks`` may raise: the call then has not happened, and raises that. Both None: nothing is called.
    """
    global before_blocking, after_blocking
    goish_lock(&parked_lock)
    _before, _after = before_blocking, after_blocking  # dropped after unlocking
    before_blocking, after_blocking = blocks, goes_on
    goish_unlock(&parked_lock)


def set_max_spinners(int threads):
    """Sets how many threads at most may spin for a moment before they sleep."""
    global goish_most_spinning
    goish_most_spinning = threads


def parked_threads():
    """The threads that are blocked in a goish call without a timeout and were not woken yet, by native id. Any thread."""
    goish_lock(&parked_lock)
    threads = list(seated_for_ever)
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
    seated_for_ever.clear()
