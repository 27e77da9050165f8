# op.pyx - one wait as a value: what `ch.recv()`, `sleep(1)`, `select(...)` and `await g` have in common.
#
# An Op does nothing until it is stepped. Stepped by an await, it tries; if it must wait it yields itself, and the driver of the
# coroutine parks on it: the scheduler as a goroutine's owner (goroutine_park, step.pyx), an asyncio.Task through the future
# protocol (a TaskWaiter, future.pyx). One mechanism, every caller.
#
# The commit rule: an Op that is DONE stays so. `withdraw` refuses a later cancel, the value is delivered, and the cancel is
# delivered at the next wait (cancel.pyx).
#
# Threads: `state` changes under the lock of the target; of a select by compare-and-swap; of a sleep on the thread of its loop.
#   The thread that decides an op of another thread has no part in it after op_wake(): not until then does its owner see it. A
#   reader that looks earlier (asyncio's future protocol, a throw by hand) passes through the target's lock first, behind which
#   all is written: see_decision().
# Not here: what an operation does (handoff.pyx, select.pyx, ... fill the table `waits`), waking its owner (ready.pyx), the type
#   Op with the protocols of coroutines and futures (future.pyx).

# Operations that may complete in a row before the op yields: enough to make the switch cheap (1 %), small enough that
# 100 operations of 0.2 us each do not delay anybody.
cdef enum:
    BUDGET = 100


cdef inline Op new_op(int kind, object target):
    cdef Op op = goish_make_op()
    op.kind = kind
    op.used = U_USED if kind == W_TIMER else 0
    op.target = target
    return op


cdef bint refuse_op(object given) noexcept:
    # True for an op. The caller raises, so the op does not warn, besides, that nobody awaited it.
    if type(given) is not Op:
        return False
    (<Op>given).used |= U_USED
    return True


cdef int op_fate(PyObject* op, PyObject** held) noexcept:
    # Decides what becomes of an op that nothing refers to any more. A plain one is as new then; `held` takes over its references.
    cdef PyObject* value
    cdef PyObject* target
    cdef bint taken
    if (<Op>op).used & U_TWIN:
        return GOISH_OP_FORSAKEN
    if (<Op>op).state == OP_NEW and not (<Op>op).used & U_USED:
        return GOISH_OP_FORGOTTEN
    if (<Op>op).used & U_FINALIZED:
        return GOISH_OP_NESTS
    value = <PyObject*>(<Op>op).value
    target = <PyObject*>(<Op>op).target
    if (
        goish_is(value, <PyObject*>Op)
        or goish_is(value, <PyObject*>Goroutine)
        or goish_is(value, <PyObject*>Prioritized)
        or goish_is(target, <PyObject*>Goroutine)
    ):
        return GOISH_OP_NESTS
    taken = (<Op>op).used & U_TAKEN
    goish_take_three(&(<Op>op).prev, held)
    (<Op>op).prev = (<Op>op).next = NULL
    (<Op>op).kind = (<Op>op).state = (<Op>op).flags = 0
    (<Op>op).used = U_USED
    (<Op>op).index = 0
    return GOISH_OP_TAKEN if taken else GOISH_OP_PLAIN


cdef const char* op_name(PyObject* op) noexcept:
    return waits[(<Op>op).kind].reason


# How a program writes it, and how where no event loop runs.
cdef dict WRITTEN = {
    <int>W_GOSCHED: ("await gosched()", b"time.sleep(0)"),
    <int>W_SLEEP: ("await sleep(seconds)", b"time.sleep(seconds)"),
    <int>W_WAITGROUP: ("await wg.wait()", b"wg.wait_blocking()"),
    <int>W_EVENT: ("await event.wait()", b"event.wait_blocking()"),
    <int>W_LATCH: ("await latch.wait()", b"latch.wait_blocking()"),
    <int>W_SIGNAL: ("await cond.wait()", b"cond.wait_blocking()"),
    <int>W_SEND: ("await ch.send(v)", b"ch.send_blocking(v)"),
    <int>W_RECV: ("v = await ch.recv()", b"v = ch.recv_blocking()"),
    <int>W_RECV_OK: ("v, ok = await ch.recv_ok()", b"v, ok = ch.recv_ok_blocking()"),
    <int>W_RECV_INFO: ("v, ok, waited = await ch.recv_info()", b"v, ok, waited = ch.recv_info_blocking()"),
    <int>W_CLOSED: ("await ch.wait_closed()", b"select_blocking(ch.wait_closed())"),
    <int>W_BROADCAST: ("await b.send(v)", b"b.send_blocking(v)"),
    <int>W_GRANT: ("async with mu, or await mu.lock()", b"mu.lock_blocking()"),
    <int>W_SELECT: ("index, v, ok = await select(...)", b"index, v, ok = select_blocking(...)"),
}


cdef const char* op_call_on_thread(PyObject* op) noexcept:
    # NULL where an event loop runs.
    written = WRITTEN.get((<Op>op).kind)
    if written is None or asyncio_running_loop() is not None:
        return NULL
    return <bytes>written[1]


cdef str not_awaited(Op op):
    # The error of an op that is iterated.
    cdef const char* on_thread = op_call_on_thread(<PyObject*>op)
    call = WRITTEN.get(op.kind)
    text = "an operation is awaited, not iterated"
    if call is not None:
        text += f": {call[0]}"
    if on_thread != NULL:
        text += f"; without an event loop, as on this thread, {(<bytes>on_thread).decode()}"
    return text


cdef object op_reason(Op op):
    reason = (<bytes>waits[op.kind].reason).decode()
    cdef const char* detail = NULL
    if waits[op.kind].detail != NULL:
        detail = waits[op.kind].detail(op)
    return reason if detail == NULL else f"{reason} ({(<bytes>detail).decode()})"


# ---- stepped ----

# noexcept and -1 instead of `except -1`: an end of channel is ordinary, and Cython would spend a traceback entry on it.
cdef int op_step(PyObject* self, PyObject** result) noexcept:
    global goish_tls_spent
    cdef int r
    if goish_load_state(&(<Op>self).state) != OP_NEW:
        return op_resume(<Op>self, result)
    if (<Op>self).flags & F_PAUSE:
        (<Op>self).flags &= ~F_PAUSE
    elif goish_tls_spent >= BUDGET and would_complete(<Op>self):
        goish_tls_spent = 0
        (<Op>self).flags |= F_PAUSE | F_BLOCKING
        (<Op>self).state = OP_YIELDED
        return 0
    else:
        goish_tls_spent += 1
    r = waits[(<Op>self).kind].attempt(<Op>self, result)
    if r == 0:
        (<Op>self).flags |= F_BLOCKING
        (<Op>self).state = OP_YIELDED
    else:
        (<Op>self).state = OP_SPENT
    return r


cdef bint would_complete(Op op) noexcept:
    # Only an op that need not wait has to make room for others: one that waits takes its place in the queue now.
    return waits[op.kind].ready == NULL or waits[op.kind].ready(op)


cdef int op_resume(Op op, PyObject** result) noexcept:
    cdef int r
    cdef uint8_t state = goish_load_state(&op.state)
    if state == OP_DONE:
        goish_store_state(&op.state, OP_SPENT)
        op_collectable(op)
        r = waits[op.kind].finish(op, result)
        op.owner = None  # not before: until a select has left its channels, others look at it there
        return r
    if state == OP_FAILED:
        goish_raise_here(<PyObject*>op.value)
        if not goish_is(<PyObject*>op.owner, <PyObject*>TaskWaiter):
            op.owner = op.value = None
            goish_store_state(&op.state, OP_SPENT)
            op_collectable(op)
        return -1
    if state == OP_SETTLED:
        Py_INCREF(op.value)
        result[0] = <PyObject*>op.value
        return 1
    if op.used & U_TWIN and op_settle(op):
        return op_resume(op, result)
    if op.used & U_TWIN and not op.flags & F_BLOCKING:
        op.flags |= F_BLOCKING
        return 0
    PyErr_SetString(RuntimeError, already_awaited(op))
    return -1


cdef inline void op_collectable(Op op) noexcept:
    # goroutine_park() untracked it; if it is kept beyond its await, it must be tracked again.
    if Py_REFCNT(<PyObject*>op) > 1:
        op.used &= ~U_TAKEN
        goish_retrack(<PyObject*>op)


cdef const char* already_awaited(Op op) noexcept:
    if op.state == OP_SPENT:
        return "this operation was awaited already; an op is good for one await: make a new one, such as ch.recv()"
    return "this operation is being waited for already; an op is good for one await: make a new one, such as ch.recv()"


# ---- waiting, and no more ----

cdef bint op_arm(Op op) noexcept:
    op.state = OP_WAITING
    op.flags |= F_WAITED
    if waits[op.kind].arm(op):
        return True
    op.flags &= ~F_WAITED
    return False


cdef bint op_unlink(Op op, WaitQueue* q, goish_mutex* lock) noexcept:
    # The common half of withdrawing: out of its queue, if it still waits.
    goish_lock(lock)
    if goish_load_state(&op.state) != OP_WAITING:  # one that is over its owner takes without the lock
        goish_unlock(lock)
        return False
    goish_store_state(&op.state, OP_FAILED)
    cdef bint linked = op.flags & F_LINKED
    if linked:
        waitq_remove(q, op)
    goish_unlock(lock)
    if linked:
        Py_DECREF(op)
    return True


cdef void op_drop(Op op) noexcept:
    # A begun op whose owner will never look: the value that it received, or was to send, is undelivered.
    cdef bint begun = op.state == OP_YIELDED or op.state == OP_DONE or op.flags & F_PAUSE
    if begun and waits[op.kind].drop != NULL:
        waits[op.kind].drop(op)
    op.state = OP_SPENT


cdef int finish_none(Op op, PyObject** result) noexcept:
    Py_INCREF(None)
    result[0] = <PyObject*>None
    return 1
