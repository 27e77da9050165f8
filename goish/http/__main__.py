"""``python -m goish.http main:app`` serves an ASGI app: see ``--help``."""

import sys

from .._http.command import main

if __name__ == "__main__":
    sys.exit(main())
