# shutdown.pyx - the end of a loop: its goroutines end with it.
#
# Threads: the one that closes the loop, or finds it closed: begin_ending() lets one of them do it.

cdef bint begin_ending(Scheduler s) noexcept:
    # Whether the caller must end it: other threads may find the loop closed at the same time, or a finally block.
    cdef bint first
    goish_lock(&s.inbox.lock)
    first = not s.ending
    s.ending = True
    goish_unlock(&s.inbox.lock)
    return first


cdef void end_all(Scheduler s) except *:
    cdef int rounds = 0
    cdef list found = None
    s.dead = True
    inbox_shut(s)
    while s.all_head != NULL and rounds < 10:  # a finally block may start another
        rounds += 1
        queues_drop(s)
        found = s.goroutines()  # kept until no queue leads to them
        for g in found:
            end_one(s, g)
    queues_drop(s)
    drop_alarms(s)
    sched_forget(s)
    # Nothing leads from the loop to its scheduler any more; with its own circles cut, both are freed without the collector.
    s.drain_callback = s.turn_callback = None
    if is_closed(s.loop):
        s.failed = []  # each is reported when its handle goes


cdef void end_one(Scheduler s, Goroutine g) except *:
    if g.state == G_DONE or g.state == G_RUNNING:
        return
    if task_is_unowned(g):
        task_own(g)
    _wait = g.wait  # kept: goroutine_finish() drops nothing under its lock
    if awaited_op(g) != NULL:
        waits[(<Op>g.wait).kind].withdraw(<Op>g.wait)
        s.blocked -= waits[(<Op>g.wait).kind].native
    state, g.state = g.state, G_RUNNING  # its finally blocks are user code: a further caller meanwhile leaves it alone
    try:
        if state == G_NEW:
            g.coro.close()
        elif type(g.coro) is Call:
            close_unstarted(pooled_call(<PyObject*>g))
        elif state != G_CALLED:
            g.ctx.run(g.coro.close)  # an op that was decided hands its value to on_undelivered
    except BaseException as exc:
        logger.error("%r raised while it was abandoned", g, exc_info=exc_info(exc))
    g.flags |= GF_CANCELLED
    goroutine_finish(s, g, cancelled_error("its event loop ended"), True)


cdef void queues_drop(Scheduler s) noexcept:
    s.run_head = s.run_tail = NULL
    turns_drop(s)


cdef void turns_drop(Scheduler s) noexcept:
    # The loop is closed. The tasks are still there: the queue does not own them.
    cdef PyObject* item
    s.turns.armed = False
    while s.turns.head != NULL:
        item = turn_pop(s)
        if not goish_is(item, <PyObject*>Goroutine):
            item_discard(item)
