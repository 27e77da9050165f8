# spawn.pyx - giving work to threads: go_thread. (spawn, submit and what they return: flowvar.pyx.)

cdef Pool default_pool = None
cdef object make_default_pool = None


cdef Pool pool_by_default():
    if default_pool is None:
        make_default_pool()
    return default_pool


def set_default_pool(pool, make):
    """Tells which pool go_thread() and spawn() take, and how it is made when it is needed and None."""
    global default_pool, make_default_pool
    default_pool = pool
    make_default_pool = make


@cython.final
cdef class GoThread:
    """``go_thread(fn, *args, **kwargs)`` runs a call on a worker thread and returns its ``Goroutine``, as ``go`` does.

    A plain function (``def``) has the worker for itself, outside of any event loop: what computes, or blocks, belongs
    there. A coroutine function (``async def``) runs as a goroutine on the loop of a worker; one worker takes any number
    of them. ``go`` in either stays on that worker; ``go_thread`` in either goes to another one, if the pool has one.
    The call runs in a copy of the current context. An exception that nobody awaits is a panic: see ``run``.

    ``await`` it in any event loop. A cancel ends a call that has not begun, raises CancelledError in a coroutine, and is
    seen by ``check_cancel`` in a plain function. TypeError if ``fn`` cannot be called, PoolFull if the pool takes no
    more. Any thread may call it, with an event loop or without.

    With the GIL, functions in Python take turns; in parallel run those that release it. On free-threaded Python all do.

    Example::

        def fib(n):
            return n if n < 2 else fib(n - 1) + fib(n - 2)

        print(await go_thread(fib, 20))  # -> 6765
    """

    cdef object name
    cdef object context
    cdef Pool pool

    def __call__(self, fn, /, *args, **kwargs):
        cdef Pool p = pool_by_default() if self.pool is None else self.pool
        g = new_pooled(p, fn, args, kwargs, self.context, self.name, ON_WORKER)
        pool_push(p, g)
        return g

    def with_(self, *, name=None, context=None):
        """A ``go_thread`` with options.

        ``name``: a str for logs and dumps. ``context``: the contextvars.Context to run in. TypeError for anything else.

        Example::

            def who():
                return current_goroutine().name

            print(await go_thread.with_(name="cruncher")(who))  # -> cruncher
        """
        cdef GoThread configured = GoThread.__new__(GoThread)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a str, got {type(name).__name__}")
        configured.name = name
        configured.context = None if context is None else checked_context(context)
        configured.pool = self.pool
        return configured

    @property
    def __signature__(self):
        return go_signature()

    def __repr__(self):
        return "<go_thread>" if self.name is None else f"<go_thread name={self.name!r}>"


cdef object go_signature():
    return Signature(
        [
            Parameter("fn", Parameter.POSITIONAL_ONLY),
            Parameter("args", Parameter.VAR_POSITIONAL),
            Parameter("kwargs", Parameter.VAR_KEYWORD),
        ]
    )


go_thread = GoThread.__new__(GoThread)


def current_worker():
    """The worker thread that this code runs on: a ``Worker`` with its ``name`` and ``thread`` id; None elsewhere.

    Example::

        def where():
            return current_worker() is not None

        print(where(), await go_thread(where))  # -> False True
    """
    if goish_tls_worker == NULL or (<Worker>goish_tls_worker).guest:
        return None
    return <Worker>goish_tls_worker
