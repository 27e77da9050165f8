# waiter.pyx - the waiter behind an op: a goroutine, an asyncio task or a thread. A case has that of its select.
#
# Threads: any, for an op that is linked, under the lock of its target, or was just claimed: it keeps its owner as long. A case
#   that was claimed keeps it until the lock is free, and op_to_wake() (waitq.pyx) keeps the select from then on.
# Not here: the rows of `waiters` (ready.pyx, thread_wait.pyx), waking (op_wake, ready.pyx), the places (giveup.pyx).

cdef inline PyObject* waiter_behind(PyObject* op) noexcept:
    # Borrowed.
    cdef PyObject* owner = <PyObject*>(<Op>op).owner
    return <PyObject*>(<Op>owner).owner if goish_is(owner, <PyObject*>Op) else owner


cdef inline int waiter_kind(PyObject* waiter) noexcept:
    if goish_is(waiter, <PyObject*>Goroutine):
        return BY_GOROUTINE
    if goish_is(waiter, <PyObject*>TaskWaiter):
        return BY_TASK
    return BY_THREAD if goish_is(waiter, <PyObject*>ThreadWaiter) else BY_NOBODY


cdef inline bint is_elsewhere(PyObject* op) noexcept:
    # Whether a waiter on another loop may wait by this op.
    cdef PyObject* waiter = waiter_behind(op)
    return not goish_is(waiter, <PyObject*>Goroutine) or <PyObject*>(<Goroutine>waiter).sched != goish_tls_sched


cdef Scheduler waiter_sched(Op op):
    # The scheduler of the loop on which the op is waited for; None: on none.
    cdef PyObject* waiter = waiter_behind(<PyObject*>op)
    return waiters[waiter_kind(waiter)].sched(waiter)


@cython.final
cdef class TaskWaiter:
    pass
