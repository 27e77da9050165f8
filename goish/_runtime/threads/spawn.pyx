# spawn.pyx - giving work to threads: go_thread, spawn, submit.
#
# Threads: any.
# Not here: what spawn and submit return (flowvar.pyx), the call (call.pyx), its pool (pool.pyx).

cdef Pool default_pool = None
cdef object default_of_others = None  # an executor that is not goish's, which runs plain functions in the place of the pool


cdef Pool pool_by_default():
    if default_pool is None:
        host.make_default_pool()
    return default_pool


cdef object others_by_default(object fn, int where):
    # Gives the foreign executor that takes this call, or None. A coroutine function needs a loop of goish's workers.
    return None if default_of_others is None or kind_of(fn, where) == LOOP else default_of_others


def set_default_pool(pool, others=None):
    """Sets the pool that go_thread() and spawn() take; None: it is made when it is needed.

    ``others``: an executor that is not goish's, which runs plain functions in its place.
    """
    global default_pool, default_of_others
    default_pool = pool
    default_of_others = others


def cancelled_call(message):
    # What a worker runs in the place of a call whose context was over before.
    raise cancelled_error(message)


cdef void discard_work(object fn) except *:
    if is_coro(fn):
        fn.close()


@cython.final
cdef class GoThread:
    """``go_thread(fn, *args, **kwargs)`` runs a call on a worker thread and returns its ``Goroutine``, as ``go`` does.

    A plain function (``def``) has the worker for itself, outside of any event loop: what computes, or blocks, belongs
    there. (There is one for each processor: for many calls that block outside of goish make an ``Executor``.)
    A coroutine function (``async def``) runs as a goroutine on the loop of a worker; one worker takes any number
    of them. ``go`` in either stays on that worker; ``go_thread`` in either goes to another one, if the pool has one.
    The call runs in a copy of the current context. An exception that nobody awaits is a panic: see ``run``.

    ``await`` it in any event loop. A cancel ends a call that has not begun, and raises CancelledError in a coroutine; in a
    plain function where it blocks in goish, or calls ``check_cancel``. TypeError if ``fn`` cannot be called,
    PoolFull if the pool takes no more. Any thread may call it, with an event loop or without.

    With the GIL, functions in Python take turns; in parallel run those that release it. On free-threaded Python all do.

    Example::

        def fib(n):
            return n if n < 2 else fib(n - 1) + fib(n - 2)

        print(await go_thread(fib, 20))  # -> 6765
    """

    cdef object name
    cdef object context
    cdef int children  # -1: as the executor says
    cdef object owner  # held, as a bound method holds its object: an Executor, a foreign one; None: the default one
    cdef object on_panic
    cdef object ctx

    def __call__(self, fn=..., /, *args, **kwargs):
        cdef Pool p
        cdef int children
        if fn is ...:
            raise TypeError("go_thread() needs a positional argument: a function (def or async def), or a coroutine")
        context = self.context
        if self.ctx is not None:
            context = above.in_force(self.ctx, context)
            refused = above.refused_by(self.ctx)
            if refused is not None:
                discard_work(fn)
                fn, args, kwargs = cancelled_call, (refused,), {}
        others = others_by_default(fn, ON_WORKER) if self.owner is None else self.owner
        if others is not None and not isinstance(others, Spawner):
            if self.children >= 0:
                raise TypeError(f"children= is for the workers of goish; {others!r} runs calls elsewhere")
            g = others._go_thread(fn, args, kwargs, self.name, context)
            if self.ctx is not None:
                above.bind(g, self.ctx)
            if self.on_panic is not None:
                fate_of(g).on_panic = self.on_panic
            return g
        p = pool_by_default() if self.owner is None else (<Spawner>self.owner).pool
        children = p.children if self.children < 0 else self.children
        g = call_new(p, fn, args, kwargs, context, self.name, ON_WORKER, children, self.on_panic)
        pool_push(p, g)
        if self.ctx is not None:
            above.bind(g, self.ctx)
        return g

    def __cinit__(self):
        self.children = -1

    @cython.embedsignature(False)  # which would show `unknown`
    def options(self, *, name=None, context=None, ctx=None, children=None, on_panic=None, **unknown):
        """options($self, /, *, name=None, context=None, ctx=None, children=None, on_panic=None)\n--\n\n\
        A ``go_thread`` with options.

        ``name``: a str for logs and dumps. ``context``: the contextvars.Context to run in. ``ctx``: the goish.context.Context
        whose cancel cancels the call, as for ``go.options``.
        ``children``: what becomes of the goroutines that the call has started by ``go`` and that live when it is over, see
        ``Executor``; None: what its executor says. ``on_panic``: what an exception that
        nobody takes does: as for ``go.options``. A function is called on the thread of the loop of ``run``; without a program,
        on any. TypeError or ValueError for anything else.

        Example::

            def who():
                return current_goroutine().name

            print(await go_thread.options(name="cruncher")(who))  # -> cruncher
        """
        cdef GoThread configured = GoThread.__new__(GoThread)
        check_options("go_thread", "name, context, ctx, children and on_panic", unknown)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a str, got {type(name).__name__}")
        configured.name = name
        configured.context = None if context is None else checked_context(context)
        configured.children = -1 if children is None else checked_children(children)
        configured.owner = self.owner
        configured.ctx = above.checked_ctx(ctx)
        configured.on_panic = checked_on_panic(on_panic)
        return configured

    @property
    def __signature__(self):
        return go_signature()

    def __repr__(self):
        return "<go_thread>" if self.name is None else f"<go_thread name={self.name!r}>"


def go_thread_of(owner):
    """The ``go_thread`` of an executor, which it holds."""
    cdef GoThread verb = GoThread.__new__(GoThread)
    verb.owner = owner
    return verb


go_thread = GoThread.__new__(GoThread)


def current_worker():
    """The worker thread that this code runs on: a ``Worker`` with its ``name`` and ``thread`` id; None elsewhere.

    Example::

        def where():
            return current_worker() is not None

        print(where(), await go_thread(where))  # -> False True
    """
    if goish_tls_worker == NULL or (<Worker>goish_tls_worker).is_borrowed:
        return None
    return <Worker>goish_tls_worker


def spawn(fn, /, *args, **kwargs):
    """Runs a call on the default executor, or where it is synced; returns its ``FlowVar``. See ``Executor.spawn``.

    Example::

        print(await spawn(pow, 2, 10))  # -> 1024
    """
    others = others_by_default(fn, ANYWHERE)
    if others is not None:
        return others.spawn(fn, *args, **kwargs)
    return spawn_on(pool_by_default(), fn, args, kwargs, ANYWHERE)


def try_spawn(Spawner spawner, fn, /, *args):
    """As ``Executor.spawn``, for a caller that can run the call itself: None if the pool is full, whatever its ``on_full``."""
    cdef FlowVar fv = FlowVar.__new__(FlowVar)
    fv.g = call_new(spawner.pool, fn, args, None, None, None, ANYWHERE, spawner.pool.children)
    return fv if pool_push(spawner.pool, fv.g, offered=True) else None


def submit(fn, /, *args, **kwargs):
    """Runs a call on the default executor, never on this thread; returns its ``FlowVar``. See ``Executor.submit``.

    Example::

        print(await submit(pow, 2, 10))  # -> 1024
    """
    others = others_by_default(fn, ELSEWHERE)
    if others is not None:
        return others.submit(fn, *args, **kwargs)
    return spawn_on(pool_by_default(), fn, args, kwargs, ELSEWHERE)


def pool_of(Spawner spawner):
    """The Pool of an Executor."""
    return spawner.pool


cdef class Spawner:
    """The compiled half of ``Executor``, which gives work to a pool."""

    def __cinit__(self, *args, **kwargs):
        self.pool = Pool()

    def __dealloc__(self):
        # No caller can give work any more: queued calls are still run, then the threads leave.
        if self.pool is not None and not self.pool.closed:
            self.pool._close()

    def spawn(self, fn, /, *args, **kwargs):
        """Runs ``fn(*args, **kwargs)`` on a worker, or on the thread that syncs it first; returns its ``FlowVar``.

        Arguments are evaluated now, and the call may begin before this returns. It runs in a copy of the current
        context. Nothing is said of the thread: do not count on thread-locals. ``fn`` may be a coroutine function: that runs
        on a worker's loop. TypeError if it cannot be called, PoolShutdown after ``shutdown``, PoolFull as ``on_full``
        says. Any thread.

        Example::

            with Executor(workers=2) as ex:
                print(sync(ex.spawn(pow, 2, 10)))  # -> 1024
        """
        return spawn_on(self.pool, fn, args, kwargs, ANYWHERE)

    def submit(self, fn, /, *args, **kwargs):
        """As ``spawn``, but the call never runs on this thread, not even when it is synced; returns its ``FlowVar``.

        For a thread that must not be held up, such as that of a user interface.

        Example::

            with Executor(workers=1) as ex:
                print(sync(ex.submit(threading.get_ident)) == threading.get_ident())  # -> False
        """
        return spawn_on(self.pool, fn, args, kwargs, ELSEWHERE)

    @property
    def go_thread(self):
        """A ``go_thread`` that takes the workers of this executor.

        Example::

            async with Executor(workers=2) as ex:
                print(await ex.go_thread(pow, 2, 10))  # -> 1024
        """
        return go_thread_of(self)
