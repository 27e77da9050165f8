"""pytest -p quiet_tornado: its tests want no line in the log of accesses; its own runner sees to it."""

import logging

logging.getLogger("tornado.access").setLevel(logging.CRITICAL)
