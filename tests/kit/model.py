"""What goish's channels mean: the specification, as a program.

``test_model.py`` holds the compiled channels against it, step by step. It is meant to be read: there are no threads, no
event loop and no speed here. A program is a sequence of steps, and each public method below is one step; nothing else
happens in the middle of it.

Whoever waits is a ``Wait`` with one or several cases::

    wait = Wait([send(a, 1), recv(b)])    a select; Await(recv(b)) is a plain ``await b.recv()``
    wait.begin()                          the step in which it tries
    wait.outcome                          None as long as it is parked; then what happened, for ever

Invariants of a channel:

* ``receivers`` wait only while there is nothing to take: the buffer is empty, the channel is open.
* ``senders`` wait only while there is no room: the buffer is full, the channel is open.
* so one of the two queues is empty, unless a select waits with both ends of one unbuffered channel.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from goish import EMPTY
from goish.errors import ChanFull, CloseOfClosed, SendOnClosed


class Outcome(NamedTuple):
    """How a wait ended."""

    what: str  # sent, received, end (closed and drained), default, cancelled; refused (closed), full: these two raise
    case: int = 0  # the number of the case that was chosen
    value: Any = None  # what was received; what a refused or full send takes back
    waited: bool = False  # it was parked, or made room by dropping something


class Chan:
    """A buffer between a queue of waiting senders and a queue of waiting receivers."""

    def __init__(self, capacity: float = 0, overflow: str = "block") -> None:
        self.capacity = capacity
        self.overflow = overflow  # what a send does when there is no room: block, error, drop_oldest, drop_newest
        self.closed = False
        self.buffer: deque[Any] = deque()
        self.senders: deque[Case] = deque()  # the longest waiting first, and served first
        self.receivers: deque[Case] = deque()
        self.undelivered: list[Any] = []  # what on_undelivered got: dropped to make room, or its send was cancelled

    # ── the steps of those who do not wait ──

    def try_send(self, value: Any) -> bool:
        """Send if that is possible now: there is room, or a receiver waits, or an older value makes room."""
        possible = self.closed or self.has_room() or self.overflow == "drop_oldest"
        if possible:
            self.put(value)
        return possible

    def try_recv_ok(self) -> Any:
        """(value, True); (None, False) if the channel is closed and drained; EMPTY if there may be something later."""
        return self.take() if self.can_take() else EMPTY

    def try_send_many(self, values: Iterable[Any]) -> bool:
        """Send all or nothing (on channels that block)."""
        values = list(values)
        if self.closed:
            raise SendOnClosed
        room = self.capacity - len(self.buffer) + len({id(case.wait) for case in self.receivers})
        if len(values) > room:
            return False
        for value in values:
            self.put(value)
        return True

    def try_recv_many(self, most: float = math.inf) -> list[Any]:
        """Whatever there is, up to ``most``: first the buffer, and the senders follow in their order."""
        values: list[Any] = []
        while len(values) < most and (self.buffer or self.senders):
            values.append(self.take()[0])
        return values

    def close(self) -> None:
        """Wake everybody at once. The buffer can still be received; what a parked sender had is its own again."""
        if self.closed:
            raise CloseOfClosed
        self.closed = True
        while self.receivers:
            self.receivers[0].decide("end")
        while self.senders:
            self.senders[0].decide("refused", self.senders[0].value)

    # ── what is possible, and doing it ──

    def has_room(self) -> bool:
        return bool(self.receivers) or len(self.buffer) < self.capacity

    def can_put(self) -> bool:
        """Whether a send would not wait; it may fail, though."""
        return self.closed or self.has_room() or self.overflow != "block"

    def can_take(self) -> bool:
        """Whether a receive would not wait."""
        return bool(self.buffer) or bool(self.senders) or self.closed

    def put(self, value: Any) -> bool:
        """Send now; True if a value had to be dropped for it."""
        if self.closed:
            raise SendOnClosed
        if self.receivers:
            # Hand-off: the value is the receiver's from this step on; nobody who comes before it runs can take it.
            self.receivers[0].decide("received", value)
            return False
        if len(self.buffer) < self.capacity:
            self.buffer.append(value)
            return False
        if self.overflow == "error":
            raise ChanFull
        if self.overflow == "drop_oldest":
            self.undelivered.append(self.buffer.popleft())
            self.buffer.append(value)
        else:
            self.undelivered.append(value)
        return True

    def take(self) -> tuple[Any, bool]:
        """Receive now. In the same step the longest waiting sender moves up, so the order of sending is kept."""
        if self.buffer:
            value = self.buffer.popleft()
            if self.senders:
                self.buffer.append(self.take_from_sender())
            return value, True
        if self.senders:
            return self.take_from_sender(), True
        return None, False

    def take_from_sender(self) -> Any:
        case = self.senders[0]
        case.decide("sent")
        return case.value


@dataclass(eq=False)
class Case:
    """One thing that a wait may do. Evaluated before the wait begins, tried only then."""

    chan: Chan | None  # None: the nil channel, on which nothing is ever possible
    sends: bool
    value: Any = None  # to be sent
    wait: Wait = field(init=False)
    index: int = field(init=False)

    def is_ready(self) -> bool:
        if self.chan is None:
            return False
        return self.chan.can_put() if self.sends else self.chan.can_take()

    def proceed(self) -> None:
        """Do it; it is ready."""
        assert self.chan is not None
        if not self.sends:
            value, ok = self.chan.take()
            self.decide("received" if ok else "end", value)
            return
        try:
            dropped = self.chan.put(self.value)
        except SendOnClosed:
            self.decide("refused", self.value)
        except ChanFull:
            self.decide("full", self.value)
        else:
            self.decide("sent", waited=dropped)

    def decide(self, what: str, value: Any = None, waited: bool = False) -> None:
        """The wait ends with this case."""
        self.wait.end(Outcome(what, self.index, value, waited or self.wait.parked))

    @property
    def queue(self) -> deque[Case]:
        assert self.chan is not None
        return self.chan.senders if self.sends else self.chan.receivers


def send(chan: Chan | None, value: Any) -> Case:
    return Case(chan, True, value)


def recv(chan: Chan | None) -> Case:
    return Case(chan, False)


class Wait:
    """Somebody who waits until one of the cases has happened; never two of them."""

    def __init__(self, cases: list[Case], default: bool = False) -> None:
        self.cases = cases
        self.default = default
        self.parked = False
        self.outcome: Outcome | None = None
        for index, case in enumerate(cases):
            case.wait, case.index = self, index

    def begin(self, choose: Callable[[list[Case]], Case] = lambda ready: ready[0]) -> None:
        """Do one of the cases that are ready, drawn with equal chances by ``choose``; if there is none, park on all."""
        ready = [case for case in self.cases if case.is_ready()]
        if ready:
            choose(ready).proceed()
        elif self.default:
            self.end(Outcome("default", -1))
        else:
            # Only now, after the look: a select never finds itself as its partner.
            self.parked = True
            for case in self.cases:
                if case.chan is not None:
                    case.queue.append(case)

    def cancel(self) -> bool:
        """Give up. False if it is decided already: then it happened, and the cancel comes at the next wait."""
        if self.outcome is not None:
            return False
        self.end(Outcome("cancelled"))
        return True

    def end(self, outcome: Outcome) -> None:
        """The cases that were not chosen are withdrawn in the same step: nothing was taken or sent for them."""
        assert self.outcome is None
        self.outcome = outcome
        if self.parked:
            for case in self.cases:
                if case.chan is not None:
                    case.queue.remove(case)


class Await(Wait):
    """Waiting for one operation, without a select."""

    def __init__(self, case: Case) -> None:
        super().__init__([case])

    def cancel(self) -> bool:
        """The value of a cancelled send will never be received (a select's may: its cases can be used again)."""
        (case,) = self.cases
        cancelled = super().cancel()
        if cancelled and case.sends and case.chan is not None:
            case.chan.undelivered.append(case.value)
        return cancelled
