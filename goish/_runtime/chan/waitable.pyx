# waitable.pyx - what the cases of a select wait for: channels, locks, wait groups.
#
# Invariant: `lock` guards every field, and the queues of the waiters.
# Threads: any.

cdef class Waitable:
    pass


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
