"""Comments, docstrings and docs name their actor: the waiter, the caller, the worker; a thread is "it"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [path for kind in ("py", "pyx", "pxd", "h") for path in sorted((ROOT / "goish").rglob(f"*.{kind}"))]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

COMMENT = re.compile(r'"""(?:.|\n)*?"""|/\*(?:.|\n)*?\*/|(?:^|[\s;])# .*', re.MULTILINE)
WORST = re.compile(
    r"\bwhoever\b"  # the thread that ..., any caller
    r"|(?:^|[.:;,] |\b(?:by|for|of|to|and|or|but) )whom? (?:is|waits|asks|has|gets|wants|owns|holds|sits|comes|can)\b"
    r"|\b(?:him|his|himself)\b"
    r"|\b(?:is|are) told of\b|\bcan be had\b|\bnone of its[.,;]",
    re.IGNORECASE,
)


def prose(path: Path) -> Iterator[str]:
    """The comments and docstrings of a file, each as one line: a turn may stand on both sides of a line's end."""
    text = path.read_text(encoding="utf-8")
    found = [text] if path.suffix == ".md" else COMMENT.findall(text)
    for block in re.sub(r"\n\s*#", "", "\n".join(found)).split("\n\n"):
        yield " ".join(block.split())


@pytest.mark.parametrize("path", [*SOURCES, *DOCS], ids=lambda path: str(path.relative_to(ROOT)))
def test_the_actor_is_named(path: Path) -> None:
    assert [block[max(0, found.start() - 60) :][:120] for block in prose(path) for found in WORST.finditer(block)] == []
