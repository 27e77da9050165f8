"""The plain values that the compiled runtime hands out."""

from __future__ import annotations

from enum import Enum
from typing import Final, Generic, Literal, NamedTuple, TypeVar

T = TypeVar("T")


class EmptyType(Enum):
    """The type of ``EMPTY``, for annotations: ``EMPTY`` is false, and its only value.

    ``try_recv``, ``try_recv_ok`` and ``peek_item`` give it when there is nothing.

    Example::

        def next_job(jobs: Chan[int]) -> int | EmptyType:
            return jobs.try_recv()

        print(next_job(chan()) is EMPTY)  # -> True
    """

    EMPTY = "EMPTY"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "EMPTY"

    __str__ = __repr__


class Reason(NamedTuple):
    """One cancel of a context: its ``cause``, and ``where`` it was called, or the deadline set (None: not known).

    Example::

        from goish import context

        ctx, cancel = context.with_cancel(context.background())
        cancel()
        print(ctx.reasons()[0].cause)  # -> context canceled
    """

    cause: BaseException
    where: str | None


#: What ``try_recv`` and ``peek_item`` give when there is nothing; it is false.
EMPTY: Final = EmptyType.EMPTY


class Received(NamedTuple, Generic[T]):
    """What ``recv_info`` gives: the ``value``, ``ok`` (False: closed and drained), and whether the receiver ``waited``.

    Example::

        ch = chan()
        ch.close()
        print(await ch.recv_info())  # -> Received(value=None, ok=False, waited=False)
    """

    value: T | None
    #: False: the channel is closed and drained.
    ok: bool
    #: Whether the receiver had to wait.
    waited: bool


class ChanStatistics(NamedTuple):
    """What ``statistics()`` gives: how a channel stands.

    The number of ``buffered`` values, the ``capacity`` (an int or ``math.inf``), how many sends and receives wait
    (``senders_waiting``, ``receivers_waiting``), and whether it is ``closed``. Each case of a select that waits counts,
    until the select runs again. Free-threaded, the numbers are read one after the other while other threads go on.

    Example::

        print(chan(8).statistics().capacity)  # -> 8
    """

    buffered: int
    capacity: int | float
    senders_waiting: int
    receivers_waiting: int
    closed: bool


class Flavor(NamedTuple):
    """What ``flavor`` gives: the kind of a channel.

    How many ``producers`` and ``consumers`` are declared, where its values are (``storage``), what ``overflow`` does,
    their ``ordering``, and how a single send or receive makes ``progress`` (n: the number of buffered values). With
    the GIL, the GIL is the lock. A batch, and a close, hold the lock for all that they move or wake.

    Example::

        print(chan(8, flavor="mpsc").flavor.consumers)  # -> single
    """

    producers: Literal["single", "multi"]
    consumers: Literal["single", "multi"]
    storage: Literal["none", "ring", "heap", "timer"]
    overflow: Literal["block", "error", "drop_oldest", "drop_newest"]
    ordering: str
    progress: str
