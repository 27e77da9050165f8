# go.pyx - starting goroutines: go(), and the goroutine that runs here.
#
# Threads: go() on one whose loop runs, or on a worker (scheduler_here, registry.pyx); current_goroutine() on any.
# Not here: making a goroutine (goroutine.pyx), go_thread() (spawn.pyx).

# The Nursery of the sync_scope that this code is in: copied with the context, so what is started in it belongs to it too.
current_scope = ContextVar("goish.scope", default=None)


cdef Py_ssize_t scopes_open = 0  # while there is none, go() need not ask for one


def scope_opens():
    """Counts a sync_scope that is entered; ``scope_closes`` counts it off. Any thread."""
    goish_count_anywhere(&scopes_open, 1)


def scope_closes():
    goish_count_anywhere(&scopes_open, -1)


cdef Goroutine go_start(PyObject** args, Py_ssize_t n, PyObject* kwnames, object context, object cold):
    # go(*args) as the interpreter hands a call over: `n` positional arguments, behind them those named in `kwnames`.
    cdef Goroutine g = go_begin(scheduler_here(), args, n, kwnames, context, cold)
    if scopes_open > 0:
        scope = current_scope.get()
        if scope is not None:
            above.scope_add(scope, g)
    return g


cdef inline Goroutine go_begin(Scheduler s, PyObject** args, Py_ssize_t n, PyObject* kwnames, object context, object cold):
    cdef bint bare = n == 1 and kwnames == NULL
    coro = None
    if n == 0:
        raise TypeError("go() needs a positional argument: a coroutine function, or a coroutine")
    if kwnames == NULL and goish_deferrable(args[0], n - 1):
        return new_call(s, <object>args[0], args + 1, n - 1, context, cold)
    if bare and (PyCoro_CheckExact(<object>args[0]) or not callable(<object>args[0])):
        coro = check_coroutine(<object>args[0])
    if coro is None:
        coro = call_coroutine_function(<object>args[0], args + 1, n - 1, kwnames)
    return new_goroutine(s, coro, context, cold)


cdef object call_coroutine_function(object fn, PyObject** args, Py_ssize_t n, PyObject* kwnames):
    cdef PyObject* made
    if not callable(fn):
        if is_coro(fn):
            raise with_advice(
                TypeError(f"go() takes no arguments or keywords beside a coroutine, whose own are bound already; got {fn!r}"),
                () if kwnames == NULL else <object>kwnames,
            )
        raise TypeError(
            f"go() takes a coroutine function and its arguments, or a coroutine; got {fn!r} of type {type(fn).__name__}"
            f"{': an operation is awaited, in an async def' if refuse_op(fn) else ''}"
        )
    name = getattr(fn, "__qualname__", fn)
    # A function that cannot give a coroutine is not called: go(time.sleep, 5) would block the loop before it was refused.
    if isinstance(fn, BuiltinFunctionType) and isinstance(getattr(fn, "__self__", None), ModuleType):
        raise TypeError(
            f"go() takes a coroutine function (async def); {name!r} is a plain function, which was not called. One that "
            "computes or blocks belongs on a thread: go_thread(fn, ...)"
        )
    made = PyObject_Vectorcall(<PyObject*>fn, args, n, kwnames)
    if made == NULL:
        raise with_advice(pending_exception(), () if kwnames == NULL else <object>kwnames)
    coro = <object>made
    Py_DECREF(coro)
    if is_coro(coro):
        return coro
    if refuse_op(coro):
        raise TypeError(f"go() takes a coroutine function (async def); {name!r} gives an operation: await it in an async def")
    if isasyncgen(coro):
        raise TypeError(f"go() takes a coroutine function (async def); {name!r} is an async generator: use it with async for")
    raise TypeError(
        f"go() takes a coroutine function (async def); {name!r} returned "
        f"{type(coro).__name__}. A plain function that computes belongs on a thread: go_thread(fn, ...)"
    )


@cython.final
cdef class Go:
    """``go(fn, *args, **kwargs)`` starts a goroutine and returns its ``Goroutine``. Go's ``go`` statement.

    ``fn`` is a coroutine function; ``go(coro)`` takes a coroutine that has not started. It runs on this thread's event
    loop and not before ``go`` returns. An exception that nobody awaits is a panic: see ``run``.

    Raises RuntimeError if no event loop runs on this thread or the coroutine was started already, TypeError if ``fn``
    makes no coroutine.

    Example::

        async def greet(name):
            print("hello", name)  # -> hello ann

        go(greet, "ann")
        await gosched()
    """

    cdef object name
    cdef object context
    cdef object on_panic
    cdef object ctx
    cdef void* call

    def __cinit__(self):
        self.call = <void*>go_call

    def __call__(self, /, *args, **kwargs):
        return PyVectorcall_Call(self, args, kwargs)

    @cython.embedsignature(False)  # which would show `unknown`
    def options(self, *, name=None, context=None, ctx=None, on_panic=None, **unknown):
        """options($self, /, *, name=None, context=None, ctx=None, on_panic=None)\n--\n\n\
        A ``go`` with options.

        ``name``: a str for logs and dumps. ``context``: the contextvars.Context to run in. ``ctx``: the
        goish.context.Context whose cancel cancels the goroutine, with the cause as the message; it is
        ``context.current()`` in there. ``on_panic``: what the goroutine's exception does if nobody awaits it, or if
        each await of it was given up: ``"crash"``, ``"log"`` or a function that takes ``(goroutine, exception)``.
        ``run`` has the same for all other goroutines. TypeError or ValueError for anything else.

        Example::

            async def who():
                return current_goroutine().name

            print(await go.options(name="fetcher")(who))  # -> fetcher
        """
        cdef Go configured = Go.__new__(Go)
        check_options("go", "name, context, ctx and on_panic", unknown)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a str, got {type(name).__name__}")
        configured.name = name
        configured.context = None if context is None else checked_context(context)
        configured.ctx = above.checked_ctx(ctx)
        configured.on_panic = checked_on_panic(on_panic)
        return configured

    @property
    def __signature__(self):
        return go_signature()

    def __repr__(self):
        return "<go>" if self.name is None else f"<go name={self.name!r}>"


cdef int check_options(str verb, str taken, dict unknown) except -1:
    for keyword in unknown:
        hint = "; go_thread.options(children=...) is for a call on a worker" if keyword == "children" else ""
        raise TypeError(f"{verb}.options() takes {taken}; got an unexpected keyword argument {keyword!r}{hint}")
    return 0


cdef PyObject* go_call(PyObject* self, PyObject** args, size_t nargsf, PyObject* kwnames) noexcept:
    cdef GoroutineCold cold = None
    try:
        if (<Go>self).name is not None:
            cold = new_cold()
            cold.name = (<Go>self).name
        context = (<Go>self).context
        if (<Go>self).ctx is not None:
            context = above.in_force((<Go>self).ctx, context)
        g = go_start(args, PyVectorcall_NARGS(nargsf), kwnames, context, cold)
        if (<Go>self).ctx is not None:
            above.bind(<Goroutine>g, (<Go>self).ctx)
        if (<Go>self).on_panic is not None:
            fate_of(g).on_panic = (<Go>self).on_panic
        if (<Goroutine>g).sched.worker is not None:
            find_program(g, (<Go>self).context is not None)
    except BaseException as exc:
        goish_raise(<PyObject*>exc)
        return NULL
    Py_INCREF(g)
    return <PyObject*>g


go = Go.__new__(Go)


cdef object go_signature():
    return Signature(
        [
            Parameter("fn", Parameter.POSITIONAL_ONLY),
            Parameter("args", Parameter.VAR_POSITIONAL),
            Parameter("kwargs", Parameter.VAR_KEYWORD),
        ]
    )


def current_goroutine():
    """The goroutine that runs on this thread; None in asyncio tasks, in callbacks and on threads that run none.

    Example::

        async def who():
            return current_goroutine()

        g = go(who)
        print(await g is g)  # -> True
    """
    cdef PyObject* g = running_here()
    return None if g == NULL else <object>g
