"""Go's package ``signal``: signals of the operating system as values of a channel, and as the cancel of a context.

The handler runs on the main thread, between two instructions of Python, whatever goroutine or loop runs there: a busy
main thread delays no signal, but one that is inside of a call of compiled code, until that returns. ``signal.signal``
and ``loop.add_signal_handler`` for the same signal replace the handler of goish, and are replaced by it.
"""

from __future__ import annotations

import asyncio
import signal as _signals
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ._program import signals
from ._runtime.core import (
    CancelFunc,
    Chan,
    Context,
    SendChan,
    channel_of,
    context_hook,
    publish_module,
    with_cancel_cause,
)
from .errors import SignalReceived as SignalReceived

__all__ = ["ignore", "ignored", "notify", "notify_context", "reset", "stop"]


def notify(ch: Chan[_signals.Signals] | SendChan[_signals.Signals], /, *sigs: int) -> None:
    """Sends each of these signals that comes to ``ch``, without waiting: one that finds ``ch`` full is dropped.

    So ``ch`` has a buffer: 1 for one kind of signal that is an order (SIGTERM), more where each counts. What the signal
    did before, it does no more, until ``stop(ch)``, or until nothing holds ``ch`` any more. Any number of channels may
    ask for one signal, and each has it. Go's ``signal.Notify``, but the signals are named.

    Any thread, if a loop with goroutines runs on the main thread; otherwise the first channel for a signal is given on
    the main thread: RuntimeError. TypeError and ValueError for what is no channel, no signal, or cannot be caught, and
    for a channel without a buffer.

    Example::

        import os
        import signal as signals
        from goish import signal

        ch = chan(1)
        signal.notify(ch, signals.SIGTERM)
        os.kill(os.getpid(), signals.SIGTERM)
        print((await ch.recv()).name)  # -> SIGTERM
        signal.stop(ch)
    """
    if not isinstance(ch, (Chan, SendChan)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"notify() takes a channel first, got {ch!r} of type {type(ch).__name__}")
    if ch.cap == 0:
        raise ValueError("notify() sends without waiting, so the channel needs a buffer: chan(1), or more")
    signals.add(channel_of(ch), "try_send", signals.check_signals("notify", sigs))


def stop(ch: Chan[Any] | SendChan[Any], /) -> None:
    """Sends no more signals to ``ch``; what it has buffered stays. Any thread. Go's ``signal.Stop``.

    The handlers from before ``notify`` are put back where no other channel wants the signal.

    Example::

        from goish import signal

        signal.stop(chan(1))
    """
    signals.remove(channel_of(ch))


def ignore(*sigs: int) -> None:
    """Has these signals ignored: no channel gets them any more. Threads: as ``notify``. Go's ``signal.Ignore``.

    Example::

        import signal as signals
        from goish import signal

        signal.ignore(signals.SIGHUP)
        print(signal.ignored(signals.SIGHUP))  # -> True
        signal.reset(signals.SIGHUP)
    """
    signals.ignore(signals.check_signals("ignore", sigs))


def ignored(sig: int, /) -> bool:
    """Whether the signal is ignored. Any thread. Go's ``signal.Ignored``.

    Example::

        import signal as signals
        from goish import signal

        print(signal.ignored(signals.SIGTERM))  # -> False
    """
    return signals.is_ignored(signals.check_signals("ignored", (sig,))[0])


def reset(*sigs: int) -> None:
    """Undoes ``notify`` and ``ignore`` for these signals, or for all: the handlers from before are put back.

    Threads: as ``notify``. Go's ``signal.Reset``.

    Example::

        from goish import signal

        signal.reset()
    """
    signals.reset(signals.check_signals("reset", sigs) if sigs else ())


def notify_context(parent: Context, /, *sigs: int) -> tuple[Context, Callable[[], None]]:
    """A context that the first of these signals cancels: ``(ctx, stop)``. Go's ``signal.NotifyContext``.

    The cause is a ``SignalReceived``. ``stop()`` cancels the context, and puts the handlers back: call it as soon as
    the context is cancelled, and a second Ctrl-C ends the program as it always did. Threads: as ``notify``.

    Where a loop runs on the main thread, the cancel is made in a turn of it.

    Example::

        import os
        import signal as signals
        from goish import context, signal

        ctx, stop = signal.notify_context(context.background(), signals.SIGTERM)
        os.kill(os.getpid(), signals.SIGTERM)
        await ctx.done().recv_ok()
        stop()
        print(ctx.cause())  # -> SIGTERM received
    """
    if not isinstance(parent, Context):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"notify_context() needs a parent context first, such as background(); got {parent!r}")
    ctx, cancel = with_cancel_cause(parent)
    target = _Cancelling(cancel)
    context_hook(ctx, target)
    try:
        signals.add(target, "tell", signals.check_signals("notify_context", sigs))
    except BaseException:
        cancel()
        raise
    return ctx, target.stop


class _Cancelling:
    """A target of signals that cancels a context, which holds it as long as it is live; so does ``stop``."""

    def __init__(self, cancel: CancelFunc) -> None:
        self._cancel = cancel

    def __call__(self) -> None:
        """The hook: the context is cancelled, and holds it no more."""

    def tell(self, received: _signals.Signals) -> None:
        cause = SignalReceived(received)
        loop = asyncio._get_running_loop()
        if loop is None:
            self._cancel(cause)
            return
        with suppress(RuntimeError):  # between any two instructions of a goroutine: the cancel is left to the loop
            loop.call_soon_threadsafe(self._cancel, cause)

    def stop(self) -> None:
        signals.remove(self)
        self._cancel()


publish_module(sys.modules[__name__])
