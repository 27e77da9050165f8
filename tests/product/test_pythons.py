"""``make pythons`` tests what the package says that it supports, and what is missing is no success."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import pythons

ROOT = Path(__file__).resolve().parents[2]


def test_every_supported_python_is_tested_before_a_release() -> None:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    supported = {match[1] for one in classifiers if (match := re.search(r"Python :: (3\.\d+)$", one))}
    assert supported == {version for version in pythons.VERSIONS if not version.endswith("t")}


def test_a_python_that_is_missing_is_a_failure_and_nothing_is_run(capfd: pytest.CaptureFixture[str]) -> None:
    """An interpreter of another version is none, whatever the builder says."""
    assert pythons.main(["2.6", "--builder", "echo python3"]) == 1
    out, err = capfd.readouterr()
    assert (out, err) == ("", "no CPython 2.6: neither from the builder nor on the PATH\n")


def test_what_the_shards_and_the_serial_tests_say_is_added_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make = tmp_path / "make"
    make.write_text(
        "#!/bin/sh\necho '== 5 passed, 2 skipped in 3.14s =='\necho '1 failed, 7 passed in 60.00s'\nexit 2\n"
    )
    make.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    outcome = pythons.tested("3.11", "python3", "--fast")
    assert outcome.row() == f"| 3.11 | FAILED | 12 | 1 | 0 | 2 | {outcome.seconds:.0f} |"
