# pick.pyx - which worker takes a call, and which worker is woken for it.
#
# A goroutine that has started never changes its thread: only what is QUEUED is shared. Two kinds of workers, because a call that
# computes or blocks must not hold up the goroutines of others: a plain worker runs functions, a loop worker has a loop that runs
# all the time and takes a further call whenever nothing else is runnable there. So any number of parked goroutines needs no
# further thread.
#
# Goroutines that a plain call has started, and that live when it is over, stay on its worker's own loop. While there are few such
# workers, each runs that loop and nothing else. From ENOUGH on the last of them are given calls again, and run their loop in
# between and whenever a call waits in goish: so calls that leave goroutines behind cost a few threads, not one each.
#
# Calls for loops are spread: a loop with live goroutines leaves the next call to one that has fewer, or to a further worker while
# there may be one. The more it has, the less a few matter (SLACK), so that not each of thousands costs a wake-up.
#
# Invariants: `lock` guards the idle workers and the numbers. If something is queued, a worker is awake that will look again,
#   or as many as may be are busy: worker_pick() after each change to either. One wake-up at a time: the worker that
#   worker_pick() chose wakes the next, if the queue is not empty when it has taken a call.
# Threads: any. Not here: how a worker lives (worker.pyx), threads and loops being made (_threads/workers.py).

# ---- idle workers ----

cdef inline IdleList* idle_list(Pool p, Worker w) noexcept:
    return &p.idle[KEEPERS if w.tends else w.kind]


cdef inline void idle_push(Pool p, Worker w) noexcept:
    cdef IdleList* idle = idle_list(p, w)
    cdef PyObject* head = idle.head
    w.idle_prev = NULL
    w.idle_next = head
    if head != NULL:
        (<Worker>head).idle_prev = <PyObject*>w
    idle.head = <PyObject*>w
    idle.count += 1
    w.idle = True


cdef inline void idle_remove(Pool p, Worker w) noexcept:
    cdef IdleList* idle = idle_list(p, w)
    if w.idle_prev == NULL:
        idle.head = w.idle_next
    else:
        (<Worker>w.idle_prev).idle_next = w.idle_next
    if w.idle_next != NULL:
        (<Worker>w.idle_next).idle_prev = w.idle_prev
    w.idle_prev = w.idle_next = NULL
    idle.count -= 1
    p.wake_ups += w.kind == PLAIN
    w.idle = False


cdef inline PyObject* idle_other(Pool p, int kind, PyObject* but, PyObject* nor) noexcept:
    cdef PyObject* w = p.idle[kind].head
    while w != NULL and (w == but or w == nor):
        w = (<Worker>w).idle_next
    return w


cdef PyObject* idle_lightest(Pool p, PyObject* but, PyObject* nor) noexcept:
    # Gives the idle worker whose loop has the fewest goroutines.
    cdef PyObject* w = p.idle[LOOP].head
    cdef PyObject* best = NULL
    while w != NULL:
        if w != but and w != nor and (best == NULL or (<Worker>w).load < (<Worker>best).load):
            best = w
        w = (<Worker>w).idle_next
    return best


cdef PyObject* idle_for(Pool p, int kind, PyObject* g, PyObject* but, bint must) noexcept:
    # Gives the idle worker to wake for this call; NULL: none, or a further one is better.
    cdef PyObject* origin = pooled_call(g).origin
    cdef PyObject* w
    if kind == PLAIN:
        w = idle_other(p, kind, but, origin if must else NULL)
        return keeper_for(p, origin, must) if w == NULL and keepers_serve(p, must) else w
    w = idle_lightest(p, but, origin)
    if (w == NULL or (<Worker>w).load > 0) and may_start(p, kind, must):
        return NULL
    return idle_lightest(p, but, NULL) if w == NULL and not must else w


cdef enum:
    ENOUGH = 4  # workers with goroutines of their own, or as many as there may be busy: no further thread then


cdef inline bint keepers_serve(Pool p, bint must) noexcept:
    return p.kept >= max(p.size, <Py_ssize_t>ENOUGH) or not may_start(p, PLAIN, must)


cdef inline PyObject* keeper_for(Pool p, PyObject* origin, bint must) noexcept:
    # Gives the keeper that came last: the earlier ones go on with their goroutines.
    cdef PyObject* w = idle_other(p, KEEPERS, origin, NULL)
    return idle_other(p, KEEPERS, NULL, NULL) if w == NULL and not must else w


cdef PyObject* leave_too(Pool p, int kind) noexcept:
    # Under the lock: an idle worker of a closed pool, to wake so that it leaves.
    cdef PyObject* w = p.idle[kind].head if p.closed else NULL
    if w != NULL:
        idle_remove(p, <Worker>w)
        if kind == PLAIN:
            p.busy += 1
    return w


# After the system has refused a thread the other workers must do, for this many seconds. Without others, each call asks anew.
cdef double STARVES = 0.1


cdef inline bint may_start(Pool p, int kind, bint must) noexcept:
    if p.starved[kind] > 0.0 and p.started[kind] > 0 and goish_monotonic() < p.starved[kind]:
        return False
    # Allows one thread more than the limit, or a call that the only worker may not run would wait for ever.
    if kind == PLAIN:
        return p.started[PLAIN] < p.most + must
    return p.started[LOOP] < p.size + must


cdef inline bint others_could(Pool p, int kind, PyObject* but, bint must) noexcept:
    if p.searching[kind] or idle_other(p, kind, but, NULL) != NULL:
        return True
    if kind == PLAIN and keepers_serve(p, must):
        return keeper_for(p, but, True) != NULL or (must and may_start(p, kind, must))
    return may_start(p, kind, must)


# ---- the next call of a worker ----

cdef inline PyObject* calls_take(Pool p, Worker w) noexcept:
    # Takes the next call for this worker; the queue's reference becomes the caller's. Under the lock.
    cdef PyObject* g = calls_next(p, w)
    if g != NULL:
        calls_remove(&p.queues[w.kind], g)
    return g


cdef PyObject* calls_next(Pool p, Worker w) noexcept:
    # Under the lock: the next call for this worker, or NULL.
    cdef PyObject* g = p.queues[w.kind].head
    if g == NULL:
        return NULL
    if pooled_call(g).origin == <PyObject*>w:
        # Made on this very worker: left to another, if there is one that could come.
        if others_could(p, w.kind, <PyObject*>w, pooled_call(g).where == ELSEWHERE):
            return NULL
        if w.kind == LOOP and p.started[LOOP] > 1 and (<Goroutine>g).id != w.insists:
            return NULL
        while g != NULL and pooled_call(g).where == ELSEWHERE and pooled_call(g).origin == <PyObject*>w:
            g = (<Goroutine>g).all_next
        return g
    return NULL if w.kind == LOOP and rather_for_another(p, w, g) else g


cdef enum:
    SLACK = 8  # a loop with n goroutines is as good as one with n - n/8


cdef bint rather_for_another(Pool p, Worker w, PyObject* g) noexcept:
    # Under the lock: whether a worker with fewer goroutines comes, or is picked if this worker does not take the call.
    cdef PyObject* origin = pooled_call(g).origin
    cdef bint must = pooled_call(g).where == ELSEWHERE and origin != NULL
    cdef Py_ssize_t load = w.sched.live
    cdef Py_ssize_t limit = load - load // SLACK
    cdef PyObject* other
    if load == 0:
        return False
    if p.searching[LOOP] and not w.told:
        return p.coming < limit
    if may_start(p, LOOP, must):
        return True
    other = idle_lightest(p, <PyObject*>w, origin)
    return other != NULL and (<Worker>other).load < limit


# ---- which worker to wake ----

cdef PyObject* worker_pick(Pool p, int kind, PyObject* but) noexcept:
    # Under the lock: what to give worker_wake() after unlocking, for the queue: a worker, the pool itself for a new one, or NULL.
    cdef PyObject* w
    cdef PyObject* g = p.queues[kind].head
    cdef bint must
    if g == NULL or p.searching[kind] or (kind == PLAIN and p.busy >= p.size):
        return NULL
    must = pooled_call(g).where == ELSEWHERE and pooled_call(g).origin != NULL
    w = idle_for(p, kind, g, but, must)
    p.coming = 0 if w == NULL or kind == PLAIN else (<Worker>w).load
    if w != NULL:
        idle_remove(p, <Worker>w)
        (<Worker>w).told = True
    elif may_start(p, kind, must):
        p.started[kind] += 1
        w = <PyObject*>p
    else:
        return NULL
    p.searching[kind] = True
    if kind == PLAIN:
        p.busy += 1
    return w


cdef int worker_wake(Pool p, int kind, PyObject* w) except -1:
    # Not under the lock.
    if w == NULL:
        return 0
    if w != <PyObject*>p:
        if kind == PLAIN:
            if (<Worker>w).tends:
                inbox_poke((<Worker>w).sched)
            goish_unpark((<Worker>w).park_lock)  # last: from here on it may leave
        else:
            inbox_poke((<Worker>w).sched)
        return 0
    try:
        if p.start(kind):
            PyErr_SetInterrupt()  # for the caller, when the call is where it belongs
    except BaseException:
        if not never_started(p, kind):
            raise
    return 0


cdef bint never_started(Pool p, int kind) except -1:
    # Whether there are other workers, which will do.
    cdef PyObject* w
    cdef bint others
    goish_lock(&p.lock)
    p.started[kind] -= 1
    p.searching[kind] = False
    p.starved[kind] = goish_monotonic() + STARVES
    if kind == PLAIN:
        p.busy -= 1
    others = p.started[kind] > 0
    w = worker_pick(p, kind, NULL) if others else NULL
    goish_unlock(&p.lock)
    worker_wake(p, kind, w)
    return others


cdef void worker_wake_quietly(Pool p, int kind, PyObject* w) noexcept:
    # Failing to start an extra worker is not the caller's error: log it.
    if w == NULL:
        return
    try:
        worker_wake(p, kind, w)
    except BaseException as exc:
        logger.error("%r has not got a further thread", p, exc_info=exc_info(exc))
        fail_queued(p, kind, exc)


cdef void fail_queued(Pool p, int kind, object error) noexcept:
    # There is no worker, and none can be started: calls queued meanwhile counted on the one that did not come.
    try:
        for g in pool_members(p, &p.queues[kind]):
            if claim_call(p, <Goroutine>g):
                end_claimed(p, <Goroutine>g, error, GF_FAILED)
    except BaseException as exc:
        logger.error("%r could not tell its calls that it gets no thread", p, exc_info=exc_info(exc))
