# program.pyx - the program (goish.run) that a goroutine or a call belongs to.
#
# A goroutine belongs to the program whose loop runs on the thread that starts it. On other threads it belongs to the program
# that the context names, else to that of the call that runs there, else to none.
# Threads: any.

# The Scheduler of the program (goish.run) that this code is part of: copied with the context.
current_program = ContextVar("goish.program", default=None)


cdef inline PyObject* running_here() noexcept:
    # Borrowed: the goroutine that runs on this thread, or NULL.
    if goish_tls_sched != NULL:
        return (<Scheduler>goish_tls_sched).current
    if goish_tls_worker != NULL:
        return (<Worker>goish_tls_worker).current
    return NULL


cdef void find_program(Goroutine g, bint context_is_given) except *:
    # Before the call is given away. It belongs to the program whose loop runs here; on other threads to the one that the context
    # names, or the call that runs here. A Context of the caller's stays as it is.
    cdef object program = program_of_loop()
    cdef object named = g.ctx.get(current_program) if context_is_given else program_named_here()
    if program is None:
        if named is not None and is_program(<Scheduler>named):
            return
        program = program_of_caller()
    if program is None or program is named:
        return
    if context_is_given:
        fate_of(g).program = program
    else:
        g.ctx.run(current_program.set, program)


cdef object program_named_here():
    cdef PyObject* value = NULL
    cdef object named
    if PyContextVar_Get(current_program, NULL, &value) < 0:
        raise_pending()
    named = <object>value
    Py_DECREF(named)
    return named


cdef Scheduler program_of_loop():
    if goish_tls_sched != NULL:
        s = <object>goish_tls_sched
    else:
        loop = asyncio_running_loop()
        s = None if loop is None else scheduler_made(loop)
    return <Scheduler>s if s is not None and is_program(<Scheduler>s) else None


cdef Scheduler program_of_caller():
    cdef PyObject* g = running_here()
    s = None if g == NULL else program_of(<Goroutine>g)
    return <Scheduler>s if s is not None and is_program(<Scheduler>s) else None


cdef inline bint is_program(Scheduler s) noexcept:
    # Whether `s` is that of a program that is not over.
    return s.managed and s.on_panic is not None


def program_of(Goroutine g):
    """The Scheduler of the program that ``g`` belongs to, which may be over; None if it belongs to none. Any thread."""
    cdef Fate fate = fate_made(g)
    if fate is not None and fate.program is not None:
        return fate.program
    return g.ctx.get(current_program)
