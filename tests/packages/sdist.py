"""Builds the source distribution into dist/, and sees that all that is in the repository is in it: ``make sdist``.

Unpacks it into build/sdist, where its own Makefile can run the tests. Prints the archive's path.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
UNPACKED = ROOT / "build" / "sdist"
ADDED = ("PKG-INFO", "setup.cfg", "goish.egg-info/")  # by setuptools


def build() -> Path:
    for old in (ROOT / "dist").glob("*.tar.gz"):
        old.unlink()
    subprocess.run(
        [sys.executable, "-m", "build", "--sdist", "--outdir", "dist"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )
    (archive,) = (ROOT / "dist").glob("*.tar.gz")
    return archive


def unpack(archive: Path) -> set[str]:
    """Unpack the archive; the names of its files."""
    shutil.rmtree(UNPACKED, ignore_errors=True)
    with tarfile.open(archive) as tar:
        (top,) = {name.partition("/")[0] for name in tar.getnames()}
        tar.extractall(UNPACKED.with_name("sdist.tmp"), filter="data")
    UNPACKED.with_name("sdist.tmp").joinpath(top).rename(UNPACKED)
    UNPACKED.with_name("sdist.tmp").rmdir()
    return {str(path.relative_to(UNPACKED)) for path in UNPACKED.rglob("*") if path.is_file()}


def tracked() -> set[str]:
    """The files of the repository; none where there is no git."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        return set()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}


def main() -> None:
    archive = build()
    held = unpack(archive)
    if missing := sorted(tracked() - held):
        sys.exit(f"{archive.name} lacks {', '.join(missing)}: see MANIFEST.in")
    strange = sorted(name for name in held - tracked() if not name.startswith(ADDED))
    if tracked() and strange:
        sys.exit(f"{archive.name} holds what is not in the repository: {', '.join(strange)}")
    if generated := sorted(name for name in held if name.endswith((".c", ".so"))):
        sys.exit(f"{archive.name} holds what a build makes: {', '.join(generated)}")
    print(archive)


if __name__ == "__main__":
    main()
