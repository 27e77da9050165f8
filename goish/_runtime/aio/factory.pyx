# factory.pyx - goroutines for callers that ask the loop for a task.
#
# To asyncio's libraries such a goroutine is a task in all it does: asyncio.all_tasks() knows it from the start, cancelling
# a task that awaits it cancels it too (cancel.pyx: pass_cancel), and an exception that nobody retrieves is logged, also
# under goish.run: it is no panic.
# asyncio's tasks are owned by what they wait for: if nothing leads to that, the collector destroys both, and logs it.
# The same holds for tasks that wait for a future when a full collection begins: the registry gives them up then, until they are
# woken. No wait pays for it. On builds without the GIL the registry keeps them.
# Not here: a loop that comes with this factory (loops.py).

def task_factory(loop, coro, *, name=None, context=None, eager_start=None, **options):
    """Makes the tasks of a loop goroutines: ``loop.set_task_factory(goish.task_factory)``. See ``new_event_loop``.

    ``asyncio.create_task``, TaskGroup, and with them the libraries that you use, then start goroutines and get
    ``Goroutine`` objects, which answer all that an ``asyncio.Task`` does.

    ``name``, ``context``, ``eager_start`` (run up to the first wait at once): as for ``asyncio.Task``; other options are
    ignored. TypeError if ``coro`` is no coroutine. Called on the thread of ``loop``.

    Example::

        async def double(n):
            return 2 * n

        asyncio.get_running_loop().set_task_factory(goish.task_factory)
        task = asyncio.create_task(double(21))
        print(type(task).__name__, await task)  # -> Goroutine 42
    """
    cdef Scheduler s = scheduler_at(loop)
    cdef Goroutine g
    cdef object cold = TASK
    cdef bint debug = s.get_debug()
    if not s.makes_tasks:
        s.makes_tasks = True
        watch_collector()
    if debug and not is_here(s):
        raise RuntimeError("Non-thread-safe operation invoked on an event loop other than the current one")
    if not PyCoro_CheckExact(coro) and not asyncio_iscoroutine(coro):
        raise TypeError(f"a coroutine was expected, got {coro!r}")
    if name is not None:
        cold = new_cold()
        (<GoroutineCold>cold).is_task = True
        (<GoroutineCold>cold).name = str(name)
    g = make_goroutine(s, coro, None if context is None else checked_context(context), cold)
    if debug:
        cold_of(g).source = extract_stack(sys._getframe())
    task_register(g)
    if eager_start and running_loop() is loop:
        run_eagerly(s, g)
        return g
    try:
        task_soon(s, g)
    except BaseException:
        never_began(s, g)
        raise
    return g


cdef void never_began(Scheduler s, Goroutine g) except *:
    g.flags |= GF_CANCELLED
    goroutine_finish(s, g, cancelled_error("its event loop takes no callback"), True)
    s.loop.call_exception_handler({"message": "Task was destroyed but it is pending!", "task": g})


cdef void run_eagerly(Scheduler s, Goroutine g) except *:
    # The task's first step, in the midst of another's: asyncio's current task is the other again afterwards.
    before = asyncio_current_task(s.loop)
    try:
        run_step(s, <PyObject*>g)
        if g.state == G_DONE:
            drop_coro(g)  # as asyncio has it
    finally:
        if before is not None and type(before) is not Goroutine and enter_task(s, <PyObject*>before) < 0:
            raise_pending()


# ---- tasks that nothing owns ----

cdef inline bint waits_for_future(Goroutine g) noexcept:
    return g.state == G_WAITING and awaited_op(g) == NULL and is_task(g)


# Seconds. The collector's own full collections, which are frequent while a program grows, give up only what has waited as long;
# gc.collect() gives up all.
cdef double LONG_WAIT = 10.0


cdef bint collects_by_itself() except -1:
    # The collector begins when the youngest generation is full. The oldest may be overdue for long before it is collected, so
    # its count alone does not tell gc.collect() from the collector's own turn.
    if not gc.isenabled():
        return False
    young, _, old = gc.get_count()
    most_young, _, most_old = gc.get_threshold()
    return 0 < most_young < young and old > most_old


def _collector_begins(phase, info):
    cdef Goroutine g
    cdef double latest
    if phase != "start" or info["generation"] < 2:
        return
    latest = goish_monotonic() - LONG_WAIT if collects_by_itself() else INFINITY
    for s in all_schedulers():
        if not (<Scheduler>s).makes_tasks:
            continue
        for waiting in (<Scheduler>s).goroutines():
            g = <Goroutine>waiting
            if not waits_for_future(g) or g.link.since > latest or task_is_unowned(g):
                continue
            register_weakly(g)
            if waits_for_future(g):  # other threads may have run
                task_disown(g)


cdef void watch_collector() except *:
    if not GOISH_LOCKS and _collector_begins not in gc.callbacks:
        gc.callbacks.append(_collector_begins)
