# callq.pyx - the calls that wait for a thread or run on one, and the pools that they belong to. Also NO_LOOP and `forks`, which
# `run` reads, too.
#
# Invariants: the lock of a pool guards its queues. A QUEUED goroutine is in its queue, which owns it; a plain call that runs is
#   in `active`, which owns it then.
# Threads: any.

cdef dict pools = {}  # by id, as weak references


cdef list all_pools():
    return [p for p in [known() for known in list(pools.values())] if p is not None]


cdef bint ending = False  # the interpreter


def interpreter_ends(bint begins=False):
    """Whether the interpreter ends, which the first call with ``begins`` says: pools take no more work then. Any thread."""
    global ending
    ending = ending or begins
    return ending


def after_fork():
    """In a forked child: this thread, which may have been a worker of the parent, is none."""
    global goish_tls_worker, goish_spinning, forks
    goish_tls_worker = NULL
    goish_spinning = 0
    goish_forget_due()
    forks += 1


# ---- a queue ----

cdef inline void calls_push(CallQueue* q, PyObject* g) noexcept:
    (<Goroutine>g).all_next = NULL
    (<Goroutine>g).all_prev = q.tail
    if q.tail == NULL:
        q.head = g
    else:
        (<Goroutine>q.tail).all_next = g
    q.tail = g
    goish_count(&q.count, 1)


cdef inline void calls_remove(CallQueue* q, PyObject* g) noexcept:
    cdef PyObject* before = (<Goroutine>g).all_prev
    cdef PyObject* behind = (<Goroutine>g).all_next
    if before == NULL:
        q.head = behind
    else:
        (<Goroutine>before).all_next = behind
    if behind == NULL:
        q.tail = before
    else:
        (<Goroutine>behind).all_prev = before
    (<Goroutine>g).all_prev = (<Goroutine>g).all_next = NULL
    goish_count(&q.count, -1)


cdef list pool_members(Pool p, CallQueue* q):
    cdef PyObject** found
    cdef PyObject* g
    cdef Py_ssize_t room, i
    cdef Py_ssize_t count = -1
    while count < 0:
        room = goish_counted(&q.count) + 8
        found = <PyObject**>PyMem_Malloc(room * sizeof(PyObject*))  # before the lock: under it nothing may be made
        if found == NULL:
            raise MemoryError
        goish_lock(&p.lock)
        if q.count <= room:
            count = 0
            g = q.head
            while g != NULL:
                Py_INCREF(<object>g)
                found[count] = g
                count += 1
                g = (<Goroutine>g).all_next
        goish_unlock(&p.lock)
        if count >= 0:
            members = [<object>found[i] for i in range(count)]
            for i in range(count):
                Py_DECREF(<object>found[i])
        PyMem_Free(found)
    return members


cdef inline int tell_space(Pool p) except -1:
    if goish_counted(&p.space_waiters) > 0:
        p.space.try_send(None)
    return 0


# ---- all pools ----

cdef list calls_in_pools():
    cdef list found = []
    for p in all_pools():
        found += p.queued() + p.running()
    return found


def pooled_calls():
    """The goroutines that are on no loop: calls that wait for a worker, functions that run on one. Any thread."""
    return calls_in_pools()


cdef Py_ssize_t live_in_pools():
    cdef Py_ssize_t count = 0
    for p in all_pools():
        count += goish_counted(&(<Pool>p).queues[PLAIN].count) + goish_counted(&(<Pool>p).queues[LOOP].count)
        count += goish_counted(&(<Pool>p).active.count)
    return count


def calls_await_others():
    """Whether a call waits for a worker, or was given to an executor that is not goish's and runs it anywhere. Any thread."""
    cdef Call call
    for p in all_pools():
        if goish_counted(&(<Pool>p).queues[PLAIN].count) > 0 or goish_counted(&(<Pool>p).queues[LOOP].count) > 0:
            return True
        for g in p.running():
            call = call_of(<Goroutine>g)
            if call is not None and call.foreign:
                return True
    return False
