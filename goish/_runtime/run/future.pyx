# future.pyx - the type Op, an op towards its awaiter: the coroutine protocol, and the protocol of asyncio's futures.
#
# Threads: the awaiter's own; any may ask a future for its outcome.
# Not here: an op's states and its step (op.pyx), what becomes of the twin that begin_twin() makes (twin.pyx).

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
        # By name only, as in `yield from op.__await__()`: the interpreter's `await` takes op_await().
        if not op_awaitable(self):
            raise_pending()
        self.used |= U_BY_HAND
        return self

    def __iter__(self):
        # Without the error, `v, ok = ch.recv_ok()` would receive the value and lose it.
        if self.kind != W_JOIN and not self.used & U_BY_HAND:
            refuse_op(self)
            raise TypeError(not_awaited(self))
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
        s = waiter_sched(self)
        return loop_for(self) if s is None else (<Scheduler>s).loop

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
            if self.state == OP_YIELDED and self.kind >= W_SEND and task_waiter.sched.late and late_cancel_fails(
                task_waiter.sched, self
            ):
                task_waiter_wake(self, <PyObject*>task_waiter)
                return
            # Not of a receive: the value that its twin has, and nobody retrieves, can be reported as undelivered.
            if self.state == OP_NEW and (self.kind <= W_SEND or self.flags & F_DEFAULT) and op_attempted(self):
                task_waiter_wake(self, <PyObject*>task_waiter)
                return
            twin = begin_twin(self)
            if not op_arm(twin):
                task_waiter_wake(twin, <PyObject*>task_waiter)
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


cdef PyObject* op_await(PyObject* self) noexcept:
    if (<Op>self).state != OP_NEW and not op_awaitable(<Op>self):
        return NULL
    Py_INCREF(<object>self)
    return self


cdef bint op_awaitable(Op op) noexcept:
    if op.state == OP_NEW or op.state == OP_FAILED or op.state == OP_SETTLED or type(op.owner) is TaskWaiter:
        return True
    PyErr_SetString(RuntimeError, already_awaited(op))
    return False


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
        task_waiter_wake(waiting, <PyObject*>owner)
    return False


cdef object loop_for(Op op):
    if asyncio_running_loop() is None:
        refuse_op(op)
    return need_loop("an operation is awaited")


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
