"""Go's package ``net``: connections, listeners, dialing, and servers for which each connection is a goroutine."""

import sys

from ._net.dial import dial
from ._net.listener import Listener, ListenerStatistics, listen
from ._net.memory import MemoryListener, MemoryNetwork, pipe
from ._net.report import Cut, Report
from ._net.server import Server, serve
from ._net.site import closing
from ._runtime.core import Conn, publish_module

__all__ = [
    "Conn",
    "Cut",
    "Listener",
    "ListenerStatistics",
    "MemoryListener",
    "MemoryNetwork",
    "Report",
    "Server",
    "closing",
    "dial",
    "listen",
    "pipe",
    "serve",
]

publish_module(sys.modules[__name__])
