"""What goroutines do, as text: their state, stack and origin. Those that do the same are shown once.

A dump changes nothing, and a signal handler may take one. Without the GIL, a dump shows of other threads only the calls
that ``go_thread`` and executors were given.
"""

from __future__ import annotations

import gc
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from traceback import FrameSummary, StackSummary
from types import CodeType, FrameType
from typing import Any, Final, TypeAlias

from .._runtime.core import Goroutine, cancel_reason, loop_thread, thread_frames
from .names import held_by, is_own, label, origin, title

__all__ = ["describe", "describe_thread"]

FindThread: TypeAlias = Callable[[Goroutine[Any]], int | None]  # where its function runs, if that is known
_Place: TypeAlias = tuple[str, int, str]  # file, line, function


def describe(gs: Iterable[Goroutine[Any]], find_thread: FindThread) -> str:
    """The text of a dump of these goroutines, oldest first; empty if there are none."""
    groups: dict[tuple[tuple[str, object, object], tuple[_Place, ...]], list[Goroutine[Any]]] = {}
    by_id = {g.id: g for g in gs}
    for g in sorted(by_id.values(), key=lambda g: g.id):
        alike = _doing(g, by_id), g.created_by, _why_cancelled(g)
        groups.setdefault((alike, _stack(g, find_thread)), []).append(g)
    return "\n\n".join(_describe_group(group, alike[0], stack) for (alike, stack), group in groups.items())


_SHOWN_IDS: Final = 5  # enough to find them in a log


def _describe_group(group: Sequence[Goroutine[Any]], doing: str, stack: Iterable[_Place]) -> str:
    first = group[0]
    if len(group) == 1:
        who = title(first)
    else:
        more = ", ..." if len(group) > _SHOWN_IDS else ""
        who = f"{len(group)} goroutines ({', '.join(label(g) for g in group[:_SHOWN_IDS])}{more})"
    lines = [f"{who} [{doing}{_waiting_time(group)}]:"]
    lines += (line.rstrip("\n") for line in _source_lines(stack))
    if why := _why_cancelled(first):
        lines.append(f"  {why}")
    if created := origin(first):
        lines.append(f"  {created}")
    return "\n".join(lines)


def _doing(g: Goroutine[Any], others: Mapping[int, Goroutine[Any]]) -> str:
    doing, holder = g.wait_reason or g.state, held_by(g, others)
    return doing if holder is None else f"{doing}, {holder}"


def _why_cancelled(g: Goroutine[Any]) -> str | None:
    """What a goroutine was cancelled for, and from where; None if it was not."""
    reason = cancel_reason(g)
    if reason is None:
        return None
    why = f": {reason.cause}" if str(reason.cause) else ""
    return f"cancelled{why}" if reason.where is None else f"cancelled by {reason.where}{why}"


def _waiting_time(group: Sequence[Goroutine[Any]]) -> str:
    """The longest wait of a group, in minutes as Go has it; nothing below one."""
    since = [g.waiting_since for g in group if g.waiting_since is not None]
    minutes = int(group[0].get_loop().time() - min(since)) // 60 if since else 0
    return f", {minutes} minute{'s' if minutes > 1 else ''}" if minutes else ""


# ── stacks ──


def _stack(g: Goroutine[Any], find_thread: FindThread) -> tuple[_Place, ...]:
    """The stack of the goroutine: from the function it was started with down to the innermost await or call."""
    coro = g.get_coro()
    if g.state == "running":
        return _running_stack(_frame_of(coro), _frame_elsewhere(g, find_thread))
    return tuple(_place(frame.f_code, frame.f_lineno) for frame in _await_chain(coro))


def _frame_of(coro: object) -> FrameType | None:
    return getattr(coro, "cr_frame", None) or getattr(coro, "gi_frame", None)


def _place(code: CodeType, line: int) -> _Place:
    return code.co_filename, line, code.co_qualname


def _source_lines(stack: Iterable[_Place]) -> list[str]:
    return StackSummary.from_list([FrameSummary(file, line, name) for file, line, name in stack]).format()


def _frame_elsewhere(g: Goroutine[Any], find_thread: FindThread) -> FrameType | None:
    """The innermost frame of a goroutine that runs on another thread; None for one of this thread."""
    thread = loop_thread(g) or find_thread(g)
    frames = thread_frames()
    return None if thread in (None, threading.get_ident()) else frames.get(thread)


def describe_thread(thread: threading.Thread) -> str:
    """The stack of a thread that is blocked in a goish call and runs no goroutine."""
    frame = thread_frames().get(thread.ident or 0)
    stack = () if frame is None else _running_stack(None, frame)
    lines = [f"thread {thread.name} [blocked in a goish call]:", *(line.rstrip("\n") for line in _source_lines(stack))]
    return "\n".join(lines)


def _running_stack(outermost: FrameType | None, innermost: FrameType | None) -> tuple[_Place, ...]:
    """The calls from the goroutine's coroutine down to the caller of goish: a goroutine that runs awaits nothing."""
    places: list[_Place] = []
    frame = innermost or inspect.currentframe()
    while frame is not None:
        if not is_own(frame.f_code):
            places.append(_place(frame.f_code, frame.f_lineno))
        if frame is outermost:
            break
        frame = frame.f_back
    return tuple(reversed(places))


# The names of the frame and of the awaited object, for each kind of suspended code.
SUSPENDABLE: Final = {
    "coroutine": ("cr_frame", "cr_await"),
    "generator": ("gi_frame", "gi_yieldfrom"),
    "async_generator": ("ag_frame", "ag_await"),
}
# What the interpreter puts between an await and the code that runs; none of them tells what it holds.
_WRAPPERS: Final = frozenset(
    {"coroutine_wrapper", "async_generator_asend", "async_generator_athrow", "anext_awaitable"}
)


def _await_chain(awaitable: object) -> Iterator[FrameType]:
    while awaitable is not None:
        kind = type(awaitable).__name__
        if kind in SUSPENDABLE:
            frame, awaits = (getattr(awaitable, name, None) for name in SUSPENDABLE[kind])
            if isinstance(frame, FrameType):
                yield frame
            awaitable = awaits
        else:
            awaitable = _wrapped(awaitable) if kind in _WRAPPERS else None


def _wrapped(wrapper: object) -> object | None:
    kinds = _WRAPPERS.union(SUSPENDABLE)
    return next((part for part in gc.get_referents(wrapper) if type(part).__name__ in kinds), None)
