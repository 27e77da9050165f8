"""Stages that wait for nothing: they run where their values are asked for, and cost a generator and no goroutine.

A step transforms chunk by chunk, lazily, and keeps its state in between. After ``is_over`` it asks for no more.
"""

from __future__ import annotations

import builtins
import inspect
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from itertools import chain
from typing import Any, Final, Generic, TypeVar

from .._checks import check_count, check_whole
from .._runtime.core import is_coroutine
from .crew import Crew
from .hop import Feed
from .stream import Flattens, Keeps, Lists, Stage, Stream, Tuples

__all__ = [
    "Map",
    "check_plain",
    "distinct",
    "drop",
    "drop_while",
    "filter",
    "flatten",
    "group_by",
    "groups_of",
    "scan",
    "stepped",
    "take",
    "take_while",
    "window",
]

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")
K = TypeVar("K")

_NOTHING: Final = object()


class _Step(ABC, Generic[A, B]):
    is_over = False

    @abstractmethod
    def values(self, chunk: Iterable[A]) -> Iterable[B]: ...

    def rest(self) -> Iterable[B]:
        """What is left at the end."""
        return ()


class _StepFeed(Feed[B]):
    def __init__(self, source: Feed[A], step: _Step[A, B]) -> None:
        self._source: Feed[Any] = source
        self._step: _Step[Any, B] = step
        self._has_ended = False

    async def next(self) -> Iterable[B] | None:
        if self._has_ended:
            return None
        if not self._step.is_over:
            chunk = await self._source.next()
            if chunk is not None:
                return self._step.values(chunk)
        self._has_ended = True
        self._source.leave()
        return self._step.rest()

    def leave(self) -> None:
        self._source.leave()


class _Stepped(Stream[B]):
    def __init__(self, source: Stream[Any], step: Callable[[], _Step[Any, B]]) -> None:
        super().__init__()
        self._source = source
        self._step = step

    def _start(self, crew: Crew) -> Feed[B]:
        return _StepFeed(self._source._start(crew), self._step())


def stepped(name: str, step: Callable[[], _Step[Any, Any]]) -> Stage[Any, Any]:
    return Stage(name, lambda source: _Stepped(source, step))


def check_plain(stage: str, fn: Any) -> None:
    if not callable(fn):
        raise TypeError(f"{stage} takes a function, got {fn!r} of type {type(fn).__name__}")
    if inspect.iscoroutinefunction(fn):
        raise TypeError(
            f"{stage} takes a plain function, and {getattr(fn, '__qualname__', fn)} is a coroutine function: "
            "have streams.map await it, and look at what it gave"
        )


class Map(_Step[A, B]):
    def __init__(self, fn: Callable[[A], B]) -> None:
        self._fn = fn
        self._is_checked = False

    def values(self, chunk: Iterable[A]) -> Iterable[B]:
        results = builtins.map(self._fn, chunk)
        return results if self._is_checked else self._checked(results)

    def _checked(self, results: Iterable[B]) -> Iterable[B]:
        """The first result tells what is not known of a lambda."""
        results = iter(results)
        for first in results:
            self._is_checked = True
            if is_coroutine(first):
                first.close()
                raise TypeError(
                    "the function given to streams.map is plain and gave a coroutine: "
                    "write an `async def`, or streams.stage(fn)"
                )
            return chain((first,), results)
        return ()


class _Filter(_Step[T, T]):
    def __init__(self, predicate: Callable[[T], object]) -> None:
        self._predicate = predicate

    def values(self, chunk: Iterable[T]) -> Iterable[T]:
        return builtins.filter(self._predicate, chunk)


def filter(predicate: Callable[[T], object], /) -> Stage[T, T]:
    """Keep the values for which ``predicate(value)``, a plain function, is true.

    Example::

        print(await streams.collect(streams.pipeline(range(6), streams.filter(lambda n: n % 2))))  # -> [1, 3, 5]
    """
    check_plain("filter", predicate)
    return stepped("filter", lambda: _Filter(predicate))


class _Take(_Step[T, T]):
    def __init__(self, n: int) -> None:
        self._left = n
        self.is_over = n == 0

    def values(self, chunk: Iterable[T]) -> Iterable[T]:
        for value in chunk:
            self._left -= 1
            self.is_over = self._left == 0
            yield value
            if self.is_over:
                return


def take(n: int, /) -> Keeps:
    """Give the first ``n`` values, and end: nothing is asked for behind them, and the stages before are cancelled.

    ``n``: a whole number, 0 or more.

    Example::

        print(await streams.collect(streams.pipeline("stream", streams.take(2))))  # -> ['s', 't']
    """
    check_count("n", n)
    return stepped(f"take({n})", lambda: _Take(n))


class _TakeWhile(_Step[T, T]):
    def __init__(self, predicate: Callable[[T], object]) -> None:
        self._predicate = predicate

    def values(self, chunk: Iterable[T]) -> Iterable[T]:
        for value in chunk:
            if not self._predicate(value):
                self.is_over = True
                return
            yield value


def take_while(predicate: Callable[[T], object], /) -> Stage[T, T]:
    """Give values as long as ``predicate(value)``, a plain function, is true, and end.

    Example::

        print(await streams.collect(streams.pipeline([1, 2, 9, 3], streams.take_while(lambda n: n < 5))))  # -> [1, 2]
    """
    check_plain("take_while", predicate)
    return stepped("take_while", lambda: _TakeWhile(predicate))


class _Drop(_Step[T, T]):
    def __init__(self, n: int) -> None:
        self._left = n

    def values(self, chunk: Iterable[T]) -> Iterable[T]:
        return self._dropping(chunk) if self._left else chunk

    def _dropping(self, chunk: Iterable[T]) -> Iterable[T]:
        for value in chunk:
            if self._left:
                self._left -= 1
            else:
                yield value


def drop(n: int, /) -> Keeps:
    """Leave out the first ``n`` values. ``n``: a whole number, 0 or more.

    Example::

        print(await streams.collect(streams.pipeline("stream", streams.drop(4))))  # -> ['a', 'm']
    """
    check_count("n", n)
    return stepped(f"drop({n})", lambda: _Drop(n))


class _DropWhile(_Step[T, T]):
    def __init__(self, predicate: Callable[[T], object]) -> None:
        self._predicate = predicate
        self._drops = True

    def values(self, chunk: Iterable[T]) -> Iterable[T]:
        return self._dropping(chunk) if self._drops else chunk

    def _dropping(self, chunk: Iterable[T]) -> Iterable[T]:
        for value in chunk:
            self._drops = self._drops and bool(self._predicate(value))
            if not self._drops:
                yield value


def drop_while(predicate: Callable[[T], object], /) -> Stage[T, T]:
    """Leave out values as long as ``predicate(value)``, a plain function, is true; give all that follow.

    Example::

        print(await streams.collect(streams.pipeline([1, 2, 9, 3], streams.drop_while(lambda n: n < 5))))  # -> [9, 3]
    """
    check_plain("drop_while", predicate)
    return stepped("drop_while", lambda: _DropWhile(predicate))


class _Groups(_Step[T, list[T]]):
    def __init__(self, n: int) -> None:
        self._n = n
        self._group: list[T] = []

    def values(self, chunk: Iterable[T]) -> Iterable[list[T]]:
        for value in chunk:
            self._group.append(value)
            if len(self._group) == self._n:
                group, self._group = self._group, []
                yield group

    def rest(self) -> Iterable[list[T]]:
        return [self._group] if self._group else []


def groups_of(n: int) -> Lists:
    return stepped(f"batch({n})", lambda: _Groups(n))


class _Window(_Step[T, tuple[T, ...]]):
    def __init__(self, n: int) -> None:
        self._last: deque[T] = deque(maxlen=n)

    def values(self, chunk: Iterable[T]) -> Iterable[tuple[T, ...]]:
        last = self._last
        for value in chunk:
            last.append(value)
            if len(last) == last.maxlen:
                yield tuple(last)


def window(n: int, /) -> Tuples:
    """Give each ``n`` values that follow one another, as a tuple; nothing if there are fewer. ``n``: 1 or more.

    Example::

        windows = streams.pipeline("abcd", streams.window(3), streams.map("".join))
        print(await streams.collect(windows))  # -> ['abc', 'bcd']
    """
    check_whole("n", n)
    return stepped(f"window({n})", lambda: _Window(n))


class _Scan(_Step[A, B]):
    def __init__(self, fn: Callable[[B, A], B], initial: B) -> None:
        self._fn = fn
        self._total = initial

    def values(self, chunk: Iterable[A]) -> Iterable[B]:
        for value in chunk:
            self._total = self._fn(self._total, value)
            yield self._total


def scan(fn: Callable[[B, A], B], initial: B, /) -> Stage[A, B]:
    """Give the results of ``fn(total, value)``, a plain function, of which each is the next ``total``.

    ``initial`` is the first ``total``, and is not given.

    Example::

        print(await streams.collect(streams.pipeline([1, 2, 3], streams.scan(lambda a, b: a + b, 0))))  # -> [1, 3, 6]
    """
    check_plain("scan", fn)
    return stepped("scan", lambda: _Scan(fn, initial))


class _Distinct(_Step[T, T]):
    def __init__(self, key: Callable[[T], Hashable] | None) -> None:
        self._key = key
        self._seen: set[Hashable] = set()

    def values(self, chunk: Iterable[T]) -> Iterable[T]:
        seen, key = self._seen, self._key
        for value in chunk:
            known: Any = value if key is None else key(value)
            if known not in seen:
                seen.add(known)
                yield value


def distinct(key: Callable[[T], Hashable] | None = None, /) -> Stage[T, T]:
    """Leave out values that were given before: those that are equal, or whose ``key(value)`` is.

    It remembers all of them, so they, or their keys, can be hashed; a value that cannot ends the stream with a
    TypeError. For neighbours only, and without end: ``group_by``.

    Example::

        print(await streams.collect(streams.pipeline("banana", streams.distinct())))  # -> ['b', 'a', 'n']
    """
    if key is not None:
        check_plain("distinct", key)
    return stepped("distinct", lambda: _Distinct(key))


class _GroupBy(_Step[T, tuple[K, list[T]]]):
    def __init__(self, key: Callable[[T], K]) -> None:
        self._key = key
        self._of: Any = _NOTHING
        self._group: list[T] = []

    def values(self, chunk: Iterable[T]) -> Iterable[tuple[K, list[T]]]:
        for value in chunk:
            key = self._key(value)
            if self._group and key != self._of:
                full, self._group = (self._of, self._group), []
                self._of = key
                self._group.append(value)
                yield full
            else:
                self._of = key
                self._group.append(value)

    def rest(self) -> Iterable[tuple[K, list[T]]]:
        return [(self._of, self._group)] if self._group else []


def group_by(key: Callable[[T], K], /) -> Stage[T, tuple[K, list[T]]]:
    """Give neighbours with the same ``key(value)`` together: ``(key, list of them)``, as ``itertools.groupby`` does.

    A group is given when the next one begins, or the stream ends.

    Example::

        groups = streams.pipeline("aab", streams.group_by(str.upper))
        print(await streams.collect(groups))  # -> [('A', ['a', 'a']), ('B', ['b'])]
    """
    check_plain("group_by", key)
    return stepped("group_by", lambda: _GroupBy(key))


class _Flatten(_Step[Iterable[T], T]):
    def values(self, chunk: Iterable[Iterable[T]]) -> Iterable[T]:
        return chain.from_iterable(chunk)


def flatten() -> Flattens:
    """Give the values of each iterable that comes, such as the lists of ``batch``.

    Example::

        print(await streams.collect(streams.pipeline([[1, 2], [3]], streams.flatten())))  # -> [1, 2, 3]
    """
    return stepped("flatten", _Flatten)
