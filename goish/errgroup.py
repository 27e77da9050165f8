"""Go's package ``errgroup``, and what belongs beside it: goroutines that belong together, and wait and fail together.

``Group`` is the group that asyncio calls TaskGroup, with a limit; ``ResultGroup`` keeps the results; ``TaskTracker``
only waits; ``KeyedGroup`` has one goroutine for each key; ``go_scoped`` one for the time of a block.
"""

import sys

from ._group.group import Group
from ._group.keyed import KeyedGroup
from ._group.results import ResultGroup
from ._group.scoped import go_scoped
from ._group.tracker import TaskTracker
from ._group.with_context import with_context
from ._runtime.core import publish_module

__all__ = ["Group", "KeyedGroup", "ResultGroup", "TaskTracker", "go_scoped", "with_context"]

publish_module(sys.modules[__name__])
