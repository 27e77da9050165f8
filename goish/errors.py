"""What can go wrong, named after what happened."""

from __future__ import annotations

from signal import Signals
from typing import Any

__all__ = [
    "BrokenBarrier",
    "Canceled",
    "ChanClosed",
    "ChanFull",
    "ChanMisuse",
    "CloseOfClosed",
    "CloseOfNil",
    "ConnClosed",
    "DeadlineExceeded",
    "DeadlockError",
    "Disconnected",
    "FlavorError",
    "FlowVarConsumed",
    "GoishError",
    "Lagged",
    "NotSpawned",
    "Panic",
    "PoolFull",
    "PoolShutdown",
    "SendOnClosed",
    "ServerClosed",
    "ServerShutdown",
    "SignalReceived",
    "SyncOnLoop",
]


class GoishError(Exception):
    """Base of every error that goish raises itself, but for ``Panic``.

    Example::

        try:
            goish.NIL.close()
        except GoishError as error:
            print(type(error).__name__)  # -> CloseOfNil
    """


class ChanClosed(GoishError):
    """A receive on a channel that is closed and drained.

    ``recv_ok`` and ``async for`` tell it without an exception.

    Example::

        ch = chan()
        ch.close()
        try:
            await ch.recv()
        except ChanClosed:
            print("over")  # -> over
    """


class ChanMisuse(GoishError):
    """A misuse of a channel that panics in Go: send on closed, close of closed, close of nil.

    Example::

        ch = chan()
        ch.close()
        try:
            ch.close()
        except ChanMisuse as error:
            print(type(error).__name__)  # -> CloseOfClosed
    """


class SendOnClosed(ChanMisuse):
    """A send on a closed channel, or one that was waiting when the channel closed.

    ``value`` is the value to send: it was not delivered and is the caller's again. Of ``send_many`` it is the list of
    those not sent; so is ``unsent``, and ``sent`` is how many were.

    Example::

        ch = chan(1)
        ch.close()
        try:
            await ch.send("a")
        except SendOnClosed as error:
            print(error.value)  # -> a
    """

    def __init__(self, value: Any = None) -> None:
        super().__init__("send on closed channel")
        self.value = value


class CloseOfClosed(ChanMisuse):
    """``close()`` of a channel that is closed already; ``close_once()`` is the one that may be repeated.

    Example::

        ch = chan()
        ch.close()
        try:
            ch.close()
        except CloseOfClosed:
            print("closed already")  # -> closed already
    """

    def __init__(self) -> None:
        super().__init__("close of closed channel; use close_once() where a second close is no mistake")


class CloseOfNil(ChanMisuse):
    """``close()`` of the nil channel.

    Example::

        try:
            NIL.close()
        except CloseOfNil:
            print("nil")  # -> nil
    """

    def __init__(self) -> None:
        super().__init__("close of nil channel: NIL is never closed, make a channel with chan()")


class ConnClosed(GoishError, ConnectionError):
    """A read or a write of a connection that this side has closed, or an accept of such a listener.

    Also of one that was waiting when it was closed. A ConnectionError, and so an OSError. Go's ``net.ErrClosed``.

    Example::

        from goish import net

        ours, theirs = net.pipe()
        ours.close()
        theirs.close()
        try:
            await ours.read()
        except ConnClosed as error:
            print(error)  # -> use of a closed connection
    """


class ChanFull(GoishError):
    """A send on a full channel made with ``overflow="error"``; ``value`` is the value to send.

    Example::

        ch = chan(1, overflow="error")
        await ch.send("a")
        try:
            await ch.send("b")
        except ChanFull as error:
            print(error.value)  # -> b
    """

    def __init__(self, value: Any = None) -> None:
        super().__init__(
            'channel is full (overflow="error"); use try_send(), a larger capacity or another overflow policy'
        )
        self.value = value


class Lagged(GoishError):
    """A receive of a subscriber that was too slow: ``missed`` values, which it would have got next, were dropped.

    Said once for each gap, by a ``Broadcast`` with ``slow="drop_oldest"``. The next receive goes on behind the gap.

    Example::

        b = goish.sync.Broadcast(1, slow="drop_oldest")
        sub = b.subscribe()
        for word in ("a", "b", "c"):
            await b.send(word)
        try:
            await sub.recv()
        except Lagged as error:
            print(error.missed, await sub.recv())  # -> 2 c
    """

    def __init__(self, missed: int = 0) -> None:
        values = "1 value was" if missed == 1 else f"{missed} values were"
        super().__init__(
            f'the subscriber was too slow: {values} dropped (slow="drop_oldest"); the next receive goes on'
        )
        self.missed = missed


class Disconnected(GoishError):
    """Why a subscription has ended: it was full when a value was sent, and ``slow="disconnect"``.

    It is the ``__cause__`` of the ChanClosed that its receives raise, once what was buffered is received.

    Example::

        b = goish.sync.Broadcast(1, slow="disconnect")
        sub = b.subscribe()
        await b.send("a")
        await b.send("b")
        try:
            print([word async for word in sub])
        except ChanClosed as error:
            print(type(error.__cause__).__name__)  # -> Disconnected
    """

    def __init__(self, capacity: int = 0) -> None:
        super().__init__(
            f'the subscriber was too slow: its buffer of {capacity} was full when a value was sent (slow="disconnect")'
        )


class FlavorError(GoishError):
    """A second producer (or consumer) on a channel declared to have a single one; checked in debug mode only.

    Example::

        async def receive(jobs):
            await jobs.recv()

        async def main():
            jobs = chan(2, flavor="mpsc")
            await jobs.send_many("ab")
            await jobs.recv()  # main is the consumer
            await go(receive, jobs)

        try:
            run(main, debug=True)
        except FlavorError:
            print("a second consumer")  # -> a second consumer
    """


class PoolFull(GoishError, RuntimeError):
    """A pool takes no more work: as many calls wait as ``max_pending`` says, or all its threads are blocked.

    Example::

        with Executor(workers=1, max_pending=1) as ex:
            hold = threading.Event()
            ex.submit(hold.wait)
            while ex.statistics().pending:
                time.sleep(0.001)
            ex.submit(int)
            try:
                ex.submit(int)
            except PoolFull:
                print("one runs and one waits")  # -> one runs and one waits
            hold.set()
    """


class PoolShutdown(GoishError, RuntimeError):
    """Work for an executor that is shut down.

    Example::

        ex = Executor()
        ex.shutdown()
        try:
            ex.spawn(int)
        except PoolShutdown:
            print("too late")  # -> too late
    """


class FlowVarConsumed(GoishError, RuntimeError):
    """A second ``sync`` or ``await`` of a FlowVar: its result is handed over once.

    Example::

        fv = spawn(int)
        await fv
        try:
            await fv
        except FlowVarConsumed:
            print("once only")  # -> once only
    """


class NotSpawned(GoishError, RuntimeError):
    """A question to an empty FlowVar, which stands for no call.

    Example::

        try:
            FlowVar.empty().is_ready()
        except NotSpawned:
            print("empty")  # -> empty
    """


class SyncOnLoop(GoishError, RuntimeError):
    """A call that blocks, such as ``sync`` or ``recv_blocking``, on a thread whose event loop runs: ``await`` there.

    Example::

        fv = spawn(int)
        try:
            sync(fv)
        except SyncOnLoop:
            print(await fv)  # -> 0
    """


class Canceled(GoishError):
    """Work was cancelled: what ``ctx.err()`` of a cancelled context is. Go's ``context.Canceled``.

    Not asyncio's CancelledError, which ends a goroutine quietly: this one is an error as others are.

    Example::

        from goish import context

        ctx, cancel = context.with_cancel(context.background())
        cancel("the client has gone")
        print(ctx.err(), "-", ctx.cause())  # -> context canceled - the client has gone
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(args or ("context canceled",)))


class DeadlineExceeded(GoishError, TimeoutError):
    """The deadline of a context has passed; a TimeoutError. Go's ``context.DeadlineExceeded``.

    Example::

        from goish import context

        try:
            async with context.fail_after(0.001):
                await chan().recv()
        except TimeoutError as error:
            print(error)  # -> context deadline exceeded
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(args or ("context deadline exceeded",)))


class SignalReceived(Canceled):
    """The cause of a context of ``signal.notify_context``; ``signal`` is the one that came.

    Example::

        from signal import SIGTERM

        print(SignalReceived(SIGTERM))  # -> SIGTERM received
    """

    def __init__(self, signal: Signals) -> None:
        super().__init__(f"{signal.name} received")
        self.signal = signal


class ServerShutdown(Canceled):
    """The cause with which a server cancels handlers that outlast its shutdown: ``context.current().cause()`` in there.

    Example::

        from goish import context, net

        async def stubborn(conn):
            try:
                await chan().recv()
            finally:
                print(repr(context.current().cause()))  # -> ServerShutdown('the server shuts down')

        network = net.MemoryNetwork()
        async with net.serve(stubborn, network.listen("server:80"), grace=0.01):
            conn = await network.dial("server:80")
            await sleep(0.001)
        conn.close()
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(args or ("the server shuts down",)))


class ServerClosed(GoishError, RuntimeError):
    """A start of a server that was shut down or closed: make another. Go's ``http.ErrServerClosed``.

    Example::

        from goish import net

        srv = net.serve(lambda conn: sleep(0), "127.0.0.1:0")
        srv.close()
        try:
            srv.start()
        except ServerClosed as error:
            print(error)  # -> the server is shut down: make another
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(args or ("the server is shut down: make another",)))


class BrokenBarrier(GoishError, RuntimeError):
    """A ``Barrier`` is broken: a party was cancelled or ran out of time, or it was aborted or reset.

    Example::

        barrier = goish.sync.Barrier(2)
        barrier.abort()
        try:
            await barrier.wait()
        except BrokenBarrier as error:
            print(error)  # -> the barrier is broken
    """

    def __init__(self) -> None:
        super().__init__("the barrier is broken")


class DeadlockError(GoishError, RuntimeError):
    """All goroutines are asleep and nothing can wake them; the text lists each with what it waits for. Raised in main.

    Example::

        async def main():
            await chan().recv()

        try:
            run(main)
        except DeadlockError as error:
            print(str(error).splitlines()[0])  # -> all goroutines are asleep - deadlock!
    """


class Panic(SystemExit):
    """A goroutine failed and nobody awaited it: ``goish.run`` ends the program with exit code 2, as Go does.

    ``__cause__`` is the goroutine's exception and ``goroutine`` its name. Raised by ``goish.run`` after the traceback
    was printed; being a ``SystemExit`` it ends the interpreter quietly when nobody catches it.

    Example::

        async def fail():
            raise LookupError

        async def main():
            go(fail)
            await sleep(60)

        try:
            run(main)
        except Panic as panic:
            print(panic.code, repr(panic.__cause__))  # -> 2 LookupError()
    """

    def __init__(self, goroutine: str) -> None:
        super().__init__(2)
        self.goroutine = goroutine
