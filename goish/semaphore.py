"""Go's package ``semaphore``: a semaphore of which each waiter takes as many units as it needs."""

from ._runtime.core import Weighted

__all__ = ["Weighted"]
