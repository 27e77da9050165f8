"""The house stands as it is drawn: arrows point down, and native mistakes that were made once are not made again."""

from __future__ import annotations

import ast
import graphlib
import importlib
import inspect
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from mutants import MUTANTS, mistaken, part_of

PACKAGE = Path(__file__).parents[2] / "goish"
RUNTIME = PACKAGE / "_runtime"

CONTENTS = re.findall(r'include "(\w+)/(\w+)\.pyx"', (RUNTIME / "core.pyx").read_text())
ORDER_OF_FLOORS = ["data", "host", "run", "threads", "chan", "aio", "net"]
PARTS = [name for _, name in CONTENTS]
FLOORS = {name: ORDER_OF_FLOORS.index(floor) for floor, name in CONTENTS}
# Types are declared in the headers (*.pxd), which all parts may read; functions of a part further down may not.
DECLARED = set(
    re.findall(r"^cdef class (\w+)", "\n".join(path.read_text() for path in RUNTIME.glob("*/*.pxd")), re.MULTILINE)
)
KNOWN = {
    ("registry", "Clock"),  # asks whether a loop is one of goish's
    ("handoff", "chan"),  # a parameter
    ("current", "current"),  # a local name
}

DEFINITION = re.compile(
    r"^(?:cdef|cpdef|def|async def)\s+(?:inline\s+)?(?:class\s+)?(?:[\w*\[\]. ]+?[ *])?(\w+)\s*[(:]", re.M
)


def code(name: str, suffix: str = "pyx") -> str:
    """A part of the core without comments and strings."""
    text = (RUNTIME / ORDER_OF_FLOORS[FLOORS[name]] / f"{name}.{suffix}").read_text()
    text = re.sub(r'"""[\s\S]*?"""', "", text)
    return re.sub(r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\#.*""", "", text)


def defined(name: str) -> set[str]:
    return set(DEFINITION.findall(code(name))) - {"enum", "from"}


def test_the_table_of_contents_lists_every_part_floor_by_floor() -> None:
    assert sorted(PARTS) == sorted(path.stem for path in RUNTIME.glob("*/*.pyx"))
    assert [FLOORS[part] for part in PARTS] == sorted(FLOORS[part] for part in PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_uses_only_what_stands_above_it_in_the_table_of_contents(part: str) -> None:
    """So no floor calls one above it, and no two files call each other."""
    used = set(re.findall(r"(?<![\w.])(?<!    def )\w+", code(part)))
    below = {
        (other, name)
        for other in PARTS[PARTS.index(part) + 1 :]
        for name in defined(other) & used - DECLARED
        if (part, name) not in KNOWN
    }
    assert below == set()


def test_a_header_includes_only_those_above_it() -> None:
    def included(path: Path) -> list[str]:
        return re.findall(r'^#include "(\w+\.h)"', path.read_text(), re.M)

    headers = RUNTIME / "c"
    order = included(headers / "goish.h")
    assert sorted([*order, "goish.h"]) == sorted(path.name for path in headers.glob("*.h"))
    for i, name in enumerate(order):
        assert set(included(headers / name)) <= set(order[:i]), name


def test_the_core_imports_nothing_of_the_package_but_errors_values_and_many() -> None:
    imports = set(re.findall(r"^from (goish[\w.]*)", (RUNTIME / "core.pyx").read_text(), re.M))
    assert imports == {"goish.errors", "goish._runtime.values", "goish._runtime.many"}


def test_asyncio_is_met_at_its_doors_only() -> None:
    doors = {
        "call_soon_threadsafe": {"python", "current", "registry", "inbox", "call_soon"},
        "call_later": {"registry", "timers", "panic", "worker", "clock"},
        "call_exception_handler": {"handle", "panic", "factory"},
    }
    for call, allowed in doors.items():
        users = {part for part in FLOORS if re.search(rf"\.{call}\b", code(part))}
        assert users <= allowed, call


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_the_api_uses_no_private_names_of_the_core(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("_runtime.core")
        for alias in node.names
    ]
    assert not [name for name in names if name.startswith("_")]


# ── under a lock ──


def functions(part: str) -> dict[str, str]:
    chunks = re.split(r"^(?=cdef |def |async def |cpdef )", code(part), flags=re.M)
    return {match.group(1): chunk for chunk in chunks if (match := DEFINITION.match(chunk))}


# What may run user code, or call into a loop: never between lock and unlock.
FORBIDDEN = (
    r"\b(worker_wake|worker_wake_quietly|tell_space|op_wake|goroutine_ready|goroutine_ready_here|wake_chain|value_undelivered"
    r"|chan_settle|task_waiter_wake|logger|call_soon)\b"
)


@pytest.mark.parametrize("part", FLOORS)
def test_nothing_under_a_lock_may_run_user_code(part: str) -> None:
    for name, body in functions(part).items():
        for section in re.findall(r"goish_lock\(([\s\S]*?)goish_unlock\(", body):
            assert not re.search(FORBIDDEN, section), f"{part}.pyx: {name}"


@pytest.mark.parametrize("part", FLOORS)
def test_every_lock_is_released_on_every_way_out(part: str) -> None:
    for name, body in functions(part).items():
        held = 0
        for line in body.splitlines():
            held += len(re.findall(r"\bgoish_lock\(", line))
            if re.match(r"\s+(return|raise)\b", line):
                before = body[: body.index(line)]
                unlocked_last = before.rfind("goish_unlock(") >= before.rfind("goish_lock(")
                assert unlocked_last or "lock_all" in name, f"{part}.pyx: {name}: {line.strip()}"
        assert body.count("goish_unlock(") >= (1 if held and "lock_all" not in name else 0), f"{part}.pyx: {name}"


# ── public and private ──

MODULES = {
    ".".join(("goish", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
PUBLIC = [name for name in MODULES if not re.search(r"\._|__main__", name)]


def imported(path: Path) -> set[str]:
    """The modules of the package that one imports, but for the annotations."""
    package = ".".join(("goish", *path.relative_to(PACKAGE).parent.parts))
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = parts[: len(parts) + 1 - node.level] if node.level else []
            module = ".".join((*base, *(node.module or "").split("."))).rstrip(".")
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found & MODULES.keys()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_says_what_it_exports(name: str) -> None:
    module = importlib.import_module(name)
    if name in PUBLIC:
        assert module.__all__, "a public module has __all__"
    for exported in getattr(module, "__all__", ()):
        assert hasattr(module, exported)


def test_a_public_name_is_exported_by_one_module_beside_the_package() -> None:
    """Go's packages share names: a Group of errgroup, one of singleflight. Each thing has one home."""
    homes = [
        (id(getattr(importlib.import_module(module), name)), name)
        for module in PUBLIC
        if module != "goish"
        for name in importlib.import_module(module).__all__
    ]
    assert sorted(homes) == sorted(set(homes))


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_what_a_public_module_exports_says_that_it_is_public(name: str) -> None:
    module = importlib.import_module(name)
    for exported in map(partial(getattr, module), module.__all__):
        if isinstance(exported, type) or inspect.isroutine(exported):
            assert exported.__module__ in PUBLIC, exported
            home = importlib.import_module(exported.__module__)
            assert getattr(home, exported.__name__) is exported


ORDER = [
    "goish._http",
    "goish._net",
    "goish._context",
    "goish._program",
    "goish._group",
    "goish._streams",
    "goish._threads",
    "goish._inspect",
    "goish._sync",
    "goish._checks",
    "goish._runtime",
    "goish.errors",
]


def place(module: str) -> int:
    return next((i for i, part in enumerate(ORDER) if module == part or module.startswith(f"{part}.")), -1)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_imports_only_what_stands_below_it(name: str) -> None:
    """Public modules stand on the private ones, and those in their order; within a folder there is no circle."""
    for other in imported(MODULES[name]):
        assert place(other) >= place(name) or other == "goish.errors", f"{name} imports {other}"


def test_no_circle_of_imports() -> None:
    graph = {name: imported(path) - {name} for name, path in MODULES.items()}
    tuple(graphlib.TopologicalSorter(graph).static_order())


def test_a_module_is_an_attribute_and_imported_when_it_is_asked_for() -> None:
    """Together they take longer than all that a program needs to start. What they share with goish stays goish's."""
    code = """
import sys, goish
assert goish.run.__module__ == goish.WaitGroup.__module__ == "goish"
for name in goish._LAZY:
    assert f"goish.{name}" not in sys.modules and name in dir(goish)
assert goish.streams.map.__module__ == "goish.streams"
from goish import runtime, streams
assert streams is goish.streams is sys.modules["goish.streams"]
assert runtime.run.__module__ == goish.sync.WaitGroup.__module__ == "goish"
try:
    goish.stream
except AttributeError as error:
    assert (str(error), error.name) == ("module 'goish' has no attribute 'stream'", "stream")
try:
    goish.anyio
except AttributeError as error:
    assert str(error).endswith("import goish.anyio (pip install \\"goish[anyio]\\")")
names = dir(goish)
assert len(names) == len(set(names))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("spawn", "it is goish.parallel.spawn"),
        ("ConnClosed", "it is goish.errors.ConnClosed"),
        ("serve", "it is goish.net.serve"),
        ("gather", "it is goish.streams.gather"),
        ("create_task", "go(f, x)"),
    ],
)
def test_a_name_that_is_elsewhere_is_found_by_its_error(name: str, words: str) -> None:
    with pytest.raises(AttributeError, match=rf"^module 'goish' has no attribute '{name}': {re.escape(words)}$"):
        getattr(importlib.import_module("goish"), name)


def test_import_goish_leaves_out_what_few_programs_need() -> None:
    """Each costs a millisecond or more; what asyncio imports, which takes most of the time, is there anyhow."""
    costly = {"dataclasses", "uvloop", "sysconfig", "concurrent.futures.thread", "importlib.metadata", "platform"}
    code = f"import asyncio, sys; had = set(sys.modules); import goish; print(*({costly!r} & set(sys.modules) - had))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# ── names ──


def test_a_function_of_the_core_has_a_name_of_two_words_or_is_public() -> None:
    """One translation unit is one namespace: a name says what is done to what."""
    public = {name for module in PUBLIC for name in importlib.import_module(module).__all__}
    found = {
        name
        for part in FLOORS
        for name in re.findall(
            r"^(?:cdef|def|async def) (?!class|enum|struct)[^\n=]*?(\w+)\(", code(part), re.MULTILINE
        )
        if "_" not in name.strip("_") and name not in public
    }
    assert found == set()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_mistake_has_its_place_in_the_core(name: str) -> None:
    """`make mutants` takes ten minutes: that its mistakes can still be planted is known at once."""
    text = part_of(MUTANTS[name]).read_text()
    assert mistaken(MUTANTS[name], text) != text
