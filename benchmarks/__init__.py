"""goish beside its rivals: named workloads, each measured in a process of its own.  Start at README.md and run.py."""
