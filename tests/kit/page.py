"""Configuration in the pages of docs/, read by the tests that prove it."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["fenced", "section"]

DOCS = Path(__file__).parents[2] / "docs"


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one."""
    text = (DOCS / page).read_text()
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"docs/{page} has no heading {heading!r}"
    return found[1]


def fenced(page: str, heading: str, language: str) -> list[str]:
    """The blocks in that language below a heading, up to the next one."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", section(page, heading), re.MULTILINE | re.DOTALL)
    assert found, f"docs/{page}, {heading}: no block in {language}"
    return found
