# select.pyx - one of several channel operations: Go's select, as three passes over the cases.
#
#   pass 1  look: is a case ready? one of those, drawn uniformly, happens at once;
#   pass 2  wait: every case is queued at its channel, in random order, owned by the select;
#   pass 3  leave: the thread that decides a case decides the select with it (compare-and-swap of its state); when the select's
#           owner runs again, the other cases are taken out of their queues.
#   A cancel, a timeout of a thread: select_withdraw() wins the select by the same compare-and-swap, and leaves at once.
#
# Invariants: a case belongs to at most one select at a time, and is NEW again afterwards: it may be used in the next one.
#   Between decision and pass 3 the losers are dead entries in their queues (waitq.pyx skips them).
# Threads: passes 1 and 2 hold the locks of all channels, taken in the order of their addresses. Under them pass 2 asks again
#   whether the cases are free: a select on another thread may have been given the same.
# Not here: what a case does (transfer.pyx), waking the waiter of a select (op_wake, ready.pyx).
#
# Rejected: shuffling the cases before pass 1 (Go's pollorder): one draw among the ready costs less and is uniform too.
# Rejected: starting pass 2 at a random case and going round: of two cases on the same channel the later would win more often.
# Rejected: a named tuple as the result, made without a call of its type: 4 % more instructions for a select that waits and its
#   peer's send, 10 % with `index, value, ok = await select(...)` or `match` (CPython unpacks only exact tuples fast; 3.11).

cdef inline uint32_t random_below(uint32_t n) noexcept:
    return <uint32_t>(((goish_random() >> 32) * <uint64_t>n) >> 32)


def seed(n):
    """Makes the random choices of ``select`` on this thread repeat: the same int ``n``, the same draws. For tests.

    Example::

        a, b = chan(), chan()
        a.close()
        b.close()
        goish.runtime.seed(1)
        first = [try_select(a.recv(), b.recv()) for _ in range(20)]
        goish.runtime.seed(1)
        print(first == [try_select(a.recv(), b.recv()) for _ in range(20)])  # -> True
    """
    global goish_tls_random
    cdef uint64_t low
    if not isinstance(n, int) and not hasattr(n, "__index__"):
        raise TypeError(f"seed() takes an int, got {n!r} of type {type(n).__name__}")
    low = n & 0xFFFFFFFFFFFFFFFF
    goish_tls_random = (low * <uint64_t>0x9E3779B97F4A7C15) | 1


# ---- the locks of all channels ----

cdef int by_address(const void* a, const void* b) noexcept nogil:
    cdef void* x = (<void**>a)[0]
    cdef void* y = (<void**>b)[0]
    return (x > y) - (x < y)


cdef PyObject** lock_all(tuple cases) noexcept:
    # The distinct channels, locked: a C array ended by NULL. With the GIL there is nothing to lock.
    cdef Py_ssize_t n = len(cases)
    cdef PyObject** chans
    cdef Py_ssize_t i, count = 0
    if not GOISH_LOCKS:
        return NULL
    chans = <PyObject**>PyMem_Malloc(<size_t>(n + 1) * sizeof(void*))
    if chans == NULL:
        Py_FatalError("goish: no memory for the channels of a select")
    for i in range(n):
        if PyTuple_GET_ITEM(cases, i) != <PyObject*>None:
            chans[count] = <PyObject*>(<Op>PyTuple_GET_ITEM(cases, i)).target
            count += 1
    qsort(chans, <size_t>count, sizeof(void*), by_address)
    n, count = count, 0
    for i in range(n):
        if count == 0 or chans[count - 1] != chans[i]:
            chans[count] = chans[i]
            count += 1
    chans[count] = NULL
    for i in range(count):
        goish_lock(&(<Waitable>chans[i]).lock)
    return chans


cdef void unlock_all(PyObject** chans) noexcept:
    cdef Py_ssize_t i = 0
    if not GOISH_LOCKS:
        return
    while chans[i] != NULL:
        goish_unlock(&(<Waitable>chans[i]).lock)
        i += 1
    PyMem_Free(chans)


# ---- pass 1 ----

cdef inline bint on_channel(PyObject* case) noexcept:
    return W_SEND <= (<Op>case).kind <= W_CLOSED


cdef inline bint case_ready(PyObject* case) noexcept:
    if (<Op>case).kind == W_SEND:
        return send_ready(<Chan>(<Op>case).target)
    return recv_ready(<Chan>(<Op>case).target) if on_channel(case) else waits[(<Op>case).kind].case_ready(<Op>case)


cdef Py_ssize_t select_look(tuple cases, bint biased) noexcept:
    # Gives the case to take, drawn uniformly among the ready ones as they go by; -1 if none is.
    cdef Py_ssize_t chosen = -1
    cdef uint32_t ready = 0
    cdef PyObject* case
    cdef Py_ssize_t i
    for i in range(len(cases)):
        case = PyTuple_GET_ITEM(cases, i)
        if case == <PyObject*>None or not case_ready(case):
            continue
        if biased:
            return i
        ready += 1
        if ready == 1 or random_below(ready) == 0:
            chosen = i
    return chosen


cdef void select_prepare(tuple cases) noexcept:
    # Sees to what a look must not find as it is: a timer that is due, a peer whose loop is closed.
    cdef PyObject* case
    cdef PyObject* chan
    cdef Py_ssize_t i
    for i in range(len(cases)):
        case = PyTuple_GET_ITEM(cases, i)
        if case == <PyObject*>None:
            continue
        if not on_channel(case):
            waitq_prune(<Waitable>(<Op>case).target, waits[(<Op>case).kind].queue(<Op>case))
            continue
        chan = <PyObject*>(<Op>case).target
        if (<Chan>chan).flags & C_TIMER:
            timer_poll(<Chan>chan)
        waitq_prune(<Chan>chan, &(<Chan>chan).receivers if (<Op>case).kind == W_SEND else &(<Chan>chan).senders)


cdef enum:
    NONE_READY = -1
    RAISED = -2
    TAKEN = -3

cdef enum:
    ERRED = -1          # beside HAPPENED and the rest (chan.pxd)


cdef inline int case_take(Op case, PyObject** value, AfterUnlock* aside) noexcept:
    if case.kind == W_SEND:
        return chan_put(<Chan>case.target, <PyObject*>case.value, aside)
    if on_channel(<PyObject*>case):
        if (<Chan>case.target).flags & C_FEED:
            return feed_take(<Feed>case.target, value, aside)
        return chan_take(<Chan>case.target, value, aside)
    return HAPPENED if waits[case.kind].case_take(case) else WOULD_BLOCK


cdef int case_give(Op case, PyObject** value) noexcept:
    # Of a case that can be done without a lock, since only this thread does it.
    return HAPPENED if waits[case.kind].attempt(case, value) == 1 else ERRED


cdef Py_ssize_t take_ready(Op sel, bint wait, PyObject** value, int* happened) noexcept:
    # Pass 1, and pass 2 if nothing is ready and `wait`. Gives the case that happened, NONE_READY, or RAISED.
    cdef tuple cases = <tuple>sel.target
    cdef AfterUnlock aside
    cdef Op case
    cdef Py_ssize_t chosen
    cdef PyObject** locked
    select_prepare(cases)
    aside.wake = aside.dropped = NULL
    locked = lock_all(cases)
    while True:
        chosen = select_look(cases, sel.flags & F_BIASED)
        if chosen < 0:
            if wait and not all_new(cases):
                chosen = TAKEN
            elif wait:
                select_enqueue(sel, cases)
            break
        case = <Op>PyTuple_GET_ITEM(cases, chosen)
        happened[0] = case_take(case, value, &aside)
        if happened[0] != WOULD_BLOCK:  # the peer's select may have been decided elsewhere meanwhile: look again
            break
    unlock_all(locked)
    if chosen == TAKEN:
        PyErr_SetString(RuntimeError, in_use)
        return RAISED
    if chosen < 0:
        return NONE_READY
    if on_channel(<PyObject*>case):
        chan_settle(<Chan>case.target, &aside)
        if (<Chan>case.target).flags & C_FEED:
            feed_taken(<Feed>case.target)
    elif waits[case.kind].case_gives:
        happened[0] = case_give(case, value)
    if happened[0] == LAGGED:
        error = lagged_error(aside.missed)
        goish_raise_here(<PyObject*>error)
    if happened[0] < 0 or happened[0] == LAGGED:
        return RAISED
    return chosen


cdef int select_result(Op sel, Py_ssize_t index, PyObject* value, int happened, PyObject** result) noexcept:
    # (index, value, ok); steals value.
    received = None
    if happened == HAPPENED and value != NULL:
        received = <object>value
        Py_DECREF(received)
    elif value == NULL and happened != HAPPENED and happened != DROPPED:
        case = PyTuple_GET_ITEM(sel.target, index)
        if (<Op>case).kind == W_SEND:
            try:
                error = (SendOnClosed if happened == CLOSED else ChanFull)(value_unwrap((<Op>case).value))
            except BaseException as exc:
                error = exc
            goish_raise_here(<PyObject*>error)
            return -1
    selected = (index, received, happened != CLOSED)
    Py_INCREF(selected)
    result[0] = <PyObject*>selected
    return 1


cdef bint select_ready(Op sel) noexcept:
    cdef PyObject** locked
    cdef bint ready
    if not cases_free(sel):
        PyErr_Clear()
        return False  # the attempt says so
    select_prepare(<tuple>sel.target)
    locked = lock_all(<tuple>sel.target)
    ready = select_look(<tuple>sel.target, True) >= 0
    unlock_all(locked)
    return ready or sel.flags & F_DEFAULT


cdef int select_attempt(Op sel, PyObject** result) noexcept:
    cdef PyObject* value = NULL
    cdef int happened = WOULD_BLOCK
    cdef Py_ssize_t index
    if not cases_free(sel):
        return -1
    index = take_ready(sel, False, &value, &happened)
    if index == RAISED:
        return -1
    if index == NONE_READY:
        if not sel.flags & F_DEFAULT:
            return 0
        selected = (-1, None, False)
        Py_INCREF(selected)
        result[0] = <PyObject*>selected
        return 1
    return select_result(sel, index, value, happened, result)


cdef bint cases_free(Op sel) noexcept:
    if all_new(<tuple>sel.target):
        return True
    PyErr_SetString(RuntimeError, in_use)
    return False


cdef inline bint all_new(tuple cases) noexcept:
    cdef PyObject* case
    cdef Py_ssize_t i
    for i in range(len(cases)):
        case = PyTuple_GET_ITEM(cases, i)
        if case != <PyObject*>None and (<Op>case).state != OP_NEW:
            return False
    return True


cdef const char* in_use = (
    "a case of this select is being waited for elsewhere: give each select (and each await) an op of its own, such as ch.recv()"
)


# ---- pass 2 ----

cdef bint select_arm(Op sel) noexcept:
    cdef PyObject* value = NULL
    cdef PyObject* result = NULL
    cdef int happened = WOULD_BLOCK
    cdef Py_ssize_t index
    if not cases_free(sel):
        sel.value = pending_exception()
        sel.state = OP_FAILED
        return False
    index = take_ready(sel, True, &value, &happened)
    if index == NONE_READY:
        cases_wait(sel, <tuple>sel.target)
        return True
    if index != RAISED and select_result(sel, index, value, happened, &result) == 1:
        sel.value = <object>result
        Py_DECREF(<object>result)
        sel.state = OP_SETTLED
    else:
        sel.value = pending_exception()
        sel.state = OP_FAILED
    return False


cdef void select_enqueue(Op sel, tuple cases) noexcept:
    cdef Py_ssize_t n = len(cases)
    cdef uint32_t few[64]
    cdef uint32_t* order = few
    cdef Py_ssize_t i
    cdef uint32_t j
    if n > 64:
        order = <uint32_t*>PyMem_Malloc(<size_t>n * sizeof(uint32_t))
        if order == NULL:
            Py_FatalError("goish: no memory for the cases of a select")
    for i in range(n):
        j = 0 if sel.flags & F_BIASED else random_below(<uint32_t>i + 1)
        if sel.flags & F_BIASED:
            j = <uint32_t>i
        order[i] = order[j]
        order[j] = <uint32_t>i
    for i in range(n):
        select_enqueue_case(sel, PyTuple_GET_ITEM(cases, order[i]), order[i])
    if order != few:
        PyMem_Free(order)


cdef inline void select_enqueue_case(Op sel, PyObject* case, uint32_t index) noexcept:
    if case == <PyObject*>None:
        return
    (<Op>case).owner = sel
    (<Op>case).index = index
    (<Op>case).state = OP_WAITING
    waitq_push(case_queue(case), <Op>case)


cdef inline WaitQueue* case_queue(PyObject* case) noexcept:
    cdef PyObject* target = <PyObject*>(<Op>case).target
    if (<Op>case).kind == W_SEND:
        return &(<Chan>target).senders
    return &(<Chan>target).receivers if on_channel(case) else waits[(<Op>case).kind].queue(<Op>case)


cdef void cases_wait(Op sel, tuple cases) noexcept:
    cdef bint polls = waiters[waiter_kind(<PyObject*>sel.owner)].polls
    cdef PyObject* case
    cdef Py_ssize_t i
    for i in range(len(cases)):
        case = PyTuple_GET_ITEM(cases, i)
        if case == <PyObject*>None:
            continue
        if (<Waitable>(<Op>case).target).flags & C_TIMER and not polls:
            timer_arm(<Chan>(<Op>case).target)
        elif waits[(<Op>case).kind].case_waits != NULL:
            waits[(<Op>case).kind].case_waits(<Op>case)


# ---- pass 3 ----

cdef void select_leave(Op sel) noexcept:
    # Takes every case that still is in a queue out of it; all are NEW again.
    cdef tuple cases = <tuple>sel.target
    cdef PyObject* case
    cdef Py_ssize_t i
    for i in range(len(cases)):
        case = PyTuple_GET_ITEM(cases, i)
        if case != <PyObject*>None and <PyObject*>(<Op>case).owner == <PyObject*>sel:
            select_leave_case(<Op>case)


cdef inline void select_leave_case(Op case) noexcept:
    cdef PyObject* target = <PyObject*>case.target
    cdef bint linked
    goish_lock(&(<Waitable>target).lock)
    linked = case.flags & F_LINKED
    if linked:
        waitq_remove(case_queue(<PyObject*>case), case)
    goish_unlock(&(<Waitable>target).lock)
    case.owner = None
    case.state = OP_NEW
    if linked and waits[case.kind].case_left != NULL:
        waits[case.kind].case_left(case)
    if linked:
        Py_DECREF(case)
    if (<Waitable>target).flags & C_TIMER:
        timer_disarm(<Chan>target)


cdef bint select_withdraw(Op sel) noexcept:
    if not goish_swap_state(&sel.state, OP_WAITING, OP_FAILED):
        unlock_all(lock_all(<tuple>sel.target))  # see_decision() counts on it
        return False
    select_leave(sel)
    return True


cdef int case_finish(Op sel, Op case, PyObject** result) noexcept:
    cdef PyObject* value = NULL
    cdef int r = waits[case.kind].finish(case, &value)
    case.flags &= ~F_OK
    return r if r < 0 else select_result(sel, sel.index, value, HAPPENED, result)


cdef int select_finish(Op sel, PyObject** result) noexcept:
    cdef Op case = <Op>PyTuple_GET_ITEM(sel.target, sel.index)
    cdef PyObject* value = NULL
    cdef bint ok = case.flags & F_OK or not on_channel(<PyObject*>case)
    select_leave(sel)
    if waits[case.kind].case_gives:
        return case_finish(sel, case, result)
    case.flags &= ~F_OK
    if W_RECV <= case.kind <= W_CLOSED and ok:
        value = <PyObject*>case.value
        Py_INCREF(<object>value)
        case.value = None
    return select_result(sel, sel.index, value, HAPPENED if ok else CLOSED, result)


cdef void select_drop(Op sel) noexcept:
    cdef Op case
    if sel.state == OP_SETTLED and sel.value[0] >= 0:
        case = <Op>PyTuple_GET_ITEM(sel.target, sel.value[0])
        if sel.value[2]:
            case_undo(case, sel.value[1])
    if sel.state != OP_DONE:
        return  # no case has happened
    case = <Op>PyTuple_GET_ITEM(sel.target, sel.index)
    select_leave(sel)
    if case.kind != W_SEND and waits[case.kind].drop != NULL:
        waits[case.kind].drop(case)
    case.flags &= ~F_OK


cdef const char* select_detail(Op sel) noexcept:
    cdef Py_ssize_t i
    for i in range(len(<tuple>sel.target)):
        if PyTuple_GET_ITEM(sel.target, i) != <PyObject*>None:
            return NULL
    return "no cases"


cdef double select_due(Op sel) noexcept:
    cdef PyObject* case
    cdef Py_ssize_t i
    cdef double first = INFINITY
    for i in range(len(<tuple>sel.target)):
        case = PyTuple_GET_ITEM(sel.target, i)
        if case != <PyObject*>None and (<Waitable>(<Op>case).target).flags & C_TIMER:
            first = min(first, timer_due(<Chan>(<Op>case).target))
    return first


waits[<int>W_SELECT] = Wait(
    "select", True, select_attempt, select_ready, select_arm, select_withdraw, select_finish, select_drop, NULL, select_detail,
    select_due, NULL, NULL, NULL, NULL, False, NULL
)


# ---- the functions ----

cdef tuple checked_cases(tuple cases):
    # None for a case on the nil channel; the rest are channel operations, each once.
    cdef PyObject* case
    cdef Py_ssize_t i
    cdef bint nils = False
    for i in range(len(cases)):
        case = PyTuple_GET_ITEM(cases, i)
        if goish_is(case, <PyObject*>Op):
            (<Op>case).used |= U_USED
    for i in range(len(cases)):
        case = PyTuple_GET_ITEM(cases, i)
        if not goish_is(case, <PyObject*>Op) or not (on_channel(case) or waits[(<Op>case).kind].case_ready != NULL):
            if case != <PyObject*>None and <object>case is not NIL:
                cases_unmark(cases, i)
                raise not_a_case(<object>case)
            nils = True
        elif (<Op>case).state != OP_NEW:
            cases_unmark(cases, i)
            raise RuntimeError((<bytes>in_use).decode())
        elif (<Op>case).flags & F_MARK:
            cases_unmark(cases, i)
            raise RuntimeError("the same op is given twice to one select; make one for each case, such as ch.recv()")
        else:
            (<Op>case).flags |= F_MARK
            nils |= (<Waitable>(<Op>case).target).flags & C_NIL
    cases_unmark(cases, len(cases))
    return tuple([without_nil(case_) for case_ in cases]) if nils else cases


cdef void cases_unmark(tuple cases, Py_ssize_t n) noexcept:
    cdef PyObject* case
    cdef Py_ssize_t i
    for i in range(n):
        case = PyTuple_GET_ITEM(cases, i)
        if goish_is(case, <PyObject*>Op):
            (<Op>case).flags &= ~F_MARK


cdef object without_nil(object case):
    return case if type(case) is Op and not (<Waitable>(<Op>case).target).flags & C_NIL else None


cdef object not_a_case(object case):
    if base_of(case) is not None:
        return TypeError(f"select takes operations, not channels: use ch.recv() or ch.send(v) instead of {case!r}")
    if isinstance(case, (Goroutine, FlowVar, asyncio.Future)):
        return TypeError(f"select takes channel operations: the end of {case!r} is ended(it)")
    if type(case) is Op and (<Op>case).kind in NO_CASES:
        return TypeError(f"select takes channel operations, not {NO_CASES[(<Op>case).kind]}")
    if hasattr(case, "__iter__") and not isinstance(case, (str, bytes, Op)):
        if isinstance(case, (list, tuple)):
            for each in case:
                refuse_op(each)
        return TypeError(f"select takes its cases one by one, select(*cases); got {case!r} of type {type(case).__name__}")
    return TypeError(
        "select takes channel operations (ch.recv(), ch.recv_ok(), ch.recv_info(), ch.send(v), ch.wait_closed(), ended(g)), "
        "locks (mu.lock()), wg.wait(), conn.read(), conn.write(data), "
        f"None or NIL; got {case!r} of type {type(case).__name__}; a timeout is after(seconds).recv()"
    )


cdef dict NO_CASES = {
    <int>W_SLEEP: "sleep(): a timeout is after(seconds).recv(); the end of a goroutine that awaits it is ended(go(...))",
    <int>W_GOSCHED: "gosched(): default=True does not wait; the end of a goroutine that awaits it is ended(go(...))",
    <int>W_JOIN: "the await of a goroutine: its end is ended(g)",
    <int>W_NEXT: "anext(ch): ch.recv()",
    <int>W_SELECT: "a select: give its cases to this one",
    <int>W_BROADCAST: "the send of a Broadcast, which needs room at every subscriber: b.try_send(v), or ended(go(...)) of a "
    "goroutine that awaits it",
    <int>W_READ_NEXT: "anext(conn): conn.read()",
    <int>W_ACCEPT_NEXT: "anext(listener): listener.accept()",
}


def select(*cases, default=False, biased=False):
    """Waits until one of several channel operations can happen, and does that one; await it. Go's ``select``.

    ``cases`` are ``ch.recv()``, ``ch.recv_ok()``, ``ch.recv_info()``, ``ch.send(v)``, ``ch.wait_closed()``,
    ``ended(handle)``, ``wg.wait()``, and the locks of ``goish.sync`` (``mu.lock()``) and ``goish.semaphore``; ``None`` and
    ``NIL`` are never ready. If several are ready one is drawn, each with the same chance (``biased=True``: the first). With
    ``default=True`` it does not wait. They may be given to the next select again.

    Gives ``(index, value, ok)``: which case; what was received, else None; False if that channel is closed and drained.
    Nothing ready, with ``default``: ``(-1, None, False)``. Raises SendOnClosed or ChanFull if such a send is drawn,
    TypeError for what is no case, RuntimeError for an operation in use. Cancelled, no case has happened.

    Example::

        words, numbers = chan(1), chan(1)
        await numbers.send(7)
        print(await select(words.recv(), numbers.recv()))  # -> (1, 7, True)
    """
    return select_op(cases, default, biased)


cdef Op select_op(tuple cases, object default, object biased):
    cdef tuple checked = checked_cases(cases)
    cdef uint8_t flags = F_BIASED if biased else 0
    cdef Op sel
    if type(default) is not bool:
        raise TypeError(
            f"default is True (do not wait) or False (wait), got {default!r}; where nothing is ready, index is -1"
        )
    sel = new_op(W_SELECT, checked)
    sel.flags = flags | (F_DEFAULT if default else 0)
    return sel


def select_blocking(*cases, timeout=None, default=False, biased=False):
    """``select`` for threads without an event loop: blocks the calling thread until a case has happened.

    ``timeout``: seconds, None to wait for ever; TimeoutError if no case has happened by then. Returns and raises what
    ``select`` gives and raises; SyncOnLoop on a thread whose event loop runs. Ctrl-C ends the wait; what was received
    by then goes to ``on_undelivered``.

    Example::

        a, b = chan(1), chan(1)
        b.try_send("x")
        print(select_blocking(a.recv(), b.recv(), timeout=1))  # -> (1, 'x', True)
    """
    return thread_block(select_op(cases, default, biased), timeout, "select_blocking()", "use await select(...)")


def try_select(*cases, biased=False):
    """``select`` without waiting or ``await``: does a case that is ready, or gives ``(-1, None, False)``.

    Any thread may call it. It raises what ``select`` does.

    Example::

        a, b = chan(1), chan(1)
        b.try_send("x")
        print(try_select(a.recv(), b.recv()))  # -> (1, 'x', True)
        print(try_select(a.recv(), b.recv()))  # -> (-1, None, False)
    """
    cdef Op sel = select_op(cases, True, biased)
    cdef PyObject* result = NULL
    sel.state = OP_SPENT
    if select_attempt(sel, &result) < 0:
        raise_pending()
    selected = <object>result
    Py_DECREF(selected)
    return selected


cdef void case_undo(Op case, object value) noexcept:
    # The case has happened, and nobody will know: a received value is undelivered, a lock is given back.
    if W_RECV <= case.kind <= W_CLOSED:
        value_undelivered(<PyObject*>case.target, value)
    elif not on_channel(<PyObject*>case) and waits[case.kind].drop != NULL:
        if waits[case.kind].case_gives:
            case.value = value
        case.flags |= F_OK
        waits[case.kind].drop(case)
        case.flags &= ~F_OK


def report_interrupted(Op op, result):
    """Undoes what ``op`` did for a thread that was interrupted before it knew: a value goes to ``on_undelivered``."""
    cdef Op case = op
    cdef bint ok = True
    if op.kind == W_SELECT:
        index, result, ok = result
        case = <Op>PyTuple_GET_ITEM(op.target, index) if index >= 0 else None
    elif op.kind == W_RECV_OK or op.kind == W_RECV_INFO:
        result, ok = result[0], result[1]
    if case is not None and ok:
        case_undo(case, result)
