"""Tests of connections."""

from certificates import contexts
from closing import closed_before_the_loop

__all__ = ["closed_before_the_loop", "contexts"]
