"""The tables of names: each name of Go's packages, of asyncio and of anyio has one row, and what it leads to exists.

A table of names has three columns: the other side's names, goish's, a remark without a heading. In a cell the names
stand in backticks; beside a dash the remark says why there is none. The heading of the first column names their owner.
Not here: the other tables of these pages, which show calls; the snippets (test_docs.py).
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import re
import types
from collections.abc import Iterable
from dataclasses import dataclass, is_dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.from_thread
import anyio.lowlevel
import anyio.streams.memory
import anyio.to_interpreter
import anyio.to_process
import anyio.to_thread
import pytest

import goish
import goish.anyio

ROOT = Path(__file__).parents[2]
EXPORTED = ROOT / "tests" / "go" / "exported_names.txt"

CELL = re.compile(r"`([^`]+)`")
SAME = "the same"
NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class Row:
    whose: tuple[str, ...]  # the modules that the table is about
    home: str  # the module of goish that its names are of
    names: tuple[str, ...]
    goish: str  # the cell
    remark: str


@cache
def rows(page: str) -> list[Row]:
    """The rows of all tables of names: the second column is headed by goish or a module of it."""
    found: list[Row] = []
    whose: tuple[str, ...] = ()
    home = ""
    for line in (ROOT / "docs" / page).read_text().splitlines():
        cells = [cell.strip() for cell in line[1:-1].split("|")] if line.startswith("|") else []
        if not cells:
            whose = ()
        elif whose and not line.startswith("|--"):
            found.append(Row(whose, home, tuple(CELL.findall(cells[0])), *cells[1:]))
        elif len(cells) == 3 and (head := cells[1].strip("`")).split(".")[0] == "goish" and not cells[2]:
            whose, home = tuple(CELL.findall(cells[0])), head
    return found


PAGES = ("from-go.md", "from-asyncio.md", "from-anyio.md")


def exists(path: str) -> bool:
    """Whether goish has it: an attribute of a module or class, or what a class says its objects have."""
    here: Any = goish
    for name in path.split(".")[1:]:
        if not hasattr(here, name):
            fields = [getattr(base, "__annotations__", {}) for base in getattr(here, "__mro__", ())]
            return any(name in each for each in fields)
        here = getattr(here, name)
    return True


@pytest.mark.parametrize("page", PAGES)
def test_what_a_row_leads_to_exists(page: str) -> None:
    spellings = [f"{row.home}.{name}" for row in rows(page) for name in CELL.findall(row.goish)]
    assert len(spellings) > 50
    assert [path for path in spellings if not exists(path)] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_row_has_names_or_says_why_not(page: str) -> None:
    silent = [row for row in rows(page) if not CELL.findall(row.goish) and row.goish != SAME and not row.remark]
    assert silent == []
    assert {row.goish for row in rows(page) if not CELL.findall(row.goish)} <= {NONE, SAME}


def has_each_once(listed: Iterable[str], table: Iterable[str]) -> None:
    """Each listed name is in the table once, and the table has no others. A name of the table may be a pattern."""
    wanted, written = set(listed), list(table)
    assert sorted({name for name in written if written.count(name) > 1}) == []
    patterns = [name for name in written if "*" in name]
    found = {name for name in wanted if name in written or any(fnmatchcase(name, each) for each in patterns)}
    assert sorted(wanted - found) == [], "without a row"
    assert sorted(set(written) - set(patterns) - wanted) == [], "not exported"


# ── Go ──


def exported() -> dict[str, list[str]]:
    packages: dict[str, list[str]] = {}
    names: list[str] = []
    for line in EXPORTED.read_text().splitlines():
        if line.startswith("["):
            names = packages.setdefault(line.strip("[]"), [])
        elif not line.startswith("#"):
            names += line.split()
    return packages


@pytest.mark.parametrize("package", exported())
def test_each_exported_name_of_go_has_a_row(package: str) -> None:
    table = [name for row in rows("from-go.md") if package in row.whose for name in row.names]
    has_each_once(exported()[package], table)


def test_the_page_has_no_packages_but_those_listed() -> None:
    assert {package for row in rows("from-go.md") for package in row.whose} == set(exported())


# ── asyncio and anyio ──


def members(cls: type) -> list[str]:
    return [f"{cls.__name__}.{name}" for name in dir(cls) if not name.startswith("_")]


def in_tables(page: str) -> list[str]:
    return [name for row in rows(page) for name in row.names]


ASYNCIO = ("locks", "queues", "tasks", "futures", "coroutines", "taskgroups", "timeouts", "threads", "runners", "graph")
SUBCLASSES = (asyncio.BoundedSemaphore, asyncio.PriorityQueue, asyncio.LifoQueue)
LATER = {  # than the Python that runs the test
    *("QueueShutDown", "Queue.shutdown", "Queue.maxsize", "TaskGroup.cancel"),
    *("eager_task_factory", "create_eager_task_factory", "Task.get_context"),
    *("future_add_to_awaited_by", "future_discard_from_awaited_by"),
    *("capture_call_graph", "format_call_graph", "print_call_graph", "FrameCallGraphEntry", "FutureCallGraph"),
    *("iscoroutinefunction",),
}


def of_asyncio() -> set[str]:
    names = {f"Condition.{name}" for name in ("acquire", "release", "locked")}  # which each object has from its lock
    for part in (*ASYNCIO, "exceptions"):
        try:
            module = importlib.import_module(f"asyncio.{part}")
        except ModuleNotFoundError:  # asyncio.graph, before 3.14
            continue
        names.update(name for name in module.__all__ if not name.startswith("_"))
    for cls in [getattr(asyncio, name) for name in names if inspect.isclass(getattr(asyncio, name, None))]:
        if not (issubclass(cls, BaseException) or is_dataclass(cls) or cls in SUBCLASSES):
            names.update(members(cls))
    return names


def test_each_name_of_asyncio_has_a_row() -> None:
    has_each_once(of_asyncio() | (set(in_tables("from-asyncio.md")) & LATER), in_tables("from-asyncio.md"))


ANYIO = (anyio.from_thread, anyio.to_thread, anyio.to_process, anyio.to_interpreter, anyio.lowlevel)
ANYIO_CLASSES = (
    *(anyio.abc.TaskGroup, anyio.abc.TaskStatus, anyio.CancelScope),
    *(anyio.Event, anyio.Lock, anyio.Condition, anyio.Semaphore, anyio.CapacityLimiter),
    *(anyio.streams.memory.MemoryObjectSendStream, anyio.streams.memory.MemoryObjectReceiveStream),
    anyio.from_thread.BlockingPortal,
)


def of_anyio() -> set[str]:
    public = [name for name in dir(anyio) if not name.startswith("_")]
    names = {name for name in public if not isinstance(getattr(anyio, name), types.ModuleType)}
    for module in ANYIO:
        short = module.__name__.removeprefix("anyio.")
        names.update(f"{short}.{name}" for name in module.__all__)
    later = [getattr(anyio, name) for name in ("TaskHandle", "Future") if hasattr(anyio, name)]
    for cls in (*ANYIO_CLASSES, *later):
        names.add(cls.__name__)
        names.update(members(cls))
    return names - {"BlockingPortal"}  # is in from_thread's list


@pytest.mark.skipif(tuple(map(int, version("anyio").split(".")[:2])) < (4, 16), reason="the page is of anyio 4.16")
def test_each_name_of_anyio_has_a_row() -> None:
    has_each_once(of_anyio(), in_tables("from-anyio.md"))
