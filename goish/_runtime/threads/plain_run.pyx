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
    cdef Call call = pooled_call(<PyObject*>g)
    cdef Worker w = worker_here(call.pool)
    cdef PyObject* outer_worker = goish_tls_worker
    cdef PyObject* outer = w.current
    cdef PyObject* result
    cdef object value = None
    cdef object error = None
    goish_tls_worker = <PyObject*>w
    try:
        if outer != NULL and set_inner(<Goroutine>outer, g):
            cancel_pooled(g, cancel_message(<Goroutine>outer))
        w.current = <PyObject*>g
        result = call_run(w, g, call)
        if result == NULL:
            error = pending_exception()
        else:
            value = <object>result
            Py_DECREF(value)
        # From here on it is not this thread's call: what its end calls back, or frees, may block.
        w.current = outer
        if outer != NULL:
            set_inner(<Goroutine>outer, None)
        call_over(g, call, value, error)
    finally:
        goish_tls_worker = outer_worker
    if w.is_borrowed and w.sched is not None and outer == NULL:
        host.finish_loop(w)


cdef PyObject* call_run(Worker w, Goroutine g, Call call) noexcept:
    # Calls the function, in its Context. An owned result; NULL and an exception.
    cdef PyObject* result = NULL
    cdef object thread = None
    cdef object before = None
    try:
        if call.named and not w.is_borrowed:  # its log records have the name of the thread: here no task has one
            thread = current_thread()
            before, thread.name = thread.name, f"{w.name}/{g.get_name()}"
    except BaseException as exc:
        goish_raise(<PyObject*>exc)
        return NULL
    if PyContext_Enter(<PyObject*>g.ctx) == 0:
        result = PyObject_Call(<PyObject*>call.fn, <PyObject*>call.args, NULL if call.kwargs is None else <PyObject*>call.kwargs)
        if PyContext_Exit(<PyObject*>g.ctx) < 0 and result != NULL:
            PyErr_WriteUnraisable(<PyObject*>g)
    if thread is not None:
        thread_rename(thread, before)
    return result


cdef void thread_rename(object thread, object name) noexcept:
    # An exception may be on its way.
    cdef PyObject* pending = goish_take_exception() if PyErr_Occurred() != NULL else NULL
    try:
        thread.name = name
    except BaseException as exc:
        logger.error("%r keeps its name", thread, exc_info=exc_info(exc))
    if pending != NULL:
        goish_raise(pending)
        Py_DECREF(<object>pending)


cdef void call_over(Goroutine g, Call call, object value, object error) except *:
    # Deep in a recursion anything may raise RecursionError, isinstance() too: whatever happens, g ends.
    cdef int flags = GF_FAILED
    if error is None:
        if is_coro(value):
            to_a_loop(call, g, value)
        elif refuse_op(value):
            call_finish(call.pool, g, gives_operation(call), GF_FAILED)
        else:
            call_finish(call.pool, g, value, 0)
        return
    if PyErr_GivenExceptionMatches(error, CancelledError):
        flags = GF_FAILED | GF_CANCELLED
    elif PyErr_GivenExceptionMatches(error, GoExit):
        flags = GF_EXITED
    if call.kwargs is not None:
        with_advice(error, call.kwargs)
    if ends_program(g, error):
        flags |= GF_RETRIEVED
    call_finish(call.pool, g, None if flags == GF_EXITED else error, flags)


cdef object gives_operation(Call call):
    return TypeError(
        f"work for a thread is a function (def or async def); {call.__qualname__!r} gives an operation: await it in an "
        "async def, or take the call that blocks, such as ch.recv_blocking() or time.sleep()"
    )


cdef void to_a_loop(Call call, Goroutine g, object coro) except *:
    # A plain function has returned a coroutine, such as a lambda around an async def: the coroutine belongs on a loop.
    cdef Pool p = call.pool
    cdef PyObject* w
    cdef Call _parent  # these are dropped after unlocking
    cdef tuple _args
    cdef dict _kwargs
    if call.born != forks:
        coro.close()
        return
    goish_lock(&p.lock)
    _fn, call.fn = call.fn, coro
    _args, call.args = call.args, None
    _kwargs, call.kwargs = call.kwargs, None
    _parent, call.parent = call.parent, None
    call.kind = LOOP
    calls_remove(&p.active, <PyObject*>g)
    goish_store_state(&g.state, G_QUEUED)
    calls_push(&p.queues[LOOP], <PyObject*>g)
    w = worker_pick(p, LOOP, NULL)
    goish_unlock(&p.lock)
    try:
        worker_wake(p, LOOP, w)
    except BaseException as exc:
        fail_queued(p, LOOP, exc)
