# panic.pyx - exceptions that nobody awaits: where they are reported, and when; and a task that is freed while it waits.
#
# The exception of a failed goroutine is reported when nobody can await it any more: its handle is gone, or the interpreter ends.
# As long as the handle is held, its loop keeps the goroutine in `failed` and logs it once; the failure watch logs those on
# workers (_program/panics.py). A goroutine of the task factory keeps to asyncio's manners: it is reported when it is freed.
# Threads: the scheduler's own; for goroutines on workers any.
# Not here: what is printed or logged, and what ends (_program/panics.py); an await that is given up (giveup.pyx).

# ---- a panic ----

cdef Py_ssize_t panics_told = 0


def panics():
    """How many exceptions of goroutines were never retrieved, since the process began. Any thread. For a metric.

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


cdef bint goroutine_panic(Scheduler s, Goroutine g) except -1:
    # Nobody has retrieved its exception, and nobody will. True: the program ends with it.
    goish_set_bits(&g.flags, GF_RETRIEVED)
    goish_count_anywhere(&panics_told, 1)
    if is_task(g):
        s.loop.call_exception_handler(
            {"message": "Task exception was never retrieved", "exception": goroutine_outcome(g), "future": g}
        )
        return False
    hear = s.on_panic
    if hear is None:
        hear = host.panic_of_call if s.loop is None or s.worker is not None else host.panic_elsewhere
    return hear(g, goroutine_outcome(g)) is True


def tell_panic(Goroutine g):
    """Reports a panic: nobody has retrieved the exception of ``g``, and nobody will. Logs it if an await was given up."""
    goroutine_panic(g.sched, g)


def panic_options(Goroutine g):
    """What decides on its exception beside the program: its own ``on_panic`` or None, and where an await was given up.

    That is None, or a code object and a line, or an empty tuple if the place is not known.
    """
    cdef Fate fate = fate_made(g)
    cdef object place
    if fate is None:
        return None, None
    goish_lock(end_lock(g))
    place = fate.given_up
    goish_unlock(end_lock(g))
    return fate.on_panic, place


cdef object checked_on_panic(object on_panic):
    if on_panic is None or (type(on_panic) is str and on_panic in ("crash", "log")):
        return on_panic
    if type(on_panic) is str or not callable(on_panic) or iscoroutinefunction(on_panic):
        raise ValueError(
            f'on_panic is "crash", "log" or a plain function (def) that takes (goroutine, exception), got {on_panic!r}'
        )
    return on_panic


def check_on_panic(on_panic):
    """ValueError unless ``on_panic`` is one."""
    if checked_on_panic(on_panic) is None:
        raise ValueError('on_panic is "crash", "log" or a plain function (def) that takes (goroutine, exception), got None')


cdef bint ends_program(Goroutine g, object error) noexcept:
    # Even if the handle is held: these two end the program, as from any goroutine.
    try:
        return isinstance(error, (KeyboardInterrupt, SystemExit)) and host.end_program is not None and host.end_program(g, error)
    except BaseException as exc:
        logger.error("%r could not be reported", error, exc_info=exc_info(exc))
        return False


# ---- failed, and its handle is held ----

cdef double REMIND_AFTER = 1.0  # seconds
cdef double COARSE = 0.002      # ... by which a timer may be early


# The values of `link.since` of a failed goroutine, besides a time of the loop's.
cdef double NOT_LOOKED_AT = -INFINITY


cdef double NO_REMINDER = INFINITY


cdef void keep_failed(Scheduler s, Goroutine g, object cold) except *:
    # A goroutine reports to its wait group when it is known whether this is a panic that ends the program. On a worker it never
    # does, and its handle may go on any thread, at any time.
    cdef bint awaited = type(cold) is GoroutineCold and is_awaited(<GoroutineCold>cold)
    if s.worker is None:
        g.link.since = NO_REMINDER if awaited else NOT_LOOKED_AT
        s.failed.append(g)
        arm_drain(s)
        return
    leave_wait_group(g)
    if not awaited:
        watch_failed(g)


cdef bint is_awaited(GoroutineCold cold) noexcept:
    return cold.joiners.head != NULL or cold.callback_context is not None or cold.end_channel is not None


cdef void look_at_failed(Scheduler s) except *:
    # A failed goroutine whose handle is gone can never be awaited: a panic. One that is held waits for its awaiter.
    cdef list failed = s.failed
    cdef list held = []
    cdef double due = NO_REMINDER
    cdef double now = NOT_LOOKED_AT
    cdef object error = None
    cdef Py_ssize_t i
    cdef Goroutine g
    cdef bint lost
    s.failed = []
    for i in range(len(failed)):
        lost = Py_REFCNT(PyList_GET_ITEM(failed, i)) == 1  # the list's own
        g = <Goroutine>PyList_GET_ITEM(failed, i)
        try:
            look_at_one(s, g, lost)
        except BaseException as exc:  # of a handler: the others are looked at all the same
            error = exc
        if not lost and not goish_load_state(&g.flags) & GF_RETRIEVED:
            held.append(g)
            if g.link.since == NOT_LOOKED_AT:
                now = s.loop.time() if now == NOT_LOOKED_AT else now
                g.link.since = now
            due = min(due, g.link.since)
    s.failed = held + s.failed
    if due < NO_REMINDER and not s.failed_watched:
        s.failed_watched = True
        s.call_later(max(0.0, due + REMIND_AFTER - s.loop.time()), s._remind, context=own_context(s))
    if error is not None:
        raise error


cdef int look_at_one(Scheduler s, Goroutine g, bint lost) except -1:
    # A panic that ends the program does not release the wait group.
    if not lost or goish_load_state(&g.flags) & GF_RETRIEVED or not goroutine_panic(s, g):
        leave_wait_group(g)
    return 0


cdef void remind_of_failed(Scheduler s) except *:
    cdef list due = []
    cdef double until = s.loop.time() + COARSE
    cdef Goroutine g = None
    s.failed_watched = False
    for failed in s.failed:
        g = <Goroutine>failed
        if g.link.since + REMIND_AFTER <= until:
            g.link.since = NO_REMINDER
            due.append(g)
    failed = g = None
    try:
        due.reverse()
        while due:
            host.remind(due.pop())
    finally:
        due.clear()
        look_at_failed(s)


cdef bint nursery_takes(object cold) noexcept:
    # Whether the failure of the goroutine that had this `cold` at its end goes to its group.
    if type(cold) is GoroutineCold:
        return takes_failure((<GoroutineCold>cold).wg) or takes_failure((<GoroutineCold>cold).scope)
    return takes_failure(cold)


cdef bint takes_failure(object owner) noexcept:
    return type(owner) is Nursery and (<Nursery>owner).on_failure is not None


cdef void leave_wait_group(Goroutine g) except *:
    # Takes a finished goroutine off its wait group, or tells its nursery; and its scope.
    cdef object wg
    cdef object scope = None
    goish_lock(end_lock(g))
    if type(g.cold) is GoroutineCold:
        wg = (<GoroutineCold>g.cold).wg
        scope = (<GoroutineCold>g.cold).scope
        (<GoroutineCold>g.cold).wg = (<GoroutineCold>g.cold).scope = None
    else:
        wg = g.cold
        if type(wg) is WaitGroup or type(wg) is Nursery:
            g.cold = None
    goish_unlock(end_lock(g))
    if scope is not None:
        above.member_ended(scope, g)
    if type(wg) is Nursery:
        above.member_ended(wg, g)
    if type(wg) is not WaitGroup:
        return
    try:
        above.leave(wg)
    except ValueError as exc:
        s = g.sched
        s.loop.call_exception_handler({"message": f"{g!r} reported to its WaitGroup", "exception": exc})


cdef void watch_failed(Goroutine g) noexcept:
    # No loop looks after it, as others do after their goroutines.
    if host.watch_failed is None or goish_load_state(&g.flags) & (GF_RETRIEVED | GF_CANCELLED | GF_EXITED):
        return
    try:
        host.watch_failed(g)
    except BaseException as exc:
        logger.error("%r failed, and nothing could be seen to", g, exc_info=exc_info(exc))


# ---- as it is freed ----

cdef bint is_unretrieved(PyObject* g) noexcept:
    # A failed goroutine that is about to be freed, its exception with it. Those that keep_failed() keeps are reported before. Or
    # a task that waits.
    return task_is_unowned(<Goroutine>g) or (<Goroutine>g).state == G_DONE and (
        (<Goroutine>g).flags & (GF_FAILED | GF_CANCELLED | GF_RETRIEVED) == GF_FAILED
    )


cdef void report_unretrieved(PyObject* g) noexcept:
    cdef PyObject* pending = goish_take_exception() if PyErr_Occurred() != NULL else NULL
    try:
        if task_is_unowned(<Goroutine>g):
            task_destroy(<Goroutine>g)
        else:
            goroutine_panic((<Goroutine>g).sched, <Goroutine>g)
    except BaseException as exc:
        logger.error("%r failed, and so did its panic handler", <Goroutine>g, exc_info=exc_info(exc))
    if pending != NULL:
        goish_raise(pending)
        Py_DECREF(<object>pending)


def report_if_only_ref(known):
    """Reports the panic of a failed goroutine, given as a weak reference, if its handle is gone.

    With the GIL that was reported as the handle went. Without it, the last reference to it may be counted off by the thread that
    made it, and only when that runs Python again: a loop that sleeps does not. Any thread.
    """
    g = known()
    if g is not None and goish_only_ref_is_mine(<PyObject*>g) and is_unretrieved(<PyObject*>g):
        report_unretrieved(<PyObject*>g)


cdef void task_destroy(Goroutine g) except *:
    # The task is about to be freed while it waits, by the collector or with the last reference. Any thread.
    registry_unlink(g.sched, g)
    try:
        if not task_ends_quietly(g):
            context = {"message": "Task was destroyed but it is pending!", "task": g}
            if g._source_traceback is not None:
                context["source_traceback"] = g._source_traceback
            g.sched.loop.call_exception_handler(context)
    finally:
        g.flags = (g.flags & GF_REGISTERED) | GF_FAILED | GF_CANCELLED  # if its handle was kept: it never runs again
        g.state = G_DONE
        _awaited, g.wait = g.wait, None


cdef bint task_ends_quietly(Goroutine g) noexcept:
    cdef GoroutineCold cold = cold_made(g)
    return cold is not None and cold.ends_quietly


def _at_exit():
    # A handle that outlives its loop would report its goroutine when the interpreter can no longer print anything.
    for s in all_schedulers():
        for g in (<Scheduler>s).unretrieved():
            report_unretrieved(<PyObject*>g)


atexit.register(_at_exit)
