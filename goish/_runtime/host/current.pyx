# current.pyx - what asyncio sees: its current task, and the goroutines among all_tasks().
#
# Invariant: asyncio's current task is the goroutine that runs, and there is none between two of them.
# Threads: the loop's own.

# ---- asyncio's current task ----

# Up to 3.13 the current task of a loop lives in a dict that may be written directly (10 ns); from 3.14 on in the thread
# state, behind _swap_current_task (11 ns). The documented pair costs 76 ns up to 3.13 and is the way where neither is there.
cdef object current_tasks = getattr(_asyncio, "_current_tasks", None) if sys.version_info < (3, 14) else None


cdef object swap_current = getattr(_asyncio, "_swap_current_task", None) if sys.version_info >= (3, 14) else None


cdef inline int enter_task(Scheduler s, PyObject* g) noexcept:
    cdef PyObject* args[2]
    cdef PyObject* before
    if current_tasks is not None:
        return PyDict_SetItem(<PyObject*>current_tasks, <PyObject*>s.loop, g)
    if swap_current is None:
        return enter_by_name(s, <object>g)
    args[0] = <PyObject*>s.loop
    args[1] = g
    before = PyObject_Vectorcall(<PyObject*>swap_current, args, 2, NULL)
    if before == NULL:
        return -1
    Py_DECREF(<object>before)
    return 0


cdef int enter_by_name(Scheduler s, object g) noexcept:
    try:
        current = asyncio_current_task(s.loop)
        if current is not None:
            _leave_task(s.loop, current)
        _enter_task(s.loop, g)
        return 0
    except BaseException as exc:
        goish_raise(<PyObject*>exc)
        return -1


cdef void leave_tasks(Scheduler s, PyObject* outer, bint was_entered) noexcept:
    # No goroutine runs any more; or the goroutine runs again that has run the loop from within (a nested loop, which may have
    # left it as the current task itself) or has made a task that starts eagerly.
    s.current = outer
    if was_entered:
        if enter_task(s, outer) < 0:
            PyErr_WriteUnraisable(outer)
        return
    # Up to 3.13 the entry is deleted, not None: a stored None makes the next asyncio.Task refuse to run.
    try:
        if current_tasks is not None:
            (<dict>current_tasks).pop(s.loop, None)
        elif swap_current is not None:
            swap_current(s.loop, None)
        else:
            current = asyncio_current_task(s.loop)
            if current is not None:
                _leave_task(s.loop, current)
    except RuntimeError:
        pass  # no loop runs any more: there is no current task to take back


# ---- asyncio.all_tasks ----

# Only in a loop that is not goish's, whose end must reach the goroutines: asyncio.run cancels all tasks it knows. A goroutine is
# registered at its first wait, because most never wait.
cdef bint registers_strongly = hasattr(_asyncio, "_register_eager_task")  # 3.12 and later


cdef object register_task = getattr(_asyncio, "_register_eager_task", _register_task)
cdef object unregister_task = getattr(_asyncio, "_unregister_eager_task", _unregister_task)


cdef void task_register(Goroutine g) noexcept:
    # User code may run here (the collector, a signal handler): neither state nor wait of the goroutine is set yet.
    g.flags |= GF_REGISTERED
    try:
        register_task(g)
    except BaseException as exc:
        loop_call_retry(g.sched.loop, g.sched.call_soon_threadsafe, (_raise_error, exc), own_context(g.sched))


cdef void register_weakly(Goroutine g) noexcept:
    # A task was registered as it was made. Up to 3.11 that registry is weak.
    if not registers_strongly or not g.flags & GF_REGISTERED:
        return
    task_unregister(g)
    try:
        _register_task(g)
    except BaseException as exc:
        raise_later(g.sched.loop, exc)


cdef void task_unregister(Goroutine g) noexcept:
    goish_clear_bits(&g.flags, GF_REGISTERED)
    unregister_task(g)
