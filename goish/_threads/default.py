"""The default executor: the one of ``go_thread``, ``spawn``, ``submit`` and the parallel loops, if none is named."""

from __future__ import annotations

import os
from typing import Final

from .._checks import check_whole
from .._runtime.core import install_host, interpreter_ends, pool_of, set_default_pool
from .adopted import AdoptedExecutor, AnyExecutor, check_adopted
from .executor import Executor, check_open

__all__ = ["default_executor", "set_default_executor", "set_workers"]

_WORKERS: Final = "GOISH_WORKERS"  # environment: the size of goish's own default executor

_default: AnyExecutor | None = None
_own: Executor | None = None  # goish's own: for coroutine functions while the default one is adopted


def default_executor() -> AnyExecutor:
    """The executor of ``go_thread``, ``spawn``, ``submit`` and the parallel loops, made when it is first needed.

    goish's own is made with as many workers as the environment variable ``GOISH_WORKERS`` says: without it, one for
    each processor. ValueError if that is no whole number above 0.

    Example::

        print(default_executor())  # -> <Executor 'goish'>
    """
    global _default
    if _default is None or (_default.is_shutdown() and not interpreter_ends()):
        _default = _new_own()
        set_default_pool(pool_of(_default))
    return _default


def set_default_executor(executor: AnyExecutor | None) -> None:
    """Have the verbs without an executor use this one from now on; None: one of goish's own again.

    An adopted one gets their plain functions; coroutine functions need the loop of a worker, and stay with one of
    goish's own. The executor before still runs the calls it was given. TypeError for anything but an ``Executor`` or
    ``adopt(...)``, PoolShutdown for one that is shut down. Any thread.

    Example::

        set_default_executor(Executor(workers=2, max_pending=1000, on_full="run", name="bounded"))
        print(default_executor())  # -> <Executor 'bounded'>
        set_default_executor(None)
    """
    global _default, _own
    if isinstance(executor, AdoptedExecutor):
        check_adopted(executor)
        set_default_pool(None, executor)
    elif isinstance(executor, Executor):
        check_open(executor)
        set_default_pool(pool_of(executor))
    elif executor is None:
        set_default_pool(None)
    else:
        raise TypeError(
            "set_default_executor() takes an Executor, adopt(...) of a concurrent.futures.Executor, or None; "
            f"got {executor!r} of type {type(executor).__name__}"
        )
    _default, _own = executor, None


def set_workers(n: int) -> None:
    """Set how many workers the default executor has: Go's ``GOMAXPROCS`` for threads. Running calls go on.

    TypeError or ValueError for anything but a whole number above 0, RuntimeError if the default executor is an adopted
    one, which sets its size itself.

    Example::

        set_workers(4)
    """
    size = check_whole("workers", n)
    executor = default_executor()
    if not isinstance(executor, Executor):
        raise RuntimeError(
            f"set_workers() sets the workers of an Executor; the default one is {executor!r}, which has its own"
        )
    executor.set_workers(size)


def _make_pool() -> None:
    """Make the pool of goish's workers, when it is needed and there is none."""
    global _own
    if isinstance(_default, AdoptedExecutor):
        _own = _new_own()
        set_default_pool(pool_of(_own), _default)
    else:
        default_executor()


def _new_own() -> Executor:
    return Executor(_workers_wanted(), name="goish")


def _workers_wanted() -> int | None:
    """The number that the environment says; None if it says nothing."""
    text = os.environ.get(_WORKERS, "").strip()
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError(f"the environment variable {_WORKERS} is a whole number of workers, 1 or more; got {text!r}")
    return int(text)


install_host(make_default_pool=_make_pool)
