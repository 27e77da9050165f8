"""What ``goish.http`` is made of, in plain Python on the connections of ``goish.net``."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for what freezes programs (PyInstaller): compiled modules alone import these
    from . import chunks as chunks
    from . import pattern as pattern
    from . import tables as tables

del TYPE_CHECKING
