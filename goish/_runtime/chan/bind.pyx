# bind.pyx - goroutines that are bound to a context, whose cancel cancels them.
#
# A goroutine is a hook of its context from before it runs until it ends. `bound` of its GoroutineCold names the context.
#
# Invariant: either the end of the goroutine finds `bound` and takes the hook back, or goroutine_bind() finds the goroutine over.
# Threads: any; end_lock() guards `bound`.

cdef object checked_ctx(object ctx):
    if ctx is None or isinstance(ctx, Context):
        return ctx
    hint = "; a contextvars.Context is given as context=" if PyContext_CheckExact(ctx) else ""
    raise TypeError(f"ctx is a goish.context.Context, got {ctx!r} of type {type(ctx).__name__}{hint}")


cdef object context_in_force(object ctx, object context):
    # The contextvars.Context for a goroutine in which `ctx` is the current one.
    if context is None:
        context = PyContext_CopyCurrent()
    context.run(current_context.set, ctx)
    return context


cdef int goroutine_bind(Goroutine g, object bound) except -1:
    cdef Context ctx = <Context>bound
    cdef GoroutineCold cold
    cdef bint over
    cdef Ending ending
    if source_of(ctx) is None:
        return 0
    cold = cold_of(g)
    goish_lock(end_lock(g))
    over = goish_load_state(&g.state) == G_DONE
    if not over:
        cold.bound = ctx
    goish_unlock(end_lock(g))
    if over:
        return 0
    if not hook_add(ctx, g):
        ending = context_ending(ctx)
        g.cancel(ending_message(ending))
    elif goish_load_state(&g.state) == G_DONE:
        hook_remove(ctx, g)
    return 0


cdef void goroutine_unbound(object g, object ctx) noexcept:
    # At its end.
    try:
        hook_remove(<Context>ctx, g)
    except BaseException:
        logger.exception("%r stays bound to its context", g)


def goroutine_release_context(Goroutine g):
    """For a shield: unbinds ``g`` for a while; the context, or None if ``g`` has met its cancel, or is bound to none."""
    cdef Context ctx = context_of_goroutine(g)
    if ctx is None or hook_remove(ctx, g):
        return ctx
    if not cancel_is_due(g) or context_ending(ctx) is None:
        return None
    g.uncancel()
    return ctx


def goroutine_rebind(Goroutine g, Context ctx):
    """Binds it again: a cancel that has come meanwhile reaches it now."""
    goroutine_bind(g, ctx)


def cancel_reason(Goroutine g):
    """For dumps: why ``g`` was cancelled, and from where: a Reason, or None if it was not. Any thread."""
    cdef Context ctx = context_of_goroutine(g)
    cdef Ending ending = None if ctx is None else context_ending(ctx)
    cdef GoroutineCold cold = cold_made(g)
    cdef object code = None
    cdef object said = None
    if ending is not None:
        return reason_of(ending)
    if g.cancels == 0:
        return None
    if cold is not None:
        goish_lock(end_lock(g))
        said, code = cold.cancel_msg, cold.canceller
        goish_unlock(end_lock(g))
    if said is None and code is None:
        return Reason(CancelledError(), None)
    return Reason(CancelledError(said), place_in_words(code, cold.cancel_lasti))


cdef Context context_of_goroutine(Goroutine g):
    cdef GoroutineCold cold = cold_made(g)
    cdef object bound = None
    if cold is not None:
        goish_lock(end_lock(g))
        bound = cold.bound
        goish_unlock(end_lock(g))
    return <Context>bound


cdef object refused_by(object ctx):
    # The message of the cancel if the context is over, or None.
    cdef Ending ending = context_ending(<Context>ctx)
    return None if ending is None else ending_message(ending)
