# panic.pyx - exceptions that nobody awaits: who hears of them, and when.
#
# A goroutine that failed speaks when nobody can await it any more: its handle is gone, or the interpreter ends. As long as
# somebody holds the handle, its loop keeps it in `failed` and reminds once; a plain call, which has no loop, is looked after by
# the failure watch (goish.panics). One that the task factory made keeps to asyncio's manners: it speaks when it is freed.
# Threads: the scheduler's own; of plain calls any.

cdef void keep_failed(Scheduler s, Goroutine g) except *:
    s.failed.append(g)
    arm_drain(s)


cdef void look_at_failed(Scheduler s) except *:
    # A failed goroutine whose handle nobody holds can never be awaited: a panic. One that is held waits for its awaiter.
    cdef list failed = s.failed
    cdef list held = []
    cdef Py_ssize_t reminded = 0
    cdef Py_ssize_t i
    cdef Goroutine g
    cdef bint lost
    s.failed = []
    for i in range(len(failed)):
        lost = Py_REFCNT(PyList_GET_ITEM(failed, i)) == 1  # the list's own
        g = <Goroutine>PyList_GET_ITEM(failed, i)
        if goish_load_state(&g.flags) & GF_RETRIEVED:
            report(g)
        elif lost:
            if not s.crash:
                report(g)
            panic(s, g)
        else:
            report(g)
            held.append(g)
            reminded += i < s.reminded
    s.failed = held + s.failed
    s.reminded = reminded
    if len(s.failed) > reminded and not s.failed_watched:
        s.failed_watched = True
        s.call_later(1.0, s._remind, context=own_context(s))


def _at_exit():
    # Those whose handles outlive their loop would speak when the interpreter can no longer say anything.
    for s in all_schedulers():
        for g in (<Scheduler>s).unretrieved():
            panic(<Scheduler>s, <Goroutine>g)


atexit.register(_at_exit)


cdef Py_ssize_t panics_told = 0


def count_panic():
    """One more exception that nobody has seen."""
    goish_count_anywhere(&panics_told, 1)


def panics():
    """How many exceptions of goroutines nobody has seen, since the process began. Any thread. For a metric.

    Example::

        async def fail():
            raise LookupError

        async def main():
            go(fail)
            await gosched()

        before = goish.debug.panics()
        run(main, on_panic="log")
        print(goish.debug.panics() - before)  # -> 1
    """
    return goish_counted(&panics_told)


cdef void panic(Scheduler s, Goroutine g) except *:
    goish_set_bits(&g.flags, GF_RETRIEVED)
    goish_count_anywhere(&panics_told, 1)
    if is_task(g):
        s.loop.call_exception_handler(
            {"message": "Task exception was never retrieved", "exception": g.wait, "future": g}
        )
        return
    if s.on_panic is not None:
        s.on_panic(g, g.wait)
        return
    s.loop.call_exception_handler({
        "message": f"{g!r} failed and nobody awaited it{created(g)}",
        "exception": g.wait,
        "goroutine": g,
    })


cdef str created(Goroutine g):
    by = g.created_by
    return "" if by is None else f"; created by {by[0].co_qualname} at {by[0].co_filename}:{by[1]}"


# ---- as it is freed ----

cdef bint unseen(PyObject* g) noexcept:
    # One that failed and is about to be freed, its exception with it. Those that keep_failed() keeps are seen to before.
    return (<Goroutine>g).state == G_DONE and (
        (<Goroutine>g).flags & (GF_FAILED | GF_CANCELLED | GF_RETRIEVED) == GF_FAILED
    )


cdef void last_words(PyObject* g) noexcept:
    cdef PyObject* pending = goish_take_exception() if PyErr_Occurred() != NULL else NULL
    try:
        panic((<Goroutine>g).sched, <Goroutine>g)
    except BaseException as exc:
        logger.error("the exception handler of %r failed", (<Goroutine>g).sched.loop, exc_info=exc)
    if pending != NULL:
        goish_raise(pending)
        Py_DECREF(<object>pending)


cdef void report(Goroutine g) except *:
    # Takes a finished goroutine off its wait group.
    cdef object wg
    goish_lock(end_lock(g))
    if type(g.extra) is Extra:
        wg = (<Extra>g.extra).wg
        (<Extra>g.extra).wg = None
    else:
        wg = g.extra
        if type(wg) is WaitGroup:
            g.extra = None
    goish_unlock(end_lock(g))
    if type(wg) is not WaitGroup:
        return
    try:
        wg_add(<WaitGroup>wg, -1)
    except ValueError as exc:
        s = g.sched
        s.loop.call_exception_handler({"message": f"{g!r} reported to its WaitGroup", "exception": exc})


# ---- of calls that are on no loop ----

def set_panic_route(route):
    """Who hears of exceptions in pooled goroutines that nobody awaits: ``route(goroutine, exception)``, on any thread."""
    limbo.on_panic = route


cdef object end_program = None


def set_program_end(end):
    """Who hears at once of SystemExit and KeyboardInterrupt on workers: ``end(goroutine, exception)``, on any thread.

    It returns whether there is a program that this ends.
    """
    global end_program
    end_program = end


cdef bint ends_program(Goroutine g, object error) noexcept:
    # Whoever holds the handle: these two end the program, as from any goroutine.
    try:
        return isinstance(error, (KeyboardInterrupt, SystemExit)) and end_program is not None and end_program(g, error)
    except BaseException as exc:
        logger.error("%r could not be reported", error, exc_info=exc)
        return False


cdef object failed_and_held = None


def set_failure_watch(watch):
    """Who reminds of plain calls that failed, whose handle is held, and that nobody waits for: ``watch(goroutine)``."""
    global failed_and_held
    failed_and_held = watch


cdef void watch_failed(Goroutine g) noexcept:
    # No loop looks after it, as one does after its own goroutines.
    if failed_and_held is None or goish_load_state(&g.flags) & (GF_RETRIEVED | GF_CANCELLED | GF_EXITED):
        return
    try:
        failed_and_held(g)
    except BaseException as exc:
        logger.error("%r failed, and nothing could be seen to", g, exc_info=exc)


def tell_if_forsaken(known):
    """Of a weak reference to a goroutine that failed: it is a panic if nobody has its handle any more.

    With the GIL that was told as the handle went. Without it, the last reference to it may be counted off by the thread that
    made it, and only when that runs Python again: a loop that sleeps does not. Any thread.
    """
    g = known()
    if g is not None and goish_forsaken(<PyObject*>g) and unseen(<PyObject*>g):
        last_words(<PyObject*>g)


cdef bint is_awaited(Extra extra) noexcept:
    return extra.joiners.head != NULL or extra.callback_context is not None or extra.end_channel is not None
