"""The suites, and the failures that are expected, each with its reason."""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass, field
from typing import Literal

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
class Library:
    """The suite of a library, run by pytest.

    Where it is: in the source archive, of which ``files`` are unpacked; where that has none ("checkout"), in a checkout
    of the library's repository; or in the library as it is installed ("installed").
    """

    name: str
    loops: str  # both: the suite asks for either kind; else what asyncio makes if not told otherwise
    options: tuple[str, ...]
    files: tuple[str, ...] = ("tests/",)
    no_config: bool = field(default=True)  # its pytest.ini asks for plugins that matter to its authors only
    where: Literal["archive", "installed", "checkout"] = "archive"
    server: str | None = None  # servers.py


AIOHTTP = (
    "web_functional client_functional web_server streams web_websocket_functional client_ws_functional web_runner "
    "web_sendfile_functional connector web_protocol client_session web_app run_app"
)

DISTRIBUTED = "actor as_completed asyncio batched core events locks publish queues semaphore utils_comm variable"

LIBRARIES = (
    Library(
        "anyio", "both", ("-k", "asyncio", "-m", "not network", "tests"), ("tests/", "pyproject.toml"), no_config=False
    ),
    Library(
        "aiohttp",
        "uvloop",
        (
            *("-p", "aiohttp.pytest_plugin", "--aiohttp-loop", "uvloop"),
            *("-m", "not dev_mode and not autobahn and not internal"),
            *(f"tests/test_{name}.py" for name in AIOHTTP.split()),
        ),
    ),
    Library(
        "janus",
        "selector",
        ("-o", "asyncio_mode=auto", "tests/test_async.py", "tests/test_mixed.py", "tests/test_sync.py"),
    ),
    Library("uvloop", "both", ("-k", "not test_aiohttp and not sourcecode and not cython", "tests")),
    Library("uvicorn", "uvloop", ("tests",)),
    Library("starlette", "uvloop", ("-k", "not trio", "tests")),
    Library("httpx", "uvloop", ("-k", "not trio", "-m", "not network", "tests")),
    Library("websockets", "selector", ("tests/asyncio", "tests/legacy"), where="checkout"),
    Library("asyncpg", "uvloop", ("--import-mode=importlib", "tests"), server="postgresql"),
    Library(
        "redis",
        "uvloop",
        (
            *("-o", "asyncio_mode=auto", "--redis-url={REDIS_URL}"),
            *("-m", "not onlycluster and not redismod and not ssl and not cp_integration and not multidb_integration"),
            *("tests/test_asyncio", "--ignore-glob=*/test_scenario/*", "--ignore-glob=*/test_credentials.py"),
        ),
        server="redis",
    ),
    Library(
        "sqlalchemy",
        "uvloop",
        ("--dburi", "sqlite+aiosqlite:///:memory:", "test/ext/asyncio", "test/base/test_concurrency.py"),
        ("test/", "lib/sqlalchemy/testing/", "setup.cfg", "pyproject.toml"),
        no_config=False,
    ),
    Library("aiosqlite", "uvloop", ("--pyargs", "aiosqlite.tests.smoke"), where="installed"),
    Library(
        "tornado",
        "selector",
        ("-p", "quiet_tornado", "-o", "python_files=*_test.py", "--pyargs", "tornado.test"),
        where="installed",
    ),
    Library(
        "distributed",
        "uvloop",
        ("-p", "no:asyncio", *(f"distributed/tests/test_{name}.py" for name in DISTRIBUTED.split())),
        where="checkout",
    ),
)

# Patterns (fnmatch) of "test: why it failed", each with the reason why this difference to asyncio is meant.
EXPECTED = {
    # From 3.14 on they compare gc.get_referrers(exc) with [coroutine]; any other referrer still counts.
    "*refcycle*: AssertionError: Lists differ: [[]] != [[]<coroutine *": "the collector does not look into a live "
    "goroutine, so that gc.get_referrers() does not find it",
    "*.BaseTaskTests.test_task_disallow_multiple_initialization: *": "calling __init__ of a goroutine does nothing",
    "*::RunnerGCTest::test_gc_infinite_async_await: *": "the loop's close() ends what is left, and logs nothing",
    "tests/test_base.py::*::test_set_task_factory*: *": "expects a loop that has no task factory yet",
    "tests/test_base.py::*::test_set_task_name: *": "expects a loop that has no task factory yet",
    "tests/test_base.py::*::test_debug_slow_task_callbacks: *": "one callback runs many goroutines; debug mode "
    "names the callback",
}
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    EXPECTED["*.BaseTaskTests.test_log_destroyed_pending_task: *"] = "without the GIL a task lives until it ends"
