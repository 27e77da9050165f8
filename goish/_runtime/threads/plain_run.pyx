# plain_run.pyx - a plain call runs: on a worker, or on a thread that waits for it.
#
# Threads: the one that has claimed the call.

cdef Worker worker_here(Pool p):
    # Gives this thread's worker; one of no pool where a thread that is none runs a call that it waits for.
    if goish_tls_worker != NULL:
        return <Worker>goish_tls_worker
    borrowed = Worker.__new__(Worker)
    (<Worker>borrowed).pool = p
    (<Worker>borrowed).is_borrowed = True
    return <Worker>borrowed


cdef void run_call(Goroutine g) except *:
    # On a worker, or on a thread that waits for it (spawn); the caller has claimed it and holds it.
    global goish_tls_worker
    cdef Pool p = pooled_call(<PyObject*>g).pool
    cdef Worker w = worker_here(p)
    cdef PyObject* outer_worker = goish_tls_worker
    cdef PyObject* outer = w.current
    goish_tls_worker = <PyObject*>w
    if outer != NULL and set_inner(<Goroutine>outer, g):
        cancel_pooled(g, cancel_message(<Goroutine>outer))
    w.current = <PyObject*>g
    try:
        if pooled_call(<PyObject*>g).named and not w.is_borrowed:
            call_by_name(w, p, g)
        else:
            call_run_and_finish(p, g)
    finally:
        w.current = outer
        if outer != NULL:
            set_inner(<Goroutine>outer, None)
        goish_tls_worker = outer_worker
    if w.is_borrowed and w.sched is not None and outer == NULL:
        host.finish_loop(w)


cdef void call_by_name(Worker w, Pool p, Goroutine g) except *:
    # Its log records have the name of the thread: here no task has one.
    thread = current_thread()
    before = thread.name
    thread.name = f"{w.name}/{g.get_name()}"
    try:
        call_run_and_finish(p, g)
    finally:
        thread.name = before


cdef void call_run_and_finish(Pool p, Goroutine g) except *:
    # Deep in a recursion anything may raise RecursionError, isinstance() too: whatever happens, g ends.
    cdef Call call = pooled_call(<PyObject*>g)
    cdef PyObject* result = NULL
    cdef int flags = GF_FAILED
    if PyContext_Enter(<PyObject*>g.ctx) == 0:
        result = PyObject_Call(<PyObject*>call.fn, <PyObject*>call.args, NULL if call.kwargs is None else <PyObject*>call.kwargs)
        if PyContext_Exit(<PyObject*>g.ctx) < 0 and result != NULL:
            PyErr_WriteUnraisable(<PyObject*>g)
    if result != NULL:
        value = <object>result
        Py_DECREF(value)
        if is_coro(value):
            to_a_loop(call, g, value)
        elif refuse_op(value):
            call_finish(p, g, gives_operation(call), GF_FAILED)
        else:
            call_finish(p, g, value, 0)
        return
    if PyErr_ExceptionMatches(CancelledError):
        flags = GF_FAILED | GF_CANCELLED
    elif PyErr_ExceptionMatches(GoExit):
        flags = GF_EXITED
    error = pending_exception()
    if call.kwargs is not None:
        with_advice(error, call.kwargs)
    if ends_program(g, error):
        flags |= GF_RETRIEVED
    call_finish(p, g, None if flags == GF_EXITED else error, flags)


cdef object gives_operation(Call call):
    return TypeError(
        f"work for a thread is a function (def or async def); {call.__qualname__!r} gives an operation: await it in an "
        "async def, or take the call that blocks, such as ch.recv_blocking() or time.sleep()"
    )


cdef void to_a_loop(Call call, Goroutine g, object coro) except *:
    # A plain function has returned a coroutine, such as a lambda around an async def: the coroutine belongs on a loop.
    cdef Pool p = call.pool
    cdef PyObject* w
    call.fn = coro
    call.args = None
    call.kwargs = None
    call.kind = LOOP
    call.parent = None
    if call.born != forks:
        coro.close()
        return
    goish_lock(&p.lock)
    calls_remove(&p.active, <PyObject*>g)
    goish_store_state(&g.state, G_QUEUED)
    calls_push(&p.queues[LOOP], <PyObject*>g)
    w = worker_pick(p, LOOP, NULL)
    goish_unlock(&p.lock)
    try:
        worker_wake(p, LOOP, w)
    except BaseException as exc:
        fail_queued(p, LOOP, exc)
