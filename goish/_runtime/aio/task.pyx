# task.pyx - the goroutine as a handle: what programs and asyncio ask of it.
#
# A Goroutine answers everything that asyncio asks of a task: gather, wait, wait_for and run_until_complete take it.
# Threads: cancel() from elsewhere is forwarded to its loop; any thread may ask for its end or wait for it (end_lock, cold.pyx).
#   The rest is for the scheduler's own.
# Not here: a goroutine's life (goroutine.pyx), what a cancel does (cancel.pyx), awaiting it (join.pyx), its end (end.pyx).

# No freelist: the collector's mark that an object was finalised would stay on it, and its next user never be reported.
@cython.final
cdef class Goroutine:
    """A running ``go`` call: ``await g`` gives its result or raises its exception.

    Any number may await it, before and after its end; cancelling one of them does not cancel it. It lives until it
    ends, whether the handle is kept or not. To asyncio it is a task: ``gather``, ``wait`` and ``wait_for`` take it, and
    ``timeout`` and ``TaskGroup`` work in it. ``id`` counts from 1 in order of creation, through the process.

    Threads: any loop may await it, and ``cancel``, ``done``, ``cancelled``, ``result``, ``exception`` and the callbacks are
    for any thread; the other methods for the thread of its loop.

    Example::

        async def double(n):
            return 2 * n

        g = go(double, 21)
        print(await g)  # -> 42
    """

    def __await__(self):
        return new_op(W_JOIN, self)

    def __iter__(self):
        if not is_task(self):  # asyncio's tasks can be iterated
            raise TypeError("a goroutine is awaited, not iterated: result = await g, or a, b = await wait_all(g, h)")
        return new_op(W_JOIN, self)

    def cancel(self, msg=None):
        """Asks the goroutine to end: CancelledError is raised where it waits, or at its next wait.

        As ``asyncio.Task.cancel``. ``msg`` goes into the CancelledError. Returns False if it is done already, or a call on an
        adopted executor that runs and cannot be cancelled. An
        operation that has happened is not undone: its value is delivered, and the cancel comes at the next wait. Any
        thread may call it; from another one it is forwarded to the goroutine's loop and takes effect there, later.

        Example::

            async def listen(channel):
                await channel.recv()

            g = go(listen, chan())
            print(g.cancel())  # -> True
            await gosched()
            print(g.cancelled())  # -> True
        """
        cdef int told
        if msg is not None and goish_load_state(&self.state) != G_DONE:
            note_canceller(self, msg)
        if self.sched is NO_LOOP and goish_load_state(&self.state) != G_DONE:
            told = cancel_pooled(self, msg)
            if told:
                return told == 1
        if goish_load_state(&self.state) == G_DONE:
            if is_task(self):
                goish_set_bits(&self.flags, GF_RETRIEVED)  # as asyncio has it: a caller that cancels it does not care
            return False
        if not is_here(self.sched):
            if not sched_post(self.sched, _cancel_posted, (self, msg), None):
                raise RuntimeError(f"the event loop of {self!r} is closed: it never runs again, so it cannot be cancelled")
            return True
        return goroutine_cancel(self, msg)

    def cancelling(self):
        """How many cancel() calls have not been taken back by uncancel(). As ``asyncio.Task.cancelling``."""
        goish_lock(end_lock(self))
        count = self.cancels
        goish_unlock(end_lock(self))
        return count

    def uncancel(self):
        """Takes one cancel() back and returns how many are left.

        At zero a cancel that is still due is forgotten. For code that catches its own cancel, such as a timeout.
        As ``asyncio.Task.uncancel``.
        """
        if self.cancels > 0:
            self.cancels -= 1
            if self.cancels == 0:
                self.flags &= ~GF_MUST_CANCEL
        return self.cancels

    def cancelled(self):
        """Whether the goroutine ended by being cancelled."""
        return goish_load_state(&self.state) == G_DONE and goish_load_state(&self.flags) & GF_CANCELLED != 0

    def done(self):
        """Whether the goroutine has ended, in any way. Any thread."""
        return goish_load_state(&self.state) == G_DONE

    def result(self):
        """Its result, as asyncio has it: nothing is waited for. InvalidStateError while the goroutine runs.

        Raises its exception, and CancelledError if it was cancelled. Any thread.

        Example::

            async def double(n):
                return 2 * n

            g = go(double, 21)
            await g
            print(g.result())  # -> 42
        """
        if goish_load_state(&self.state) != G_DONE:
            raise InvalidStateError(f"{self!r} is not done: await it, or block a thread by result_blocking()")
        if goish_load_state(&self.flags) & GF_CANCELLED:
            raise take_cancelled(self)
        if goish_load_state(&self.flags) & GF_FAILED:
            raise take_exception(self)
        return goroutine_outcome(self)

    def result_blocking(self, timeout=None):
        """Blocks this thread until the goroutine is done; its result. On a thread that runs no event loop.

        ``timeout``: seconds, None for ever; TimeoutError if it takes longer. SyncOnLoop on a thread whose loop runs: there,
        ``await`` it. The goroutine goes on in either case. Raises its exception, and CancelledError if it was cancelled.

        Example::

            async def double(n):
                return 2 * n

            g = go(double, 21)
            print(await asyncio.to_thread(g.result_blocking, timeout=60))  # -> 42
        """
        if goish_load_state(&self.state) != G_DONE:
            return thread_block(new_op(W_JOIN, self), timeout, "result_blocking()", "await it")
        checked_timeout(timeout)
        return self.result()

    def exception(self):
        """Its exception, or None if it has a result.

        Raises CancelledError if it was cancelled, InvalidStateError while it runs. Asking counts as retrieving it: the
        exception is no panic then. Any thread.
        """
        if goish_load_state(&self.state) != G_DONE:
            raise InvalidStateError(f"{self!r} is not done: await it")
        if goish_load_state(&self.flags) & GF_CANCELLED:
            raise take_cancelled(self)
        if goish_load_state(&self.flags) & GF_FAILED:
            goish_set_bits(&self.flags, GF_RETRIEVED)
            return goroutine_outcome(self)
        return None

    def add_done_callback(self, fn, /, *, context=None):
        """Calls ``fn(goroutine)`` through its loop, on its thread, when it is done. Any thread may ask for it.

        For a call on a worker thread: through the loop of the caller. Where none runs, the thread on which the call ends calls
        it, or the caller at once if the call is over; what it raises there is logged, as with ``concurrent.futures``. The same
        holds where a loop is closed before its goroutine has ended.

        It is called in ``context``, a copy of the current one if that is None. TypeError if ``context`` is no
        contextvars.Context.

        Example::

            ended = chan(1)
            go_thread(pow, 2, 3).add_done_callback(ended.try_send)
            g = await ended.recv()
            print(g.result())  # -> 8
        """
        cdef Scheduler asker = asker_of(self)
        context = checked_context(context)
        if goish_load_state(&self.state) != G_DONE and callback_add(self, asker, fn, context):
            return
        if call_back(asker, fn, self, context) is False:
            raise RuntimeError(f"the event loop of {self!r} is closed: it calls nobody back any more")

    def remove_done_callback(self, fn, /):
        """Removes all callbacks equal to ``fn``; returns how many. Any thread.

        This gives up a wait by callback, as ``asyncio.wait`` does at its timeout: if the goroutine fails later, that is
        logged and is no panic.
        """
        cdef list asked = callbacks_of(self)
        cdef list equal = [entry for entry in asked if entry[0] == fn]  # user code: not under the lock
        cdef int removed = sum([forget_callback(self, entry) for entry in equal])
        if removed > 0:
            give_up_on(self, None)
        return removed

    def get_loop(self):
        """The event loop it runs on; for a goroutine on a worker thread, the loop of the caller."""
        return loop_of(self)

    def get_coro(self):
        """Its coroutine; None once it is done."""
        if not in_sight(self):
            return None
        if type(self.coro) is Call:
            return None  # not before its worker has made it
        if self.state == G_CALLED:
            if make_coro(self) < 0:
                raise_pending()
            take_coro(self)
        return self.coro

    def get_context(self):
        """The contextvars.Context it runs in."""
        return self.ctx

    def get_name(self):
        """Its name: ``goroutine-<id>``, or ``Task-<id>`` if the task factory made it, unless it was given another."""
        cdef GoroutineCold cold = cold_made(self)
        name = None if cold is None else cold.name
        if name is None:
            return f"Task-{self.id}" if is_task(self) else f"goroutine-{self.id}"
        return name

    def set_name(self, value, /):
        """Names it ``str(value)``; None leaves the name as it is."""
        if value is not None:  # which CPython 3.13.0 gives to the tasks of every task factory
            cold_of(self).name = str(value)

    @property
    def name(self):
        """Its name, for logs and dumps; may be set."""
        return self.get_name()

    @name.setter
    def name(self, value):
        self.set_name(value)

    @property
    def state(self):
        """``"new"``, ``"runnable"``, ``"running"``, ``"waiting"`` or ``"done"``."""
        return G_STATES[goish_load_state(&self.state)]

    @property
    def wait_reason(self):
        """What it waits for, in Go's words: ``"chan receive"``, ``"select"``, ...; None unless it waits.

        For a function on a worker: what its thread is blocked by in goish. Read on another thread, it may be out of date.
        """
        if goish_load_state(&self.state) == G_RUNNING:
            return blocked_by(self)
        if goish_load_state(&self.state) != G_WAITING or not in_sight(self):
            return None
        if type(self.wait) is not Op:
            return "asyncio future"
        return op_reason(<Op>self.wait)

    @property
    def waiting_on(self):
        """The Op or asyncio future it waits for; None unless it waits.

        For a function on a worker: the Op by which its thread is blocked.
        """
        if goish_load_state(&self.state) == G_RUNNING:
            return blocked_op(self)
        return self.wait if goish_load_state(&self.state) == G_WAITING and in_sight(self) else None

    @property
    def waiting_since(self):
        """When it began to wait, in seconds of the loop's clock (read once a slice); None unless it waits."""
        if goish_load_state(&self.state) != G_WAITING or not in_sight(self):
            return None
        return self.link.since + (goish_uvloops_lead() if is_uvloops(self.sched) else 0.0)

    @property
    def created_by(self):
        """The code object and line that called ``go``; None where Python code did not."""
        return None if self.code is None else (self.code, PyCode_Addr2Line(<PyCodeObject*>self.code, self.lasti))

    @property
    def exited(self):
        """Whether the goroutine ended by ``goexit()``."""
        return self.state == G_DONE and self.flags & GF_EXITED != 0

    def get_stack(self, *, limit=None):
        """The frames of its coroutine, as ``asyncio.Task.get_stack``: one where it waits, or those of its traceback."""
        return _task_get_stack(self, limit)

    def print_stack(self, *, limit=None, file=None):
        """Prints what ``get_stack`` gives to ``file`` (None: standard error), as ``asyncio.Task.print_stack``."""
        _task_print_stack(self, limit, file)

    def set_result(self, result, /):
        """Raises RuntimeError: a goroutine gets its result from its coroutine. As ``asyncio.Task``."""
        raise RuntimeError("Task does not support set_result operation: a goroutine's result is what its coroutine returns")

    def set_exception(self, exception, /):
        """Raises RuntimeError: a goroutine gets its exception from its coroutine. As ``asyncio.Task``."""
        raise RuntimeError("Task does not support set_exception operation: a goroutine fails by what its coroutine raises")

    # ---- what asyncio and anyio look at in a task ----

    @property
    def __class__(self):
        # Libraries ask isinstance(x, asyncio.Future), which asks this when type(x) does not match. Its type remains Goroutine.
        return asyncio.Task if is_task(self) else asyncio.Future

    def __dir__(self):
        # object.__dir__ lists what the __class__ above has.
        return dir(Goroutine)

    @property
    def _coro(self):
        return self.get_coro()

    @property
    def _state(self):
        if goish_load_state(&self.state) != G_DONE:
            return "PENDING"
        return "CANCELLED" if self.flags & GF_CANCELLED else "FINISHED"

    @property
    def _result(self):
        return goroutine_outcome(self) if self.state == G_DONE and not self.flags & GF_FAILED else None

    @property
    def _exception(self):
        return goroutine_outcome(self) if self.state == G_DONE and self.flags & (GF_FAILED | GF_CANCELLED) == GF_FAILED else None

    @property
    def _source_traceback(self):
        cdef GoroutineCold cold = cold_made(self)
        return None if cold is None else cold.source

    @property
    def _log_traceback(self):
        return self._exception is not None and not self.flags & GF_RETRIEVED

    @_log_traceback.setter
    def _log_traceback(self, value):
        if value:
            raise ValueError("_log_traceback can only be set to False")
        goish_set_bits(&self.flags, GF_RETRIEVED)

    @property
    def _asyncio_future_blocking(self):
        return False

    @_asyncio_future_blocking.setter
    def _asyncio_future_blocking(self, value):
        pass

    @property
    def _loop(self):
        return loop_of(self)

    @property
    def _fut_waiter(self):
        return self.wait if goish_load_state(&self.state) == G_WAITING and in_sight(self) else None

    @property
    def _must_cancel(self):
        return self.state != G_DONE and self.flags & GF_MUST_CANCEL != 0

    @property
    def _asyncio_awaited_by(self):
        return set(awaiters_of(self)) or None  # for asyncio.print_call_graph(), from 3.14 on

    @property
    def _callbacks(self):
        return [entry[:2] for entry in callbacks_of(self)]

    @property
    def _cancel_message(self):
        return cancel_message(self)

    @_cancel_message.setter
    def _cancel_message(self, value):
        set_cancel_message(self, value)
        attribute_set(<PyObject*>self)

    def _make_cancelled_error(self):
        return take_cancelled(self) if self.cancelled() else cancelled_error_of(self)

    @property
    def _log_destroy_pending(self):
        return is_task(self) and not task_ends_quietly(self)

    @_log_destroy_pending.setter
    def _log_destroy_pending(self, value):
        if is_task(self):  # no other is ever destroyed while it is pending
            cold_of(self).ends_quietly = not value

    def __repr__(self):
        if is_task(self) and not in_sight(self):
            return f"<Task {self._state.lower()} name={self.get_name()!r}>"
        if is_task(self) and self.coro is None:  # it has ended in its eager step
            state, *end = _future_repr_info(self)
            return f"<Task {' '.join([state, f'name={self.get_name()!r}', *end])}>"
        if is_task(self):
            return f"<Task {' '.join(_task_repr_info(self))}>"
        what = self.wait_reason or G_STATES[goish_load_state(&self.state)]
        if self.cancelled():
            what = "cancelled"
        function = function_shown(self)
        where = "" if function is None else f" {function}()"
        return f"<Goroutine {self.id} {self.get_name()!r} {what}{where}>"

    __class_getitem__ = classmethod(GenericAlias)

    def __reduce_ex__(self, protocol):
        raise TypeError("a Goroutine cannot be copied or pickled")


cdef object function_shown(Goroutine g):
    cdef Call call
    if in_sight(g):
        return getattr(g.coro, "__qualname__", None)
    call = call_of(g)
    return call.__qualname__ if call is not None and call.foreign else None  # that of others may be changed by to_a_loop()


cdef tuple G_STATES = ("new", "new", "new", "runnable", "runnable", "running", "waiting", "done")


cdef inline bint in_sight(Goroutine g) noexcept:
    # Whether its coroutine, and what it waits for, may be read: without the GIL another thread may drop them at any instant, and
    # does at the end. A task keeps its coroutine.
    return not GOISH_LOCKS or is_here(g.sched) or (goish_load_state(&g.state) == G_DONE and is_task(g))


cdef object loop_of(Goroutine g):
    # The holder of a handle for a worker thread's goroutine deals with it as with a future of its own loop.
    loop = running_loop() if g.sched is NO_LOOP or g.sched.worker is not None else None
    if loop is None:
        loop = g.sched.loop
    if loop is None:
        raise RuntimeError(f"{g!r} is on no event loop")
    return loop


cdef Scheduler asker_of(Goroutine g):
    # NO_LOOP: the goroutine is on no loop, and the thread that ends the call calls back.
    if g.sched is not NO_LOOP and g.sched.worker is None:
        return g.sched
    loop = running_loop()
    return g.sched if loop is None else scheduler_of(loop)


cdef bint callback_add(Goroutine g, Scheduler asker, object fn, object context) except -1:
    # Notes a done callback; False: it is done already. The first of its own loop needs no list.
    cdef GoroutineCold cold = cold_of(g)
    cdef list asked = None
    cdef bint noted = False
    cdef bint done = False
    while not (noted or done):
        if asker is not g.sched or cold.callback_context is not None or cold.callbacks is not None:
            asked = [(fn, context) if asker is g.sched else (fn, context, asker)]
        goish_lock(end_lock(g))
        done = goish_load_state(&g.state) == G_DONE
        if not done and asked is not None:
            if cold.callbacks is None:
                cold.callbacks = asked
            else:
                cold.callbacks += asked
            noted = True
        elif not done and cold.callback_context is None and cold.callbacks is None:
            cold.callback, cold.callback_context = fn, context
            noted = True
        goish_unlock(end_lock(g))
    return noted


cdef list callbacks_of(Goroutine g):
    cdef list asked = []
    goish_lock(end_lock(g))
    if type(g.cold) is GoroutineCold:
        if (<GoroutineCold>g.cold).callback_context is not None:
            asked.append(((<GoroutineCold>g.cold).callback, (<GoroutineCold>g.cold).callback_context))
        if (<GoroutineCold>g.cold).callbacks is not None:
            asked += (<GoroutineCold>g.cold).callbacks
    goish_unlock(end_lock(g))
    return asked


cdef bint forget_callback(Goroutine g, tuple entry) noexcept:
    # Forgets a callback by its parts. False: it has been called meanwhile.
    cdef GoroutineCold cold = <GoroutineCold>g.cold
    cdef object one = None
    cdef Py_ssize_t i
    cdef bint found = False
    goish_lock(end_lock(g))
    if cold.callback is entry[0] and cold.callback_context is entry[1]:
        found = True
        cold.callback = cold.callback_context = None
        move_joiners_up(cold, 0)
    elif cold.callbacks is not None:
        for i in range(len(cold.callbacks)):
            one = cold.callbacks[i]
            if one[0] is entry[0] and one[1] is entry[1]:
                move_joiners_up(cold, i + (cold.callback_context is not None))
                del cold.callbacks[i]  # the caller keeps the entry
                found = True
                break
    goish_unlock(end_lock(g))
    return found


cdef void move_joiners_up(GoroutineCold cold, Py_ssize_t place) noexcept:
    # A callback goes: joiners that came after it stand behind one less.
    cdef PyObject* op = cold.joiners.head
    while op != NULL:
        if not is_case(op) and (<Op>op).index > place:
            (<Op>op).index -= 1
        op = (<Op>op).next


def _cancel_posted(Goroutine g, msg):
    # A cancel from another thread. The loop may have been handed to a thread that is not this one.
    if goish_load_state(&g.state) == G_DONE or not is_here(g.sched):
        g.cancel(msg)
    else:
        goroutine_cancel(g, msg)
