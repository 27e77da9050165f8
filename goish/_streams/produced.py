"""``produce``: a goroutine tied to the channel that it sends into."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Callable, Coroutine
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from .._checks import check_count
from .._runtime.core import SendChan
from .crew import Crew
from .hop import CAPACITY, Feed, Hop, HopFeed
from .stream import Stream, is_a, iterate

__all__ = ["Producer", "produce"]

T = TypeVar("T")
P = ParamSpec("P")


class Producer(Stream[T], Generic[P, T]):
    """What ``produce`` makes: a stream, and, called with arguments, the stream for these.

    Example::

        @streams.produce
        async def countdown(n):
            while n:
                yield n
                n -= 1

        print(await streams.collect(countdown(3)))  # -> [3, 2, 1]
    """

    def __init__(
        self, fn: Callable[..., Any], owner: tuple[Any, ...], args: Any, kwargs: dict[str, Any], capacity: int
    ) -> None:
        super().__init__()
        self._fn = fn
        self._owner = owner  # of a method: stands before ``out``
        self._args = args
        self._kwargs = kwargs
        self._capacity = capacity
        self.__wrapped__ = fn
        self.__name__: str = getattr(fn, "__name__", type(fn).__name__)
        self.__qualname__: str = _name(fn)
        self.__doc__ = getattr(fn, "__doc__", None)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Stream[T]:
        return Producer(self._fn, self._owner, (*self._args, *args), {**self._kwargs, **kwargs}, self._capacity)

    def __get__(self, instance: object, owner: type | None = None) -> Producer[..., T]:
        return self if instance is None else Producer(self._fn, (instance,), self._args, self._kwargs, self._capacity)

    def _start(self, crew: Crew) -> Feed[T]:
        if inspect.iscoroutinefunction(self._fn):
            hop: Hop[T] = Hop(crew, self._capacity)
            hop.start(f"streams.produce {_name(self._fn)}", self._produce, hop.channel.sender)
            return HopFeed(hop)
        made = self._fn(*self._owner, *self._args, **self._kwargs)
        if not is_a(made, AsyncIterable):
            raise TypeError(f"{_TAKES}; {_name(self._fn)} gave {made!r}")
        return iterate(crew, made, self._capacity)

    async def _produce(self, out: SendChan[T]) -> None:
        await self._fn(*self._owner, out, *self._args, **self._kwargs)


_TAKES = "produce() takes an async generator function, or an `async def fn(out, ...)`, which sends into `out`"


def _name(fn: object) -> str:
    return getattr(fn, "__qualname__", type(fn).__name__)


@overload
def produce(
    fn: Callable[Concatenate[SendChan[T], P], Coroutine[Any, Any, object]], /, *, capacity: int = CAPACITY
) -> Producer[P, T]: ...
@overload
def produce(fn: Callable[P, AsyncIterable[T]], /, *, capacity: int = CAPACITY) -> Producer[P, T]: ...
@overload
def produce(
    fn: Callable[Concatenate[SendChan[T], P], Coroutine[Any, Any, object]], /, *args: P.args, **kwargs: P.kwargs
) -> Producer[..., T]: ...
@overload
def produce(fn: Callable[P, AsyncIterable[T]], /, *args: P.args, **kwargs: P.kwargs) -> Producer[..., T]: ...
@overload
def produce(*, capacity: int) -> Callable[[Callable[..., Any]], Producer[..., Any]]: ...
def produce(fn: Any = None, /, *args: Any, capacity: Any = CAPACITY, **kwargs: Any) -> Any:
    """A stream of what a goroutine produces, which lives as long as the consumer: ``produce(fn, *args)``.

    ``fn``: an async generator function, or an ``async def fn(out, *args)``, which sends into the channel ``out``. It is
    a decorator too; the function then gives a stream for each call. ``capacity``: how many values it may be ahead.
    At its end the channel is closed; its exception is raised at the consumer, behind the values that it has sent. If
    the consumer leaves, it is cancelled. The generator runs in its own goroutine, so ``asyncio.timeout`` or a
    TaskGroup around its ``yield`` cancels nothing but itself (PEP 789). TypeError and ValueError for other arguments.
    Kotlin's ``produce``, trio's ``as_safe_channel``.

    Example::

        async def count(out, n):
            for i in range(n):
                await out.send(i)

        async with streams.produce(count, 3) as numbers:
            print([n async for n in numbers])  # -> [0, 1, 2]
    """
    check_count("capacity", capacity)
    if fn is None:
        return partial(produce, capacity=capacity)
    if is_a(fn, Producer):
        raise TypeError(f"{_name(fn)} is a producer already: call it")
    if not is_a(fn, Callable):
        raise TypeError(f"{_TAKES}; got {fn!r} of type {type(fn).__name__}")
    made: Producer[..., Any] = Producer(fn, (), args, kwargs, capacity)
    return made
