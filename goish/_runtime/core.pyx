# cython: language_level=3, binding=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: freethreading_compatible=True, embedsignature=True, embedsignature.format=clinic, auto_pickle=False
#
# core.pyx - the runtime of goish, compiled: the includes below are the table of contents. core.pxd declares the types.
#
# A part calls only functions of the parts that come before it (tests/product/test_architecture.py). What it needs from a later
# one it calls through a table: `above` (run/sched.pxd), `waits` (run/op.pxd: what can be waited for), `waiters` (run/waiter.pxd).
# What it needs from goish's Python modules it calls through `host` (host/host.pxd). The map is docs/internals.md.
#
# Compiled is what runs per step or per channel operation; what runs once per run() or thread is Python (_program, _threads).

from collections.abc import Coroutine
from functools import partial
from inspect import Parameter, Signature, isasyncgen, isasyncgenfunction, iscoroutinefunction
from inspect import isgenerator, isgeneratorfunction
from logging import getLogger
from operator import attrgetter
from threading import RLock, current_thread, main_thread
from time import sleep as nap
from types import BuiltinFunctionType, FunctionType, GenericAlias, ModuleType
from weakref import ref as weak_reference

import atexit
import errno
import gc
import os
import sys
import warnings
# Before _asyncio, which imports parts of it: the other way round asyncio falls back to its Python tasks.
import asyncio  # no-cython-lint

import _asyncio
from asyncio import CancelledError, InvalidStateError
from asyncio import _get_running_loop as asyncio_running_loop
from asyncio import current_task as asyncio_current_task
from asyncio.base_events import BaseEventLoop
from asyncio.base_futures import _future_repr_info
from asyncio.base_tasks import _task_get_stack, _task_print_stack, _task_repr_info
from asyncio.coroutines import iscoroutine as asyncio_iscoroutine
from asyncio.format_helpers import _format_callback_source, extract_stack
from asyncio.log import logger as asyncio_logger
from asyncio.tasks import _enter_task, _leave_task, _register_task, _unregister_task
from contextvars import Context as VarContext
from contextvars import ContextVar

from goish.errors import Canceled, ChanClosed, ChanFull, CloseOfClosed, CloseOfNil, ConnClosed, DeadlineExceeded
from goish.errors import Disconnected, FlavorError, Lagged, SendOnClosed
from goish.errors import FlowVarConsumed, NotSpawned, PoolFull, PoolShutdown, SyncOnLoop
from goish._runtime.many import recv_many, send_many
from goish._runtime.values import EMPTY, ChanStatistics, Flavor, Reason, Received

cimport cython
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.math cimport ceil, fabs
from libc.math cimport INFINITY, floor, nextafter
from libc.stdlib cimport qsort
from libc.string cimport memset

cdef extern from "Python.h":
    const Py_ssize_t PY_SSIZE_T_MAX
    bint PyCoro_CheckExact(object o)
    bint PyGen_CheckExact(object o)
    int CO_ITERABLE_COROUTINE
    object PyContext_CopyCurrent()
    int PyContextVar_Get(object var, PyObject* default, PyObject** value) noexcept
    bint PyContext_CheckExact(object o)
    ctypedef struct PyCodeObject:
        pass
    int PyCode_Addr2Line(PyCodeObject* code, int lasti)
    Py_ssize_t Py_REFCNT(PyObject* o) noexcept
    bint PyObject_IS_GC(PyObject* o) noexcept
    Py_ssize_t PyObject_Size(PyObject* o) noexcept
    void* PyInterpreterState_Head() noexcept
    void* PyInterpreterState_Next(void* interpreter) noexcept
    unsigned long PyThread_get_thread_ident() noexcept
    unsigned long PyThread_get_thread_native_id() noexcept
    int PySet_Add(object s, object o) except -1
    int PySet_Discard(object s, object o) except -1
    PyObject* PyObject_Vectorcall(PyObject* fn, PyObject** args, size_t n, PyObject* kwnames) noexcept
    object PyVectorcall_Call(object fn, object args, object kwargs)
    Py_ssize_t PyVectorcall_NARGS(size_t nargsf) noexcept
    PyObject* PyObject_Call(PyObject* fn, PyObject* args, PyObject* kwargs) noexcept
    PyObject* PyObject_CallMethodOneArg(PyObject* o, PyObject* name, PyObject* arg) noexcept
    int PyDict_SetItem(PyObject* d, PyObject* key, PyObject* value) noexcept
    int PyDict_DelItem(PyObject* d, PyObject* key) noexcept
    PyObject* PyTuple_GET_ITEM(object t, Py_ssize_t i) noexcept
    PyObject* PyList_GET_ITEM(object l, Py_ssize_t i) noexcept
    void PyList_SET_ITEM(object l, Py_ssize_t i, PyObject* o) noexcept
    void PyErr_SetString(object type, const char* text) noexcept
    void PyErr_SetNone(object type) noexcept
    void PyErr_Clear() noexcept
    PyObject* PyErr_Occurred() noexcept
    PyObject* PyFloat_FromDouble(double value) noexcept
    PyObject* PyLong_FromSsize_t(Py_ssize_t value) noexcept
    void Py_XDECREF(PyObject* o) noexcept
    void PyErr_WriteUnraisable(PyObject* o) noexcept
    int PyException_SetTraceback(object error, object traceback) except -1
    bint PyErr_ExceptionMatches(object type) noexcept
    bint PyErr_GivenExceptionMatches(object error, object type) noexcept
    void Py_FatalError(const char* text) noexcept
    int PyErr_CheckSignals() noexcept
    void PyErr_SetInterrupt() noexcept
    void* PyThread_allocate_lock() noexcept
    int PyThread_acquire_lock(void* lock, int wait) noexcept

logger = getLogger("goish")
cdef str throw_name = "throw"


class GoExit(BaseException):
    """Raised by ``goexit()``: ends the goroutine without a panic."""


# data: queues, a heap, atomic values and a map, which know nothing of goroutines.
include "data/ring.pyx"
include "data/waitq.pyx"
include "data/heap.pyx"
include "data/atomic.pyx"
include "data/map.pyx"
# host: what the core asks of Python and asyncio.
include "host/host.pyx"
include "host/python.pyx"
include "host/number.pyx"
include "host/coroutine.pyx"
include "host/current.pyx"
include "host/build.pyx"
include "host/modules.pyx"
# run: how goroutines run and wait.
include "run/twin.pyx"
include "run/op.pyx"
include "run/waiter.pyx"
include "run/fields.pyx"
include "run/tracking.pyx"
include "run/cold.pyx"
include "run/registry.pyx"
include "run/program.pyx"
include "run/handle.pyx"
include "run/inbox.pyx"
include "run/runq.pyx"
include "run/timers.pyx"
include "run/giveup.pyx"
include "run/ready.pyx"
include "run/panic.pyx"
include "run/cancel.pyx"
include "run/join.pyx"
include "run/end.pyx"
include "run/goroutine.pyx"
include "run/step.pyx"
include "run/awake.pyx"
include "run/lend.pyx"
include "run/drain.pyx"
include "run/shutdown.pyx"
include "run/sleep.pyx"
include "run/future.pyx"
include "run/go.pyx"
include "run/sched.pyx"
# threads: calls on workers, and threads that wait.
include "threads/callq.pyx"
include "threads/blocked.pyx"
include "threads/call.pyx"
include "threads/pick.pyx"
include "threads/plain_run.pyx"
include "threads/pool.pyx"
include "threads/worker.pyx"
include "threads/thread_wait.pyx"
include "threads/flowvar.pyx"
include "threads/spawn.pyx"
# chan: channels, select, wait groups, the members of groups, and contexts.
include "chan/waitable.pyx"
include "chan/counter.pyx"
include "chan/waitgroup.pyx"
include "chan/event.pyx"
include "chan/gate.pyx"
include "chan/nursery.pyx"
include "chan/flavor.pyx"
include "chan/transfer.pyx"
include "chan/timer.pyx"
include "chan/feed.pyx"
include "chan/handoff.pyx"
include "chan/batch.pyx"
include "chan/view.pyx"
include "chan/chan.pyx"
include "chan/broadcast.pyx"
include "chan/after.pyx"
include "chan/ticker.pyx"
include "chan/bucket.pyx"
include "chan/context.pyx"
include "chan/bind.pyx"
include "chan/lock.pyx"
include "chan/cond.pyx"
include "chan/select.pyx"
include "chan/instead.pyx"
# aio: what asyncio sees of a goroutine and a loop.
include "aio/task.pyx"
include "aio/call_soon.pyx"
include "aio/clock.pyx"
include "aio/factory.pyx"
# net: connections.
include "net/unread.pyx"
include "net/home.pyx"
include "net/read.pyx"
include "net/write.pyx"
include "net/ends.pyx"
include "net/conn.pyx"
include "net/acceptor.pyx"

above = Above(
    worker_feed, worker_awake, worker_idle, scheduler_of_worker_here, calls_in_pools, live_in_pools, forget_parked_threads,
    wg_leave, nursery_member_ended, scope_add, end_channel_close, loops_call_later, context_due, context_awaited,
    alarm_homeless, context_check_here, context_in_force, goroutine_bind, goroutine_unbound, checked_ctx, refused_by,
)

goish_install_slots(<PyTypeObject*>Op, op_step, op_await)
goish_free_goroutines_flat(<PyTypeObject*>Goroutine)
goish_recycle_ops(<PyTypeObject*>Op, op_fate, op_name, op_call_on_thread, op_forsake, op_finalized, op_taken_apart)
goish_take_attributes(<PyTypeObject*>Goroutine, <Py_ssize_t>&(<Goroutine>NULL).attributes, attribute_set, goroutine_retrack)
goish_install_finalizer(<PyTypeObject*>Goroutine, is_unretrieved, report_unretrieved)
goish_call_fast(<PyTypeObject*>Go, <Py_ssize_t>&(<Go>NULL).call)
goish_method_fast(<PyTypeObject*>WaitGroup, "go", wg_go)
goish_method_fast(<PyTypeObject*>Nursery, "go", nursery_go)
goish_method_fast(<PyTypeObject*>Nursery, "try_go", nursery_try_go)
goish_method_fast(<PyTypeObject*>Clock, "call_soon", loop_call_soon)
goish_collect_ring(<PyTypeObject*>Chan, <PyTypeObject*>PriorityChan, <PyTypeObject*>Feed, chan_ring)
for internal in (
    Op, Goroutine, Scheduler, Waitable, Counter, Gate, RLocker, Released, Feed, Subscription, ChanView, SendChan, RecvChan,
    TaskWaiter, ThreadWaiter, Handle, GoroutineCold, Wake, Step, Host, TimerHandle, ChanCold, Beat, Prioritized, Go,
    GoThread, Call, Worker, FlowVar, Ending, CancelFunc, Conn, ConnProtocol, Reading, Binding,
):
    goish_forbid_new(<PyTypeObject*>internal)
del internal
goish_forbid_subclasses(<PyTypeObject*>RecvChan)
explain_all()
