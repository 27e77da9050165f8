"""The servers that the suites of clients want: each on a free port, in a folder of its own, while the suite runs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path


class MissingServer(Exception):
    """It is not installed; the message says what to install."""


def program(name: str, package: str) -> str:
    # Debian keeps PostgreSQL's programs off the PATH.
    folders = [*os.environ["PATH"].split(os.pathsep), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        raise MissingServer(f"there is no {name} here: install {package}")
    return found


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], port: int, user: str | None) -> Iterator[None]:
    """The server, from the moment at which it accepts connections."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, user=user, **quiet)  # type: ignore[call-overload]
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        else:
            raise MissingServer(f"{command[0]} does not accept connections")
        yield
    finally:
        server.terminate()
        server.wait()


@contextmanager
def redis() -> Iterator[dict[str, str]]:
    server, port = program("redis-server", "redis-server"), free_port()
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", str(port), "--dir", folder, "--save", "", "--enable-debug-command", "yes"]
        with running([server, *options], port, None):
            yield {"REDIS_URL": f"redis://127.0.0.1:{port}/0"}


@contextmanager
def postgresql() -> Iterator[dict[str, str]]:
    server, initdb, port = program("postgres", "postgresql"), program("initdb", "postgresql"), free_port()
    user = "postgres" if os.getuid() == 0 else None  # it refuses to run as root
    with tempfile.TemporaryDirectory() as folder:
        if user is not None:
            shutil.chown(folder, user)
        data = f"{folder}/data"
        subprocess.run([initdb, "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"], user=user,
                       stdout=subprocess.DEVNULL, check=True)  # fmt: skip
        options = ["-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1", "-c", "fsync=off"]
        with running([server, *options], port, user):
            yield {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "postgres"}


SERVERS: dict[str, Callable[[], AbstractContextManager[dict[str, str]]]] = {"redis": redis, "postgresql": postgresql}
