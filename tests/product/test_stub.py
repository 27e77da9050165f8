"""The stub of the core, and the programs that type checkers check, say what the core and the README say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import stub_docs

ROOT = Path(__file__).parents[2]


def test_the_stub_has_the_docstrings_of_the_core() -> None:
    stub = stub_docs.STUB.read_text()
    assert stub.splitlines() == stub_docs.with_docstrings(stub).splitlines(), "run: python -m tests.stub_docs"


def test_most_of_the_public_surface_is_documented_in_the_stub() -> None:
    documented = {stub_docs.name_of(node) for node, _ in stub_docs.wanted(ast.parse(stub_docs.STUB.read_text()))}
    assert {"Chan", "recv", "send", "select", "__call__", "go", "options", "spawn", "wait_closed", "name"} <= documented


TYPES = ("Chan", "RecvChan", "SendChan")


class WithoutAnnotations(ast.NodeTransformer):
    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        assert node.value is None

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(node.arg)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        return ast.ImportFrom(node.module, [alias for alias in node.names if alias.name not in TYPES], node.level)


@pytest.mark.parametrize("name", ["first_program", "select_program"])
def test_a_typed_program_is_one_of_the_readme(name: str) -> None:
    programs = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    typed = ast.parse((ROOT / "tests" / "typing" / f"{name}.py").read_text())
    del typed.body[0]  # the docstring
    assert ast.unparse(WithoutAnnotations().visit(typed)) in [ast.unparse(ast.parse(program)) for program in programs]
