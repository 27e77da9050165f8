# ready.pyx - the one way to wake: op_wake() wakes the waiter of an op; goroutines, asyncio tasks and callbacks become runnable.
#
# On the waiter's own thread it joins a queue of its loop; from another thread it goes through that loop's inbox, and the loop
# takes it from there (inbox_take).
#
# Invariant: a call that another thread has put into the inbox is queued before anything that the loop's own thread queues after
#   it. So whatever joins the turns takes the inbox first, and what is taken may be a wake-up that joins the turns: the functions
#   of this file call each other in a circle, which `taking` cuts.
# Threads: op_wake(), wake_chain(), goroutine_ready() and task_waiter_wake() from any, under no lock: a loop's call_soon is Python
#   code. The rest on the thread of the loop.
# Not here: waking a thread (thread_wake, thread_wait.pyx) and a worker (worker_wake, pick.pyx).

# ---- from any thread ----

cdef void op_wake(Op op) noexcept:
    # Wakes the owner of a decided op. Not under a lock: a foreign loop's call_soon is Python code.
    cdef PyObject* owner = <PyObject*>op.owner
    if goish_is(owner, <PyObject*>Goroutine):
        goroutine_ready(<Goroutine>owner)
    elif goish_is(owner, <PyObject*>Op):
        op_wake(<Op>owner)
    else:
        waiters[waiter_kind(owner)].wake(op, owner)


cdef void wake_chain(PyObject* op) noexcept:
    # Wakes the owners of decided ops linked by `next`, whose references this takes.
    cdef PyObject* following
    while op != NULL:
        following = (<Op>op).next
        (<Op>op).next = NULL
        op_wake(<Op>op)
        Py_DECREF(<Op>op)
        op = following


cdef void goroutine_ready(Goroutine g) noexcept:
    # Makes a waiting goroutine runnable; any thread.
    cdef Scheduler s = g.sched
    if is_run_here(s):
        goroutine_ready_here(s, g)
    else:
        inbox_push(s, <PyObject*>g)


cdef void task_waiter_wake(Op op, PyObject* waiter) noexcept:
    # `op` is the twin; or the op itself, if it could be done at once.
    cdef TaskWaiter task_waiter = <TaskWaiter>waiter
    s = task_waiter.sched  # the waiter may go as soon as the loop has the call
    if is_run_here(s) or (is_here(s) and s.inbox.shut):  # run() has ended its goroutines, and is about to end asyncio's tasks
        task_waiter_call(op, task_waiter)
    else:
        Py_INCREF(op)
        inbox_push(s, <PyObject*>op)


# ---- on the thread of the loop ----

cdef inline void goroutine_ready_here(Scheduler s, Goroutine g) noexcept:
    cdef PyObject* op = awaited_op(g)
    cdef bint joined = False
    if g.state != G_WAITING:
        return
    goish_store_state(&g.state, G_RUNNABLE)
    if op != NULL:
        joined = (<Op>op).kind == W_JOIN
        s.blocked -= waits[(<Op>op).kind].native
        if (<Op>op).kind < W_SEND and not g.flags & GF_CANCELLED and (<Op>op).state != OP_FAILED:
            goish_store_state(&g.state, G_YIELDED)  # nothing has changed hands, so nothing is lost by a cancel that comes now
    g.wait = None
    if joined and is_task(g):
        task_woken(s, g)
        return
    run_push(s, <PyObject*>g)
    arm_drain(s)


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


cdef void inbox_take(Scheduler s) noexcept:
    cdef PyObject* item
    cdef PyObject* following
    if s.inbox.taking:  # from within, as to call back queues a callback: what comes meanwhile stands behind the rest of this
        return
    goish_lock(&s.inbox.lock)
    s.inbox.posted = False
    inbox_come(s)
    item = s.inbox.head
    s.inbox.tail = NULL
    goish_store_pointer(&s.inbox.head, NULL)
    goish_unlock(&s.inbox.lock)
    s.inbox.taking = True
    while item != NULL:
        following = link_of(item)[0]
        if goish_is(item, <PyObject*>Goroutine):
            goroutine_ready_here(s, <Goroutine>item)
        elif goish_is(item, <PyObject*>Op):
            (<Op>item).next = NULL
            task_waiter_call(<Op>item, <TaskWaiter>(<Op>item).owner)
            Py_DECREF(<Op>item)
        else:
            handle_soon(s, <Handle>item)
        item = following
    s.inbox.taking = False


cdef void handle_soon(Scheduler s, Handle h) noexcept:
    # Runs the handle in a turn of its own: it may raise. Takes the reference.
    if has_turns(s):
        turn_push_late(s, <PyObject*>h)
        return
    if h.state == H_WAITING and loop_call_retry(s.loop, s.call_soon, (h.callback, *h.args), h.context) is None:
        inbox_push(s, <PyObject*>h)
        return
    if goish_swap_state(&h.state, H_WAITING, H_RAN):
        handle_over(h)
    Py_DECREF(h)


# ---- the next turn ----

cdef inline int turn_push(Scheduler s, PyObject* item) except -1:
    # Takes the reference of a Wake or Handle, unless it raises.
    turn_after_inbox(s)
    turn_arm(s, s.call_soon)
    turn_link(s, item)
    return 0


cdef inline void turn_after_inbox(Scheduler s) noexcept:
    if goish_load_pointer(&s.inbox.head) != NULL and is_here(s):
        inbox_take(s)


cdef void call_soon(Scheduler s, object callback, object argument, object context) except *:
    cdef PyObject* args[3]
    cdef Handle h
    if has_turns(s):
        h = handle_new(s, callback, (argument,), context)
        turn_push(s, <PyObject*>h)
        Py_INCREF(h)
        return
    args[0] = <PyObject*>callback
    args[1] = <PyObject*>argument
    args[2] = <PyObject*>context
    call_checked(PyObject_Vectorcall(<PyObject*>s.call_soon, args, 2, <PyObject*>context_keyword))


cdef Step step_of(Goroutine g):
    cdef Step following = Step.__new__(Step)
    following.g = g
    return following


cdef int task_soon(Scheduler s, Goroutine g) except -1:
    # The next step of a task, or of a goroutine that yields to the loop: in the order of the loop's callbacks.
    if has_turns(s):
        turn_push(s, <PyObject*>g)
    else:
        s.call_soon(step_of(g), context=own_context(s))
    return 0


cdef void task_woken(Scheduler s, Goroutine g) noexcept:
    if has_turns(s):
        turn_after_inbox(s)
        turn_push_late(s, <PyObject*>g)
    elif loop_call_retry(s.loop, s.call_soon, (step_of(g),), own_context(s)) is None:
        run_push(s, <PyObject*>g)  # out of its order, but not forgotten
        arm_drain(s)


# ---- the kinds of waiters ----

cdef void goroutine_wake(Op op, PyObject* g) noexcept:
    goroutine_ready(<Goroutine>g)


cdef Scheduler sched_of_goroutine(PyObject* g):
    return (<Goroutine>g).sched


cdef Scheduler sched_of_task(PyObject* task_waiter):
    return (<TaskWaiter>task_waiter).sched


cdef void nobody_wakes(Op op, PyObject* waiter) noexcept:
    pass


cdef Scheduler sched_of_nobody(PyObject* waiter):
    return None


cdef bint never_orphan(PyObject* waiter) noexcept:
    return False


waiters[<int>BY_NOBODY] = Waiter(nobody_wakes, sched_of_nobody, never_orphan, place_of_nobody, False)
waiters[<int>BY_GOROUTINE] = Waiter(goroutine_wake, sched_of_goroutine, never_orphan, place_of_goroutine, False)
waiters[<int>BY_TASK] = Waiter(task_waiter_wake, sched_of_task, never_orphan, place_of_task, False)
