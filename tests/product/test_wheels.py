"""``make wheels`` lets no wheel pass whose name promises what is not in it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.packages.wheels import Interpreter, check

PYTHON = Interpreter(
    "/opt/cpython/bin/python3.14t", "cp314", "cp314t", ".cpython-314t-x86_64-linux-gnu.so", "x86_64", "lib"
)
NAME = "goish-1.0-cp314-cp314t-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
CORE = f"goish/_runtime/core{PYTHON.suffix}"
SBOM = "goish-1.0.dist-info/sboms/goish.cdx.json"
X86_64, AARCH64 = (b"\x7fELF\2\1".ljust(18, b"\0") + bytes([machine, 0]) for machine in (62, 183))
X86 = X86_64.replace(b"\2", b"\1")  # of 32 bits
MAC_ARM64 = b"\xcf\xfa\xed\xfe\x0c\0\0\1".ljust(20, b"\0")
RIGHT = {CORE: X86_64, SBOM: b"{}"}


def wheel(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(folder / name, "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)
    return folder / name


def test_a_wheel_that_is_what_its_name_says_passes(tmp_path: Path) -> None:
    check(wheel(tmp_path, NAME, RIGHT), PYTHON)


def test_a_wheel_for_macos_passes(tmp_path: Path) -> None:
    python = Interpreter("python3.14", "cp314", "cp314", ".cpython-314-darwin.so", "arm64", "lib")
    files = {f"goish/_runtime/core{python.suffix}": MAC_ARM64, SBOM: b"{}"}
    check(wheel(tmp_path, "goish-1.0-cp314-cp314-macosx_11_0_arm64.whl", files), python)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (NAME.replace("cp314-", "cp313-"), "which is cp314-cp314t"),
        (NAME.replace("cp314t", "cp314"), "which is cp314-cp314t"),
        (NAME.replace("cp314t", "abi3"), "which is cp314-cp314t"),
        (NAME.replace("cp314-cp314t", "py3-none"), "which is cp314-cp314t"),
        (NAME.replace("x86_64", "aarch64"), "on a machine that is x86_64"),
        ("goish-1.0-cp314-cp314t-linux_x86_64.whl", "says linux_x86_64"),
        ("goish-1.0-cp314-cp314t-any.whl", "says any"),
        ("goish-1.0-cp314-cp314t-musllinux_1_2_x86_64.whl", "says musllinux_1_2_x86_64"),
        ("goish-1.0-cp314-cp314t-macosx_11_0_x86_64.whl", "says macosx_11_0_x86_64"),
    ],
)
def test_a_wheel_with_a_wrong_tag_is_refused(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(SystemExit, match=why):
        check(wheel(tmp_path, name, RIGHT), PYTHON)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({SBOM: b"{}"}, "are not all extensions"),
        ({SBOM: b"{}", CORE.replace("314t", "314"): X86_64}, "are not all extensions"),
        ({SBOM: b"{}", CORE: AARCH64}, "is for aarch64, not for x86_64"),
        ({SBOM: b"{}", CORE: X86}, "is for something else, not for x86_64"),
        ({SBOM: b"{}", CORE: MAC_ARM64}, "is for arm64, not for x86_64"),
        ({SBOM: b"{}", CORE: b"#!/bin/sh"}, "is for something else, not for x86_64"),
        ({SBOM: b"{}", CORE: X86_64 + b"/opt/cpython/lib\0"}, "holds /opt/cpython, a folder of this machine"),
        ({CORE: X86_64}, "no bill of materials"),
        ({**RIGHT, "goish/ballast": bytes(3_000_000)}, "are allowed"),
    ],
)
def test_a_wheel_that_holds_what_its_name_does_not_say_is_refused(
    tmp_path: Path, files: dict[str, bytes], why: str
) -> None:
    with pytest.raises(SystemExit, match=why):
        check(wheel(tmp_path, NAME, files), PYTHON)
