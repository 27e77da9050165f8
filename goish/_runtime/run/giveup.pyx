# giveup.pyx - awaits that end without the outcome: by a cancel, a timeout, a lost race.
#
# Such an await gives the goroutine up: if it fails, that is logged and is no panic. All of them pass through give_up_on(), which
# notes where in the program the await stands.
# Threads: any.

cdef void give_up_on(Goroutine g, Op op) noexcept:
    # An await of `g`, by `op` unless that is None, ends without its outcome; so a failure is a matter for the log. Any thread.
    cdef Fate fate
    # Until it is done only its own thread looks at the flags, and writes them without ado.
    if goish_load_state(&g.state) == G_DONE and not is_failed_unseen(g):
        return
    try:
        fate = fate_made(g)
        if (fate is None or fate.given_up is None) and not is_task(g):
            note_place(g, fate_of(g), place_here() if op is None else place_of_await(op))
    except BaseException as exc:
        logger.error("an await of %r was given up, which could not be noted", g, exc_info=exc_info(exc))


cdef inline bint is_failed_unseen(Goroutine g) noexcept:
    return goish_load_state(&g.flags) & (GF_FAILED | GF_CANCELLED | GF_RETRIEVED) == GF_FAILED


cdef void note_place(Goroutine g, Fate fate, tuple place) noexcept:
    # The first one stays: another thread may be reading it.
    goish_lock(end_lock(g))
    if fate.given_up is None:
        fate.given_up = place
    goish_unlock(end_lock(g))


def given_up(Goroutine g):
    """Says that an await of ``g`` ends without its outcome, by a way that the core does not see."""
    give_up_on(g, None)


# ---- where it stands in the program ----

cdef object place_of_await(Op op):
    cdef PyObject* waiter = waiter_behind(<PyObject*>op)
    return waiters[waiter_kind(waiter)].place(waiter)


cdef object place_of_goroutine(PyObject* g):
    return place_here() if (<Goroutine>g).sched.current == g else place_in((<Goroutine>g).coro)


cdef object place_of_task(PyObject* task_waiter):
    return place_in(coro_behind(<TaskWaiter>task_waiter))


cdef object place_of_nobody(PyObject* waiter):
    return place_here()


cdef object coro_behind(TaskWaiter task_waiter):
    # Gives the coroutine of the asyncio task that waits.
    for callback, _ in task_waiter.callbacks:
        get_coro = getattr(getattr(callback, "__self__", None), "get_coro", None)
        if get_coro is not None:
            return get_coro()
    return None


cdef tuple place_in(object coro):
    # The innermost frame of a suspended coroutine that is neither of goish nor of asyncio.
    cdef object found = None
    while coro is not None:
        if PyCoro_CheckExact(coro):
            frame, coro = coro.cr_frame, coro.cr_await
        elif isgenerator(coro):
            frame, coro = coro.gi_frame, coro.gi_yieldfrom
        else:
            break
        if frame is not None and not is_plumbing(frame):
            found = frame
    return () if found is None else (found.f_code, found.f_lineno)


cdef tuple place_here():
    # The caller of this thread that is neither of goish nor of asyncio; a callback of a loop has none.
    if asyncio_running_loop() is not None and asyncio_current_task() is None:
        return ()
    frame = sys._getframe()
    while frame is not None and is_plumbing(frame):
        frame = frame.f_back
    return () if frame is None else (frame.f_code, frame.f_lineno)


cdef bint is_plumbing(object frame) except -1:
    module = frame.f_globals.get("__name__")
    return type(module) is str and (<str>module).partition(".")[0] in ("goish", "asyncio", "threading")
