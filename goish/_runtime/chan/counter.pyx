# counter.pyx - waits until a number is zero: what wait groups, latches and events are made of.
#
# Invariants (under `lock`): n >= 0; n == 0 implies that there are no waiters. A waiter is decided by the change that makes n
#   zero; a later change does not undo it.
# Threads: any.
# Not here: WaitGroup (waitgroup.pyx), Event and Latch (event.pyx).

cdef inline PyObject* counter_becomes(Counter c, Py_ssize_t n) noexcept:
    # Under the lock. A chain of decided ops, to be woken.
    c.n = n
    return claim_chain(&c.waiters) if n == 0 else NULL


cdef Py_ssize_t counter_add(Counter c, Py_ssize_t by) noexcept:
    # The number that it has then; -1: it would be negative, or too large, and stays as it is.
    cdef PyObject* woken
    cdef Py_ssize_t n
    goish_lock(&c.lock)
    n = -1 if by > PY_SSIZE_T_MAX - c.n else c.n + by
    if n < 0:
        goish_unlock(&c.lock)
        return -1
    woken = counter_becomes(c, n)
    goish_unlock(&c.lock)
    if woken != NULL:
        counter_note(c, woken)
        wake_chain(woken)
    return n


cdef void counter_set(Counter c, Py_ssize_t n) noexcept:
    cdef PyObject* woken
    goish_lock(&c.lock)
    woken = counter_becomes(c, n)
    goish_unlock(&c.lock)
    wake_chain(woken)


# ---- the row of the table of waits ----

cdef int zero_attempt(Op op, PyObject** result) noexcept:
    cdef Counter c = <Counter>op.target
    cdef bint waits
    goish_lock(&c.lock)  # also to see what was done before it became zero
    waits = c.n != 0
    goish_unlock(&c.lock)
    if waits:
        return 0
    Py_INCREF(None)
    result[0] = <PyObject*>None
    return 1


cdef bint zero_arm(Op op) noexcept:
    cdef Counter c = <Counter>op.target
    cdef bint linked
    goish_lock(&c.lock)
    linked = c.n != 0
    if linked:
        waitq_push(&c.waiters, op)
    else:
        op.state = OP_DONE
    goish_unlock(&c.lock)
    return linked  # not read from the op: once unlocked, another thread may have woken it


cdef bint zero_is_there(Op op) noexcept:
    return (<Counter>op.target).n == 0


cdef WaitQueue* zero_queue(Op op) noexcept:
    return &(<Counter>op.target).waiters


cdef Wait zero_row(const char* reason) noexcept:
    return Wait(
        reason, True, zero_attempt, NULL, zero_arm, waitable_withdraw, finish_none, NULL, NULL, NULL, NULL,
        zero_is_there, zero_is_there, zero_queue, NULL, False, NULL
    )


waits[<int>W_WAITGROUP] = zero_row("wait group")
waits[<int>W_EVENT] = zero_row("event")
waits[<int>W_LATCH] = zero_row("latch")


# ---- in debug mode: work that comes when the waiters have been let go ----

# A waiter is decided at zero. Work that is added before it has run is not waited for, which is mostly a mistake: the work was to
# be added earlier.

cdef void counter_note(Counter c, PyObject* woken) noexcept:
    # Keeps the decided waits, to see whether they have run. The chain is the caller's.
    cdef PyObject* op = woken
    if not (sys_dev_mode or (goish_tls_sched != NULL and (<Scheduler>goish_tls_sched).debug)):
        return
    try:
        noted = []
        while op != NULL:
            noted.append(<object>op)
            op = (<Op>op).next
    except MemoryError:
        return
    goish_lock(&c.lock)
    noted, c.noted = c.noted, noted
    goish_unlock(&c.lock)


cdef int counter_tell(Counter c) except -1:
    # RuntimeWarning if add() begins at zero while a waiter that was let go has not run yet.
    if c.noted is None or c.n != 0:
        return 0
    noted = None
    goish_lock(&c.lock)
    noted, c.noted = c.noted, noted
    goish_unlock(&c.lock)
    late = 0 if noted is None else len([op for op in noted if goish_load_state(&(<Op>op).state) == OP_DONE])
    if late:
        warnings.warn(
            f"goish: work is added to a WaitGroup that is at zero, before {late} that waited for that have gone on: they do not "
            "wait for it. Call add() (or go()) before the work that it follows is done",
            RuntimeWarning, 2,
        )
    return 0


cdef bint sys_dev_mode = sys.flags.dev_mode
