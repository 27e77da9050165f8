"""What is said of the project to those who install and publish it."""

from __future__ import annotations

import ast
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

import pytest
from helpers import FREE_THREADED

import goish

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUP = (ROOT / "setup.py").read_text()
HTTP_MODULES = re.findall(r'for name in \("fields".+\)', SETUP)[0]  # the compiled ones
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


# ── build_info ──


def test_build_info_says_what_a_bug_report_needs() -> None:
    info = goish.build_info()
    assert info.goish == goish.__version__
    assert re.fullmatch(r"3\.\d+\.\d+", info.cython)
    assert info.compiler.startswith(("GCC ", "Clang "))
    assert info.free_threaded is FREE_THREADED
    assert info.gil_enabled is getattr(sys, "_is_gil_enabled", lambda: True)()
    assert platform.python_version() in info.python
    assert platform.machine() in info.platform
    assert info.loops[-1] == "asyncio"
    assert info.http_compiled


def test_build_info_is_shown_a_line_for_each_field() -> None:
    command = [sys.executable, "-m", "goish"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown == f"{goish.build_info()}\n"
    assert [line.partition(":")[0] for line in shown.splitlines()] == list(goish.build_info()._fields)


def test_the_issue_template_asks_for_it() -> None:
    assert "python -m goish" in (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text()


# ── what is imported ──


def test_without_the_core_the_error_says_what_is_missing_and_what_to_do(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "goish", tmp_path / "goish", ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))
    (tmp_path / "goish" / "_runtime" / "core.cpython-39-x86_64-linux-gnu.so").touch()
    run = subprocess.run([sys.executable, "-c", "import goish"], cwd=tmp_path, capture_output=True, text=True)
    last = run.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: goish's compiled core, core{EXTENSION_SUFFIXES[0]}, is not in {tmp_path}")
    assert "(only core.cpython-39-x86_64-linux-gnu.so)" in last and "make build" in last
    assert "circular" not in run.stderr


def test_without_anyio_its_module_says_what_to_install() -> None:
    program = "import sys; sys.modules['anyio'] = None; import goish.anyio"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stderr.endswith('ImportError: goish.anyio needs anyio: pip install "goish[anyio]"\n')


def imported(path: Path) -> set[str]:
    """The modules of goish that a file of Python imports, wherever it does."""
    package = ".".join(path.relative_to(ROOT).parent.parts)
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = resolve_name("." * node.level + (node.module or ""), package) if node.level else str(node.module)
            found.update((start, *(f"{start}.{alias.name}" for alias in node.names)))
    return found


def test_what_compiled_modules_import_is_imported_by_python_code_as_well() -> None:
    """A program that freezes others, such as PyInstaller, follows the imports of Python code alone."""
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in (ROOT / "goish").rglob("*.py")}
    compiled = {f"goish._http.{name}" for name in re.findall(r'"(\w+)"', HTTP_MODULES)}
    assert compiled < set(modules)
    hidden = {
        name
        for part in (ROOT / "goish").rglob("*.pyx")
        for name in re.findall(r"from (goish[\w.]*) import", part.read_text())
    }
    hidden.update(*(imported(modules[name]) for name in compiled))
    seen = set[str]().union(*(imported(path) for name, path in modules.items() if name not in compiled))
    assert hidden & set(modules) <= seen


# ── metadata ──


def described(repository: str | None) -> dict[str, Any]:
    """What setup.py tells PyPI. It needs Cython as a whole, and one function of it does not."""
    (function,) = (node for node in ast.parse(SETUP).body if getattr(node, "name", "") == "described")
    names: dict[str, Any] = {"re": re}
    exec(compile(ast.Module([function], []), "setup.py", "exec"), names)
    return names["described"](repository, "0.1.0", (ROOT / "README.md").read_text())


def test_the_links_of_the_readme_lead_to_the_repository_on_pypi() -> None:
    links = re.compile(r"\]\((?!#)([^)]+)\)")
    here = links.findall(described(None)["long_description"])
    there = links.findall(described("https://forge.example/goish")["long_description"])
    assert there == [f"https://forge.example/goish/blob/v0.1.0/{link}" if "://" not in link else link for link in here]
    assert len(here) > 50 and all((ROOT / link.partition("#")[0]).exists() for link in here if "://" not in link)


def test_the_metadata_has_links_if_the_publisher_says_where_the_repository_is() -> None:
    assert "project_urls" not in described(None)
    assert described("https://forge.example/goish")["project_urls"]["Source"] == "https://forge.example/goish"
    assert "GOISH_REPOSITORY" in (ROOT / ".github" / "workflows" / "release.yml").read_text()
    assert PROJECT["tool"]["cibuildwheel"]["linux"]["environment-pass"] == ["GOISH_REPOSITORY"]


def test_the_version_is_the_package_s() -> None:
    assert PROJECT["project"]["version"] == goish.__version__


def test_an_unsupported_python_is_refused_by_the_metadata() -> None:
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert f"Programming Language :: Python :: {oldest}" in PROJECT["project"]["classifiers"]
    assert PROJECT["tool"]["mypy"]["python_version"] == oldest


def test_what_goish_needs_it_needs_wherever_it_runs() -> None:
    assert [name for name in PROJECT["project"]["dependencies"] if ";" in name] == []


def test_whoever_builds_needs_cython() -> None:
    assert any(name.startswith("Cython") for name in PROJECT["build-system"]["requires"])


@pytest.mark.parametrize("name", ["LICENSE", "SECURITY.md", "CHANGELOG.md", ".readthedocs.yaml", ".ci/run"])
def test_what_a_packager_and_a_reader_look_for_is_there(name: str) -> None:
    """In the source distribution too, in which these tests run."""
    assert (ROOT / name).is_file()


def test_the_source_distribution_is_told_of_each_folder() -> None:
    told = (ROOT / "MANIFEST.in").read_text()
    left_out = {"goish", "build", "dist"}  # the package goes by itself; the others are made
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()} - left_out
    folders = {name for name in folders if name == ".github" or not name.startswith(".")}
    assert {name for name in folders if f"graft {name}\n" not in told and not name.endswith(".egg-info")} == set()


# ── wheels ──


def test_each_python_that_is_promised_gets_a_wheel() -> None:
    promised = re.findall(r"Python :: 3\.(\d+)", " ".join(PROJECT["project"]["classifiers"]))
    built = PROJECT["tool"]["cibuildwheel"]["build"]
    assert promised
    assert {f"cp3{minor}-*" for minor in promised} <= set(built)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_uses_what_is_pinned_and_has_no_rights_but_those_it_names(path: Path) -> None:
    text = path.read_text()
    uses = re.findall(r"uses: *(.*)", text)
    assert uses
    assert [used for used in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", used)] == []
    assert re.search(r"cibuildwheel==\d+\.\d+\.\d+", text)
    assert re.search(r"^permissions: \{\}$", text, re.MULTILINE)
    assert "secrets." not in text


def test_an_extension_is_named_for_this_python() -> None:
    from goish._runtime import core

    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    assert core.__file__.endswith(suffix)


# ── what is refused ──

REFUSED = """
import glob, json, pathlib, shlex, subprocess, sys, sysconfig, tempfile
{pretence}
exec(compile(open("setup.py").read(), "setup.py", "exec"))
"""
WITHOUT_GIL = 'sys.version_info = (3, 13, 0, "final", 0); sysconfig.get_config_var = {"Py_GIL_DISABLED": 1}.get'


@pytest.mark.parametrize(
    ("pretence", "says"),
    [
        ("sys.platform = 'win32'", "goish runs on Linux and macOS, and not on win32"),
        ("sys.platform = 'emscripten'", "goish runs on Linux and macOS, and not on emscripten"),
        ("sys.implementation.name = 'pypy'", "goish is an extension for CPython, and this is pypy"),
        ("sys.version_info = (3, 10, 13, 'final', 0)", "goish needs CPython 3.11 or later, and this is "),
        (WITHOUT_GIL, "Without the GIL goish needs CPython 3.14 or later, and this is "),
    ],
)
def test_a_build_where_goish_does_not_run_ends_with_a_sentence(pretence: str, says: str) -> None:
    code = REFUSED.format(pretence=pretence)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == 1


PLACED = """
import sys, types
sys.modules["setuptools"] = types.SimpleNamespace(__version__="99")
sys.modules[{name!r}] = {module}
sys.argv = ["setup.py", "egg_info"]
exec(compile(open("setup.py").read(), "setup.py", "exec"))
"""


@pytest.mark.parametrize(
    ("name", "module", "says"),
    [
        ("Cython", "None", "goish needs Cython to build, and it is not there: pip install 'Cython>={}'"),
        (
            "Cython",
            "types.SimpleNamespace(__version__='3.2.4')",
            "goish needs Cython {} or later to build, and 3.2.4 is here: pip install -U Cython",
        ),
        (
            "setuptools",
            "types.SimpleNamespace(__version__='70.3.0')",
            "goish needs setuptools {} or later to build, and 70.3.0 is here: pip install -U setuptools",
        ),
    ],
)
def test_a_build_with_other_tools_ends_with_a_sentence(name: str, module: str, says: str) -> None:
    """As by ``pip install --no-build-isolation``, where pip does not look at what is required."""
    wanted = dict(re.findall(r"(\w+)>=([\d.]+)", " ".join(PROJECT["build-system"]["requires"])))
    code = PLACED.format(name=name, module=module)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, says.format(wanted[name]) + "\n")


@pytest.mark.parametrize("name", ["Cython", "setuptools"])
def test_what_a_build_needs_is_said_alike_wherever_it_is_said(name: str) -> None:
    said = PROJECT["build-system"]["requires"] + PROJECT["dependency-groups"]["build"]
    (requirement,) = {needed for needed in said if needed.startswith(name)}
    least = re.findall(r">=([\d.]+)", requirement)[0]
    assert f'tool("{name}", "{least}")' in SETUP


def tried(tmp_path: Path, script: str | None, **variables: str) -> str:
    """What a build says, whose compiler is that script."""
    compiler = tmp_path / "cc"
    if script is not None:
        compiler.write_text(f"#!/bin/sh\n{script}\n")
        compiler.chmod(0o755)
    command = [sys.executable, "-W", "ignore", "setup.py", "bdist_wheel"]
    environment = os.environ | {"CC": str(compiler)} | variables
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    return done.stderr.replace(str(tmp_path), "").strip()


def test_a_build_without_a_compiler_ends_with_a_sentence(tmp_path: Path) -> None:
    said = "goish needs a C compiler to build, and '/cc' is not there: install gcc or clang."
    assert tried(tmp_path, None) == said


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 7", "it ends with code 7"),
        ("echo no license >&2\necho go away >&2\nexit 1", "no license"),
        ("printf '\\351t\\351\\n' >&2; exit 1", "\ufffdt\ufffd"),  # in Latin-1
        (
            "echo 'In file included from /usr/include/python3.11/Python.h:9,\n                 from try.c:1:\n"
            "/usr/include/features.h:1: fatal error: stubs-32.h: none' >&2; exit 1",
            "/usr/include/features.h:1: fatal error: stubs-32.h: none",
        ),
    ],
)
def test_a_build_whose_compiler_fails_ends_with_a_sentence(tmp_path: Path, script: str, why: str) -> None:
    assert tried(tmp_path, script) == f"goish needs a C compiler to build, and '/cc' does not compile: {why}"


def test_a_build_whose_compiler_cannot_be_run_ends_with_a_sentence(tmp_path: Path) -> None:
    said = "goish needs a C compiler to build, and '' cannot be run: Permission denied"
    assert tried(tmp_path, None, CC=str(tmp_path)) == said


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"CC": " "}, "goish needs a C compiler to build, and CC is blank: it names one, or is not set."),
        ({"CC": "gcc '"}, "goish cannot be built with CC=gcc ': No closing quotation"),
        ({"CFLAGS": "-DA='b"}, "goish cannot be built with CFLAGS=-DA='b: No closing quotation"),
    ],
)
def test_a_build_with_variables_that_are_none_ends_with_a_sentence(
    tmp_path: Path, variables: dict[str, str], says: str
) -> None:
    assert tried(tmp_path, None, **variables) == says


@pytest.mark.parametrize(
    "told",
    [
        "try.c:1:10: fatal error: Python.h: No such file or directory",
        "/tmp/try.c:1:10: fatal error: 'Python.h' file not found",  # clang
        "/tmp/try.c:1:10: fout: Python.h: Bestand of map bestaat niet",
    ],
)
def test_a_build_without_the_headers_of_python_ends_with_a_sentence(tmp_path: Path, told: str) -> None:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    said = f"goish needs Python's headers to build, and Python.h is not there: install python{version}-dev."
    assert tried(tmp_path, f'echo "{told}" >&2; exit 1') == said


def test_make_clean_removes_whatever_a_build_makes_among_the_sources() -> None:
    shown = subprocess.run(["make", "-n", "clean"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "goish/_http/*.c" in shown and "goish/*/*.so" in shown and "goish/_runtime/core.c" in shown


def test_make_runs_one_pip_at_a_time_however_many_jobs_it_may_run() -> None:
    """They install into one environment."""
    made = subprocess.run(["make", "-pn", "clean"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.search(r"^\.NOTPARALLEL:", made.stdout, re.MULTILINE)


def test_make_asks_for_a_compiler_before_it_installs_anything() -> None:
    made = subprocess.run(
        ["make", "-n", "-W", "setup.py", "install"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    asks = made.stdout.index("setup.py compiler")
    assert made.stdout.index("pip install -q -e .") > asks
