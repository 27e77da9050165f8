# pool.pyx - calls that wait for a worker, and which worker is woken for them.
#
#   go_thread(fn) ──► QUEUED ──┬─ plain ─► RUNNING on a worker, outside of any loop ──► DONE
#                              └─ coroutine function ─► CALLED on a worker's loop, from there as every goroutine
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
# Invariants: `lock` guards the queues, the idle workers, the numbers and the step from QUEUED to anything else. A QUEUED
#   goroutine is in its queue, which owns it; a plain call that runs is in `active`, which owns it then. If something is
#   queued, a worker is awake that will look again, or as many as may be are busy: worker_pick() after each change to either.
#   One wake-up at a time: the worker that worker_pick() chose wakes the next, if the queue is not empty when it has taken a call.
# Threads: any. Not here: how a call runs and ends (call.pyx), how a worker lives (worker.pyx), threads and loops being made
#   (_threads/workers.py).

cdef Scheduler NO_LOOP = new_no_loop()  # of all goroutines that are on no loop


cdef dict pools = {}  # by id, as weak references


cdef Scheduler new_no_loop():
    cdef Scheduler s = Scheduler.__new__(Scheduler)
    s.failed = []
    return s


cdef list all_pools():
    return [p for p in [known() for known in list(pools.values())] if p is not None]


cdef bint ending = False  # the interpreter


# ---- the queue ----

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
    if (<Call>(<Goroutine>g).coro).origin == <PyObject*>w:
        # Made on this very worker: left to another, if there is one that could come.
        if others_could(p, w.kind, <PyObject*>w, (<Call>(<Goroutine>g).coro).where == ELSEWHERE):
            return NULL
        if w.kind == LOOP and p.started[LOOP] > 1 and (<Goroutine>g).id != w.insists:
            return NULL
        while g != NULL and (<Call>(<Goroutine>g).coro).where == ELSEWHERE and (<Call>(<Goroutine>g).coro).origin == <PyObject*>w:
            g = (<Goroutine>g).all_next
        return g
    return NULL if w.kind == LOOP and rather_for_another(p, w, g) else g


cdef enum:
    SLACK = 8  # a loop with n goroutines is as good as one with n - n/8


cdef bint rather_for_another(Pool p, Worker w, PyObject* g) noexcept:
    # Under the lock: whether a worker with fewer goroutines comes, or is picked if this worker does not take the call.
    cdef PyObject* origin = (<Call>(<Goroutine>g).coro).origin
    cdef bint must = (<Call>(<Goroutine>g).coro).where == ELSEWHERE and origin != NULL
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
    cdef PyObject* origin = (<Call>(<Goroutine>g).coro).origin
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


cdef PyObject* worker_pick(Pool p, int kind, PyObject* but) noexcept:
    # Under the lock: what to give worker_wake() after unlocking, for the queue: a worker, the pool itself for a new one, or NULL.
    cdef PyObject* w
    cdef PyObject* g = p.queues[kind].head
    cdef bint must
    if g == NULL or p.searching[kind] or (kind == PLAIN and p.busy >= p.size):
        return NULL
    must = (<Call>(<Goroutine>g).coro).where == ELSEWHERE and (<Call>(<Goroutine>g).coro).origin != NULL
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


cdef void fail_queued(Pool p, int kind, object error) noexcept:
    # There is no worker, and none can be started: calls queued meanwhile counted on the one that did not come.
    try:
        for g in pool_members(p, &p.queues[kind]):
            if claim_call(p, <Goroutine>g):
                end_claimed(p, <Goroutine>g, error, GF_FAILED)
    except BaseException as exc:
        logger.error("%r could not tell its calls that it gets no thread", p, exc_info=exc_info(exc))


# ---- work comes ----

cdef bint pool_push(Pool p, Goroutine g, bint offered=False) except -1:
    # Puts a new goroutine into its queue. PoolShutdown or PoolFull if the pool does not take it: it has never been then. One that
    # is only offered is left to the caller by a pool that is full: False.
    # The scope comes first: it may fail, as anything deep in a recursion.
    scope = current_scope.get()
    at_limit = None if scope is None else cancelled_error(None)
    cdef Call call = <Call>g.coro
    cdef int why = try_push(p, g)
    if why == 2 and p.on_full == FULL_BLOCK and not offered and running_loop() is None:
        why = push_when_there_is_room(p, g)
    if why == 2 and p.on_full == FULL_RUN and not offered and runs_here(p, g):
        why = 0
    if why:
        call_discard(g)
        if offered and why != 1:
            return False
        raise_refused(p, why, call)
    join_scope(g, scope, at_limit)
    return True


# A thread that waits for space receives from the channel `space`. So a cancel ends the wait, another worker takes its place
# meanwhile, and it counts as asleep. Invariant: if there is space (or the pool is closed) and `space_waiters` is not 0, a token
# is in `space`, or a thread has taken it and looks. The thread that makes space puts it there, and so does a thread that has
# looked; one too many does no harm.

cdef int push_when_there_is_room(Pool p, Goroutine g) except -1:
    # As try_push(), tried until there is room. Whatever ends the wait has left nothing in the queue.
    cdef int why = 2
    add_space_waiter(p, 1)
    try:
        while why == 2:
            try:
                if not has_space(p):
                    p.space.recv_ok_blocking()
                look_for_cancel()
            except BaseException:
                call_discard(g)
                raise
            why = try_push(p, g)
    finally:
        add_space_waiter(p, -1)
        if has_space(p):
            tell_space(p)
    return why


cdef void add_space_waiter(Pool p, Py_ssize_t by) noexcept:
    goish_lock(&p.lock)
    goish_count(&p.space_waiters, by)
    goish_unlock(&p.lock)


cdef bint has_space(Pool p) noexcept:
    # Under the lock: either this thread sees the room that another one makes, or that one sees that a thread waits for it.
    cdef bint room
    goish_lock(&p.lock)
    room = p.closed or p.pending < 0 or p.queues[PLAIN].count + p.queues[LOOP].count < p.pending
    goish_unlock(&p.lock)
    return room


cdef bint runs_here(Pool p, Goroutine g) except -1:
    cdef Call call = <Call>g.coro
    if call.kind != PLAIN or call.where == ELSEWHERE or running_loop() is not None:
        return False
    goish_lock(&p.lock)
    Py_INCREF(g)
    goish_store_state(&g.state, G_RUNNING)
    calls_push(&p.active, <PyObject*>g)
    goish_unlock(&p.lock)
    run_call(g)
    return True


cdef inline int tell_space(Pool p) except -1:
    if goish_counted(&p.space_waiters) > 0:
        p.space.try_send(None)
    return 0


cdef int try_push(Pool p, Goroutine g) except -1:
    # Gives 0, or the reason why not.
    cdef Call call = <Call>g.coro
    cdef PyObject* w = NULL
    cdef int why = 0
    cdef bint mine
    goish_lock(&p.lock)
    if p.closed or ending:
        why = 1
    elif p.pending >= 0 and p.queues[PLAIN].count + p.queues[LOOP].count >= p.pending:
        why = 2
    elif call.kind == PLAIN and p.blocked >= p.most:
        why = 3
    else:
        Py_INCREF(g)
        calls_push(&p.queues[call.kind], <PyObject*>g)
        w = worker_pick(p, call.kind, NULL)
    goish_unlock(&p.lock)
    if w == NULL:
        return why
    try:
        worker_wake(p, call.kind, w)
    except BaseException as exc:
        mine = claim_call(p, g)
        fail_queued(p, call.kind, exc)
        if not mine:
            return 0
        end_active(p, g, call)
        call_discard(g)
        raise
    return 0


def interpreter_ends(bint begins=False):
    """Whether the interpreter ends, which the first call with ``begins`` says: pools take no more work then. Any thread."""
    global ending
    ending = ending or begins
    return ending


cdef str what_to_do_when_full(Pool p, Call call):
    # The advice for a full pool, by its on_full, for this call and on this thread.
    cdef bint on_loop = running_loop() is not None
    if p.on_full == FULL_RAISE or call is None:
        return "wait for some of them, raise max_pending, or choose another on_full"
    if p.on_full == FULL_BLOCK:
        return (
            'on_full="block" blocks no thread whose event loop runs: await go_thread(executor.submit, fn, ...), which waits'
        )
    if on_loop and call.where != ELSEWHERE and call.kind == PLAIN:
        return (
            'on_full="run" runs nothing on a thread whose event loop runs: await go_thread(executor.spawn, fn, ...), which runs '
            "it on a thread that has none, or wait for some of them"
        )
    if call.kind != PLAIN:
        return 'on_full="run" runs no coroutine function: wait for some of them, or take an Executor with on_full="block"'
    return (
        'on_full="run" does not apply to submit, whose call never runs on the calling thread: take spawn, wait for some of them, '
        'or take an Executor with on_full="block", whose submit waits (await go_thread(executor.submit, fn, ...) on a loop)'
    )


cdef int raise_refused(Pool p, int why, Call call=None) except -1:
    if why == 1 and ending and running_here() != NULL and current_thread() is not main_thread():
        raise CancelledError("the interpreter ends")  # the program knows already, or is about to
    if why == 1 and ending:
        raise PoolShutdown(f"the interpreter ends, and with it {p!r}: it takes no more work")
    if why == 1:
        raise PoolShutdown(f"{p!r} is shut down and takes no more work; make another Executor")
    if why == 2:
        raise PoolFull(f"{p!r} has its max_pending={p.pending} calls waiting; {what_to_do_when_full(p, call)}")
    raise PoolFull(
        f"all {p.most} workers of {p!r} are blocked, and it may have no more (max_threads={p.most}). Let functions that wait be "
        "async def, which need no thread for that, or give them an Executor(max_threads=...)"
    )


# ---- the pool ----

cdef void follow_size(Pool p) noexcept:
    cdef object follow = None
    goish_lock(&p.lock)
    if p.follow is not None and goish_monotonic() >= p.follow_at:
        follow = p.follow
        p.follow_at = goish_monotonic() + p.follow_every
    goish_unlock(&p.lock)
    if follow is None:
        return
    try:
        follow(p)
    except BaseException as exc:
        logger.error("%r could not find out how many processors there are", p, exc_info=exc_info(exc))


cdef class Pool:
    """A pool of worker threads; ``goish.parallel.Executor`` gives it its public side."""

    def __cinit__(self, *args, **kwargs):
        self.size = 1
        self.most = 1
        self.pending = -1
        known = id(self)
        pools[known] = weak_reference(self, lambda _: pools.pop(known, None))

    def __repr__(self):
        return f"<Executor {self.name!r}>"

    def _set(self, str name, start, make_loop, keep, finish, pump, room):
        self.name = name
        self.space = room
        self.start = start
        self.make_loop = make_loop
        self.keep = keep
        self.finish = finish
        self.pump = pump

    def _resize(self, Py_ssize_t size, Py_ssize_t most):
        cdef int kind
        goish_lock(&self.lock)
        self.size = size
        self.most = most
        for kind in range(KINDS):
            self.starved[kind] = 0.0
        goish_unlock(&self.lock)
        self._look()
        self._thin_out()

    def _thin_out(self):
        # Wakes idle plain workers beyond the size, which leave.
        cdef PyObject* w = <PyObject*>self
        while w != NULL:
            goish_lock(&self.lock)
            w = self.idle[PLAIN].head if self.idle[PLAIN].count > self.size else NULL
            if w != NULL:
                idle_remove(self, <Worker>w)
                (<Worker>w).excess = True
                self.busy += 1
            goish_unlock(&self.lock)
            worker_wake(self, PLAIN, w)

    def _limit(self, pending, int on_full):
        self.pending = -1 if pending is None else pending
        self.on_full = on_full

    def _follow(self, follow, double every=0.0):
        """Has ``follow(pool)`` called between calls or for a further worker, ``every`` so many seconds; None: no more."""
        goish_lock(&self.lock)
        _before = self.follow  # dropped after unlocking
        self.follow = follow
        self.follow_every = every
        self.follow_at = goish_monotonic() + every
        goish_unlock(&self.lock)

    def _look_at_size(self):
        follow_size(self)

    def _mind(self, children):
        self.children = checked_children(children)

    def _prestart(self):
        # Wakes or starts as many plain workers as may be busy.
        cdef bint more = True
        while more:
            goish_lock(&self.lock)
            more = self.started[PLAIN] < self.size and not self.closed
            if more:
                self.started[PLAIN] += 1
                self.busy += 1
                self.searching[PLAIN] = True
            goish_unlock(&self.lock)
            if more:
                worker_wake(self, PLAIN, <PyObject*>self)

    def _check_open(self):
        if self.closed or ending:
            raise_refused(self, 1)

    def _look(self):
        # Wakes the workers that a change calls for.
        cdef PyObject* w
        cdef int kind
        for kind in range(KINDS):
            goish_lock(&self.lock)
            w = worker_pick(self, kind, NULL)
            goish_unlock(&self.lock)
            worker_wake(self, kind, w)

    def _close(self):
        """Takes no more calls; those that wait are still run. Idle workers leave."""
        cdef PyObject* w
        cdef int kind
        goish_lock(&self.lock)
        self.closed = True
        goish_unlock(&self.lock)
        for kind in range(KINDS):
            w = <PyObject*>self
            while w != NULL:
                goish_lock(&self.lock)
                w = leave_too(self, kind)
                goish_unlock(&self.lock)
                worker_wake(self, kind, w)
        tell_space(self)

    def _forget(self, room):
        # In a forked child: no thread is here, and all calls that wait or run are the parent's.
        cdef int kind
        self.space = room
        self.lock = empty_lock()
        self.idle[KEEPERS] = IdleList(NULL, 0)
        for kind in range(KINDS):
            self.queues[kind] = CallQueue(NULL, NULL, 0)
            self.idle[kind] = IdleList(NULL, 0)
            self.started[kind] = 0
            self.searching[kind] = False
            self.starved[kind] = 0.0
        self.active = CallQueue(NULL, NULL, 0)
        self.busy = self.blocked = self.kept = self.space_waiters = 0

    def queued(self):
        """The goroutines that wait for a worker, oldest first. Any thread."""
        return pool_members(self, &self.queues[PLAIN]) + pool_members(self, &self.queues[LOOP])

    def running(self):
        """The goroutines of plain functions that run, oldest first. Any thread."""
        return pool_members(self, &self.active)

    def _numbers(self):
        cdef Py_ssize_t[10] n
        goish_lock(&self.lock)
        n[0] = self.started[PLAIN]
        n[1] = self.started[LOOP]
        n[2] = self.idle[PLAIN].count
        n[3] = self.idle[LOOP].count
        n[4] = self.queues[PLAIN].count + self.queues[LOOP].count
        n[5] = self.active.count
        n[6] = self.blocked
        n[7] = self.finished
        goish_unlock(&self.lock)
        return n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7]

    def is_closed(self):
        """Whether the pool was shut down."""
        return self.closed


cdef list calls_in_pools():
    cdef list found = []
    for p in all_pools():
        found += p.queued() + p.running()
    return found


def pooled_calls():
    """The goroutines that are on no loop: calls that wait for a worker, functions that run on one. Any thread."""
    return calls_in_pools()


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


cdef Py_ssize_t live_in_pools():
    cdef Py_ssize_t count = 0
    for p in all_pools():
        count += goish_counted(&(<Pool>p).queues[PLAIN].count) + goish_counted(&(<Pool>p).queues[LOOP].count)
        count += goish_counted(&(<Pool>p).active.count)
    return count


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
