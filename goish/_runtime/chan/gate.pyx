# gate.pyx - units that waiters take and give back: what locks and semaphores are made of.
#
# A lock is a gate of one unit. A lock for readers and a writer is a gate of very many: a reader takes one, a writer all.
#
# Invariants (under `lock`): 0 <= unused <= units. Waiters are granted in the order in which they came: none is passed over, and
#   a request that finds others waiting waits behind them. So if there are waiters, the first of them needs more than is unused;
#   whatever frees units, or takes the first waiter away, grants (gate_grant).
# A grant is decided as every wait is: a cancel that comes later is late, and the units are the waiter's. A waiter that never
#   looks (its loop is closed) gives them back (grant_drop).
# Threads: any.

cdef inline Py_ssize_t units_of(Op op) noexcept:
    return 1 if op.value is None else <Py_ssize_t>op.value


cdef inline bint gate_admits(Gate gate, Py_ssize_t units) noexcept:
    return units <= gate.unused and (gate.waiters.head == NULL or not waitq_live(&gate.waiters))


cdef PyObject* gate_grant(Gate gate) noexcept:
    # Under the lock: gives the waiters whose turn it is what they need. A chain of decided ops, to be woken.
    cdef PyObject* woken = NULL
    cdef PyObject** last = &woken
    cdef PyObject* op
    cdef Py_ssize_t units
    while waitq_live(&gate.waiters):
        op = gate.waiters.head
        units = units_of(<Op>op)
        if units > gate.unused:
            break
        waitq_remove(&gate.waiters, <Op>op)
        if not op_claim(op):  # its select was decided elsewhere
            Py_DECREF(<Op>op)
            continue
        gate_take(gate, units, holder_behind(op))
        (<Op>op).flags |= F_OK
        last[0] = op_to_wake(op)
        last = &(<Op>last[0]).next
    last[0] = NULL
    return woken


cdef inline void gate_take(Gate gate, Py_ssize_t units, uint64_t holder) noexcept:
    gate.unused -= units
    gate.holder = holder


cdef inline uint64_t holder_behind(PyObject* op) noexcept:
    cdef PyObject* waiter = waiter_behind(op)
    if goish_is(waiter, <PyObject*>Goroutine):
        return (<Goroutine>waiter).id
    return <uint64_t>1 << HELD_BY_THREAD | (<ThreadWaiter>waiter).ident if goish_is(waiter, <PyObject*>ThreadWaiter) else 0


cdef inline uint64_t holder_here() noexcept:
    cdef PyObject* g = running_here()
    if g != NULL:
        return (<Goroutine>g).id
    return 0 if goish_tls_sched != NULL else <uint64_t>1 << HELD_BY_THREAD | PyThread_get_thread_ident()


cdef bint gate_try(Gate gate, Py_ssize_t units) noexcept:
    cdef bint taken
    waitq_prune(gate, &gate.waiters)
    goish_lock(&gate.lock)
    taken = gate_admits(gate, units)
    if taken:
        gate_take(gate, units, holder_here())
    goish_unlock(&gate.lock)
    return taken


cdef bint gate_release(Gate gate, Py_ssize_t units) noexcept:
    # False: so many are not taken. Any thread.
    cdef PyObject* woken = NULL
    cdef bint held
    waitq_prune(gate, &gate.waiters)
    goish_lock(&gate.lock)
    held = units <= gate.units - gate.unused
    if held:
        gate.unused += units
        gate.holder = 0
        if gate.waiters.head != NULL:
            woken = gate_grant(gate)
    goish_unlock(&gate.lock)
    wake_chain(woken)
    return held


cdef void gate_look(Gate gate) noexcept:
    # The first waiter may have left: others behind it may need less.
    cdef PyObject* woken
    goish_lock(&gate.lock)
    woken = gate_grant(gate)
    goish_unlock(&gate.lock)
    wake_chain(woken)


# ---- debts ----

# A coroutine that is closed while it waits for a Cond cannot wait for the lock, which it unlocks nevertheless as it is left. That
# unlock must not be another's.

cdef void gate_owe(Gate gate, Py_ssize_t units, Py_ssize_t* owed) noexcept:
    # Takes the units, or has the next unlock, whose ever it is, change nothing.
    goish_lock(&gate.lock)
    if gate_admits(gate, units):
        gate_take(gate, units, 0)
    else:
        owed[0] += 1
    goish_unlock(&gate.lock)


cdef bint gate_pay(Gate gate, Py_ssize_t* owed) noexcept:
    cdef bint paid
    goish_lock(&gate.lock)
    paid = owed[0] > 0
    owed[0] -= paid
    goish_unlock(&gate.lock)
    return paid


# ---- the row of the table of waits ----

cdef int grant_attempt(Op op, PyObject** result) noexcept:
    if not gate_try(<Gate>op.target, units_of(op)):
        return 0
    return finish_none(op, result)


cdef bint grant_ready(Op op) noexcept:
    cdef Gate gate = <Gate>op.target
    cdef bint possible
    goish_lock(&gate.lock)
    possible = gate_admits(gate, units_of(op))
    goish_unlock(&gate.lock)
    return possible


cdef bint grant_arm(Op op) noexcept:
    cdef Gate gate = <Gate>op.target
    cdef Py_ssize_t units = units_of(op)
    cdef bint taken
    waitq_prune(gate, &gate.waiters)
    goish_lock(&gate.lock)
    taken = gate_admits(gate, units)
    if taken:
        gate_take(gate, units, holder_behind(<PyObject*>op))
        op.state = OP_DONE
        op.flags |= F_OK
    else:
        waitq_push(&gate.waiters, op)
    goish_unlock(&gate.lock)
    return not taken


cdef bint grant_withdraw(Op op) noexcept:
    cdef Gate gate = <Gate>op.target
    if not op_unlink(op, &gate.waiters, &gate.lock):
        return False
    gate_look(gate)
    return True


cdef void grant_drop(Op op) noexcept:
    if op.flags & F_OK:
        gate_release(<Gate>op.target, units_of(op))


cdef const char* grant_detail(Op op) noexcept:
    cdef PyObject* gate = <PyObject*>op.target
    if goish_is(gate, <PyObject*>Mutex):
        return "mutex"
    return "rwmutex" if goish_is(gate, <PyObject*>RWMutex) else "semaphore"


cdef bint grant_case_ready(Op op) noexcept:
    return gate_admits(<Gate>op.target, units_of(op))


cdef bint grant_case_take(Op op) noexcept:
    if not gate_admits(<Gate>op.target, units_of(op)):
        return False
    gate_take(<Gate>op.target, units_of(op), holder_here())
    return True


cdef WaitQueue* grant_queue(Op op) noexcept:
    return &(<Gate>op.target).waiters


cdef void grant_case_left(Op op) noexcept:
    gate_look(<Gate>op.target)


waits[<int>W_GRANT] = Wait(
    "sync", True, grant_attempt, grant_ready, grant_arm, grant_withdraw, finish_none, grant_drop, NULL, grant_detail, NULL,
    grant_case_ready, grant_case_take, grant_queue, grant_case_left, False, NULL
)


cdef class Gate(Waitable):
    pass


def holder_awaited(op):
    """Of a wait for a lock that one alone holds: the holder, as ``(id of the goroutine, ident of the thread)``, 0 if unknown.

    None for any other wait. Any thread; out of date at once.
    """
    cdef Gate gate
    cdef uint64_t holder = 0
    cdef bint alone
    if type(op) is not Op or (<Op>op).kind != W_GRANT:
        return None
    gate = <Gate>(<Op>op).target
    goish_lock(&gate.lock)
    alone = gate.unused == 0 and type(gate) is not Weighted
    if alone:
        holder = gate.holder
    goish_unlock(&gate.lock)
    if not alone:
        return None
    if holder >> HELD_BY_THREAD:
        return 0, holder & ~(<uint64_t>1 << HELD_BY_THREAD)
    return holder, 0


cdef Op grant_op(Gate gate, object units):
    # One unit is None.
    cdef Op op = new_op(W_GRANT, gate)
    op.value = units
    return op


cdef Op grant_enter(Gate gate, Py_ssize_t units):
    # For an __aenter__, which is awaited at once: without an op of its own, if it need not wait.
    global goish_tls_spent
    if GOISH_LOCKS or goish_tls_spent >= BUDGET or not gate_try(gate, units):
        return grant_op(gate, None if units == 1 else units)
    goish_tls_spent += 1
    return done_op()


cdef Op settled_for_all = None


cdef Op done_op():
    # For an __aexit__, which has nothing to wait for. Without the GIL all threads would count its references.
    global settled_for_all
    cdef Op op = settled_for_all
    if GOISH_LOCKS or op is None or op.state != OP_SETTLED:  # a throw by hand spends it
        op = new_op(W_GOSCHED, None)
        op.state = OP_SETTLED
    if not GOISH_LOCKS:
        settled_for_all = op
    return op


cdef int no_copy(object gate) except -1:
    raise TypeError(f"a {type(gate).__name__} cannot be copied or pickled: its copies would let in twice as many")
