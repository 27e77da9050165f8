# context.pyx - contexts: a tree in which a cancel reaches all that is below. Go's package context.
#
# A context that can be cancelled is a child of the nearest ancestor that can (`source`); those between only carry values. A
# cancel first marks the whole tree below, and runs no code of others meanwhile. Then it closes the channels and runs the hooks.
#
# Invariants: `ending` is set once, with `over`, under the lock. From then on nothing joins `children` or `hooks`, no alarm is
#   set, and the thread that has set it takes out what is in there. A live context is in the list of its source, or has none.
# Threads: any. One lock is held at a time. An alarm goes off on the loop where the deadline was set; a blocked thread, and each
#   question, looks at the clock by itself (context_poll).
# Not here: goroutines that are bound to a context (bind.pyx), blocks (goish/_context/scope.py).

cdef uint64_t endings = 0


cdef class Ending:
    pass


cdef Ending new_ending(object cause):
    # With the caller's place.
    cdef Ending ending = Ending.__new__(Ending)
    cdef PyObject* code = goish_user_frame(&ending.lasti)
    if code != NULL:
        ending.code = <object>code
        Py_DECREF(ending.code)
    ending.cause = cause
    ending.order = goish_next(&endings)
    return ending


cdef object ending_error(Ending ending):
    # What err() gives: a new one each time, as one that is raised again and again would grow by its traceback.
    return DeadlineExceeded() if ending.expired else Canceled()


cdef object ending_cause(Ending ending):
    return ending_error(ending) if ending.cause is None else ending.cause


cdef object ending_message(Ending ending):
    # What a CancelledError carries: the caller's exception, or the text of goish's own.
    cause = ending_cause(ending)
    if type(cause) is Canceled or type(cause) is DeadlineExceeded:
        return cause.args[0]
    return cause


cdef object ending_cancelled(Ending ending):
    error = CancelledError(ending_message(ending))
    error.__cause__ = ending_cause(ending)
    return error


# ---- the tree ----

cdef inline Context source_of(Context ctx):
    return ctx if ctx.is_source else ctx.source


cdef Context context_derive(Context parent):
    # A child that can be cancelled, not yet in its parent's list.
    cdef Context ctx = Context.__new__(Context)
    context_inherit(ctx, parent)
    ctx.is_source = True
    return ctx


cdef void context_inherit(Context ctx, Context parent) noexcept:
    cdef Context source = source_of(parent)
    ctx.parent = parent
    ctx.source = source
    ctx.place = -1
    ctx.until = INFINITY
    if source is not None and source.until < INFINITY:
        ctx.until = source.until
        ctx.clock = source.clock
        ctx.expires = source if source.is_timed else source.expires


cdef int context_attach(Context ctx) except -1:
    # Has the cancel of its source reach it, if that is not over already.
    cdef Context source = ctx.source
    cdef Ending ending
    cdef list fresh = None
    if source is None:
        return 0
    context_poll(source)
    if source.children is None:
        fresh = []  # before the lock: the collector may run
    goish_lock(&source.lock)
    ending = source.ending
    if ending is None:
        if source.children is None:
            source.children = fresh
        ctx.place = len(source.children)
        source.children.append(ctx)
    goish_unlock(&source.lock)
    if ending is not None:
        context_end(ctx, ending)
    return 0


cdef void context_detach(Context ctx) noexcept:
    cdef Context source = ctx.source
    cdef Context last = None
    cdef list _emptied = None  # dropped after unlocking
    if source is None:
        return
    goish_lock(&source.lock)
    if source.children is not None and ctx.place >= 0:
        last = <Context>source.children.pop()
        if last is not ctx:
            source.children[ctx.place] = last
            last.place = ctx.place
        if not source.children:
            _emptied, source.children = source.children, None
    ctx.place = -1
    goish_unlock(&source.lock)


cdef bint context_end(Context top, Ending ending) except -1:
    # Cancels it and all below. False: it was over already.
    cdef list reached = [top]
    cdef list children
    cdef Context ctx
    cdef Py_ssize_t i = 0
    cdef bint mine
    while i < len(reached):
        ctx = <Context>reached[i]
        children = None
        goish_lock(&ctx.lock)
        mine = ctx.ending is None
        if mine:
            ctx.ending = ending
            goish_store_state(&ctx.over, 1)
            children = ctx.children
            ctx.children = None
        goish_unlock(&ctx.lock)
        if not mine:
            if i == 0:
                return False
            reached[i] = None  # another cancel has come first, and tells
        elif children is not None:
            reached += children
        i += 1
    context_detach(top)
    for found in reached:
        if found is not None:
            ctx = <Context>found
            if ctx.chan is not None or ctx.hooks is not None or ctx.alarm is not None:
                context_tell(ctx)
    return True


cdef void context_tell(Context ctx) except *:
    # By the thread that has ended it. Until it takes the hooks out, another may take one back.
    cdef dict hooks
    cdef Op alarm
    cdef Scheduler alarm_on
    goish_lock(&ctx.lock)
    hooks, ctx.hooks = ctx.hooks, None
    alarm, ctx.alarm = ctx.alarm, None
    alarm_on, ctx.alarm_on = ctx.alarm_on, None
    goish_unlock(&ctx.lock)
    if alarm is not None:
        timers_remove(&alarm_on.alarms, <PyObject*>alarm)
    if ctx.chan is not None:
        chan_close(ctx.chan)
    if hooks is not None:
        for hook in hooks:
            hook_run(hook, ctx.ending)


cdef bint context_cancel(Context ctx, object cause) except -1:
    # By a caller. A later one that has a cause is noted: it is a reason, too.
    cdef Ending ending = new_ending(cause)
    cdef list fresh = []
    context_poll(ctx)
    if context_end(ctx, ending):
        return True
    if cause is not None:
        goish_lock(&ctx.lock)
        if ctx.further is None:
            ctx.further = fresh
        if len(ctx.further) < MOST_REASONS:
            ctx.further.append(ending)
        goish_unlock(&ctx.lock)
    return False


cdef enum:
    MOST_REASONS = 16  # are kept beside the first


cdef list endings_of(Context source):
    cdef list found = []
    cdef Ending ending
    goish_lock(&source.lock)
    ending = source.ending
    if source.further is not None:
        found.extend(source.further)
    goish_unlock(&source.lock)
    return found if ending is None else [ending, *found]


# ---- hooks ----

cdef void hook_run(object hook, Ending ending) noexcept:
    # In the thread that cancels. One that fails keeps it from none of the others.
    try:
        if type(hook) is Goroutine:
            (<Goroutine>hook).cancel(ending_message(ending))
        else:
            hook()
    except BaseException as exc:
        try:
            logger.error("%r failed as a context was cancelled", hook, exc_info=exc_info(exc))
        except BaseException:
            pass  # near the recursion limit there is no room to say so


cdef bint hook_add(Context ctx, object hook) except -1:
    # False: the context is over. A hook is hashed and compared as an object is.
    cdef Context source = source_of(ctx)
    cdef bint live
    cdef dict fresh = {}
    if source is None:
        return True  # never over
    context_poll(source)
    goish_lock(&source.lock)
    live = source.ending is None
    if live:
        if source.hooks is None:
            source.hooks = fresh
        source.hooks[hook] = None
    goish_unlock(&source.lock)
    if live and source.until < INFINITY and not has_alarm(source):
        context_set_alarm(source)
    return live


cdef bint hook_remove(Context ctx, object hook) except -1:
    # Whether it was there: the end of the context has not run it, and never will.
    cdef Context source = source_of(ctx)
    cdef bint was = False
    cdef dict _emptied = None
    if source is None:
        return False
    goish_lock(&source.lock)
    if source.hooks is not None and hook in source.hooks:
        was = True
        del source.hooks[hook]
        if not source.hooks:
            _emptied, source.hooks = source.hooks, None
    goish_unlock(&source.lock)
    return was


def context_message(Context ctx):
    """What a CancelledError carries that tells of the end of ``ctx``; None while it is live."""
    cdef Ending ending = context_ending(ctx)
    return None if ending is None else ending_message(ending)


def context_hook(Context ctx, hook):
    """Has ``hook()`` called once, in the thread that cancels ``ctx``. False: it is over already. Any thread."""
    return hook_add(ctx, hook)


def context_unhook(Context ctx, hook):
    """Takes ``hook`` back; False if it was called, or never given. Any thread."""
    return hook_remove(ctx, hook)


# ---- deadlines ----

cdef double context_now(Context source) except? -1.0:
    return goish_monotonic() if source.clock is None else sched_clock(source.clock)


cdef inline void context_poll(Context source) noexcept:
    if source.until < INFINITY and not goish_load_state(&source.over):
        context_left(source)


cdef double context_left(Context source) noexcept:
    # Cancels it if its deadline has passed; otherwise gives the seconds until then, infinite once it is over.
    cdef double left
    try:
        if goish_load_state(&source.over):
            return INFINITY
        left = source.until - context_now(source)
        if left <= 0.0:
            context_expire(source)
            return INFINITY
        return left if source.clock is None or not is_virtual(source.clock) else min(left, GLANCE)
    except BaseException:
        logger.exception("the deadline of a context could not be looked at")
        return GLANCE


cdef void context_expire(Context source) except *:
    cdef Context timed = source if source.is_timed else source.expires
    cdef Ending ending = Ending.__new__(Ending)
    ending.expired = True
    ending.cause = timed.late
    ending.code = timed.code
    ending.lasti = timed.lasti
    ending.order = goish_next(&endings)
    context_end(timed, ending)


cdef Scheduler lasting_scheduler():
    # That of the loop that runs here, or None. A plain worker's loop runs only as long as it has goroutines.
    cdef Scheduler s = None
    if goish_tls_sched != NULL or running_loop() is not None:
        s = scheduler_here()
    return None if s is not None and s.worker is not None and s.worker.kind == PLAIN else s


cdef bint has_alarm(Context source) noexcept:
    # Whether a loop that runs looks after the deadline.
    cdef Context timed = source if source.is_timed else source.expires
    cdef Scheduler s
    goish_lock(&timed.lock)
    s = timed.alarm_on if timed.alarm is not None else None
    goish_unlock(&timed.lock)
    return s is not None and is_at_work(s)


cdef void context_arm(Context source, Scheduler s) except *:
    # Sets the alarm on that loop, in the place of one whose loop is gone.
    cdef Context timed = source if source.is_timed else source.expires
    cdef Op alarm
    cdef Op before = None
    cdef Scheduler before_on = None
    cdef bint mine
    cdef double when = timed.until
    if timed.clock is not s:
        when += sched_clock(s) - context_now(timed)
    alarm = new_op(W_DEADLINE, timed)
    alarm.used |= U_USED
    goish_lock(&timed.lock)
    mine = timed.ending is None
    if mine:
        before, timed.alarm = timed.alarm, alarm
        before_on, timed.alarm_on = timed.alarm_on, s
    goish_unlock(&timed.lock)
    if not mine:
        return
    if before is not None:
        timers_remove(&before_on.alarms, <PyObject*>before)
    timers_add(s, <PyObject*>alarm, when)
    if goish_load_state(&timed.over):
        timers_remove(&s.alarms, <PyObject*>alarm)
    elif s.dead:  # closed meanwhile: it has looked through its alarms before this one, or finds it
        deadline_homeless(alarm)


cdef void deadline_homeless(Op op) noexcept:
    # The loop of the alarm is closed: another one looks after the deadline if any waiter or hook needs that.
    cdef Context timed = <Context>op.target
    cdef Scheduler _before
    cdef bint mine
    goish_lock(&timed.lock)
    mine = timed.alarm is op and timed.ending is None
    if mine:
        timed.alarm = None
        _before, timed.alarm_on = timed.alarm_on, None
    goish_unlock(&timed.lock)
    try:
        if mine and is_needed(timed):
            context_set_alarm(timed)
    except BaseException:
        logger.exception("no timer for the deadline of a context")


cdef bint is_needed(Context top) except -1:
    # Whether the cancel of anything from `top` down would wake or call something that is not on a loop that is gone.
    cdef list found = [top]
    cdef Context ctx
    cdef Py_ssize_t i = 0
    cdef bint needed = False
    while i < len(found) and not needed:
        ctx = <Context>found[i]
        goish_lock(&ctx.lock)
        needed = ctx.hooks is not None
        if ctx.children is not None:
            found.extend(ctx.children)
        goish_unlock(&ctx.lock)
        needed = needed or (ctx.chan is not None and is_received(ctx.chan))
        i += 1
    return needed


cdef bint is_received(Chan ch) noexcept:
    # On a loop that lives; a thread that waits looks at the clock itself.
    cdef Scheduler s
    cdef object closing
    goish_lock(&ch.lock)
    s = sched_of_receiver(ch)
    closing = (<ChanCold>ch.cold).closing if ch.cold is not None else None
    goish_unlock(&ch.lock)
    return s is not None or (closing is not None and is_received(<Chan>closing))


cdef void alarm_homeless(Op op) noexcept:
    if op.kind == W_TIMER:
        timer_homeless(op)
    elif op.kind == W_DEADLINE:
        deadline_homeless(op)


cdef void context_set_alarm(Context source) except *:
    # For hooks: no waiter looks at the clock.
    s = lasting_scheduler()
    if s is None or s.dead:
        host.watch_deadline(source)
    else:
        context_arm(source, s)


cdef void deadline_fire(Op op) noexcept:
    cdef Context timed = <Context>op.target
    cdef Scheduler s = None
    goish_lock(&timed.lock)
    if timed.alarm is op:
        s = timed.alarm_on
    goish_unlock(&timed.lock)
    if s is None:
        return
    try:
        if timed.clock is s or context_left(timed) == INFINITY:
            context_expire(timed)
        else:
            context_arm(timed, s)
    except BaseException:
        logger.exception("a context could not be cancelled at its deadline")


waits[<int>W_DEADLINE] = Wait(
    "deadline", False, must_wait, never_ready, never_waits, never_withdrawn, finish_none, NULL, deadline_fire, NULL, NULL,
    NULL, NULL, NULL, NULL, False, NULL
)


# ---- its channel ----

cdef RecvChan context_done(Context ctx):
    cdef Context source = source_of(ctx)
    cdef Chan fresh
    cdef ChanCold cold
    cdef RecvChan view
    cdef bint over
    if source is None:
        return NIL_VIEW
    if source.view is not None:
        context_poll(source)
        return source.view
    fresh = Chan.__new__(Chan)
    fresh.flags = C_MADE
    if source.until < INFINITY:
        cold = ChanCold.__new__(ChanCold)
        cold.deadline = source.until
        cold.ctx = source
        fresh.cold = cold
        fresh.flags |= C_TIMER
    view = recv_view(fresh)
    goish_lock(&source.lock)
    if source.view is None:
        source.chan = fresh
        source.view = view
    over = source.ending is not None
    goish_unlock(&source.lock)
    if over:
        chan_close(source.chan)
    else:
        context_poll(source)
    return source.view


cdef RecvChan NIL_VIEW = recv_view(<Chan>NIL)


cdef double context_due(object source) noexcept:
    return context_left(<Context>source)


cdef void context_awaited(object source) noexcept:
    # A goroutine or task waits for the channel, on a loop that runs here.
    try:
        if not goish_load_state(&(<Context>source).over) and not has_alarm(<Context>source):
            context_arm(<Context>source, scheduler_here())
    except BaseException:
        logger.exception("no timer for the deadline of a context")


# ---- the type ----

cdef str context_kind(Context ctx):
    if ctx is BACKGROUND:
        return "background"
    if ctx is TODO_ROOT:
        return "todo"
    if ctx.key is not None:
        return "with_value"
    if not ctx.is_source:
        return "without_cancel" if ctx.source is None else "derived"
    return "with_deadline" if ctx.is_timed else "with_cancel"


# A chain of contexts may be very long: it is not freed by recursion.
@cython.trashcan(True)
cdef class Context:
    """Context(parent)\n--\n\n\
    What work is done under: whether it is cancelled, until when it may take, and values. Go's ``context.Context``.

    ``background()`` is the root; ``with_cancel``, ``with_timeout``, ``with_value`` and the others derive one from another. A
    cancel reaches all that is derived, and never what is above. Any thread may use it. A class of one's own may derive from it,
    ``super().__init__(parent)``, and override ``value``.

    Example::

        from goish import context

        ctx, cancel = context.with_cancel(context.background())
        cancel()
        print(ctx.err())  # -> context canceled
    """

    def __cinit__(self):
        self.place = -1
        self.until = INFINITY

    def __init__(self, parent):
        context_inherit(self, checked_parent(parent, "Context"))

    def done(self):
        """A channel that is closed at the cancel: the same object each time; NIL where nothing ever cancels.

        Await its ``recv_ok()``, or make it a case of ``select``; on a thread ``recv_ok_blocking()``. Go's ``ctx.Done()``.

        Example::

            from goish import context

            ctx, cancel = context.with_cancel(context.background())
            cancel()
            print(await select(chan().recv(), ctx.done().recv()))  # -> (1, None, False)
        """
        return context_done(self)

    def err(self):
        """None while it is live; then a Canceled, or a DeadlineExceeded if a deadline has passed. A new one each time.

        Once it is not None it stays so. Go's ``ctx.Err()``.

        Example::

            from goish import context

            ctx, cancel = context.with_timeout(context.background(), 0)
            print(repr(ctx.err()))  # -> DeadlineExceeded('context deadline exceeded')
        """
        cdef Ending ending = context_ending(self)
        return None if ending is None else ending_error(ending)

    def cause(self):
        """The exception that the first cancel gave; without one what ``err`` gives; None while it is live.

        Go's ``context.Cause``.

        Example::

            from goish import context

            ctx, cancel = context.with_cancel_cause(context.background())
            cancel(LookupError("no such user"))
            print(repr(ctx.cause()), "-", ctx.err())  # -> LookupError('no such user') - context canceled
        """
        cdef Ending ending = context_ending(self)
        return None if ending is None else ending_cause(ending)

    def reasons(self):
        """Every cancel that has come so far, on it and on those above: a list of Reason, the first is the cause.

        A cancel that comes later changes nothing, but is a reason if it gives a cause; 16 of them are kept.

        Example::

            from goish import context

            ctx, cancel = context.with_cancel_cause(context.background())
            cancel("the client has gone")
            cancel("the server ends")
            print([str(reason.cause) for reason in ctx.reasons()])  # -> ['the client has gone', 'the server ends']
        """
        cdef Context source = source_of(self)
        cdef dict found = {}
        if source is not None:
            context_poll(source)
        while source is not None:
            for ending in endings_of(source):
                found[(<Ending>ending).order] = ending
            source = source.source
        return [reason_of(<Ending>found[order]) for order in sorted(found)]

    def deadline(self):
        """When it is cancelled at the latest, in seconds of the clock of the loop where that was set; None: never.

        Where no loop ran, the clock is ``time.monotonic``. Go's ``ctx.Deadline()``.

        Example::

            from goish import context

            print(context.background().deadline())  # -> None
        """
        cdef Context source = source_of(self)
        return None if source is None or source.until == INFINITY else source.until

    def value(self, key):
        """The value that ``with_value`` has set for ``key``, the nearest one; None if there is none. Go's ``ctx.Value``.

        Example::

            from goish import context

            ctx = context.with_value(context.background(), "user", "ann")
            print(ctx.value("user"), ctx.value("host"))  # -> ann None
        """
        cdef Context ctx = self
        while ctx is not None:
            if ctx.key is not None and (ctx.key is key or ctx.key == key):
                return ctx.held
            ctx = ctx.parent
            if ctx is not None and type(ctx) is not Context and type(ctx) is not CancelToken:
                return (<object>ctx).value(key)
        return None

    def check(self):
        """Raises CancelledError once it is cancelled, with the cause; less than a tenth of a microsecond otherwise.

        For code that computes. The message is the text that the cancel gave, or its exception.

        Example::

            from goish import context

            ctx, cancel = context.with_cancel(context.background())
            ctx.check()
            cancel("enough")
            try:
                ctx.check()
            except asyncio.CancelledError as error:
                print(error)  # -> enough
        """
        context_check(self)

    def scope(self):
        """A block that a cancel of this context cancels, and that then raises ``err()``: see ``goish.context.scope``.

        Example::

            from goish import context

            ctx, cancel = context.with_timeout(context.background(), 0.001)
            try:
                async with ctx.scope():
                    await chan().recv()
            except context.DeadlineExceeded:
                print("too late")  # -> too late
        """
        return host.make_scope(self)

    def __repr__(self):
        cdef Context source = source_of(self)
        name = type(self).__name__
        if name == "Context":
            name += f" {context_kind(self)}"
        if self.key is not None:
            name += f" {self.key!r}"
        if source is None or source.ending is None:
            return f"<{name}>"
        return f"<{name} cancelled: {ending_cause(source.ending)}>"

    def __reduce_ex__(self, protocol):
        raise TypeError("a context cannot be copied or pickled: a cancel would not reach its copy")


cdef inline Ending context_ending(Context ctx):
    cdef Context source = source_of(ctx)
    if source is None:
        return None
    context_poll(source)
    return source.ending if goish_load_state(&source.over) else None


cdef inline int context_check(Context ctx) except -1:
    cdef Ending ending = context_ending(ctx)
    if ending is not None:
        raise ending_cancelled(ending)
    return 0


cdef object place_in_words(object code, int lasti):
    if code is None:
        return None
    return f"{code.co_qualname} at {code.co_filename}:{PyCode_Addr2Line(<PyCodeObject*>code, lasti)}"


cdef object reason_of(Ending ending):
    return Reason(ending_cause(ending), place_in_words(ending.code, ending.lasti))


# ---- making them ----

cdef Context checked_parent(object parent, str call):
    if isinstance(parent, Context):
        return <Context>parent
    if parent is None:
        raise TypeError(f"{call}() needs a parent context, got None: background() is the root, current() the one in force")
    raise TypeError(f"{call}() takes a parent context first, got {parent!r} of type {type(parent).__name__}")


cdef object checked_cause(object cause, str call):
    # An exception or None; a text stands for a Canceled.
    if cause is None or isinstance(cause, BaseException):
        return cause
    if isinstance(cause, str):
        return Canceled(cause)
    hint = f"; make one: {cause.__name__}(...)" if isinstance(cause, type) and issubclass(cause, BaseException) else ""
    raise TypeError(f"{call} takes as its cause an exception, a str or None, got {cause!r}{hint}")


def background():
    """The root of contexts: never cancelled, no deadline, no values. Go's ``context.Background``.

    Example::

        from goish import context

        print(context.background().err(), context.background().done() == NIL)  # -> None True
    """
    return BACKGROUND


def todo():
    """As ``background``, where it is not clear yet which context to use. Go's ``context.TODO``.

    Example::

        from goish import context

        print(context.todo())  # -> <Context todo>
    """
    return TODO_ROOT


@cython.final
cdef class CancelFunc:
    """What ``with_cancel`` and the others give beside the context: ``cancel(cause=None)`` cancels it. Any thread.

    True if it did, False if the context was over already. ``cause``: the exception that ``ctx.cause()`` gives, or a text for
    one. TypeError for anything else.

    Example::

        from goish import context

        ctx, cancel = context.with_cancel(context.background())
        print(cancel("enough"), cancel(), ctx.cause())  # -> True False enough
    """

    def __call__(self, cause=None):
        return context_cancel(self.ctx, checked_cause(cause, "cancel()"))

    def __repr__(self):
        return f"<cancel of {self.ctx!r}>"


cdef CancelFunc cancel_of(Context ctx):
    cdef CancelFunc cancel = CancelFunc.__new__(CancelFunc)
    cancel.ctx = ctx
    return cancel


def with_cancel(parent, /):
    """A context that ``cancel()`` cancels, and a cancel of ``parent``: ``(ctx, cancel)``. Go's ``context.WithCancel``.

    Call ``cancel`` when the work is over: until then ``parent`` holds the context. TypeError if ``parent`` is no Context.

    Example::

        from goish import context

        ctx, cancel = context.with_cancel(context.background())
        child, _ = context.with_cancel(ctx)
        print(cancel(), cancel(), child.err())  # -> True False context canceled
    """
    ctx = context_derive(checked_parent(parent, "with_cancel"))
    context_attach(ctx)
    return ctx, cancel_of(ctx)


def with_cancel_cause(parent, /):
    """As ``with_cancel``; its ``cancel(cause)`` says why. Go's ``context.WithCancelCause``.

    Example::

        from goish import context

        ctx, cancel = context.with_cancel_cause(context.background())
        cancel(OSError("disk full"))
        print(repr(context.cause(ctx)))  # -> OSError('disk full')
    """
    ctx = context_derive(checked_parent(parent, "with_cancel_cause"))
    context_attach(ctx)
    return ctx, cancel_of(ctx)


def with_timeout(parent, seconds, /, cause=None):
    """A context that is cancelled ``seconds`` from now, or earlier: ``(ctx, cancel)``. Go's ``context.WithTimeout``.

    Zero or less: it is cancelled already. An earlier deadline of ``parent`` wins. ``cause``: what ``ctx.cause()`` gives after
    the deadline. ``cancel()`` ends it early, and leaves no timer behind. TypeError for no number, ValueError for NaN.

    Example::

        from goish import context

        ctx, cancel = context.with_timeout(context.background(), 0.001)
        await ctx.done().recv_ok()
        print(ctx.err())  # -> context deadline exceeded
    """
    cdef Context up = checked_parent(parent, "with_timeout")
    if seconds is None:
        raise TypeError("with_timeout() takes a number of seconds, got None; without a deadline it is with_cancel(parent)")
    return timed_context(up, checked_seconds(seconds, "with_timeout"), False, checked_cause(cause, "with_timeout()"))


def with_deadline(parent, when, /, cause=None):
    """A context that is cancelled at ``when``, or earlier: ``(ctx, cancel)``. Go's ``context.WithDeadline``.

    ``when``: in seconds of the loop's clock, ``loop.time()``; where no loop runs, of ``time.monotonic()``. Otherwise as
    ``with_timeout``. ValueError for a time that is ten years away, as ``time.time()`` gives one.

    Example::

        from goish import context

        ctx, cancel = context.with_deadline(context.background(), time.monotonic() + 60)
        child, _ = context.with_timeout(ctx, 3600)
        print(child.deadline() == ctx.deadline())  # -> True
        cancel()
    """
    cdef Context up = checked_parent(parent, "with_deadline")
    if when is None:
        raise TypeError("with_deadline() takes a time of the loop, got None; without a deadline it is with_cancel(parent)")
    return timed_context(up, checked_seconds(when, "with_deadline"), True, checked_cause(cause, "with_deadline()"))


cdef enum:
    TEN_YEARS = 315576000


cdef tuple timed_context(Context parent, double seconds, bint absolute, object cause):
    cdef Context ctx = context_derive(parent)
    cdef Scheduler s = lasting_scheduler()
    cdef PyObject* code
    cdef double now = goish_monotonic() if s is None else sched_clock(s)
    cdef double left = seconds - now if absolute else seconds
    if absolute and TEN_YEARS < left < INFINITY:
        raise ValueError(
            f"with_deadline() goes by loop.time(), which is {now:.0f} now; {seconds!r} is years away. A time of time.time() is "
            "with_timeout(parent, when - time.time())"
        )
    if left < INFINITY and (ctx.until == INFINITY or left < ctx.until - context_now(ctx)):
        ctx.until = now + left
        ctx.clock = s
        ctx.is_timed = True
        ctx.expires = None
        ctx.late = cause
        code = goish_user_frame(&ctx.lasti)
        if code != NULL:
            ctx.code = <object>code
            Py_DECREF(ctx.code)
    context_attach(ctx)
    if ctx.is_timed and not goish_load_state(&ctx.over):
        if left <= 0.0:
            context_expire(ctx)
        elif s is not None:
            context_arm(ctx, s)
    return ctx, cancel_of(ctx)


def with_value(parent, key, value, /):
    """A context in which ``ctx.value(key)`` is ``value``. Go's ``context.WithValue``.

    ``key`` is compared by ``==``; a type of the module's own keeps others off it. TypeError for None, and for a key that cannot
    be hashed. For data that all code shall see without being given it, a ``contextvars.ContextVar`` is better.

    Example::

        from goish import context

        ctx = context.with_value(context.background(), "user", "ann")
        print(ctx.value("user"))  # -> ann
    """
    cdef Context ctx = Context.__new__(Context)
    cdef Context up = checked_parent(parent, "with_value")
    if key is None:
        raise TypeError("with_value() needs a key, got None: use an object of your module, such as a str or an Enum member")
    try:
        hash(key)
    except TypeError:
        raise TypeError(f"with_value() takes a key that can be hashed, got {key!r} of type {type(key).__name__}") from None
    context_inherit(ctx, up)
    ctx.key = key
    ctx.held = value
    return ctx


def without_cancel(parent, /):
    """A context with the values of ``parent``, but neither its cancel nor its deadline. Go's ``context.WithoutCancel``.

    Example::

        from goish import context

        ctx, cancel = context.with_cancel(context.background())
        cancel()
        print(context.without_cancel(ctx).err())  # -> None
    """
    cdef Context ctx = Context.__new__(Context)
    ctx.parent = checked_parent(parent, "without_cancel")
    return ctx


cdef Context new_root():
    return Context.__new__(Context)


cdef Context BACKGROUND = new_root()
cdef Context TODO_ROOT = new_root()


# ---- the one in force ----

current_context = ContextVar("goish.context", default=BACKGROUND)


def current():
    """The context that is in force here: of the innermost scope, or what ``go.options(ctx=)`` gave; else ``background()``.

    It goes along with contextvars: to goroutines, ``go_thread`` calls and asyncio tasks that this code starts.

    Example::

        from goish import context

        async def work():
            return context.current().value("user")

        ctx = context.with_value(context.background(), "user", "ann")
        print(await go.options(ctx=ctx)(work))  # -> ann
    """
    return context_here()


cdef Context context_here():
    cdef PyObject* found = NULL
    if PyContextVar_Get(current_context, NULL, &found) < 0:
        raise_pending()
    ctx = <object>found
    Py_DECREF(ctx)
    return <Context>ctx


cdef int context_check_here() except -1:
    return context_check(context_here())


# ---- tokens ----

@cython.final
cdef class CancelToken(Context):
    """CancelToken()\n--\n\n\
    Tells many goroutines and functions at once to stop, whichever thread they are on: a context with its own ``cancel``.

    A function that computes calls ``check`` from time to time; a goroutine takes ``token.done().recv()`` as a case of
    ``select``. It goes wherever a context does: ``go.options(ctx=token)``, ``with_timeout(token, 5)``. Any thread may use it.

    Example::

        def search(token):
            while True:
                token.check()

        token = CancelToken()
        g = go_thread(search, token)
        token.cancel("enough")
        try:
            await g
        except asyncio.CancelledError as error:
            print(error)  # -> enough
    """

    def __init__(self, *given, **named):
        if given or named:
            raise TypeError(
                "CancelToken() takes no arguments; a deadline is loop.call_later(seconds, token.cancel), or "
                "ctx, cancel = context.with_timeout(token, seconds)"
            )
        self.parent = BACKGROUND
        self.is_source = True

    def cancel(self, reason=None):
        """Cancels it, for good; False if it was cancelled before. ``reason`` is what the CancelledError says.

        Example::

            token = CancelToken()
            print(token.cancel(), token.cancel())  # -> True False
        """
        if reason is not None and not isinstance(reason, BaseException):
            reason = Canceled(reason)
        return context_cancel(self, reason)

    def cancelled(self):
        """Whether the token was cancelled."""
        return goish_load_state(&self.over) != 0
