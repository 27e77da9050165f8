"""Go's package ``semaphore``: a semaphore of which each waiter takes as many units as it needs."""

import sys

from ._runtime.core import Weighted, publish_module

__all__ = ["Weighted"]

publish_module(sys.modules[__name__])
