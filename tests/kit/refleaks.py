"""A pytest plugin that runs every test over and over and fails those that leave references behind.

    python -m pytest -p refleaks            (with an interpreter built --with-pydebug, which counts all references)

A test is called six times; the first three warm caches up, the last three must not each leave more references than the
one before.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Generator
from typing import Any

import pytest

WARM_UP, MEASURED = 3, 3

total_references: Any = getattr(sys, "gettotalrefcount", None)
repeating = False


def pytest_configure(config: pytest.Config) -> None:
    if total_references is None:
        raise pytest.UsageError("refleaks needs an interpreter that counts references (built --with-pydebug)")


def references() -> int:
    for _ in range(3):
        gc.collect()
    return int(total_references())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    global repeating
    result = yield
    if repeating or hasattr(pyfuncitem.obj, "hypothesis"):
        return result
    repeating = True
    try:
        grown = []
        before = references()
        for _ in range(WARM_UP + MEASURED):
            pyfuncitem.ihook.pytest_pyfunc_call(pyfuncitem=pyfuncitem)
            after = references()
            grown.append(after - before)
            before = after
    finally:
        repeating = False
    if all(more > 0 for more in grown[-MEASURED:]):
        pytest.fail(f"references grew by {grown[-MEASURED:]} in {MEASURED} runs", pytrace=False)
    return result
