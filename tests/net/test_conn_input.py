"""What a Conn does not take: the error says what was given, what is allowed, what to use instead."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from helpers import settle
from wires import bare

from goish import select
from goish.net import Conn

BAD: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "read(0)": (lambda c: c.read(0), ValueError, "n is a whole number of bytes, 1 or more; got 0"),
    "read(-1)": (lambda c: c.read(-1), ValueError, 'all up to the end is b"".join([chunk async for chunk in conn])'),
    "read(1.0)": (lambda c: c.read(1.0), TypeError, "n is a whole number of bytes, 1 or more; got 1.0 of type float"),
    "read(True)": (lambda c: c.read(True), TypeError, "got True of type bool"),
    "read_exactly(-1)": (lambda c: c.read_exactly(-1), ValueError, "0 or more; got -1"),
    "read_exactly()": (lambda c: c.read_exactly(), TypeError, "argument"),
    "read_until(str)": (lambda c: c.read_until("\n"), TypeError, 'sep is bytes, such as b"\\n"'),
    "read_until(empty)": (lambda c: c.read_until(b""), ValueError, "sep is one byte or more"),
    "read_until(limit)": (lambda c: c.read_until(b"x", 0), ValueError, "limit is a whole number of bytes, 1 or more"),
    "read_into(bytes)": (lambda c: c.read_into(b"abc"), TypeError, "got a bytes, which is read-only"),
    "read_into(int)": (lambda c: c.read_into(5), TypeError, "buffer is a bytearray or another writable buffer; got 5"),
    "read_into(empty)": (lambda c: c.read_into(bytearray()), ValueError, "room for 1 byte or more"),
    "write(str)": (lambda c: c.write("text"), TypeError, "a connection takes bytes, got str: write text.encode()"),
    "write(int)": (lambda c: c.write(5), TypeError, "got 5 of type int"),
    "write([str])": (lambda c: c.write([b"a", "b"]), TypeError, "write text.encode()"),
    "try_write(None)": (lambda c: c.try_write(None), TypeError, "got None of type NoneType"),
    "anext in select": (lambda c: select(c.__anext__()), TypeError, "anext(conn): conn.read()"),
    "a connection in select": (lambda c: select(c), TypeError, "conn.read(), conn.write(data)"),
    "Conn()": (lambda _: Conn(), TypeError, "Conn"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_mistake_is_told_at_the_call(name: str) -> None:
    call, kind, words = BAD[name]
    conn, wire = bare()
    with pytest.raises(kind, match=re.escape(words)):
        call(conn)
    assert not wire.sent
    wire.protocol.data_received(b"still works")
    assert await conn.read() == b"still works"
    conn.close()


async def test_a_forgotten_await_is_told_and_does_nothing() -> None:
    conn, wire = bare()
    for op, name in ((conn.read, "conn read"), (lambda: conn.write(b"x"), "conn write")):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            op()
        assert [f"'{name}' was never awaited" in str(each.message) for each in caught] == [True]
    await settle()
    assert not wire.sent
    conn.close()


async def test_an_operation_is_good_for_one_await() -> None:
    conn, wire = bare()
    wire.protocol.data_received(b"abc")
    op = conn.read()
    assert await op == b"abc"
    with pytest.raises(RuntimeError, match="awaited already"):
        await op
    conn.close()
