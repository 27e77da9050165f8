# waitq.pyx - the queue of waiting Ops that a channel end, a goroutine's joiners or a wait group keeps.
#
# Invariants: an Op is in at most one queue (F_LINKED); a linked Op is OP_WAITING. A case of a select that was decided through
#   another case stays linked until the select has left its channels: such an entry is dead and skipped.
# Threads: the lock of whatever the queue belongs to guards it. Nothing here runs user code: a dead entry is still owned by
#   its select, so dropping the queue's reference never frees it.

cdef inline bint is_case(PyObject* op) noexcept:
    # Whether the op waits as a case of a select, which is its owner.
    return goish_is(<PyObject*>(<Op>op).owner, <PyObject*>Op)


cdef inline void waitq_push(WaitQueue* q, Op op) noexcept:
    # Takes a reference of its own.
    Py_INCREF(op)
    op.flags |= F_LINKED
    op.next = NULL
    op.prev = q.tail
    if q.tail == NULL:
        q.head = <PyObject*>op
    else:
        (<Op>q.tail).next = <PyObject*>op
    q.tail = <PyObject*>op
    q.count += 1


cdef inline void waitq_remove(WaitQueue* q, Op op) noexcept:
    # The queue's reference becomes the caller's to drop.
    if op.prev == NULL:
        q.head = op.next
    else:
        (<Op>op.prev).next = op.next
    if op.next == NULL:
        q.tail = op.prev
    else:
        (<Op>op.next).prev = op.prev
    op.prev = op.next = NULL
    op.flags &= ~F_LINKED
    q.count -= 1


cdef inline bint op_claim(PyObject* op) noexcept:
    cdef PyObject* owner = <PyObject*>(<Op>op).owner
    if is_case(op):
        if not goish_swap_state(&(<Op>owner).state, OP_WAITING, OP_DONE):
            return False
        (<Op>owner).index = (<Op>op).index
    goish_store_state(&(<Op>op).state, OP_DONE)
    return True


cdef inline PyObject* waitq_claim(WaitQueue* q) noexcept:
    # Decides the first op that still waits: an owned reference, or NULL.
    cdef PyObject* op = q.head
    while op != NULL:
        waitq_remove(q, <Op>op)
        if op_claim(op):
            return op
        Py_DECREF(<Op>op)
        op = q.head
    return NULL


cdef inline PyObject* op_to_wake(PyObject* op) noexcept:
    # Of a decided op, still under the lock: the op to wake once that is free. Takes a reference and gives one. A case is not
    # looked at then: a thread that asks the select for its outcome meanwhile, or drops it, has it leave its cases. So the select
    # itself is woken, and kept until then.
    cdef PyObject* sel
    if not is_case(op):
        return op
    sel = <PyObject*>(<Op>op).owner
    (<Op>sel).next = NULL
    Py_INCREF(<Op>sel)
    Py_DECREF(<Op>op)  # which frees nothing: the select has its cases
    return sel


cdef inline bint waitq_live(WaitQueue* q) noexcept:
    # Whether an op still waits.
    cdef PyObject* op = q.head
    while op != NULL:
        if not is_case(op) or goish_load_state(&(<Op>(<Op>op).owner).state) == OP_WAITING:
            return True
        waitq_remove(q, <Op>op)
        Py_DECREF(<Op>op)
        op = q.head
    return False


cdef PyObject** claim_all(WaitQueue* q, PyObject** last) noexcept:
    # Decides every waiting op and chains them by `next` behind `last`; gives the new end of the chain.
    cdef PyObject* op = waitq_claim(q)
    while op != NULL:
        last[0] = op_to_wake(op)
        last = &(<Op>last[0]).next
        op = waitq_claim(q)
    return last


cdef PyObject* claim_chain(WaitQueue* q) noexcept:
    # All of them as one chain, or NULL: for wake_chain(), once the lock is free.
    cdef PyObject* first = NULL
    cdef PyObject** last = claim_all(q, &first)
    last[0] = NULL
    return first
