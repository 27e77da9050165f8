"""A server in a process of its own, kept on one CPU, and what it has used; the clients on the other.

Linux tells the CPU time in nanoseconds and of children too (a server may be a parent and a worker).
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from benchmarks.compiled import go_clients
from benchmarks.measure import Result
from benchmarks.servers.workloads import STORMS, Workload

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 20.0
RUN_SECONDS = 120.0
END_SECONDS = 3.0
SETTLE_SECONDS = 0.5  # in which a server has seen the end of connections that are closed
WARM_SHARE = 10  # a tenth goes ahead uncounted: what is done once, and what the interpreter learns
WARM_CONNECTIONS = 200
LISTEN = "0A"  # a state in /proc/net/tcp


class ServerError(Exception):
    """A measurement that ended without figures."""


def cpus(workload: Workload) -> tuple[set[int], set[int]]:
    """Where the server runs, and where its clients: nothing to choose where there is one CPU."""
    all_of_them = sorted(os.sched_getaffinity(0))
    if workload.workers > 1:
        return set(all_of_them), set(all_of_them)
    return {all_of_them[0]}, {all_of_them[-1]}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether a socket listens there; a connection to find out would be the first that the server meets."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            if state == LISTEN and local.endswith(f":{port:04X}"):
                return True
    return False


class Server:
    """A running server as seen from outside."""

    def __init__(self, rival: str, workload: Workload) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "benchmarks.servers.serve", rival, workload.name, str(self.port)]
        # No pipe: one that nobody reads would stop a server that logs a lot, and its processes may hold it open.
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=self._log, text=True
        )
        os.sched_setaffinity(self._process.pid, cpus(workload)[0])

    def wait_ready(self) -> None:
        end = monotonic() + START_SECONDS
        while monotonic() < end:
            if self._process.poll() is not None:
                raise ServerError(self.last_words())
            if listens(self.port):
                return
            sleep(0.05)
        raise ServerError(f"does not listen after {START_SECONDS:g} s")

    def last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().strip().splitlines()
        return lines[-1] if lines else f"exit status {self._process.returncode}"

    def stop(self) -> None:
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._log.close()

    def _signal(self, signum: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signum)

    def _pids(self) -> Iterator[Path]:
        pids = [self._process.pid]
        for pid in pids:
            proc = Path("/proc", str(pid))
            pids += map(int, (proc / "task" / str(pid) / "children").read_text().split())
            yield proc

    def cpu_ns(self) -> Counter[str]:
        """CPU time of each thread of it and of its children; one that has ended is lost."""
        tasks = [task for proc in self._pids() for task in (proc / "task").iterdir()]
        return Counter({task.name: int((task / "schedstat").read_text().split()[0]) for task in tasks})

    def memory(self) -> int:
        pages = sum(int((proc / "statm").read_text().split()[1]) for proc in self._pids())
        return pages * resource.getpagesize()


@contextmanager
def running(rival: str, workload: Workload) -> Iterator[Server]:
    server = Server(rival, workload)
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


class Clients:
    """The clients' process: see ``load.py``, or ``compiled/go_clients``."""

    def __init__(self, workload: Workload, port: int, n: int) -> None:
        command = [sys.executable, "-m", "benchmarks.servers.load", workload.name, str(port), str(n)]
        if workload.name in STORMS:
            command = [str(go_clients()), STORMS[workload.name], str(port), str(n), str(workload.clients)]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"GOMAXPROCS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.sched_setaffinity(self._process.pid, cpus(workload)[1])

    def held(self) -> None:
        """Until all connections are open and answered. ServerError if that takes too long."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], RUN_SECONDS)[0]:
            self.end()
            raise ServerError(f"no answer on each connection within {RUN_SECONDS:g} s")
        if not self._process.stdout.readline():
            self.result()

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    def result(self) -> Result:
        try:
            output, errors = self._process.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            self.end()
            raise ServerError(f"took more than {RUN_SECONDS:g} s") from None
        if self._process.returncode:
            raise ServerError("".join(errors.strip().splitlines()[-1:]) or "the clients ended without a word")
        figures: Result = json.loads(output.splitlines()[-1])
        return figures


def measure(rival: str, workload: Workload, n: int) -> Result:
    with running(rival, workload) as server:
        if workload.holds:
            return _memory(server, workload, n)
        Clients(workload, server.port, max(workload.clients, n // WARM_SHARE)).result()
        if workload.name in STORMS:
            sleep(SETTLE_SECONDS)
        memory, before = server.memory(), server.cpu_ns()
        figures = Clients(workload, server.port, n).result()
        if workload.name in STORMS:
            sleep(SETTLE_SECONDS)
        # The connections' own cost is in it, as it is for everybody: some ten requests' worth of each 600.
        spent = server.cpu_ns() - before
        figures |= {"cpu_ns": spent.total() / n, "busiest_ns": max(spent.values()) / n}
        return figures | {"growth": server.memory() / memory - 1}


def _memory(server: Server, workload: Workload, n: int) -> Result:
    warm = Clients(workload, server.port, WARM_CONNECTIONS)
    warm.held()
    warm.result()
    before = server.memory()
    clients = Clients(workload, server.port, n)
    clients.held()
    grown = server.memory() - before
    clients.result()
    return {"bytes": grown / n}
