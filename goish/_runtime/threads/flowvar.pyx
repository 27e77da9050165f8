# flowvar.pyx - what spawn and submit return: results that are taken once.
#
# A FlowVar owns its goroutine until its result is taken. A thread that syncs a call that no worker has begun runs it itself, on
# the spot; while it waits for one that runs it runs what that has spawned; and if there is nothing of that sort, another
# worker takes its place. So no pool is too small for calls that wait for the calls they make.
# Threads: any; `consumed` is set by compare-and-swap.
# Not here: spawn() and submit() (spawn.pyx), running a call (plain_run.pyx).

cdef enum:
    LOOK_BACK = 64  # how many calls at the end of the queue are checked for one that may run meanwhile

cdef enum:
    HELP_NONE
    HELP_DESCENDANTS
    HELP_ANY

cdef tuple HELPS = ("none", "descendants", "any")


@cython.final
cdef class FlowVar:
    """The result to come of ``spawn`` or ``submit``: ``sync`` it on a thread, or ``await`` it in an event loop, once.

    Its result is handed over and not kept: a second ``sync`` or ``await`` raises FlowVarConsumed. It cannot be copied or
    pickled. Any thread may use it. An exception of the call is raised where it is synced, with the traceback of the call
    and a note that says where it was spawned; if it never is, it is a panic.

    Example::

        def main():
            fv = spawn(sum, [1, 2, 3])
            return sync(fv)

        print(await go_thread(main))  # -> 6
    """

    @staticmethod
    def empty():
        """A FlowVar that stands for no call: ``is_spawned`` is False, and ``sync`` raises NotSpawned."""
        return FlowVar.__new__(FlowVar)

    def __await__(self):
        return flowvar_await(self, take_result(self)).__await__()

    def sync(self, timeout=None, *, help="descendants"):
        """Blocks this thread until the result is there, and takes it: the same as ``sync(this, timeout, help=help)``."""
        return sync_one(self, timeout, checked_help(help))

    def outcome(self):
        """The same with what becomes of the call as a value: ``Ok(result)``, or ``Err(error)`` if it failed.

        For callers that prefer ``match`` to ``try``, or tell a cancelled call from a cancel of their own. It takes the place
        of this FlowVar, which is consumed. SystemExit and KeyboardInterrupt, which end the program, are raised all the same.
        Raises FlowVarConsumed or NotSpawned. Any thread.

        Example::

            match await spawn(int, "many").outcome():
                case Ok(number):
                    print(number)
                case Err(ValueError()):
                    print("no number")  # -> no number
        """
        cdef FlowVar valued = FlowVar.__new__(FlowVar)
        valued.g = take_result(self)
        valued.as_value = True
        return valued

    def is_ready(self):
        """Whether the call has a result, or an exception, so that ``sync`` would not block. NotSpawned if it is empty."""
        return goish_load_state(&need_spawned(self).state) == G_DONE

    def is_spawned(self):
        """Whether the FlowVar stands for a call; ``FlowVar.empty()`` does not."""
        return self.g is not None or self.consumed != 0

    def is_consumed(self):
        """Whether the result was taken."""
        return self.consumed != 0

    def cancel(self, msg=None):
        """Cancels the call, as ``Goroutine.cancel`` does: ``sync`` raises CancelledError then. Any thread."""
        return need_spawned(self).cancel(msg)

    def __getattr__(self, name):
        if name in ("result", "exception"):
            hint = ": sync(x), x.sync(timeout) on a thread, await x in a coroutine, or x.outcome() for an error as a value"
        elif name in ("done", "cancelled", "add_done_callback"):
            hint = ": it has is_ready(); as_goroutine(x) has all that asyncio's tasks have"
        else:
            hint = ""
        raise AttributeError(f"'FlowVar' object has no attribute {name!r}{hint}", name=name, obj=self)

    def __copy__(self):
        raise_no_copy(self)

    def __deepcopy__(self, memo):
        raise_no_copy(self)

    def __reduce_ex__(self, protocol):
        raise_no_copy(self)

    def __repr__(self):
        what = "consumed" if self.consumed else "empty" if self.g is None else repr(self.g)
        return f"<{type(self).__name__} {what}>"

    __class_getitem__ = classmethod(GenericAlias)


Pending = FlowVar  # the RFC's name for what submit() returns


cdef int raise_no_copy(object fv) except -1:
    raise TypeError(
        f"a {type(fv).__name__} cannot be copied or pickled: its result is taken once. "
        "Hand the object itself on, or take the result"
    )


cdef Goroutine need_spawned(FlowVar fv):
    cdef Goroutine g = fv.g
    if g is None:
        raise_consumed_or_empty(fv)
    return g


cdef int raise_consumed_or_empty(FlowVar fv) except -1:
    if fv.consumed:
        raise FlowVarConsumed(f"the result of this {type(fv).__name__} was taken already: it is there once; keep the result")
    raise NotSpawned("this FlowVar is empty: it stands for no call; spawn(fn, ...) gives one that does")


cdef Goroutine take_result(FlowVar fv):
    # Gives the goroutine to the first caller, which takes its result.
    cdef Goroutine g
    if not goish_swap_state(&fv.consumed, 0, 1):
        raise_consumed_or_empty(fv)
    g = fv.g
    if g is None:
        fv.consumed = 0
        raise_consumed_or_empty(fv)
    fv.g = None
    return g


async def flowvar_await(FlowVar fv, Goroutine g):
    try:
        await quiet_join(g)
    except BaseException:  # the awaiter was cancelled: the result may be taken later
        fv.g = g
        goish_store_state(&fv.consumed, 0)
        raise
    return value_here(g) if fv.as_value else result_of(g)


cdef object value_here(Goroutine g):
    # The outcome of a goroutine that is done. Its types are imported here, as few programs need them, and dataclasses.
    from goish._runtime.outcome import Err, Ok
    try:
        return Ok(result_of(g))
    except (Exception, CancelledError) as exc:
        return Err(exc)


def goroutine_behind(FlowVar fv):
    """The goroutine of a FlowVar, whose result stays to be taken."""
    return need_spawned(fv)


def join_helping(Goroutine g, timeout=None):
    """Blocks until ``g`` is done, running it or what it has spawned meanwhile. Does not consume the result.

    With a timeout it only waits. TimeoutError if it was not done by then.
    """
    await_blocking(g, timeout, "sync_scope" if timeout is None else "sync_all(timeout)", HELP_DESCENDANTS)


def flowvar_take(FlowVar fv):
    """Takes the result of a FlowVar that is done, or raises its exception, without waiting."""
    cdef Goroutine g = take_result(fv)
    return value_here(g) if fv.as_value else result_of(g)


def outcome_of(Pool p, future, fn, context):
    """A FlowVar for a ``concurrent.futures.Future``, the result of ``fn``. See ``foreign_goroutine``."""
    cdef FlowVar fv = FlowVar.__new__(FlowVar)
    fv.g = foreign_goroutine(p, future, fn, context)
    return fv


# ---- sync ----

cdef int checked_help(object help) except -1:
    if help not in HELPS:
        raise ValueError(f'help is one of "descendants", "any", "none"; got {help!r}')
    return HELPS.index(help)


cdef object sync_one(FlowVar fv, object timeout, int help):
    cdef Goroutine g = need_spawned(fv)
    if asyncio_running_loop() is not None:
        raise SyncOnLoop(f"sync() would block the event loop that runs on this thread: await the {type(fv).__name__}")
    await_blocking(g, timeout, "sync(timeout)", help)
    take_result(fv)
    return value_here(g) if fv.as_value else result_of(g)


cdef int await_blocking(Goroutine g, object timeout, str what, int help) except -1:
    # Waits until `g` is done, helping meanwhile. Raises only exceptions of the wait, not of `g`.
    cdef Goroutine other
    cdef Call call = call_of(g) if timeout is None and help != HELP_NONE else None
    checked_timeout(timeout)
    look_for_cancel()
    if call is not None and call.where == ANYWHERE and claim_call(call.pool, g, plain=True):
        run_call(g)
        look_for_cancel()
    elif call is not None:
        while goish_load_state(&g.state) != G_DONE:
            other = claim_other(call, help)
            if other is None:
                break
            run_call(other)
            look_for_cancel()
            look_for_interrupt(other)
    if goish_load_state(&g.state) != G_DONE:
        thread_block(quiet_join(g), timeout, what, "await it")
    return 0


cdef int look_for_interrupt(Goroutine g) except -1:
    # Ctrl-C comes to the main thread, whatever that runs there: it is for the waiter, and not only for a call of another thread.
    # Not so one that has given a coroutine, which runs on a loop by now.
    if plain_here() != NULL or goish_load_state(&g.state) != G_DONE or not goish_load_state(&g.flags) & GF_FAILED:
        return 0
    if type(goroutine_outcome(g)) is KeyboardInterrupt:
        goish_set_bits(&g.flags, GF_RETRIEVED)
        raise goroutine_outcome(g)
    return 0


cdef Goroutine claim_other(Call target, int help):
    # Claims a call that the waiter may run while it waits for the target.
    if help == HELP_ANY:
        return claim_last(target.pool, NULL)
    return claim_last(target.pool, <PyObject*>target) if target.where == ANYWHERE else None


cdef Goroutine claim_last(Pool p, PyObject* target):
    # Claims a waiting call that, unless the target is NULL, was made by it, directly or not.
    cdef PyObject* g
    cdef PyObject* found = NULL
    cdef int looked = 0
    goish_lock(&p.lock)
    g = p.queues[PLAIN].tail
    while g != NULL and looked < LOOK_BACK and found == NULL:
        if pooled_call(g).where == ANYWHERE:
            if target == NULL or call_descends(pooled_call(g), target):
                found = g
        g = (<Goroutine>g).all_prev
        looked += 1
    if found != NULL:
        calls_remove(&p.queues[PLAIN], found)
        goish_store_state(&(<Goroutine>found).state, G_RUNNING)
        calls_push(&p.active, found)
    goish_unlock(&p.lock)
    if found == NULL:
        return None
    tell_space(p)
    return <Goroutine>found


cdef inline bint call_descends(Call descendant, PyObject* target) noexcept:
    cdef PyObject* call = <PyObject*>descendant.parent
    while call != <PyObject*>None:
        if call == target:
            return True
        call = <PyObject*>(<Call>call).parent
    return False


cdef object result_of(Goroutine g):
    if goish_load_state(&g.flags) & GF_FAILED:
        goish_set_bits(&g.flags, GF_RETRIEVED)
        error = take_cancelled(g) if goish_load_state(&g.flags) & GF_CANCELLED else goroutine_outcome(g)
        if isinstance(error, Exception):
            note_origin(g, error)
        raise error
    return goroutine_outcome(g)


cdef void note_origin(Goroutine g, object error) noexcept:
    by = g.created_by
    if by is not None:
        add_note(error, f"goish: spawned by {by[0].co_qualname} at {by[0].co_filename}:{by[1]}")


def sync(fv, /, timeout=None, *, help="descendants"):
    """Blocks this thread until the result of a FlowVar is there, takes it and returns it.

    A call that no worker has begun is run here and now; while one runs, this thread runs what that has spawned. If a
    worker has to wait, another worker takes its place. A cancel of the call that waits ends the wait.
    ``timeout``: seconds, None for ever; with one, this thread runs nothing. ``help`` says what this thread runs meanwhile:
    ``"descendants"``, as above; ``"any"`` other spawned call of the executor as well, which spares threads, but puts
    strangers on top of this call, and under whatever lock it holds; ``"none"``: it only waits.

    Raises the call's exception, TimeoutError if it takes longer (the result may be taken later), FlowVarConsumed if it
    was taken, NotSpawned if it is empty, SyncOnLoop on a thread whose event loop runs: ``await`` it there.

    Example::

        def fib(n):
            if n < 2:
                return n
            smaller = spawn(fib, n - 2)
            return fib(n - 1) + sync(smaller)

        print(await go_thread(fib, 12))  # -> 144
    """
    cdef int helping = checked_help(help)
    if isinstance(fv, FlowVar):
        return sync_one(<FlowVar>fv, timeout, helping)
    if isinstance(fv, Goroutine):
        if asyncio_running_loop() is not None and goish_load_state(&(<Goroutine>fv).state) != G_DONE:
            raise SyncOnLoop("sync() would block the event loop that runs on this thread: await the Goroutine")
        return fv.result_blocking(timeout)
    raise TypeError(f"sync() takes what spawn(), submit(), go_thread() or go() returned, got {fv!r} of type {type(fv).__name__}")


cdef FlowVar spawn_on(Pool p, object fn, tuple args, dict kwargs, int where):
    # ANYWHERE: also on the thread that syncs it. ELSEWHERE: on a worker.
    cdef FlowVar fv = FlowVar.__new__(FlowVar)
    fv.g = call_new(p, fn, args, kwargs, None, None, where, p.children)
    pool_push(p, fv.g)
    return fv


def as_goroutine(fv, /):
    """The goroutine of a FlowVar, which is consumed: it may be awaited any number of times.

    Example::

        g = as_goroutine(spawn(pow, 2, 10))
        print(await g, await g)  # -> 1024 1024
    """
    if not isinstance(fv, FlowVar):
        raise TypeError(f"as_goroutine() takes what spawn() or submit() returned, got {fv!r} of type {type(fv).__name__}")
    need_spawned(<FlowVar>fv)
    if (<FlowVar>fv).as_value:
        raise TypeError("as_goroutine() takes what spawn() or submit() returned; an outcome() is awaited once")
    return take_result(<FlowVar>fv)
