"""Power series as processes that give their coefficients on demand (McIlroy's "Squinting at power series").

The idea of Go's test/chan/powser1.go: hundreds of goroutines in cyclic networks, where any operation that comes in the
wrong order, twice or not at all is a wrong coefficient or a deadlock. Nobody works before being asked: a network that
looked ahead would never come to rest.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from fractions import Fraction
from itertools import count
from math import factorial
from typing import TYPE_CHECKING, Any

import pytest

from goish import Chan, chan, go, select

if TYPE_CHECKING:
    from conftest import Driver

TERMS = 10


class Series:
    """A series is asked for its next coefficient through one channel and gives it through the other."""

    def __init__(self) -> None:
        self.requests: Chan[None] = chan()
        self.coefficients: Chan[Fraction] = chan()

    async def get(self) -> Fraction:
        await self.requests.send(None)
        return await self.coefficients.recv()

    async def asked(self) -> None:
        await self.requests.recv()

    async def answer(self, coefficient: Fraction | int) -> None:
        await self.coefficients.send(Fraction(coefficient))

    async def put(self, coefficient: Fraction | int) -> None:
        await self.asked()
        await self.answer(coefficient)

    async def forward(self, source: Series) -> None:
        while True:
            await self.asked()
            await self.answer(await source.get())


def series(body: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Series]:
    """Makes a function that starts ``body(out, ...)`` and returns ``out``."""

    def start(*args: Any) -> Series:
        out = Series()
        go(body, out, *args)
        return out

    return start


def split(source: Series) -> tuple[Series, Series]:
    """Two series that both give the coefficients of ``source``, each at its own pace."""
    known: list[Fraction] = []
    turn: Chan[None] = chan(1)  # who asks the source has it
    turn.try_send(None)

    @series
    async def copy(out: Series) -> None:
        position = 0
        while True:
            await out.asked()
            if position == len(known):
                await turn.recv()
                if position == len(known):
                    known.append(await source.get())
                await turn.send(None)
            await out.answer(known[position])
            position += 1

    return copy(), copy()


def feedback(build: Callable[[Series], Series]) -> Series:
    """The series Z with ``Z = build(Z)``."""
    loop = Series()
    inner, outer = split(loop)
    go(loop.forward, build(inner))
    return outer


@series
async def ones(out: Series) -> None:
    while True:
        await out.put(1)


@series
async def polynomial(out: Series, *coefficients: int) -> None:
    for coefficient in coefficients:
        await out.put(coefficient)
    while True:
        await out.put(0)


@series
async def add(out: Series, u: Series, v: Series) -> None:
    while True:
        await out.asked()
        # Both are asked at once, and answer in whatever order they like.
        await u.requests.send(None)
        await v.requests.send(None)
        cases = [u.coefficients.recv(), v.coefficients.recv()]
        first, a, _ = await select(*cases)
        _, b, _ = await select(cases[1 - first])
        await out.answer(a + b)


@series
async def scale(out: Series, factor: Fraction, u: Series) -> None:
    while True:
        await out.asked()
        await out.answer(factor * await u.get())


@series
async def shift(out: Series, first: Fraction, u: Series) -> None:
    await out.put(first)
    await out.forward(u)


@series
async def differentiate(out: Series, u: Series) -> None:
    await out.asked()
    await u.get()
    for i in count(1):
        await out.answer(i * await u.get())
        await out.asked()


@series
async def integrate(out: Series, constant: Fraction, u: Series) -> None:
    await out.put(constant)
    for i in count(1):
        await out.asked()
        await out.answer(await u.get() / i)


@series
async def multiply(out: Series, u: Series, v: Series) -> None:
    # (a + xU)(b + xV) = ab + x(aV + bU) + xxUV
    await out.asked()
    a, b = await u.get(), await v.get()
    await out.answer(a * b)
    (u1, u2), (v1, v2) = split(u), split(v)
    middle = add(scale(b, u1), scale(a, v1))
    await out.asked()
    await out.answer(await middle.get())
    await out.forward(add(middle, multiply(u2, v2)))


@series
async def reciprocal(out: Series, u: Series) -> None:
    # Z = 1/(a + xU) satisfies Z = 1/a - x(1/a)UZ
    await out.asked()
    a = await u.get()
    result = feedback(lambda z: shift(1 / a, scale(-1 / a, multiply(u, z))))
    await out.answer(await result.get())
    await out.forward(result)


def exponential(u: Series) -> Series:
    """exp of a series without constant: Z' = ZU'."""
    return feedback(lambda z: integrate(Fraction(1), multiply(z, differentiate(u))))


@series
async def substitute(out: Series, u: Series, v: Series) -> None:
    # (a + xU)(xV) = a + xV U(xV)
    v1, v2 = split(v)
    await out.asked()
    await out.answer(await u.get())
    await out.asked()
    assert await v1.get() == 0
    rest = multiply(v1, substitute(u, v2))
    await out.answer(await rest.get())
    await out.forward(rest)


@series
async def every_nth(out: Series, u: Series, factor: int, n: int) -> None:
    # U(factor * x**n)
    power = 1
    while True:
        await out.asked()
        await out.answer(power * await u.get())
        for _ in range(n - 1):
            await out.put(0)
        power *= factor


def arcus_tangent() -> Series:
    return integrate(Fraction(0), every_nth(ones(), -1, 2))


def x() -> Series:
    return polynomial(0, 1)


def sine_and_cosine() -> tuple[Series, Series]:
    """Each is the integral of the other."""
    sine = Series()
    inner, outer = split(sine)
    cosine_inner, cosine_outer = split(integrate(Fraction(1), scale(Fraction(-1), inner)))
    go(sine.forward, integrate(Fraction(0), cosine_inner))
    return outer, cosine_outer


def tangent() -> Series:
    sine, cosine = sine_and_cosine()
    return multiply(sine, reciprocal(cosine))


def sine_squared_and_cosine_squared() -> Series:
    (s1, s2), (c1, c2) = map(split, sine_and_cosine())
    return add(multiply(s1, s2), multiply(c1, c2))


def fractions(text: str) -> list[Fraction]:
    return [Fraction(word) for word in text.split()]


NETWORKS: dict[str, tuple[Callable[[], Series], list[Fraction]]] = {
    "1/(1-x)": (ones, [Fraction(1)] * TERMS),
    "sum": (lambda: add(ones(), polynomial(1, 2, 3)), fractions("2 3 4 1 1 1 1 1 1 1")),
    "scaled": (lambda: scale(Fraction(-1, 2), ones()), [Fraction(-1, 2)] * TERMS),
    "shifted": (lambda: shift(Fraction(7), ones()), fractions("7 1 1 1 1 1 1 1 1 1")),
    "derivative": (lambda: differentiate(ones()), fractions("1 2 3 4 5 6 7 8 9 10")),
    "integral": (
        lambda: integrate(Fraction(0), ones()),
        [Fraction(0), *(Fraction(1, i) for i in range(1, TERMS))],
    ),
    "product": (lambda: multiply(ones(), ones()), fractions("1 2 3 4 5 6 7 8 9 10")),
    "product of polynomials": (
        lambda: multiply(polynomial(1, 1), polynomial(1, -1)),
        fractions("1 0 -1 0 0 0 0 0 0 0"),
    ),
    "reciprocal": (lambda: reciprocal(polynomial(1, 1)), [Fraction((-1) ** i) for i in range(TERMS)]),
    "reciprocal of the reciprocal": (lambda: reciprocal(reciprocal(polynomial(2, 3))), fractions("2 3" + " 0" * 8)),
    "exp x": (lambda: exponential(x()), [Fraction(1, factorial(i)) for i in range(TERMS)]),
    "exp x times exp -x": (
        lambda: multiply(exponential(x()), exponential(polynomial(0, -1))),
        fractions("1" + " 0" * (TERMS - 1)),
    ),
    "substitution": (lambda: substitute(ones(), polynomial(0, 1, 1)), fractions("1 1 2 3 5 8 13 21 34 55")),
    "every second": (lambda: every_nth(ones(), 2, 2), fractions("1 0 2 0 4 0 8 0 16 0")),
    "arcus tangent": (arcus_tangent, fractions("0 1 0 -1/3 0 1/5 0 -1/7 0 1/9")),
    "tangent": (tangent, fractions("0 1 0 1/3 0 2/15 0 17/315 0 62/2835")),
    "sin squared and cos squared": (sine_squared_and_cosine_squared, fractions("1" + " 0" * (TERMS - 1))),
    "tangent of its inverse": (lambda: substitute(tangent(), arcus_tangent()), fractions("0 1" + " 0" * (TERMS - 2))),
}


@pytest.mark.parametrize(("network", "coefficients"), NETWORKS.values(), ids=NETWORKS)
async def test_network_of_series_gives_its_coefficients(
    run: Driver, network: Callable[[], Series], coefficients: list[Fraction]
) -> None:
    result = network()
    assert [await result.get() for _ in range(TERMS)] == coefficients
