"""Listening, dialing and serving, in plain Python on the core's connections. Private: programs use ``goish.net``."""
