# inbox.pyx - what other threads ask of a loop: wake-ups of goroutines, of asyncio tasks, and calls.
#
# A push posts one call_soon_threadsafe if none is under way; the loop takes all that came meanwhile, in order.
# Threads: `lock` guards the fields. call_soon_threadsafe is called after unlocking: asyncio's is Python code, in which a
#   finalizer may push here. `posted` keeps it to one caller at a time, as long as the loop does not answer.
#   call_soon_threadsafe is safe beside all that the loop does but its close(), during which uvloop frees what it uses. So the
#   callers are counted, and the loop is closed behind a sealed inbox (Scheduler._close): no more callers, and none inside.
# Not here: what the loop does with what came (inbox_take, ready.pyx), a loop that stays awake (awake.pyx).

cdef inline PyObject** link_of(PyObject* item) noexcept:
    if goish_is(item, <PyObject*>Goroutine):
        return &(<Goroutine>item).link.next
    if goish_is(item, <PyObject*>Op):
        return &(<Op>item).next
    if goish_is(item, <PyObject*>Wake):
        return &(<Wake>item).next
    return &(<Handle>item).next


cdef bint inbox_push(Scheduler s, PyObject* item) noexcept:
    # False: the loop is closed and nothing will come of it. An Op's or Handle's reference is taken in either case.
    cdef bint post
    link_of(item)[0] = NULL
    goish_lock(&s.inbox.lock)
    if s.inbox.shut:
        goish_unlock(&s.inbox.lock)
        item_discard(item)
        return False
    if s.inbox.tail == NULL:
        goish_store_pointer(&s.inbox.head, item)
    else:
        link_of(s.inbox.tail)[0] = item
    s.inbox.tail = item
    goish_store_state(&s.inbox.came, 1)
    post = not s.inbox.posted
    s.inbox.posted = True
    s.inbox.callers += post
    if post:
        inbox_due(s)
    goish_unlock(&s.inbox.lock)
    # From here on the item may be gone: the loop may have collected it.
    return not post or inbox_call(s)


cdef void inbox_poke(Scheduler s) noexcept:
    # Has the loop look at its inbox, its run queue, its alarms, and a worker's loop at its pool.
    cdef bint post
    goish_lock(&s.inbox.lock)
    goish_store_state(&s.inbox.came, 1)
    post = not s.inbox.posted and not s.inbox.shut
    if post:
        s.inbox.posted = True
        inbox_due(s)
        s.inbox.callers += 1
    goish_unlock(&s.inbox.lock)
    if post:
        inbox_call(s)


cdef bint sched_post(Scheduler s, object fn, tuple args, object context) noexcept:
    # Has fn(*args) called on the loop's thread, in a turn of the loop; any thread. False: the loop is closed.
    cdef Handle h = handle_new(s, fn, args, own_context(s) if context is None else context)
    Py_INCREF(h)
    return inbox_push(s, <PyObject*>h)


cdef inline void inbox_due(Scheduler s) noexcept:
    # The loop's thread is woken, or waits for the GIL: it is due (lend.pyx).
    if not s.inbox.due:
        s.inbox.due = True
        goish_is_due()


cdef inline void inbox_come(Scheduler s) noexcept:
    if s.inbox.due:
        s.inbox.due = False
        goish_has_come()


# ---- calling the loop ----

cdef bint inbox_call(Scheduler s) noexcept:
    # The calling thread has been counted as a caller.
    handle = loop_call_retry(s.loop, s.call_soon_threadsafe, (s._collect,), own_context(s))
    if handle is None and call_elsewhere(s):
        return True
    inbox_caller_leaves(s, handle is None)
    if handle is False:
        s.dead = True  # abandon() deals with its goroutines
        inbox_shut(s)
    return handle is not False


cdef void inbox_caller_leaves(Scheduler s, bint in_vain) noexcept:
    goish_lock(&s.inbox.lock)
    s.inbox.callers -= 1
    if in_vain:
        s.inbox.posted = False  # the next thread that pushes tries again
    goish_unlock(&s.inbox.lock)


# Where the recursion limit is near, no loop can be called, and the wake-up must not wait for a luckier moment: a thread of its
# own has room. It is started without a call of Python code.
cdef extern from "pythread.h":
    unsigned long PyThread_start_new_thread(void (*run)(void*) noexcept with gil, void* given) noexcept
    unsigned long PYTHREAD_INVALID_THREAD_ID


cdef bint call_elsewhere(Scheduler s) noexcept:
    # The calling thread has been counted as a caller; from then on the new thread is. False: no thread could be started either.
    Py_INCREF(s)
    if PyThread_start_new_thread(loop_call_retry_long, <void*>s) != PYTHREAD_INVALID_THREAD_ID:
        return True
    Py_DECREF(s)
    return False


cdef void loop_call_retry_long(void* given) noexcept with gil:
    s = <Scheduler>given
    Py_DECREF(s)
    handle = None
    while handle is None:
        handle = loop_call_retry(s.loop, s.call_soon_threadsafe, (s._collect,), own_context(s))
        if handle is None:
            nap(0.001)
    inbox_caller_leaves(s, False)
    if handle is False:
        s.dead = True
        inbox_shut(s)


# ---- closing ----

# A call takes microseconds. If it takes longer, a finalizer runs in its midst, which may wait for this very thread.
cdef double LONGEST_CALL = 1.0


cdef void inbox_seal(Scheduler s) except *:
    # Before the loop is closed: the inbox takes nothing any more, and no thread is about to call the loop. The loop's thread.
    cdef double end = goish_monotonic() + LONGEST_CALL
    goish_lock(&s.inbox.lock)
    s.inbox.shut = True
    goish_unlock(&s.inbox.lock)
    while inbox_has_callers(s) and goish_monotonic() < end:
        nap(0.0001)


cdef bint inbox_has_callers(Scheduler s) noexcept:
    # Under the lock, which orders what a caller did inside of the loop before the loop's end.
    cdef bint some
    goish_lock(&s.inbox.lock)
    some = s.inbox.callers > 0
    goish_unlock(&s.inbox.lock)
    return some


cdef void inbox_unseal(Scheduler s) noexcept:
    # The loop was not closed after all.
    goish_lock(&s.inbox.lock)
    s.inbox.shut = s.ending = False
    goish_unlock(&s.inbox.lock)


cdef void inbox_shut(Scheduler s) noexcept:
    # The inbox takes nothing any more, and drops what is in it.
    cdef PyObject* item
    cdef PyObject* following
    goish_lock(&s.inbox.lock)
    s.inbox.shut = True
    inbox_come(s)
    item = s.inbox.head
    s.inbox.tail = NULL
    goish_store_pointer(&s.inbox.head, NULL)
    goish_unlock(&s.inbox.lock)
    while item != NULL:
        following = link_of(item)[0]
        item_discard(item)
        item = following


cdef void item_discard(PyObject* item) noexcept:
    if goish_is(item, <PyObject*>Goroutine):
        return
    if goish_is(item, <PyObject*>Op):
        (<Op>item).next = NULL
        op_drop(<Op>item)  # nothing will run there again
    elif not goish_is(item, <PyObject*>Wake):
        handle_dropped(<Handle>item)
    Py_DECREF(<object>item)
