"""One module of CPython's own test.test_asyncio, as installed with the interpreter: cpython_child.py MODULE LOOP RUN.

The tests named in the file CONFORMANCE_SKIP have been run; with CONFORMANCE_ONLY, only the tests named there are run.
"""

from __future__ import annotations

import asyncio
import faulthandler
import importlib
import os
import sys
import unittest
import warnings
from collections.abc import Iterator
from typing import Any

from inside import Hang, Record, install, names, open_record


class Result(unittest.TestResult):
    def __init__(self, record: Record) -> None:
        super().__init__()
        self.record = record
        self.outcomes: dict[str, tuple[str, str]] = {}

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        faulthandler.dump_traceback_later(2 * self.record.limit, exit=True)
        self.record.started(test.id())

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        faulthandler.cancel_dump_traceback_later()
        self.record.ended(test.id(), *self.outcomes.get(test.id(), ("passed", "")))

    def note(self, test: Any, outcome: str, why: str) -> None:
        if self.outcomes.get(test.id(), ("",))[0] != "failed":
            self.outcomes[test.id()] = outcome, why
        if not isinstance(test, unittest.TestCase):  # a setUpClass or a setUpModule
            self.record.ended(test.id(), outcome, why)

    def addError(self, test: Any, err: Any) -> None:
        if os.environ.get("CONFORMANCE_VERBOSE"):
            print(test.id(), self._exc_info_to_string(err, test), file=sys.stderr)
        self.note(test, "failed", f"{err[0].__name__}: {err[1]}"[:300])

    addFailure = addError  # noqa: N815

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        if err is not None:
            self.addError(test, err)

    def addSkip(self, test: Any, reason: str) -> None:
        self.note(test, "skipped", reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        pass

    def addUnexpectedSuccess(self, test: Any) -> None:
        self.note(test, "failed", "unexpected success")


def survives_hangs() -> None:
    stock = unittest.TestCase.__call__

    def call(self: unittest.TestCase, result: Result) -> None:
        try:
            stock(self, result)
        except Hang as hang:
            result.note(self, "failed", f"HANG: {hang}")
            result.stopTest(self)

    unittest.TestCase.__call__ = call  # type: ignore[method-assign, assignment]


def close_loop(loop: Any) -> None:
    # In the place of the one in test.test_asyncio.utils, which wants attributes that uvloop's loops do not have.
    if not loop.is_closed():
        loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def goroutine_as_a_class() -> Any:
    """What the suites call with the arguments of asyncio.Task, and what they compare types with."""
    import goish

    class Meta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, goish.Goroutine)

    class Task(metaclass=Meta):
        __class_getitem__ = classmethod(lambda cls, item: goish.Goroutine[item])

        def __new__(cls, coro: Any, *, loop: Any = None, name: Any = None, context: Any = None,
                    eager_start: bool = False) -> Any:  # fmt: skip
            loop = asyncio.get_event_loop() if loop is None else loop
            task: Any = goish.task_factory(loop, coro, name=name, context=context, eager_start=eager_start)
            if task._source_traceback:
                del task._source_traceback[-1]  # this frame
            return task

    return Task


def base_task_tests(run: str) -> list[type[unittest.TestCase]]:
    """The contract of asyncio.Task, with the C implementation of Future."""
    from test.test_asyncio import test_tasks, utils

    class BaseTaskTests(test_tasks.BaseTaskTests, utils.TestCase):
        Task = goroutine_as_a_class() if run == "goish" else asyncio.Task
        Future = asyncio.Future
        all_tasks = staticmethod(asyncio.all_tasks)
        current_task = staticmethod(asyncio.current_task)

    BaseTaskTests.__module__, BaseTaskTests.__qualname__ = "test.test_asyncio.test_tasks", "BaseTaskTests"
    return [BaseTaskTests]


def tests_of(module: str, run: str) -> Iterator[unittest.TestCase]:
    loader = unittest.defaultTestLoader
    if module == "BaseTaskTests":
        yield from leaves(loader.loadTestsFromTestCase(cls) for cls in base_task_tests(run))
        return
    loaded = importlib.import_module(f"test.test_asyncio.{module}")
    if module == "test_eager_task_factory" and run == "goish":
        for value in vars(loaded).values():
            if isinstance(value, type) and getattr(value, "Task", None) is asyncio.Task:
                value.Task = goroutine_as_a_class()
    yield from leaves(loader.loadTestsFromModule(loaded))


def leaves(suite: Any) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestCase):
            yield test
        else:
            yield from leaves(test)


def main(module: str, loop: str, run: str) -> None:
    sys.argv[1:] = []
    warnings.simplefilter("ignore")
    install(loop, run)
    if loop == "uvloop":
        from test.test_asyncio import utils

        utils.TestCase.close_loop = staticmethod(close_loop)
    survives_hangs()
    skip, only = names("CONFORMANCE_SKIP"), names("CONFORMANCE_ONLY")
    tests = [t for t in tests_of(module, run) if t.id() not in skip and (not only or t.id() in only)]
    record = open_record()
    unittest.TestSuite(tests).run(Result(record))
    record.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
