"""Copies the docstrings of the compiled core into its stub, so that editors show them: ``python -m tests.stub_docs``.

What is public of the core gets its docstring whole: the classes, functions and values that a public module exports, and
their methods and properties. Of several overloads the first has it. An end of a channel (``SendChan``, ``RecvChan``)
shows the docstrings of ``Chan``, to which its own only point. test_stub.py fails while the stub has others.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import textwrap
from pathlib import Path
from typing import Final, TypeAlias

import goish
from goish._runtime import core

STUB: Final = Path(goish.__file__).parent / "_runtime" / "core.pyi"
MODULES: Final = ("goish", "goish.net", "goish.loops", *(f"goish.{name}" for name in goish._LAZY))
WIDTH: Final = 120
QUOTES: Final = '"""'
# What the stub divides for the type checkers' sake: whose methods stand there.
PARTS: Final[dict[str, type]] = {
    "_Wait": core.Op,
    "_Common": core.Chan,
    "_Recv": core.Chan,
    "_Closing": core.Chan,
    "_Send": core.Chan,
    "Spawner": core.Spawner,
    "Go": core.Go,
    "GoThread": core.GoThread,
    "Notifier": core.Notifier,
}
CALLED: Final[dict[str, object]] = {"Go": core.go, "GoThread": core.go_thread}

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def public_names() -> set[str]:
    """The names of what the public modules export of the core."""
    return {
        name
        for module in map(importlib.import_module, MODULES)
        for name in module.__all__
        if getattr(core, name, None) is getattr(module, name)
    }


def doc_of(found: object) -> str:
    return inspect.cleandoc(getattr(found, "__doc__", None) or "")


def wanted(tree: ast.Module) -> list[tuple[ast.stmt, str]]:
    """The definitions of the stub that have a docstring in the core, and that."""
    public = public_names()
    found: list[tuple[ast.stmt, str]] = []
    seen: set[str] = set()
    for node in tree.body:
        name = name_of(node)
        if isinstance(node, ast.ClassDef):
            if name in public:
                found.append((node, doc_of(getattr(core, name))))
            if name in public or name in PARTS:
                found += methods(node, PARTS.get(name) or getattr(core, name), CALLED.get(name))
        elif name in public and name not in seen and (not isinstance(node, ast.AnnAssign) or is_called(name)):
            seen.add(name)
            found.append((node, doc_of(getattr(core, name))))
    return [(node, doc) for node, doc in found if doc]


def methods(owner: ast.ClassDef, cls: type, called: object) -> list[tuple[ast.stmt, str]]:
    found: list[tuple[ast.stmt, str]] = []
    seen: set[str] = set()
    for node in owner.body:
        name = name_of(node)
        if name in seen:  # another overload, a setter
            continue
        seen.add(name)
        if name == "__call__" and called is not None:
            found.append((node, doc_of(called)))
        elif name and not name.startswith("_"):
            found.append((node, doc_of(inspect.getattr_static(cls, name))))
    return found


def is_called(name: str) -> bool:
    return any(getattr(core, name) is found for found in CALLED.values())


def name_of(node: ast.stmt) -> str:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return node.name
    return node.target.id if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) else ""


def with_docstrings(stub: str) -> str:
    """The stub with the docstrings of the core, those that it has replaced."""
    tree = ast.parse(stub)
    lines: list[str] = stub.splitlines()
    siblings = [body for node in ast.walk(tree) if isinstance(body := getattr(node, "body", None), list)]
    after = {id(a): b for body in siblings for a, b in itertools.pairwise(body)}
    for node, doc in sorted(wanted(tree), key=lambda found: -found[0].lineno):
        if isinstance(node, ast.AnnAssign):
            replace_after_value(lines, node, after.get(id(node)), doc)
        elif isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            replace_in_body(lines, node, doc)
    return "\n".join(lines) + "\n"


def replace_after_value(lines: list[str], node: ast.AnnAssign, following: ast.stmt | None, doc: str) -> None:
    end = node.end_lineno or node.lineno
    if following is not None and is_docstring(following):
        del lines[end : following.end_lineno]
    lines[end:end] = literal(doc, node.col_offset)


def replace_in_body(lines: list[str], node: ast.ClassDef | _Function, doc: str) -> None:
    first = node.body[0]
    start = first_line(first) - 1
    if is_docstring(first):
        del lines[start : first.end_lineno]
    elif is_ellipsis(first):  # on the line of the colon
        line = lines[start]
        lines[start] = (line[: first.col_offset].rstrip() + line[first.end_col_offset or 0 :]).rstrip()
        start += 1
    else:
        lines[start:start] = [""]
    docstring = literal(doc, node.col_offset + 4)
    if start < len(lines) and lines[start].strip():
        docstring.append("")
    lines[start:start] = docstring


def first_line(node: ast.stmt) -> int:
    """With its decorators."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min(node.lineno, *(decorator.lineno for decorator in decorators)) if decorators else node.lineno


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def is_ellipsis(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is ...


def literal(doc: str, indent: int) -> list[str]:
    """The lines of a docstring."""
    assert QUOTES not in doc
    assert "\\" not in doc
    width = WIDTH - indent
    if "\n" not in doc and len(doc) + 2 * len(QUOTES) <= width:
        lines = [QUOTES + doc + QUOTES]
    else:
        wrapped = "\n\n".join(rewrapped(part, width) for part in (QUOTES + doc).split("\n\n"))
        lines = [*wrapped.split("\n"), QUOTES]
    return [" " * indent + line if line else "" for line in lines]


def rewrapped(paragraph: str, width: int) -> str:
    """The core has longer lines. An example stays as it is."""
    if paragraph.startswith(" ") or max(map(len, paragraph.split("\n"))) <= width:
        return paragraph
    return textwrap.fill(paragraph, width, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    STUB.write_text(with_docstrings(STUB.read_text()))
