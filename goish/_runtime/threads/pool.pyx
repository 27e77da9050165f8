# pool.pyx - a pool of workers, and giving it a call.
#
#   go_thread(fn) ──► QUEUED ──┬─ plain ─► RUNNING on a worker, outside of any loop ──► DONE
#                              └─ coroutine function ─► CALLED on a worker's loop, from there as every goroutine
#
# Threads: any.
# Not here: which worker takes a call (pick.pyx), how it runs and ends (plain_run.pyx, call.pyx).

cdef bint pool_push(Pool p, Goroutine g, bint offered=False) except -1:
    # Puts a new goroutine into its queue. PoolShutdown or PoolFull if the pool does not take it: it has never been then. One that
    # is only offered is left to the caller by a pool that is full: False.
    # The scope comes first: it may fail, as anything deep in a recursion.
    scope = current_scope.get()
    cdef Call call = pooled_call(<PyObject*>g)
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
    if scope is not None:  # not before: a scope may claim, cancel and join what it knows
        above.scope_add(scope, g)
    return True


cdef int try_push(Pool p, Goroutine g) except -1:
    # Gives 0, or the reason why not.
    cdef Call call = pooled_call(<PyObject*>g)
    cdef int kind = call.kind  # once it is queued it may run, and become another
    cdef PyObject* w = NULL
    cdef int why = 0
    cdef bint mine
    goish_lock(&p.lock)
    if p.closed or ending:
        why = 1
    elif p.pending >= 0 and p.queues[PLAIN].count + p.queues[LOOP].count >= p.pending:
        why = 2
    elif kind == PLAIN and p.blocked >= p.most:
        why = 3
    else:
        Py_INCREF(g)
        calls_push(&p.queues[kind], <PyObject*>g)
        w = worker_pick(p, kind, NULL)
    goish_unlock(&p.lock)
    if w == NULL:
        return why
    try:
        worker_wake(p, kind, w)
    except BaseException as exc:
        mine = claim_call(p, g)
        fail_queued(p, kind, exc)
        if not mine:
            return 0
        if leave_active(p, g, call):
            Py_DECREF(g)
        call_discard(g)
        raise
    return 0


cdef bint runs_here(Pool p, Goroutine g) except -1:
    cdef Call call = pooled_call(<PyObject*>g)
    if call.kind != PLAIN or call.where == ELSEWHERE or running_loop() is not None:
        return False
    goish_lock(&p.lock)
    Py_INCREF(g)
    goish_store_state(&g.state, G_RUNNING)
    calls_push(&p.active, <PyObject*>g)
    goish_unlock(&p.lock)
    run_call(g)
    return True


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


# ---- a full pool ----

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


def _pool_gone(known, _reference):
    pools.pop(known, None)


cdef class Pool:
    """A pool of worker threads; ``goish.parallel.Executor`` gives it its public side."""

    def __cinit__(self, *args, **kwargs):
        self.size = 1
        self.most = 1
        self.pending = -1
        self.space = Chan(1)
        known = id(self)
        pools[known] = weak_reference(self, partial(_pool_gone, known))

    def __repr__(self):
        return f"<Executor {self.name!r}>"

    def _set(self, str name, start):
        self.name = name
        self.start = start

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

    def _forget(self):
        # In a forked child: no thread is here, and all calls that wait or run are the parent's.
        cdef int kind
        self.space = Chan(1)
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
