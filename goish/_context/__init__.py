"""Contexts in Python: blocks, functions that run at a cancel, deadlines that no loop looks after."""
