# waitable.pyx - what the cases of a select wait for: channels, locks, wait groups.
#
# Invariant: `lock` guards every field, and the queues of the waiters.
# Threads: any.

cdef class Waitable:
    pass


cdef int refuse_arguments(tuple given, str why) except -1:
    if given:
        raise TypeError(why)
    return 0


cdef bint waitable_withdraw(Op op) noexcept:
    # Of waits that have a queue, and where no other waiter's turn comes when one leaves.
    return op_unlink(op, waits[op.kind].queue(op), &(<Waitable>op.target).lock)


cdef void waitq_wake_all(Waitable on, WaitQueue* q) noexcept:
    # Decides all that wait, without F_OK.
    cdef PyObject* woken
    goish_lock(&on.lock)
    woken = claim_chain(q)
    goish_unlock(&on.lock)
    wake_chain(woken)


# ---- waiters of a loop that is closed ----

# Nothing notices that a loop closes. A waiter of another loop is checked before it is given anything: a value for a closed
# loop's goroutine or task would never be seen. In a forked child the same holds for all waiters of the parent.

cdef inline void waitq_prune(Waitable on, WaitQueue* q) noexcept:
    if q.head != NULL and (GOISH_LOCKS or is_elsewhere(q.head)):
        while waitq_prune_closed(on, q):
            pass


cdef bint waitq_prune_closed(Waitable on, WaitQueue* q) noexcept:
    # True: the first waiter was of a closed loop. It waits no more, whichever thread has withdrawn it.
    cdef bint gone = False
    op = None
    wait = None
    s = None
    goish_lock(&on.lock)
    if waitq_live(q) and is_elsewhere(q.head):
        # Of a case it takes the select. Held from here on: another thread may be looking too, or that loop is just being closed.
        op = <object>q.head
        wait = (<Op>op).owner if is_case(q.head) else op
        s = waiter_sched(<Op>op)
        gone = s is None and waiter_is_orphan(q.head)
    goish_unlock(&on.lock)
    if not gone and (s is None or not loop_is_closed(<Scheduler>s)):
        return False
    op_give_up(<Op>wait, RuntimeError("the event loop of this wait is closed"))
    return True


cdef inline bint waiter_is_orphan(PyObject* op) noexcept:
    return waiters[waiter_kind(waiter_behind(op))].is_orphan(waiter_behind(op))


cdef bint loop_is_closed(Scheduler s) noexcept:
    try:
        return s.dead or s.loop.is_closed()
    except (RecursionError, MemoryError):
        return False  # it could not even be asked
    except Exception:
        logger.exception("%r does not say whether it is closed", s.loop)
        return False


cdef Py_ssize_t waitq_elsewhere(Waitable on, WaitQueue* q) noexcept:
    cdef Py_ssize_t count = 0
    cdef PyObject* op
    goish_lock(&on.lock)
    op = q.head
    while op != NULL:
        count += is_elsewhere(op)
        op = (<Op>op).next
    goish_unlock(&on.lock)
    return count


cdef void waitq_prune_all(Waitable on, WaitQueue* q) noexcept:
    # Before several are given something at once: a waiter of a closed loop may stand anywhere in the queue.
    cdef PyObject** found
    cdef PyObject* op
    cdef Py_ssize_t room = waitq_elsewhere(on, q) + 8
    cdef Py_ssize_t count = 0
    cdef Py_ssize_t i
    if room == 8:
        return
    found = <PyObject**>PyMem_Malloc(<size_t>room * 2 * sizeof(PyObject*))  # before the lock: under it nothing may be made
    if found == NULL:
        waitq_prune(on, q)
        return
    goish_lock(&on.lock)
    op = q.head
    while op != NULL and count < room:
        if is_elsewhere(op):
            wait = (<Op>op).owner if is_case(op) else <object>op
            gone = waiter_sched(<Op>op)
            if gone is not None or waiter_is_orphan(op):
                Py_INCREF(wait)
                Py_INCREF(gone)
                found[2 * count], found[2 * count + 1] = <PyObject*>wait, <PyObject*>gone
                count += 1
        op = (<Op>op).next
    goish_unlock(&on.lock)
    for i in range(count):
        wait, gone = <object>found[2 * i], <object>found[2 * i + 1]
        if gone is None or loop_is_closed(<Scheduler>gone):
            op_give_up(<Op>wait, RuntimeError("the event loop of this wait is closed"))
        Py_DECREF(wait)
        Py_DECREF(gone)
    PyMem_Free(found)
