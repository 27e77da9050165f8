# call.pyx - one call that is given to a pool: made, claimed, ended, cancelled.
#
# Until a goroutine is on a loop, its `coro` is its Call. One thread runs it or ends it: the one that takes it out of its queue
# (claim_call; claim_last, flowvar.pyx; a worker: calls_take, pick.pyx), or that never queues it (runs_here, pool.pyx).
# Invariant: a call is over when call_finish() says so, exactly once; it is counted then, and its waiters are woken.
# Threads: any; `coro` is looked at under the goroutine's end_lock, the step from QUEUED under the pool's lock, which also guards
#   what to_a_loop() changes in a Call (plain_run.pyx): fn, args, kwargs, parent, kind.
# Not here: where a call waits (callq.pyx), which worker takes it (pick.pyx), how it runs (plain_run.pyx), a cancel while it is
#   blocked (blocked.pyx), what its caller gets (spawn.pyx, flowvar.pyx).

cdef Goroutine call_new(
    Pool p, object fn, tuple args, dict kwargs, object context, object name, int where, int children, object on_panic=None
):
    cdef Goroutine g
    cdef Call call
    cdef int kind = kind_of(fn, where)
    cdef bint named = False
    cdef PyObject* code
    if kind == LOOP and check_coroutine(fn) is not None:
        if args or kwargs:
            raise with_advice(TypeError(f"a coroutine has its arguments already: got {fn!r} and arguments or keywords"), kwargs)
        args = None
    if children != KEEP:
        fn = host.with_children(fn, children == CANCEL, kind == LOOP)
        args = () if args is None else args
    g = Goroutine.__new__(Goroutine)
    code = goish_user_frame(&g.lasti)
    if code != NULL:
        g.code = <object>code
        Py_DECREF(g.code)
    elif plain_here() != NULL:
        g.code = (<Goroutine>plain_here()).code
        g.lasti = (<Goroutine>plain_here()).lasti
    g.id = goish_next_id()
    g.state = G_QUEUED
    g.sched = NO_LOOP
    if name is not None:
        named = kind == PLAIN
        g.cold = new_cold()
        (<GoroutineCold>g.cold).name = name
    if context is None:
        g.ctx = PyContext_CopyCurrent()
    else:
        g.ctx = context
    find_program(g, context is not None)
    if on_panic is not None:
        fate_of(g).on_panic = on_panic
    call = Call.__new__(Call)
    call.fn = fn
    call.args = args
    call.kwargs = kwargs if kwargs else None
    call.pool = p
    call.kind = kind
    call.named = named
    call.where = where
    call.born = forks
    if goish_tls_worker != NULL:
        call.origin = goish_tls_worker
        if (<Worker>goish_tls_worker).current != NULL:
            call.parent = pooled_call((<Worker>goish_tls_worker).current)
    g.coro = call
    # Last: an untracked Context must be tracked again, in goroutine_release().
    if context is None and goish_untrack(<PyObject*>g.ctx):
        g.flags |= GF_CTX_TAKEN
    goish_untrack(<PyObject*>call)
    goish_untrack(<PyObject*>g)
    return g


cdef tuple VERBS = ("spawn", "go_thread", "submit")  # by where their calls run


cdef int kind_of(object fn, int where) except -1:
    cdef int found = goish_makes_coroutine(<PyObject*>fn)
    if found >= 0:
        return LOOP if found else PLAIN
    if is_coro(fn):
        return LOOP
    if isinstance(fn, partial):
        return kind_of(fn.func, where)
    if not callable(fn):
        refuse_op(fn)
        verb = VERBS[where]
        raise TypeError(
            "work for a thread is a function and its arguments (def or async def), or a coroutine that has not started; got "
            f"{fn!r} of type {type(fn).__name__}. Give it {verb}(fn, x), not {verb}(fn(x)), which calls fn here"
        )
    if isgeneratorfunction(fn) or isasyncgenfunction(fn):
        raise TypeError(
            f"work for a thread is a function (def or async def); {fn!r} is a generator function, whose body would run where it "
            "is iterated. Iterate it in a function of the thread's, and send its values through a channel"
        )
    # An object is called by its type's __call__, which may be an async def.
    return LOOP if iscoroutinefunction(fn) or iscoroutinefunction(getattr(type(fn), "__call__", None)) else PLAIN


def check_plain(fn, str verb, str who, str instead):
    """TypeError unless ``fn`` is a plain function, in the words ``<who> plain functions (def), got <fn>: <instead>``."""
    if kind_of(fn, VERBS.index(verb)) == LOOP:
        raise TypeError(f"{who} plain functions (def), got {fn!r}: {instead}")


def function_name(Goroutine g):
    """The function of a goroutine that is on no loop, by its name; None for another, or when it is over. Any thread."""
    cdef Call call = call_of(g)
    return None if call is None else call.__qualname__


cdef class Call:
    @property
    def __qualname__(self):
        goish_lock(&self.pool.lock)
        fn, args = self.fn, self.args
        goish_unlock(&self.pool.lock)
        if self.foreign:
            fn = args[0]
        return getattr(fn, "__qualname__", type(fn).__name__)


# ---- the goroutines that it leaves behind ----

cdef tuple CHILDREN = ("keep", "await", "cancel")


cdef int checked_children(object children) except -1:
    if children not in CHILDREN:
        raise ValueError(f'children is one of "keep", "await", "cancel"; got {children!r}')
    return CHILDREN.index(children)


# ---- claimed ----

cdef bint claim_call(Pool p, Goroutine g, bint plain=False) except -1:
    # Takes the call out of the queue, if it is still there: the caller then ends it, or runs it if it is plain. Only the lock
    # tells that: a call that has given a coroutine meanwhile is queued anew, for a loop.
    cdef bint mine
    goish_lock(&p.lock)
    mine = g.state == G_QUEUED and pooled_call(<PyObject*>g).born == forks  # or it is in the parent's queue
    mine = mine and (not plain or pooled_call(<PyObject*>g).kind == PLAIN)
    if mine:
        calls_remove(&p.queues[pooled_call(<PyObject*>g).kind], <PyObject*>g)
        goish_store_state(&g.state, G_RUNNING)
        calls_push(&p.active, <PyObject*>g)
    goish_unlock(&p.lock)
    if mine:
        tell_space(p)
    return mine


cdef void call_discard(Goroutine g) except *:
    # The call never was: nothing holds its handle, and it has no waiters.
    goroutine_end(g, None, GF_CANCELLED | GF_FAILED)


# ---- over ----

cdef void end_claimed(Pool p, Goroutine g, object error, int flags) except *:
    # Ends a claimed call that never runs: whatever raises here, it is over.
    try:
        close_unstarted(pooled_call(<PyObject*>g))
    except BaseException as exc:
        error_while_ending(g, exc)
    call_finish(p, g, error, flags)


cdef void error_while_ending(Goroutine g, object error) noexcept:
    try:
        logger.error("%r did not close as it was ended", g, exc_info=exc_info(error))
    except BaseException:
        pass  # near the recursion limit there is no room to say so


cdef void call_finish(Pool p, Goroutine g, object outcome, int flags) except *:
    # The end of a goroutine that was on no loop.
    cdef object cold
    cdef bint alone
    cdef bint listed
    cdef Call call = pooled_call(<PyObject*>g)
    cdef Call _parent = call.parent  # dropped after unlocking
    if flags == GF_FAILED and PyErr_GivenExceptionMatches(outcome, StopIteration):
        outcome = no_stop_iteration(call, outcome)
    goish_lock(&p.lock)
    call.parent = None
    goish_unlock(&p.lock)
    count_finished(p, call)
    cold = goroutine_end(g, outcome, flags)
    listed = leave_active(p, g, call)  # before it wakes a waiter, which finds the call counted off
    alone = flags & GF_FAILED and not (type(cold) is GoroutineCold and is_awaited(<GoroutineCold>cold))
    try:
        if cold is not None:
            alone = alone and not nursery_takes(cold)
            leave_wait_group(g)
        if type(cold) is GoroutineCold:
            goroutine_notify(NO_LOOP, g, <GoroutineCold>cold)
        if alone:
            watch_failed(g)
    finally:
        if listed:
            Py_DECREF(g)  # the list's; the caller has another


cdef object no_stop_iteration(Call call, object error):
    # An await cannot raise StopIteration, nor can a generator that syncs (PEP 479): as of a coroutine.
    try:
        instead = RuntimeError(f"{call.__qualname__}() raised StopIteration")
        instead.__cause__ = error
        return instead
    except BaseException as exc:
        return exc


cdef void count_finished(Pool p, Call call) noexcept:
    # Before any waiter is woken: a thread that has its result finds it counted.
    if call.born != forks:
        return
    goish_lock(&p.lock)
    p.finished += 1
    goish_unlock(&p.lock)


cdef bint leave_active(Pool p, Goroutine g, Call call) noexcept:
    # True: the list's reference is the caller's now.
    if call.born != forks:
        return False  # the call is the parent's, and so is the list that it was in
    goish_lock(&p.lock)
    calls_remove(&p.active, <PyObject*>g)
    goish_unlock(&p.lock)
    return True


cdef int cancel_pooled(Goroutine g, object msg) except -1:
    # 1: done; 0: it has meanwhile come to a loop; 2: it cannot be cancelled. A call that waits for a worker ends at once; a
    # blocked one is woken; one that runs finds the cancel (check_cancel).
    cdef Call call
    cdef object error = cancelled_error(msg)  # before the call is claimed: it may fail, as anything deep in a recursion
    call = call_of(g)
    if call is None:
        return 0
    if claim_call(call.pool, g):
        end_claimed(call.pool, g, error, GF_FAILED | GF_CANCELLED)
        return 1
    if g.sched is not NO_LOOP:
        return 0
    if call.foreign:
        return 1 if call.fn.cancel() else 2
    if call.born != forks:
        return 2
    if msg is not None:
        set_cancel_message(g, msg)
    goish_lock(end_lock(g))
    if g.cancels < 65535:
        g.cancels += 1
    goish_unlock(end_lock(g))
    cancel_blocked(g, call, msg)
    return 1


# ---- on an executor that is not goish's ----

def foreign_goroutine(Pool p, future, fn, context=None, name=None):
    """A Goroutine for a ``concurrent.futures.Future``, the result of ``fn``: it ends as that ends.

    ``context``: the one that it runs in; None: a copy of the current one stands for it.
    """
    scope = current_scope.get()
    g = call_new(p, coro_of_nothing, None, None, context, name, ELSEWHERE, KEEP)
    pooled_call(<PyObject*>g).fn = future
    pooled_call(<PyObject*>g).args = (fn,)
    pooled_call(<PyObject*>g).foreign = True
    goish_lock(&p.lock)
    Py_INCREF(g)
    goish_store_state(&g.state, G_RUNNING)
    calls_push(&p.active, <PyObject*>g)
    goish_unlock(&p.lock)
    future.add_done_callback(_Conclude(g))
    if scope is not None:
        above.scope_add(scope, g)
    return g


def coro_of_nothing():
    raise AssertionError


class _Conclude:
    # No closure: it must not hold the goroutine's FlowVar.
    def __init__(self, g):
        self.g = g

    def __call__(self, future):
        cdef Goroutine g = self.g
        cdef Pool p = pooled_call(<PyObject*>g).pool
        if future.cancelled():
            call_finish(p, g, cancelled_error(None), GF_FAILED | GF_CANCELLED)
        elif future.exception() is not None:
            call_finish(p, g, future.exception(), GF_FAILED)
        else:
            call_finish(p, g, future.result(), 0)
