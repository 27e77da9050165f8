"""Who has waited but briefly stays awake for a moment, looking, before it sleeps: nothing else changes by that."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Generator

import pytest
from helpers import REAL_LOOPS
from parties import KINDS, PATIENCE, Party, until

import goish
from goish import Chan, chan, go_thread
from goish._runtime.core import set_max_spinners
from goish._threads.cpus import cpu_count
from goish.parallel import Executor

ROUNDS = 100


@pytest.fixture(autouse=True)
def as_many_as_before() -> Generator[None]:
    yield
    set_max_spinners(cpu_count() // 2)


@pytest.fixture(params=[0, 1, 8], ids=lambda n: f"{n}-may-look")
def lookouts(request: pytest.FixtureRequest) -> int:
    set_max_spinners(request.param)
    return int(request.param)


async def serve(party: Party, questions: Chan[int], answers: Chan[int]) -> None:
    for _ in range(ROUNDS):
        await party.send(answers, await party.recv(questions) + 1)


async def ask(party: Party, questions: Chan[int], answers: Chan[int]) -> list[int]:
    return [(await party.send(questions, i), await party.recv(answers))[1] for i in range(ROUNDS)]


@pytest.mark.usefixtures("lookouts")
@pytest.mark.parametrize("asks", KINDS)
@pytest.mark.parametrize("serves", KINDS)
@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_every_question_is_answered(asks: str, serves: str, loop: str) -> None:
    questions: Chan[int] = chan()
    answers: Chan[int] = chan()
    server = Party(serves, loop, serve, questions, answers)
    client = Party(asks, loop, ask, questions, answers)
    assert client.join() == list(range(1, ROUNDS + 1))
    server.join()


@pytest.mark.usefixtures("lookouts")
def test_calls_one_after_another_all_come_back() -> None:
    async def main() -> list[int]:
        async def double(i: int) -> int:
            return 2 * i

        return [await go_thread(lambda i=i: i) + await go_thread(double, i) for i in range(ROUNDS)]

    assert goish.run(main) == [3 * i for i in range(ROUNDS)]


@pytest.mark.usefixtures("lookouts")
def test_more_threads_than_may_look_all_go_on() -> None:
    with Executor(workers=8).prestart() as ex:
        rounds = [ex.submit(lambda i=i: i) for i in range(ROUNDS) for _ in range(8)]
        assert sum(goish.parallel.sync_all(*rounds)) == 8 * sum(range(ROUNDS))


@pytest.mark.serial
def test_who_waits_for_long_uses_no_processor() -> None:
    set_max_spinners(8)
    ch: Chan[int] = chan()
    used: list[float] = []

    def wait() -> None:
        for _ in range(3):
            ch.recv_blocking()
        before = time.thread_time()
        ch.recv_blocking()
        used.append(time.thread_time() - before)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    for i in range(3):
        ch.send_blocking(i)
    until(lambda: ch.statistics().receivers_waiting == 1)
    time.sleep(0.3)  # the wait whose price is asked
    ch.send_blocking(3)
    thread.join()
    assert used[0] < 0.03


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to threads")
def test_a_signal_that_comes_while_one_looks_is_not_lost() -> None:
    class Rung(Exception):
        pass

    def ring(_signal: int, _frame: object) -> None:
        raise Rung

    before = signal.signal(signal.SIGUSR1, ring)
    set_max_spinners(8)
    asked: Chan[int] = chan()

    def briefly_and_for_long(i: int) -> None:
        asked.send_blocking(i)
        chan().recv_blocking(timeout=PATIENCE)

    try:
        for i in range(50):
            threading.Thread(target=lambda: (asked.recv_blocking(), os.kill(os.getpid(), signal.SIGUSR1))).start()
            with pytest.raises(Rung):
                briefly_and_for_long(i)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_forked_child_starts_without_lookouts() -> None:
    if not hasattr(os, "fork"):
        pytest.skip("no fork")
    set_max_spinners(1)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if goish.run(_one_call) == 1 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


async def _one_call() -> int:
    return await go_thread(lambda: 1)
