"""pytest -p pytest_loops: the loops of inside.py, before any conftest is imported, and its record."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from inside import Hang, Record, install, names, open_record

install(os.environ["CONFORMANCE_LOOP"], os.environ["CONFORMANCE_RUN"])
record: Record | None = None
outcomes: dict[str, tuple[str, str]] = {}


def pytest_configure(config: pytest.Config) -> None:
    global record
    record = record or open_record()  # some suites run pytest inside pytest


def pytest_unconfigure(config: pytest.Config) -> None:
    if record is not None and config.getoption("tbstyle") != "auto":
        record.close()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip, only = names("CONFORMANCE_SKIP"), names("CONFORMANCE_ONLY")
    items[:] = [item for item in items if item.nodeid not in skip and (not only or item.nodeid in only)]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    assert record is not None
    record.started(item.nodeid)
    result = yield
    record.ended(item.nodeid, *outcomes.pop(item.nodeid, ("passed", "")))
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    try:
        return (yield)
    except Hang as hang:
        pytest.fail(f"HANG: {hang}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.outcome != "passed" and outcomes.get(report.nodeid, ("",))[0] != "failed":
        why = getattr(report.longrepr, "reprcrash", None)
        outcomes[report.nodeid] = report.outcome, (why.message if why else str(report.longrepr))[:300]
