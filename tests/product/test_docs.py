"""Every Python snippet of README.md and docs/ runs, prints what the page says, and every link leads somewhere.

Comments in a page, which nobody sees rendered, say what a snippet cannot say itself. They stand above the fence:

    <!-- continues -->    the snippet needs the names of the one before it
    <!-- raises X -->     it ends in that exception, of which Python prints the ```text block below it
    <!-- alone -->        it runs in a process of its own, for it leaves threads behind
    <!-- prints -->       this ```text block is what the snippet above it prints to standard output

A snippet that imports a library of the dependency groups "libraries" and "clusters" is skipped where that is missing.
A snippet with an ``await`` outside of any function stands in the body of main: it runs under goish.run.
Where a snippet has timers, its loops are PatientLoops: what it prints must not depend on how fast the machine is.
"""

from __future__ import annotations

import ast
import asyncio
import re
import runpy
import subprocess
import sys
import tomllib
import traceback
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers import ENDS
from public import MODULES
from virtual_clock import be_patient

import goish

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
REFERENCE = sorted((ROOT / "docs" / "reference").glob("*.md"))

GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
LIBRARIES = {re.split(r"\W", needed)[0]: group for group in ("libraries", "clusters") for needed in GROUPS[group]}

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMENTS = re.compile(r"(?:<!-- [^\n]* -->\s*)+\Z")
COMMENT = re.compile(r"<!-- (continues|prints|alone|raises \w+) -->")
CODE = re.compile(r"`[^`\n]+`")
TIMER = re.compile(r"(after|at|timeout|sleep|deadline|Timer|Ticker|tick)\((?!0\))")
LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass
class Snippet:
    page: Path
    line: int
    source: str
    marks: list[str]
    output: str | None = None
    error: str | None = None

    @property
    def expected(self) -> str | None:
        """The exception it ends in."""
        return next((mark.removeprefix("raises ") for mark in self.marks if mark.startswith("raises ")), None)

    def execute(self, namespace: dict[str, Any]) -> None:
        padded = "\n" * self.line + self.source  # line numbers of tracebacks are those of the page
        code = compile(padded, self.page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        body = eval(code, namespace)
        if body is not None:
            goish.run(body)

    def run(self, namespace: dict[str, Any]) -> BaseException | None:
        """The exception that it was to end in."""
        try:
            self.execute(namespace)
        except ModuleNotFoundError as missing:
            if missing.name not in LIBRARIES:
                raise
            pytest.skip(f"needs {missing.name}: pip install --group {LIBRARIES[missing.name]}")
        except BaseException as exc:
            if type(exc).__name__ != self.expected:
                raise
            return exc
        assert self.expected is None, f"ended without the {self.expected} that the page promises"
        return None

    def as_a_program(self, told: str, first_goroutine: int) -> str:
        """What is told of files, lines and goroutines, as if the snippet were a program of its own, ``app.py``."""
        page = re.escape(str(self.page))
        told = re.sub(f'(?<=File "){page}(", line )(\\d+)', lambda m: f"app.py{m[1]}{int(m[2]) - self.line}", told)
        told = re.sub(rf"(?<= at ){page}:(\d+)", lambda m: f"app.py:{int(m[1]) - self.line}", told)
        return re.sub(r"(?<=goroutine )(\d+)", lambda m: str(int(m[0]) - first_goroutine + 1), told)

    def run_alone(self, file: Path) -> str:
        """What it prints."""
        for name in LIBRARIES:
            if f"import {name}" in self.source or f"from {name}" in self.source:
                pytest.importorskip(name)
        file.write_text(self.source)
        run = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=ENDS, check=False)
        assert run.returncode == 0, run.stderr
        return run.stdout


def marks_above(text: str, start: int) -> list[str]:
    comments = COMMENTS.search(text[:start])
    return COMMENT.findall(comments.group()) if comments else []


def snippets(page: Path) -> Iterator[list[Snippet]]:
    """The snippets of a page, each with those that continue it."""
    text = page.read_text()
    chain: list[Snippet] = []
    for fence in FENCE.finditer(text):
        language, body = fence.groups()
        marks = marks_above(text, fence.start())
        if language == "text" and "prints" in marks:
            chain[-1].output = body
        elif language == "text" and not marks and chain and chain[-1].expected and chain[-1].error is None:
            chain[-1].error = body
        elif language == "python":
            snippet = Snippet(page, text.count("\n", 0, fence.start()) + 1, body, marks)
            if "continues" not in marks:
                if chain:
                    yield chain
                chain = []
            chain.append(snippet)
    if chain:
        yield chain


CHAINS = [chain for page in PAGES for chain in snippets(page)]


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: f"{chain[0].page.name}:{chain[0].line}")
def test_snippet_runs(
    chain: list[Snippet], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    if any(TIMER.search(snippet.source) for snippet in chain):
        be_patient(monkeypatch.setattr)
    capsys.readouterr()
    for snippet in chain:
        error, told, first_goroutine = None, "", next_goroutine()
        if "alone" in snippet.marks:
            printed = snippet.run_alone(tmp_path / "snippet.py")
        else:
            error = snippet.run(namespace)
            printed, told = capsys.readouterr()
        if snippet.output is not None:
            assert printed == snippet.output
        if snippet.error is not None:
            assert error is not None
            if not isinstance(error, SystemExit):  # which has printed it
                told = "".join(traceback.format_exception_only(error))
            assert snippet.as_a_program(told, first_goroutine) == snippet.error


def next_goroutine() -> int:
    """The number that the next goroutine will have."""

    async def number() -> int:
        g = goish.current_goroutine()
        assert g is not None
        return g.id

    return goish.run(number) + 1


def test_each_snippet_that_raises_is_followed_by_what_python_prints() -> None:
    raising = [snippet for chain in CHAINS for snippet in chain if snippet.expected]
    assert raising
    assert [f"{snippet.page.name}:{snippet.line}" for snippet in raising if snippet.error is None] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in LINK.findall(CODE.sub("", FENCE.sub("", page.read_text()))):
        if link.startswith(("https://", "http://")):
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not heading or heading in headings(target), link


def headings(page: Path) -> set[str]:
    """The anchors that GitHub and Sphinx give to the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


PROMISE = re.compile(r"^\| ([^|]+?) \| (yes) \|.*\|$", re.MULTILINE)


def test_goish_keeps_the_promises_that_the_readme_lists() -> None:
    promises = runpy.run_path(str(ROOT / "docs" / "promises.py"))
    probes, channel = promises["PROBES"], promises["Goish"]
    assert [name for name, _ in PROMISE.findall(PAGES[0].read_text())] == list(probes)

    async def keeps(probe: Callable[[Any], Awaitable[str]]) -> str:
        return await probe(channel)

    assert {name: asyncio.run(keeps(probe)) for name, probe in probes.items()} == dict.fromkeys(probes, "yes")


def test_every_public_name_is_in_the_docs() -> None:
    words = set(re.findall(r"\w+", "\n".join(page.read_text() for page in PAGES)))
    assert set(goish.__all__) - words == set()


DIRECTIVE = re.compile(
    r"^\.\. (?:auto(?:function|class|exception|data)|data):: ([\w.]+)$(?:\n +:module: ([\w.]+)$)?", re.MULTILINE
)


def test_every_public_name_is_in_the_reference_once() -> None:
    """Under one of the modules that have it."""
    described: list[str] = []
    for page in REFERENCE:
        for name, module in DIRECTIVE.findall(page.read_text()):
            described.append(name if "." in name else f"{module or 'goish'}.{name}")
    assert len(set(described)) == len(described)
    homes: dict[int, list[str]] = {}
    for module in MODULES:
        for name in module.__all__:
            homes.setdefault(id(getattr(module, name)), []).append(f"{module.__name__}.{name}")
    missing = [names for names in homes.values() if not set(names) & set(described)]
    assert missing == []


def test_the_rules_that_tests_cite_are_in_the_docs_with_files_that_exist() -> None:
    rules = re.findall(r"^\| (\d+) \|.*\| ([^|]+) \|$", (ROOT / "docs" / "rules.md").read_text(), re.MULTILINE)
    assert [int(number) for number, _ in rules] == list(range(1, len(rules) + 1))
    for number, files in rules:
        for file in re.findall(r"`([^`]+)`", files):
            assert list((ROOT / "tests").glob(f"*/{file}")), (number, file)
    for file in (ROOT / "tests").glob("*/test_*.py"):
        for cited in re.findall(r"\b[Rr]ules? (\d+)", file.read_text()):
            assert 1 <= int(cited) <= len(rules), (file.name, cited)
