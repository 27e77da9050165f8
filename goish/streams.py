"""Pipelines on channels: sources, stages and ends that compose, and leave no goroutine behind.

Import the module, as some of its names are those of builtins: ``from goish import streams``, then ``streams.map``.
"""

import sys as _sys

from ._runtime.core import publish_module as _publish
from ._streams.ends import amap, as_completed, collect, gather, reduce
from ._streams.forked import Fork, distribute, dup, split
from ._streams.hops import batch, buffer
from ._streams.joined import combine_latest, merge, zip  # noqa: A004
from ._streams.produced import Producer, produce
from ._streams.steps import (
    distinct,
    drop,
    drop_while,
    filter,  # noqa: A004
    flatten,
    group_by,
    scan,
    take,
    take_while,
    window,
)
from ._streams.stream import Flow, Stage, Stream, pipeline
from ._streams.work import map, stage  # noqa: A004

__all__ = [
    "Flow",
    "Fork",
    "Producer",
    "Stage",
    "Stream",
    "amap",
    "as_completed",
    "batch",
    "buffer",
    "collect",
    "combine_latest",
    "distinct",
    "distribute",
    "drop",
    "drop_while",
    "dup",
    "filter",
    "flatten",
    "gather",
    "group_by",
    "map",
    "merge",
    "pipeline",
    "produce",
    "reduce",
    "scan",
    "split",
    "stage",
    "take",
    "take_while",
    "window",
    "zip",
]

_publish(_sys.modules[__name__])
