"""Executors, the threads of workers, and what is built on them: scopes, several handles, parallel loops. Private."""
