"""What the suites need: a venv, the source archives, a folder in which there is goish. All is in build/conformance/."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import goish

from .suites import Library

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "conformance"
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}{'t' if sysconfig.get_config_var('Py_GIL_DISABLED') else ''}"
OWN = BUILD / PYTHON  # what belongs to this Python
VENV = OWN / "venv" / "bin" / "python"


class Skipped(Exception):
    """A suite cannot be run here; the message says why."""


def command(*args: object, cwd: Path = ROOT) -> str:
    done = subprocess.run([str(a) for a in args], cwd=cwd, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def make_venv(libraries: bool) -> None:
    """For CPython's modules it needs uvloop alone: not every Python has wheels of all that the libraries need."""
    done = OWN / "venv" / ("libraries" if libraries else "cpython")
    if done.exists() and done.stat().st_mtime > (ROOT / "pyproject.toml").stat().st_mtime:
        return
    command(sys.executable, "-m", "venv", OWN / "venv")
    command(VENV, "-m", "pip", "install", "-q", "-U", "pip>=25.1")
    command(VENV, "-m", "pip", "install", "-q", *(("--group", "conformance") if libraries else ("uvloop",)))
    done.touch()


# It runs on Python 2.7 only, and its archive does not say what it needs there.
AUTOBAHN = (
    *("autobahn==0.10.9", "Twisted==20.3.0", "txaio==2.1.0", "klein==17.10.0", "Werkzeug==0.16.1", "Jinja2==2.11.3"),
    *("cryptography==3.3.2", "pyOpenSSL==21.0.0", "service-identity==18.1.0", "unittest2==1.1.0"),
)


def find_autobahn() -> dict[str, str]:
    """Variables that tell where Autobahn's test-suite is, and the Python that it wants."""
    python = os.environ.get("PYTHON2") or shutil.which("python2.7")
    if python is None:
        raise Skipped(
            "there is no Python 2.7 here, or no PYTHON2 that names one: Autobahn's test-suite runs on no other"
        )
    folder = BUILD / "autobahn"
    if not (folder / "autobahntestsuite").exists():
        install = (python, "-m", "pip", "install", "-q", "--target", folder)
        try:
            command(*install, *AUTOBAHN)
            command(*install, "--no-deps", "autobahntestsuite==25.10.1")
        except subprocess.CalledProcessError as error:
            raise Skipped(f"{python} has no pip that installs Autobahn's test-suite: {error}") from None
    return {"PYTHON2": python, "AUTOBAHN": str(folder)}


def link_goish() -> Path:
    """A folder in which there is goish and nothing else."""
    link = OWN / "path" / "goish"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(Path(goish.__file__).resolve().parent)
    return link.parent


def folder_of(library: Library) -> Path:
    if library.where == "installed":
        return OWN
    version = command(VENV, "-c", f"import importlib.metadata as m; print(m.version({library.name!r}))")
    stem = f"{library.name}-{version}"
    if library.where == "archive":
        return unpack(library, stem)
    checkout = BUILD / "checkout" / stem
    if not checkout.exists():
        raise Skipped(f"no archive has its tests: put its repository, at {version}, at {checkout.relative_to(ROOT)}")
    return checkout


def unpack(library: Library, stem: str) -> Path:
    archives = BUILD / "sdist"
    if not (archives / f"{stem}.tar.gz").exists():
        what = ("--no-deps", "--no-binary", library.name, stem.replace("-", "=="))
        command(VENV, "-m", "pip", "download", "-q", "-d", archives, *what)
    with tarfile.open(archives / f"{stem}.tar.gz") as archive:
        wanted = tuple(f"{stem}/{file}" for file in library.files)
        archive.extractall(OWN, [m for m in archive.getmembers() if m.name.startswith(wanted)], filter="data")
    return OWN / stem
