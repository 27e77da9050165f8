"""Go's package ``singleflight``: of several calls for the same key at a time one runs, and all have its result."""

import sys

from ._group.flight import Group, Result
from ._runtime.core import publish_module

__all__ = ["Group", "Result"]

publish_module(sys.modules[__name__])
