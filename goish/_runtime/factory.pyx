# factory.pyx - goroutines for whoever asks the loop for a task.
#
# To asyncio's libraries such a goroutine is a task in all it does: asyncio.all_tasks() knows it from the start, whoever cancels
# one that awaits it cancels it too (join.pyx: pass_cancel), and an exception that nobody retrieves is logged, also
# under goish.run: it is no panic.
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
    cdef object extra = TASK
    cdef bint debug = s.get_debug()
    if debug and not is_here(s):
        raise RuntimeError("Non-thread-safe operation invoked on an event loop other than the current one")
    if not PyCoro_CheckExact(coro) and not asyncio_iscoroutine(coro):
        raise TypeError(f"a coroutine was expected, got {coro!r}")
    if name is not None:
        extra = new_extra()
        (<Extra>extra).is_task = True
        (<Extra>extra).name = str(name)
    g = make_goroutine(s, coro, None if context is None else checked_context(context), extra)
    if debug:
        extra_of(g).source = extract_stack(sys._getframe())
    register(g)
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
    finish(s, g, cancelled_error("its event loop takes no callback"), True)
    s.loop.call_exception_handler({"message": "Task was destroyed but it is pending!", "task": g})


cdef void run_eagerly(Scheduler s, Goroutine g) except *:
    # Its first step, in the midst of another's: asyncio's current task is that one again afterwards.
    before = asyncio_current_task(s.loop)
    try:
        run_step(s, <PyObject*>g)
        if g.state == G_DONE:
            drop_coro(g)  # as asyncio has it
    finally:
        if before is not None and type(before) is not Goroutine and enter_task(s, <PyObject*>before) < 0:
            raise_pending()
