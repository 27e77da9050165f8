"""The suites, and the failures that are expected, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field

CPYTHON = (
    "BaseTaskTests",
    "test_tasks",
    "test_queues",
    "test_locks",
    "test_taskgroups",
    "test_timeouts",
    "test_waitfor",
    "test_staggered",
    "test_pep492",
    "test_context",
    "test_threads",
    "test_streams",
    "test_server",
    "test_sock_lowlevel",
    "test_buffered_proto",
    "test_futures",
    "test_futures2",
    "test_sendfile",
    "test_eager_task_factory",  # from CPython 3.12 on
    "test_runners",
    "test_subprocess",
    "test_ssl",
)


@dataclass(frozen=True)
class Sdist:
    """A suite in a source archive, run by pytest in the folder to which its ``files`` are unpacked."""

    name: str
    loops: str
    options: tuple[str, ...]
    files: tuple[str, ...] = ("tests/",)
    no_config: bool = field(default=True)  # its pytest.ini asks for plugins that matter to its authors only


AIOHTTP = (
    "web_functional client_functional web_server streams web_websocket_functional client_ws_functional web_runner "
    "web_sendfile_functional connector web_protocol client_session web_app run_app"
)

SDISTS = (
    Sdist(
        "anyio", "both", ("-k", "asyncio", "-m", "not network", "tests"), ("tests/", "pyproject.toml"), no_config=False
    ),
    Sdist(
        "aiohttp",
        "uvloop",
        (
            *("-p", "aiohttp.pytest_plugin", "--aiohttp-loop", "uvloop"),
            *("-m", "not dev_mode and not autobahn and not internal"),
            *(f"tests/test_{name}.py" for name in AIOHTTP.split()),
        ),
    ),
    Sdist(
        "janus",
        "selector",
        ("-o", "asyncio_mode=auto", "tests/test_async.py", "tests/test_mixed.py", "tests/test_sync.py"),
    ),
    Sdist("uvloop", "both", ("-k", "not test_aiohttp and not sourcecode and not cython", "tests")),
)

# Patterns (fnmatch) of "test: why it failed", each with the reason why this difference to asyncio is meant.
EXPECTED = {
    "*BaseTaskTests.test_log_destroyed_pending_task: *": "a goroutine is not destroyed before its end",
    # From 3.14 on they compare gc.get_referrers(exc) with [coroutine]; any other referrer still counts.
    "*refcycle*: AssertionError: Lists differ: [[]] != [[]<coroutine *": "the collector does not look into a live "
    "goroutine, so that gc.get_referrers() does not find it",
    "tests/test_base.py::*::test_set_task_factory*: *": "expects a loop that has no task factory yet",
    "tests/test_base.py::*::test_set_task_name: *": "expects a loop that has no task factory yet",
    "tests/test_base.py::*::test_debug_slow_task_callbacks: *": "one callback runs many goroutines; debug mode "
    "names the callback",
}
