"""What is said of the project to those who install and publish it."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
from helpers import FREE_THREADED

import goish

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
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


# ── metadata ──


def test_the_version_is_the_package_s() -> None:
    assert PROJECT["project"]["version"] == goish.__version__


def test_an_unsupported_python_is_refused_by_the_metadata() -> None:
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert f"Programming Language :: Python :: {oldest}" in PROJECT["project"]["classifiers"]
    assert PROJECT["tool"]["mypy"]["python_version"] == oldest


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
import glob, json, pathlib, shutil, sys, types

class Anything(types.ModuleType):
    def __getattr__(self, name):
        return type(name, (), {})

for name in ("Cython", "Cython.Build", "setuptools", "setuptools.command.bdist_wheel", "setuptools.command.build_ext"):
    sys.modules[name] = Anything(name)
sys.{what} = {value!r}
exec(compile(open("setup.py").read(), "setup.py", "exec"))
"""


@pytest.mark.parametrize(
    ("what", "value", "says"),
    [
        ("platform", "win32", "goish runs on Linux and macOS, and not on win32"),
        ("platform", "emscripten", "goish runs on Linux and macOS, and not on emscripten"),
        ("implementation.name", "pypy", "goish is an extension for CPython, and this is pypy"),
    ],
)
def test_a_build_where_goish_does_not_run_ends_with_a_sentence(what: str, value: str, says: str) -> None:
    code = REFUSED.replace("{what}", what).replace("{value!r}", repr(value))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == 1
