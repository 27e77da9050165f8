"""Every public name is documented, and the examples in the docstrings run and print what they say.

An example is the indented block under a line ``Example::``. The names of goish and of its modules, and goish itself,
are there; an ``await`` outside of any function stands in the body of main. After ``# ->`` stands what the prints on
that line print, in a line. The loop is a PatientLoop: what is printed must not depend on how fast the machine is.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import concurrent.futures
import inspect
import re
import sys
import textwrap
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from public import MODULES
from virtual_clock import PatientLoop

import goish

EXPORTED = [(module, [name for name in module.__all__ if name != "panics"]) for module in MODULES]
VIEWS = (goish.SendChan, goish.RecvChan, goish.SendChan.__base__)

EXAMPLE = re.compile(r"^Example::\n\n((?:(?:    .*)?\n)+)", re.MULTILINE)
PROMISE = re.compile(r"# -> (.*)$")

NEEDS_GIL = {"goish.debug.leaks"}


def public_objects() -> Iterator[tuple[str, Any]]:
    """The public names, each once, and the public attributes of the classes among them."""
    seen: list[object] = []
    for module, names in EXPORTED:
        for name in names:
            found = getattr(module, name)
            if found is goish.NIL or any(found is other for other in seen):
                continue
            seen.append(found)
            yield f"{module.__name__}.{name}", found
            if inspect.isclass(found):
                yield from attributes(f"{module.__name__}.{name}", found)
    yield "goish.go.options", goish.go.options


def attributes(name: str, owner: type) -> Iterator[tuple[str, Any]]:
    for attribute, found in vars(owner).items():
        if not attribute.startswith("_"):
            yield f"{name}.{attribute}", found


def doc_of(found: object) -> str:
    doc = inspect.cleandoc(getattr(found, "__doc__", None) or "")
    return "" if doc.startswith("Alias for field number") else doc  # what a NamedTuple says of its fields


OBJECTS = dict(public_objects())
EXAMPLES = {
    name if len(blocks) == 1 else f"{name}-{i}": textwrap.dedent(block)
    for name, found in OBJECTS.items()
    for blocks in [EXAMPLE.findall(doc_of(found) + "\n")]
    for i, block in enumerate(blocks)
}


@pytest.mark.parametrize("name", OBJECTS)
def test_docstring_begins_with_one_line(name: str) -> None:
    doc = doc_of(OBJECTS[name])
    if doc:
        assert "\n" not in doc.split("\n\n")[0]
    else:  # a plain field cannot have one of its own
        owner, _, field = name.rpartition(".")
        assert f"``{field}``" in doc_of(OBJECTS[owner])


def test_the_nil_channel_is_told_of_in_the_package() -> None:
    assert "``NIL`` is" in doc_of(goish)


def test_every_function_and_class_has_an_example() -> None:
    exported = {
        f"{module.__name__}.{name}" for module, names in EXPORTED for name in names if callable(getattr(module, name))
    }
    assert exported & OBJECTS.keys() - EXAMPLES.keys() == set()


@pytest.mark.parametrize("view", VIEWS)
def test_the_docstrings_of_a_view_point_to_the_channel(view: type) -> None:
    for name, method in attributes(view.__name__, view):
        assert doc_of(method) == f"See ``Chan.{name.rpartition('.')[2]}``."


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs_and_prints_what_it_says(name: str) -> None:
    if name in NEEDS_GIL and not getattr(sys, "_is_gil_enabled", lambda: True)():
        pytest.skip("not on a free-threaded Python")
    source = EXAMPLES[name]
    promised = {n: found[1] for n, line in enumerate(source.split("\n"), 1) if (found := PROMISE.search(line))}
    assert run_example(name, source) == promised


def run_example(name: str, source: str) -> dict[int, str]:
    """Runs it as the body of main, or without any event loop if it awaits nothing; what each line has printed."""
    printed: dict[int, list[str]] = defaultdict(list)

    def note(*values: object) -> None:
        printed[sys._getframe(1).f_lineno].append(" ".join(map(str, values)))

    named = {name: getattr(module, name) for module, names in EXPORTED for name in names}
    namespace = {name: found for name, found in named.items() if not hasattr(builtins, name)}
    namespace |= {"__name__": "__main__", "asyncio": asyncio, "concurrent": concurrent, "goish": goish, "print": note}
    namespace |= {"streams": goish.streams, "threading": threading, "time": time}
    code = compile(source, f"<{name}>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    body = eval(code, namespace)
    if asyncio.iscoroutine(body):
        goish.run(body, loop=PatientLoop)
    return {line: " ".join(texts) for line, texts in printed.items()}


def test_help_shows_what_a_type_is_made_with() -> None:
    assert str(inspect.signature(goish.Chan)) == "(capacity=0, *, overflow='block', flavor='mpmc', on_undelivered=None)"
    for cls in (goish.CancelToken, goish.WaitGroup):
        assert str(inspect.signature(cls)) == "()"
    assert str(inspect.signature(goish.PriorityChan)).startswith("(capacity=inf, *, overflow='block'")
    assert str(inspect.signature(goish.go.options)) == "(*, name=None, context=None, ctx=None, on_panic=None)"
    for taker in (goish.run, goish.wait_all, goish.wait_any, goish.parallel.Executor):
        assert "unknown" not in inspect.signature(taker).parameters, "it is there for an error"
    assert str(inspect.signature(goish.parallel.parallel_reduce).parameters["initial"]).endswith("= ...")
