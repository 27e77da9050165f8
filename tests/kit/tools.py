"""Programs that tests want and pip does not install."""

from __future__ import annotations

import os
import shutil

import pytest

__all__ = ["find_tool"]


def find_tool(name: str) -> str:
    """Its path. Without it the test is skipped, or fails where GOISH_REQUIRE has its name among its words, as in CI."""
    path = shutil.which(name)
    if path is None:
        if name in os.environ.get("GOISH_REQUIRE", "").split():
            pytest.fail(f"{name} is missing, and GOISH_REQUIRE asks for it: make tools")
        pytest.skip(f"needs {name}: make tools")
    return path
