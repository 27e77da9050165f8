# op.pyx - one wait as a value: what `ch.recv()`, `sleep(1)`, `select(...)` and `await g` have in common.
#
# An Op does nothing until it is stepped. Stepped by an await, it tries; if it must wait it yields itself, and the driver of the
# coroutine parks on it: the scheduler as a goroutine's owner (goroutine_park, goroutine.pyx), an asyncio.Task through the future
# protocol below (a TaskWaiter). One mechanism, every caller.
#
# The commit rule: an Op that is DONE stays so. `withdraw` refuses a later cancel, the value is delivered, and the cancel is
# delivered at the next wait (goroutine: GF_MUST_CANCEL; asyncio.Task: throw() below).
#
# Threads: `state` changes under the lock of the target; of a select by compare-and-swap. The thread that decides an op of another
#   thread has no part in it after op_wake(): not until then does its owner see it. A reader that looks earlier (asyncio's future
#   protocol, a throw by hand) passes through the target's lock first, behind which all is written: see_decision().
# Not here: what an operation does (handoff.pyx, select.pyx, ... fill the table `waits`).

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


cdef inline void see_decision(Op op) noexcept:
    # withdraw() of a decided op does no more than take the lock and give it back.
    if GOISH_LOCKS:
        waits[op.kind].withdraw(op)


# ---- as a future of asyncio ----

# asyncio has the op, but a twin is queued: the twin waits in the op's place, and is its `value` until it is decided.
# The queue owns the twin. The TaskWaiter of both owns the op as long as a callback is due; after that only the program owns it.
# So an op that the program has let go (asyncio.wait gives it what is pending) is freed, and withdraws its twin:
# what nobody can see takes nothing. Threads: the loop's own; but any thread may ask a future for its outcome, so `value` changes
# under the stripe of the op.

cdef Op begin_twin(Op op):
    cdef Op twin = new_op(op.kind, op.target)
    twin.flags = op.flags & (F_DEFAULT | F_BIASED)
    twin.used = U_USED | (op.used & U_QUIET)
    twin.owner = op.owner
    goish_lock(goish_stripe(<PyObject*>op))
    twin.value, op.value = op.value, twin
    op.used |= U_TWIN
    op.state = OP_WAITING
    goish_unlock(goish_stripe(<PyObject*>op))
    return twin


cdef void end_twin(Op op, object value, uint8_t state) noexcept:
    cdef object _before  # dropped after unlocking
    goish_lock(goish_stripe(<PyObject*>op))
    op.used &= ~U_TWIN
    _before, op.value = op.value, value
    goish_store_state(&op.state, state)
    goish_unlock(goish_stripe(<PyObject*>op))


cdef Op who_waits(Op op):
    # The twin of the op, or the op itself if it has none.
    cdef object waiting = op
    goish_lock(goish_stripe(<PyObject*>op))
    if op.used & U_TWIN:
        waiting = op.value
    goish_unlock(goish_stripe(<PyObject*>op))
    return <Op>waiting


cdef bint op_settle(Op op):
    # Takes over what has become of its twin: once, since a future may be asked again and again. False: nothing yet.
    cdef PyObject* result = NULL
    cdef uint8_t state
    cdef Op twin
    if not op.used & U_TWIN:
        return op.state >= OP_DONE
    twin = <Op>op.value
    state = goish_load_state(&twin.state)
    if state == OP_DONE:
        see_decision(twin)
        goish_store_state(&twin.state, OP_SPENT)
        if waits[twin.kind].finish(twin, &result) == 1:
            value = <object>result
            Py_DECREF(value)
            end_twin(op, value, OP_SETTLED)
        else:
            end_twin(op, pending_exception(), OP_FAILED)
        return True
    if state == OP_WAITING or (state == OP_FAILED and not isinstance(twin.value, BaseException)):
        return False  # or it was withdrawn elsewhere, and the reason is about to be written
    end_twin(op, twin.value, state)
    return True


cdef void op_forsake(PyObject* op) noexcept:
    # Nothing refers to the op any more: it is about to be freed, and must not be counted (as `&=` would).
    cdef Op twin
    if not (<Op>op).used & U_TWIN:
        return
    twin = <Op>(<Op>op).value
    (<Op>op).used = (<Op>op).used & ~U_TWIN
    (<Op>op).state = OP_SPENT
    (<Op>op).value = None
    if twin.target is None or waits[twin.kind].withdraw(twin):  # without one it is apart, or has nothing to give
        return
    if (twin.state == OP_DONE or twin.state == OP_SETTLED) and waits[twin.kind].drop != NULL:
        waits[twin.kind].drop(twin)
        twin.state = OP_SPENT


cdef bint op_finalized(PyObject* op) noexcept:
    # Whether the op has a twin to forsake. It is not used again.
    (<Op>op).used = (<Op>op).used | U_FINALIZED
    return (<Op>op).used & U_TWIN


cdef void op_taken_apart(PyObject* op) noexcept:
    # A waiting op is whole, because a queue has it; a decided one may have been taken apart before.
    cdef Op twin
    if not (<Op>op).used & U_TWIN:
        return
    twin = <Op>(<Op>op).value
    (<Op>op).used = (<Op>op).used & ~U_TWIN
    if goish_load_state(&twin.state) == OP_WAITING:
        waits[twin.kind].withdraw(twin)


cdef bint op_attempted(Op op) noexcept:
    # As an await begins; a result that is there at once is kept for a later call of result().
    cdef PyObject* result = NULL
    cdef int r = waits[op.kind].attempt(op, &result)
    if r == 0:
        return False
    if r == 1:
        op.value = <object>result
        Py_DECREF(<object>result)
        op.state = OP_SETTLED
    else:
        op.value = pending_exception()
        op.state = OP_FAILED
    return True


cdef void op_wake(Op op) noexcept:
    # Wakes the owner of a decided op. Not under a lock: a foreign loop's call_soon is Python code.
    cdef PyObject* owner = <PyObject*>op.owner
    if goish_is(owner, <PyObject*>Goroutine):
        goroutine_ready(<Goroutine>owner)
    elif goish_is(owner, <PyObject*>Op):
        op_wake(<Op>owner)
    elif goish_is(owner, <PyObject*>TaskWaiter):
        task_waiter_wake(op, <TaskWaiter>owner)
    elif goish_is(owner, <PyObject*>ThreadWaiter):
        above.wake_thread(<PyObject*>owner)


cdef inline bint is_elsewhere(PyObject* op) noexcept:
    # Whether a waiter on another loop may wait by this op. The op is linked, under the lock; or it was just claimed.
    cdef PyObject* owner = <PyObject*>(<Op>op).owner
    if goish_is(owner, <PyObject*>Op):
        owner = <PyObject*>(<Op>owner).owner
    return not goish_is(owner, <PyObject*>Goroutine) or <PyObject*>(<Goroutine>owner).sched != goish_tls_sched


cdef bint op_fail(Op op, object exc) noexcept:
    # Withdraws a waiting op with an exception; False: decided already.
    # A case belongs to its select: only the select can be withdrawn.
    return not goish_is(<PyObject*>op.owner, <PyObject*>Op) and op_give_up(op, exc)


cdef bint op_give_up(Op op, object exc) noexcept:
    # The op is no case. Nothing is read before it is withdrawn: its owner may be about to take the result, and to drop the op.
    if not waits[op.kind].withdraw(op):
        return False
    op.value = exc
    op_wake(op)
    return True


cdef bint op_cancel(Op op, object msg) noexcept:
    return (op.kind == W_JOIN and pass_cancel(op, msg)) or op_fail(op, cancelled_error(msg))


cdef void task_waiter_wake(Op op, TaskWaiter task_waiter) noexcept:
    # `op` is the twin; or the op itself, if it could be done at once.
    s = task_waiter.sched  # the task_waiter may go as soon as the loop has the call
    if is_run_here(s) or (s.inbox.shut and is_here(s)):  # run() has ended its goroutines, and is about to end asyncio's tasks
        task_waiter_call(op, task_waiter)
    else:
        Py_INCREF(op)
        inbox_push(s, <PyObject*>op)


cdef void task_waiter_call(Op op, TaskWaiter task_waiter) noexcept:
    # On the loop's thread.
    callbacks, task_waiter.callbacks = task_waiter.callbacks, []
    held, task_waiter.held = task_waiter.held, None
    loop = task_waiter.loop
    for callback, context in callbacks:
        handle = loop_call_retry(loop, loop.call_soon, (callback, held), context)
        if handle is False:
            op_drop(op)  # the loop of the waiting task is closed: nothing will run there again
            return
        if handle is None:
            sched_post(task_waiter.sched, callback, (held,), context)


cdef void op_drop(Op op) noexcept:
    # A begun op whose owner will never look: the value that it received, or was to send, is undelivered.
    cdef bint begun = op.state == OP_YIELDED or op.state == OP_DONE or op.flags & F_PAUSE
    if begun and waits[op.kind].drop != NULL:
        waits[op.kind].drop(op)
    op.state = OP_SPENT


cdef bint op_arm(Op op) noexcept:
    op.state = OP_WAITING
    op.flags |= F_WAITED
    if waits[op.kind].arm(op):
        return True
    op.flags &= ~F_WAITED
    return False


cdef object op_reason(Op op):
    reason = (<bytes>waits[op.kind].reason).decode()
    cdef const char* detail = NULL
    if waits[op.kind].detail != NULL:
        detail = waits[op.kind].detail(op)
    return reason if detail == NULL else f"{reason} ({(<bytes>detail).decode()})"


cdef class TaskWaiter:
    pass


cdef object cancelled_error(object msg):
    return CancelledError() if msg is None else CancelledError(msg)


def _cancel_again(task, msg):
    # The cancel lost against a commit and was swallowed; while its scope has not taken it back it is still due. cancel()
    # and uncancel() together leave the count as it was.
    if not task.done() and task.cancelling() > 0:
        task.cancel(msg)
        task.uncancel()


def cancel_later(exc):
    """Delivers a cancel at the next wait: it was caught because something had happened already."""
    cdef object msg = exc.args[0] if exc.args else None
    task = asyncio_current_task()
    if type(task) is Goroutine:
        goroutine_must_cancel(<Goroutine>task, msg, True)
    elif task is not None:
        running_loop().call_soon(_cancel_again, task, msg)


# Here, not in the .pxd: Cython takes this from the definition.
@cython.final
cdef class Op:
    """One wait as a value, such as ``ch.recv()``: await it, give it to ``select``, or hand it to asyncio as a future.

    Nothing happens until then, and an Op that is thrown away has done nothing. It is good for one await; a second
    raises RuntimeError. Cancelled, it has not happened; one that happened before the cancel gives its result, and the
    cancel comes at the next wait. Awaiting it needs an event loop on the calling thread.

    Example::

        ch = chan(1)
        ch.send("never awaited: nothing is sent")
        op = ch.send("a")
        await op
        print(len(ch))  # -> 1
    """

    def __await__(self):
        if self.state != OP_NEW and type(self.owner) is not TaskWaiter:
            if self.state == OP_FAILED:
                return self
            raise RuntimeError((<bytes>already_awaited(self)).decode())
        return self

    def __iter__(self):
        return self

    def __next__(self):
        # The interpreter takes the fast slots of c/step.h; this is what they do, for a call by name.
        cdef PyObject* result = NULL
        cdef int r = op_step(<PyObject*>self, &result)
        if r == 0:
            return self
        if r == 1:
            value = <object>result
            Py_DECREF(value)
            raise StopIteration(value)
        raise_pending()

    def throw(self, typ, val=None, tb=None):
        """Raises an exception at the wait. The coroutine protocol, for the driver of an await."""
        cdef Op op
        exc = as_exception(typ, val, tb)
        op_abort(self)
        op = who_waits(self)
        if op.state == OP_DONE or op.state == OP_SETTLED:
            if isinstance(exc, CancelledError) and self.kind >= W_SEND:
                cancel_later(exc)
                return self.__next__()
            op_drop(op)  # where nothing changes hands, there is nothing to deliver first
        elif op.state == OP_FAILED and isinstance(exc, CancelledError) and not isinstance(op.value, CancelledError):
            cancel_later(exc)  # the close (or the full channel) came first
            exc, op.value = op.value, None
        else:
            op_drop(op)
        raise exc

    def close(self):
        """Gives the wait up. The coroutine protocol, for the driver of an await."""
        cdef bint decided = op_abort(self)
        op_drop(who_waits(self))
        end_twin(self, None, OP_SPENT)
        if not decided:  # or the thread that has decided it may be about to wake the owner
            self.owner = None

    # ---- the asyncio future protocol ----

    @property
    def _asyncio_future_blocking(self):
        return (self.flags & F_BLOCKING) != 0

    @_asyncio_future_blocking.setter
    def _asyncio_future_blocking(self, value):
        self.flags = (self.flags | F_BLOCKING) if value else (self.flags & ~F_BLOCKING)

    def get_loop(self):
        """The event loop it is awaited on. This and what follows is the protocol of ``asyncio.Future``."""
        if type(self.owner) is TaskWaiter:
            return (<TaskWaiter>self.owner).loop
        if type(self.owner) is Goroutine:
            return (<Goroutine>self.owner).sched.loop
        return loop_for(self)

    def add_done_callback(self, fn, /, *, context=None):
        """Begins the wait, and calls ``fn(op)`` through the loop when it is over.

        As ``asyncio.Future.add_done_callback``. Raises RuntimeError where no event loop runs, or if a goroutine awaits
        the op.
        """
        cdef TaskWaiter task_waiter
        cdef Op twin
        context = checked_context(context)
        if self.state == OP_YIELDED and self.flags & F_PAUSE:
            self.state = OP_NEW
            loop_for(self).call_soon(fn, self, context=context)
            return
        if self.state == OP_NEW or self.state == OP_YIELDED:
            task_waiter = TaskWaiter.__new__(TaskWaiter)
            task_waiter.loop = loop_for(self)
            task_waiter.sched = scheduler_of(task_waiter.loop)
            task_waiter.callbacks = [(fn, context)]
            task_waiter.held = self
            self.owner = task_waiter
            # Not of a receive: the value that its twin has, and nobody retrieves, can be reported as undelivered.
            if self.state == OP_NEW and (self.kind <= W_SEND or self.flags & F_DEFAULT) and op_attempted(self):
                task_waiter_wake(self, task_waiter)
                return
            twin = begin_twin(self)
            if not op_arm(twin):
                task_waiter_wake(twin, task_waiter)
        elif type(self.owner) is TaskWaiter and not op_settle(self):
            (<TaskWaiter>self.owner).callbacks.append((fn, context))
            (<TaskWaiter>self.owner).held = self
        elif type(self.owner) is Goroutine:
            raise RuntimeError("this operation is being awaited by a goroutine; make one op for each waiter")
        else:
            self.get_loop().call_soon(fn, self, context=context)

    def remove_done_callback(self, fn, /):
        """Removes all callbacks equal to ``fn``; returns how many."""
        cdef TaskWaiter task_waiter
        if type(self.owner) is not TaskWaiter:
            return 0
        task_waiter = <TaskWaiter>self.owner
        kept = [entry for entry in task_waiter.callbacks if entry[0] != fn]
        removed = len(task_waiter.callbacks) - len(kept)
        task_waiter.callbacks[:] = kept
        if not kept:
            task_waiter.held = None
        return removed

    def cancel(self, msg=None):
        """Cancels the wait: True if it then has not happened, False if it is over or cannot be cancelled."""
        cdef Op op = who_waits(self)
        if goish_load_state(&op.state) == OP_WAITING:
            return op_cancel(op, msg)
        if goish_load_state(&self.state) == OP_NEW and not self.flags & F_PAUSE:
            self.value = cancelled_error(msg)
            self.state = OP_FAILED
            return True
        return False

    def cancelled(self):
        """Whether the wait was cancelled."""
        cdef Op op = who_waits(self)
        return op.state == OP_FAILED and isinstance(op.value, CancelledError)

    def done(self):
        """Whether the wait has happened, failed or been cancelled."""
        return goish_load_state(&who_waits(self).state) >= OP_DONE or (self.state == OP_NEW and self.flags & F_PAUSE != 0)

    def result(self):
        """Its result; raises its exception, or InvalidStateError unless it is done and waited for as a future."""
        op_settle(self)
        if self.state == OP_SETTLED:
            return self.value
        if self.state == OP_FAILED:
            raise self.value
        if self.state == OP_NEW and self.flags & F_PAUSE:
            return None
        raise InvalidStateError("the operation has no result to give: await it")

    def exception(self):
        """Its exception or None; raises CancelledError if it was cancelled, InvalidStateError unless it is done."""
        op_settle(self)
        if self.state == OP_FAILED:
            if isinstance(self.value, CancelledError):
                raise self.value
            return self.value
        if self.state == OP_SETTLED:
            return None
        raise InvalidStateError("the operation is not done: await it")

    @property
    def _cancel_message(self):
        cdef Op op = who_waits(self)
        return op.value.args[0] if op.cancelled() and op.value.args else None

    def _make_cancelled_error(self):
        cdef Op op = who_waits(self)
        return op.value if op.cancelled() else CancelledError()

    def __repr__(self):
        return f"<Op {(<bytes>waits[self.kind].reason).decode()} {OP_STATES[who_waits(self).state]}>"

    __class_getitem__ = classmethod(GenericAlias)

    def __reduce_ex__(self, protocol):
        raise TypeError("an Op cannot be copied or pickled: it stands for one wait")


cdef tuple OP_STATES = ("new", "yielded", "waiting", "done", "failed", "settled", "spent")


cdef bint op_abort(Op op) noexcept:
    # Its coroutine was resumed by hand (throw, close) while it waits: the wait is over. True: it was decided before.
    cdef Op waiting = who_waits(op)
    cdef uint8_t state = goish_load_state(&waiting.state)
    if (state != OP_WAITING and state != OP_DONE) or not waits[waiting.kind].withdraw(waiting):
        return goish_load_state(&waiting.state) == OP_DONE
    owner, op.owner = op.owner, None
    end_twin(op, None, OP_SPENT)
    op_collectable(op)
    if type(owner) is Goroutine and (<Goroutine>owner).wait is op:
        goroutine_ready(<Goroutine>owner)
    elif type(owner) is TaskWaiter:
        task_waiter_wake(waiting, <TaskWaiter>owner)
    return False


cdef object as_exception(object typ, object val, object tb):
    if isinstance(typ, BaseException):
        exc = typ
    elif isinstance(val, BaseException):
        exc = val
    elif val is None:
        exc = typ()
    else:
        exc = typ(*val) if isinstance(val, tuple) else typ(val)
    return exc if tb is None else exc.with_traceback(tb)


cdef object pending_exception():
    # Gives the exception that a noexcept function left set.
    cdef PyObject* exc = goish_take_exception()
    if exc == NULL:
        return SystemError("goish: an operation failed without saying why")
    error = <object>exc
    Py_DECREF(error)
    return error


cdef object raise_pending():
    raise pending_exception()


# ---- calling a loop ----

cdef object loop_call_retry(object loop, object call, tuple args, object context):
    # Calls a method of a loop where nothing may be raised. A signal handler may raise in its midst (Ctrl-C): then it is called
    # again, since the other side waits, and the exception is raised in a turn of the loop. False: the loop is closed. None:
    # it takes nothing on this thread, where the recursion limit is near, or memory is out: inbox_poke() tries elsewhere.
    cdef int _attempt
    cdef object handle = None
    cdef object error = None
    for _attempt in range(2):
        try:
            handle = call(*args, context=context)
            if handle is None:  # as call_soon_threadsafe of some loops gives
                handle = True
            break
        except BaseException as exc:
            if not isinstance(exc, (RecursionError, MemoryError)):
                error = exc
        if is_closed(loop):
            return False
    if error is not None:
        raise_later(loop, error)
    return handle


cdef bint is_closed(object loop) noexcept:
    try:
        return loop.is_closed()
    except BaseException:
        return False  # as when there is no room for another call


cdef void raise_later(object loop, object error) noexcept:
    try:
        loop.call_soon_threadsafe(_raise_error, error)
    except BaseException:
        try:
            logger.error("%r does not take a callback", loop, exc_info=exc_info(error))
        except BaseException:
            pass


def _raise_error(error):
    raise error


cdef object call_checked(PyObject* result):
    # Gives the owned result of a call; raises what it raised.
    if result == NULL:
        raise_pending()
    value = <object>result
    Py_DECREF(value)
    return value


cdef object checked_context(object context):
    if context is None:
        return PyContext_CopyCurrent()
    if not PyContext_CheckExact(context):
        raise TypeError(f"context must be a contextvars.Context, got {context!r} of type {type(context).__name__}")
    return context


cdef object running_loop():
    return asyncio_running_loop()


cdef object loop_for(Op op):
    if asyncio_running_loop() is None:
        refuse_op(op)
    return need_loop("an operation is awaited")


cdef object need_loop(str what, str instead=""):
    loop = asyncio_running_loop()
    if loop is None:
        raise RuntimeError(
            f"{what}, but no event loop runs on this thread: start the program with goish.run(main), "
            f"or call from within asyncio.run(...){instead}"
        )
    return loop


cdef void add_note(object error, str note) noexcept:
    # Adds a note once. The exception is what counts: a class may refuse attributes (a frozen dataclass does) or its notes differ.
    try:
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
    except BaseException as exc:
        logger.debug("%r takes no note: %r", type(error), exc)


cdef void wake_chain(PyObject* op) noexcept:
    # Wakes the owners of decided ops linked by `next`, whose references this takes.
    cdef PyObject* following
    while op != NULL:
        following = (<Op>op).next
        (<Op>op).next = NULL
        op_wake(<Op>op)
        Py_DECREF(<Op>op)
        op = following


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


cdef int finish_none(Op op, PyObject** result) noexcept:
    Py_INCREF(None)
    result[0] = <PyObject*>None
    return 1
