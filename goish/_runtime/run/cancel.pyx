# cancel.pyx - a cancel: asked for, due, delivered.
#
#   g.cancel() ──► requested (cancels + 1) ──┬─ it waits, and the wait can be withdrawn ──► delivered: raised where it waits
#                                            └─ otherwise ──► due (GF_MUST_CANCEL) ──┬─ its next step, if that gets no result, or
#                                                                                    │  its next wait ──► delivered
#                                                                                    ├─ uncancel() to zero ──► taken back
#                                                                                    └─ its end
#   A cancel that finds its wait decided is late (GF_LATE): the value is delivered first, and the cancel at the next wait. A task
#   that returns with a cancel due ends cancelled, as asyncio has it; with a late one it ends with its result, like a goroutine.
#
#   the goroutine              waits for            its cancel
#   runs, or will run          nothing              is due
#   waits                      an operation         withdraws the operation; too late: is due, and late
#   waits                      a goroutine          ends the await; the goroutine goes on
#   waits                      a task               cancels that task, as asyncio has it (pass_cancel)
#   waits                      an asyncio future    cancels the future (cancel_awaited)
#   call, queued               a worker             ends it (cancel_pooled, call.pyx)
#   plain call, blocked        an operation         withdraws the operation (cancel_blocked, blocked.pyx)
#   plain call, runs           nothing              is due: check_cancel(), or its next blocking call
#   on an adopted executor     its future           cancels the future, or is refused (cancel_pooled, call.pyx)
#
# Threads: the loop's own; op_give_up() from any. Goroutine.cancel() (task.pyx) on another thread posts itself to the loop of the
#   goroutine. From there on it is as here, on whichever loops the channels are used.
# Not here: delivering what is due (goroutine_step, goroutine_park: step.pyx), an exception that is thrown into an op (Op.throw,
#   future.pyx), taking an op out of its queue (`withdraw`, in the rows of `waits`).

# ---- the message ----

cdef object cancel_message(Goroutine g):
    cdef object msg = None
    goish_lock(end_lock(g))
    if type(g.cold) is GoroutineCold:
        msg = (<GoroutineCold>g.cold).cancel_msg
    goish_unlock(end_lock(g))
    return msg


cdef void set_cancel_message(Goroutine g, object msg) except *:
    cdef GoroutineCold cold = cold_of(g)
    cdef object _before
    goish_lock(end_lock(g))
    _before = cold.cancel_msg  # dropped after unlocking
    cold.cancel_msg = msg
    goish_unlock(end_lock(g))


cdef void note_canceller(Goroutine g, object msg) except *:
    # For dumps: the caller, with what it says.
    cdef int lasti
    cdef PyObject* code = goish_user_frame(&lasti)
    cdef GoroutineCold cold
    cdef object where = None
    if code != NULL:
        where = <object>code
        Py_DECREF(where)
    set_cancel_message(g, msg)
    cold = cold_of(g)
    goish_lock(end_lock(g))
    where, cold.canceller = cold.canceller, where  # dropped after unlocking
    cold.cancel_lasti = lasti
    goish_unlock(end_lock(g))


cdef object cancelled_error_of(Goroutine g):
    return cancelled_error(cancel_message(g))


# ---- due ----

cdef void goroutine_must_cancel(Goroutine g, object msg, bint late) except *:
    if msg is not None or cancel_message(g) is not None:
        set_cancel_message(g, msg)
    g.flags |= GF_MUST_CANCEL
    if late:
        g.flags |= GF_LATE
    else:
        g.flags &= ~GF_LATE


def cancel_later(exc):
    """Delivers a cancel at the next wait: it was caught because something had happened already."""
    cdef object msg = exc.args[0] if exc.args else None
    task = asyncio_current_task()
    if type(task) is Goroutine:
        goroutine_must_cancel(<Goroutine>task, msg, True)
    elif task is not None:
        cancel_task_later(scheduler_of(running_loop()), task, msg)


cdef void cancel_task_later(Scheduler s, object task, object msg) except *:
    if s.late is None:
        s.late = {}
    s.late[id(task)] = (task, msg)
    s.loop.call_soon(_cancel_again, s, task)


def _cancel_again(Scheduler s, task):
    # The cancel lost against a commit and was swallowed; while its scope has not taken it back it is still due. cancel()
    # and uncancel() together leave the count as it was.
    entry = s.late.pop(id(task), None)
    if entry is not None and not task.done() and task.cancelling() > 0:
        task.cancel(entry[1])
        task.uncancel()


def cancel_is_due(task):
    """Whether a cancel of ``task``, the running one, has come that it has not met yet."""
    cdef Scheduler s
    if type(task) is Goroutine:
        return (<Goroutine>task).flags & GF_MUST_CANCEL != 0
    s = scheduler_of(running_loop())
    return getattr(task, "_must_cancel", False) or (s.late is not None and id(task) in s.late)


cdef bint late_cancel_fails(Scheduler s, Op op) except -1:
    # The running task is about to wait for the op, and its late cancel is due before that: with a value in each turn of the loop
    # _cancel_again() would come too late each time. True: the op has failed, and is to be woken.
    task = asyncio_current_task()
    entry = s.late.pop(id(task), None)
    if entry is None or task.cancelling() == 0:
        return False
    op_drop(op)
    op.value = cancelled_error(entry[1])
    op.state = OP_FAILED
    return True


# ---- withdrawing what it waits for ----

cdef bint op_fail(Op op, object exc) noexcept:
    # Withdraws a waiting op with an exception; False: decided already.
    # A case belongs to its select: only the select can be withdrawn.
    return not is_case(<PyObject*>op) and op_give_up(op, exc)


cdef bint op_give_up(Op op, object exc) noexcept:
    # The op is no case. Nothing is read before it is withdrawn: its owner may be about to take the result, and to drop the op.
    if not waits[op.kind].withdraw(op):
        return False
    op.value = exc
    op_wake(op)
    return True


cdef bint op_cancel(Op op, object msg) noexcept:
    return (op.kind == W_JOIN and pass_cancel(op, msg)) or op_fail(op, cancelled_error(msg))


# ---- a task awaits a task ----

cdef bint pass_cancel(Op op, object msg) noexcept:
    # asyncio's rule for tasks: cancelling a task cancels the task that it awaits. If it awaits a goroutine, only the await ends.
    cdef Goroutine g = <Goroutine>op.target
    cdef Py_ssize_t between
    if op.used & U_QUIET or not is_task(g):
        return False
    between = length_of_chain(g) - 1
    while between > 0:  # not by recursion: tasks may await each other a million deep
        g.cancels = min(g.cancels + 1, 65535)
        g = <Goroutine>awaited_by(<PyObject*>g)
        between -= 1
    if awaits_task(g):  # an earlier one: they await each other in a ring
        if <PyObject*>op.owner != <PyObject*>g:
            g.cancels = min(g.cancels + 1, 65535)
        return op_fail(<Op>awaited_op(g), cancelled_error(msg))
    if g.state == G_RUNNING and g.cancels > 0 and <PyObject*>g.sched == goish_tls_sched:
        return False  # it runs, was cancelled itself and passes that on: a ring too
    try:
        return g.cancel(msg)
    except BaseException as exc:
        cancel_failed(g, exc)
        return False


cdef void cancel_failed(Goroutine g, object error) noexcept:
    try:
        logger.error("cancel of %r failed", g, exc_info=exc_info(error))
    except BaseException:
        pass  # near the recursion limit there is no room to say so
    if not isinstance(error, Exception):  # a signal handler has raised it
        raise_later(g.sched.loop, error)


cdef Py_ssize_t length_of_chain(Goroutine g) noexcept:
    # How many different tasks await each other in a row, `g` and the last one included. Where the row leads back into itself, the
    # last is the one before it does. Brent's algorithm: `behind` stays, `ahead` goes on, until they meet.
    cdef PyObject* ahead = <PyObject*>g
    cdef PyObject* behind = ahead
    cdef Py_ssize_t steps = 0
    cdef Py_ssize_t ring = 0
    cdef Py_ssize_t most = 1
    while awaits_task(<Goroutine>ahead):
        ahead = awaited_by(ahead)
        steps += 1
        ring += 1
        if ahead == behind:
            return tail_of_ring(<PyObject*>g, ring) + ring
        if ring == most:
            behind = ahead
            most *= 2
            ring = 0
    return steps + 1


cdef Py_ssize_t tail_of_ring(PyObject* g, Py_ssize_t ring) noexcept:
    # How many come before a ring of that length.
    cdef PyObject* ahead = g
    cdef Py_ssize_t tail = 0
    cdef Py_ssize_t _step
    for _step in range(ring):
        ahead = awaited_by(ahead)
    while g != ahead:
        g, ahead = awaited_by(g), awaited_by(ahead)
        tail += 1
    return tail


cdef inline PyObject* awaited_by(PyObject* g) noexcept:
    return <PyObject*>(<Op>awaited_op(<Goroutine>g)).target


cdef bint awaits_task(Goroutine g) noexcept:
    # A live task of the same loop, so that its cancel does not fail.
    cdef PyObject* op = awaited_op(g)
    if op == NULL or (<Op>op).kind != W_JOIN or (<Op>op).owner is not g or (<Op>op).used & U_QUIET:
        return False
    target = <Goroutine>(<Op>op).target
    return is_task(target) and target.state != G_DONE and target.sched is g.sched


# ---- Goroutine.cancel() ----

cdef bint goroutine_cancel(Goroutine g, object msg) except -1:
    # On the thread of its loop, before its end.
    cdef bint taken
    if g.flags & GF_PASSING and g.state == G_WAITING:
        return stop_awaiting(g, msg)  # what it awaits has passed the cancel back to it
    if g.cancels < 65535:
        g.cancels += 1
    if g.state == G_WAITING:
        wait = g.wait
        if type(wait) is Op and (<Op>wait).owner is g:
            g.flags |= GF_PASSING
            taken = op_cancel(<Op>wait, msg)
            if g.state != G_DONE:
                g.flags &= ~GF_PASSING
            if taken:
                if g.state == G_RUNNABLE:
                    g.flags |= GF_CANCELLED
                return True
        elif cancel_awaited(g, wait, msg):
            return True
    elif g.state == G_RUNNABLE and g.flags & GF_CANCELLED:
        return True
    # Late: the wait was decided, and the goroutine is ready, or will be: another thread may have decided, and its wake-up be in
    # the inbox yet.
    goroutine_must_cancel(g, msg, g.state == G_RUNNABLE or awaited_op(g) != NULL)
    return True


cdef bint cancel_awaited(Goroutine g, object future, object msg) except -1:
    # Passes a cancel on to the asyncio future that it awaits. The future's cancel() may run any code: that of a gather cancels
    # its children, of which one may await `g`, or another gather.
    g.flags |= GF_PASSING
    try:
        return future.cancel(msg=msg)
    except RecursionError:
        if g.state != G_WAITING or g.wait is not future:
            raise
        stop_awaiting(g, msg)
        return sched_post(g.sched, future.cancel, (msg,), None)  # the rest of the chain, from the ground up
    finally:
        if g.state != G_DONE:
            g.flags &= ~GF_PASSING


cdef bint stop_awaiting(Goroutine g, object msg) except -1:
    # Cancels the goroutine's own wait, because the awaited future awaits it, or takes no cancel. Its end reaches the others.
    cdef Wake wake
    if awaited_op(g) != NULL:
        return op_fail(<Op>awaited_op(g), cancelled_error(msg))
    wake = Wake.__new__(Wake)
    wake.g = g
    if g.wait.remove_done_callback(wake) > 0:  # otherwise it is about to be woken
        g.wait.add_done_callback(_look_at)  # nothing else retrieves it, and asyncio logs what is not retrieved
        g.wait = None
        goish_store_state(&g.state, G_YIELDED)
        if is_task(g):
            task_woken(g.sched, g)
        else:
            run_push(g.sched, <PyObject*>g)
            arm_drain(g.sched)
    goroutine_must_cancel(g, msg, False)
    return True


def _look_at(future):
    if not future.cancelled():
        future.exception()
