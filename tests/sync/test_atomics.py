"""The atomic values, Map and Pool: each call is one step for all threads, with the GIL and without it."""

from __future__ import annotations

import copy
import gc
import itertools
import random
import threading
import weakref
from collections.abc import Callable, Generator
from typing import Any

import pytest
from helpers import FREE_THREADED
from hypothesis import given, settings
from hypothesis import strategies as st

from goish.sync import Bool, Int64, Map, Pool, Ref, Uint64

pytestmark = pytest.mark.usefixtures("impatient_threads")


def on_threads(n: int, fn: Callable[[int], object]) -> None:
    together = threading.Barrier(n)
    errors: list[BaseException] = []

    def body(i: int) -> None:
        together.wait()
        try:
            fn(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=body, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


# ── atomic values ──


@pytest.mark.parametrize("make", [Int64, Uint64])
def test_sums_of_several_threads_are_whole(make: Any) -> None:
    n = make()

    def add(_: int) -> None:
        for _ in range(2000):
            n.add(1)
            n.add(2)
            n.add(-1)

    on_threads(4, add)
    assert n.load() == 16_000


def test_one_thread_wins_a_compare_and_swap() -> None:
    for make in (Int64, Uint64):
        n = make()
        winners: list[int] = []
        on_threads(4, lambda i, n=n, winners=winners: n.compare_and_swap(0, i + 1) and winners.append(i))  # type: ignore[misc]
        assert winners == [n.load() - 1]
    flag = Bool()
    winners = []
    on_threads(4, lambda i: flag.compare_and_swap(False, True) and winners.append(i))  # type: ignore[func-returns-value]
    assert len(winners) == 1


def test_numbers_wrap_around_as_in_go() -> None:
    assert Int64(2**63 - 1).add(1) == -(2**63)
    assert Uint64(0).add(-1) == 2**64 - 1
    assert Uint64(2**64 - 1).add(1) == 0


def test_bits_are_set_and_kept() -> None:
    for make in (Int64, Uint64):
        n = make(0b1100)
        assert (n.or_(0b0011), n.load()) == (0b1100, 0b1111)
        assert (n.and_(0b0110), n.load()) == (0b1111, 0b0110)
        assert (n.swap(5), n.load()) == (6, 5)
        n.store(7)
        assert n.load() == 7
    assert Int64(-1).and_(0xFF) == -1


@pytest.mark.parametrize("value", [1.0, "1", None, True])
def test_a_number_holds_ints_only(value: Any) -> None:
    for make in (Int64, Uint64):
        with pytest.raises(TypeError, match="holds an int"):
            make(value)
        n = make(3)
        for call in (n.store, n.add, n.swap, n.and_, n.or_):
            with pytest.raises(TypeError, match="holds an int"):
                call(value)
        with pytest.raises(TypeError, match="holds an int"):
            n.compare_and_swap(3, value)
        assert n.load() == 3


@pytest.mark.parametrize(("make", "value"), [(Int64, 2**63), (Int64, -(2**63) - 1), (Uint64, -1), (Uint64, 2**64)])
def test_a_number_that_is_too_large_is_refused(make: Any, value: int) -> None:
    with pytest.raises(OverflowError, match="holds"):
        make(value)
    n = make(3)
    with pytest.raises(OverflowError, match="holds"):
        n.store(value)
    assert n.load() == 3


@pytest.mark.parametrize("value", [0, 1, None, "yes"])
def test_a_truth_value_is_true_or_false(value: Any) -> None:
    with pytest.raises(TypeError, match="True or False"):
        Bool(value)
    with pytest.raises(TypeError, match="True or False"):
        Bool().store(value)


def test_a_reference_is_compared_by_identity() -> None:
    first, equal = [1], [1]
    ref: Ref[list[int]] = Ref(first)
    assert not ref.compare_and_swap(equal, [2])
    assert ref.compare_and_swap(first, equal)
    assert ref.load() is equal
    assert ref.swap(first) is equal


def test_what_a_reference_drops_may_use_it() -> None:
    ref: Ref[Any] = Ref()
    seen: list[object] = []

    class Last:
        def __del__(self) -> None:
            seen.append(ref.load())
            ref.store("from the end")

    ref.store(Last())
    ref.store("next")
    ref.store(Last())
    assert ref.compare_and_swap(ref.load(), "last")
    assert seen == ["next", "last"]
    assert ref.load() == "from the end"


def test_a_stack_of_references_loses_nothing() -> None:
    """Treiber's stack: pushes and pops by compare-and-swap."""
    top: Ref[Any] = Ref()
    taken: list[list[int]] = [[] for _ in range(4)]

    def push_and_pop(i: int) -> None:
        for j in range(500):
            node: Any = [i * 500 + j, None]
            while True:
                node[1] = top.load()
                if top.compare_and_swap(node[1], node):
                    break
            while (found := top.load()) is not None:
                if top.compare_and_swap(found, found[1]):
                    taken[i].append(found[0])
                    break

    on_threads(4, push_and_pop)
    while (found := top.load()) is not None:
        taken[0].append(found[0])
        top.store(found[1])
    assert sorted(itertools.chain(*taken)) == list(range(2000))


@pytest.mark.parametrize("make", [Int64, Uint64, Bool, Ref, Map])
def test_an_atomic_value_cannot_be_copied(make: Any) -> None:
    with pytest.raises(TypeError, match="copied"):
        copy.copy(make())


# ── Map ──

METHODS = ["load", "store", "load_or_store", "load_and_delete", "delete", "swap", "cas", "cad", "range", "clear"]
KEYS = st.sampled_from([0, -1, -2, "a", 1.0, 1])  # hash(-1) == hash(-2), and 1 == 1.0


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(METHODS),
            KEYS,
            st.integers(0, 2),
            st.integers(0, 2),
        ),
        max_size=60,
    )
)
def test_a_map_does_what_its_model_does(steps: list[tuple[str, Any, int, int]]) -> None:
    """The model: a dict."""
    m: Map[Any, int] = Map()
    model: dict[Any, int] = {}
    for kind, key, a, b in steps:
        there, before = key in model, model.get(key)
        if kind == "load":
            assert m.load(key) == before
        elif kind == "store":
            m.store(key, a)
            model[key] = a
        elif kind == "load_or_store":
            assert m.load_or_store(key, a) == ((before, True) if there else (a, False))
            model.setdefault(key, a)
        elif kind == "load_and_delete":
            assert m.load_and_delete(key) == (before, there)
            model.pop(key, None)
        elif kind == "delete":
            m.delete(key)
            model.pop(key, None)
        elif kind == "swap":
            assert m.swap(key, a) == (before, there)
            model[key] = a
        elif kind == "cas":
            assert m.compare_and_swap(key, a, b) == (there and before == a)
            if there and before == a:
                model[key] = b
        elif kind == "cad":
            assert m.compare_and_delete(key, a) == (there and before == a)
            if there and before == a:
                del model[key]
        elif kind == "clear":
            m.clear()
            model.clear()
        assert dict(m.range()) == model
        assert (len(m), key in m) == (len(model), key in model)


def test_counts_in_a_map_are_whole() -> None:
    m: Map[str, int] = Map()

    def count(i: int) -> None:
        rng = random.Random(i)
        for _ in range(1000):
            key = rng.choice("abc")
            while True:
                before, loaded = m.load_or_store(key, 1)
                if not loaded or m.compare_and_swap(key, before, before + 1):
                    break

    on_threads(4, count)
    assert sum(value for _, value in m.range()) == 4000


def test_one_thread_deletes_a_key() -> None:
    m: Map[int, int] = Map((i, i) for i in range(1000))
    deleted: list[list[int]] = [[], [], [], []]

    def delete(i: int) -> None:
        for key in range(1000):
            if (m.compare_and_delete(key, key)) if i % 2 else m.load_and_delete(key)[1]:
                deleted[i].append(key)

    on_threads(4, delete)
    assert sorted(itertools.chain(*deleted)) == list(range(1000))
    assert (len(m), list(m.range())) == (0, [])


def test_a_map_may_be_changed_while_it_is_ranged_over() -> None:
    m = Map(dict.fromkeys(range(100), 0))
    seen = []
    for key, _ in m.range():
        seen.append(key)
        m.delete(key)
        m.store(key + 1000, 1)
    assert sorted(seen) == list(range(100))
    assert len(m) == 100


def test_a_key_may_use_its_map_while_it_is_compared() -> None:
    m: Map[Any, int] = Map()

    class Key:
        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            m.store("within", 1)
            return self is other

    keys = [Key(), Key()]
    for key in keys:
        m.store(key, 2)
    assert [m.load(key) for key in keys] == [2, 2]
    assert m.load("within") == 1


def test_a_key_that_cannot_be_hashed_is_refused() -> None:
    m: Map[Any, int] = Map({"a": 1})
    for call in (m.load, m.delete, m.load_and_delete, lambda key: m.store(key, 1), lambda key: m.swap(key, 1)):
        with pytest.raises(TypeError, match="unhashable"):
            call([])
    assert dict(m.range()) == {"a": 1}


# ── Pool ──


@pytest.fixture
def no_collections() -> Generator[None]:
    """But those that the test asks for."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collections")
def test_a_pool_gives_back_what_was_put_in_and_makes_what_is_missing() -> None:
    made: list[int] = []
    pool: Pool[list[int]] = Pool(lambda: made)
    first: list[int] = []
    pool.put(first)
    assert pool.get() is first
    assert pool.get() is made
    assert Pool().get() is None
    with pool.borrow() as borrowed:
        assert borrowed is made
    assert pool.get() is made


def test_a_thread_takes_what_others_have_put_in_and_nothing_is_given_twice() -> None:
    pool: Pool[int] = Pool()
    taken: list[list[int]] = [[] for _ in range(4)]

    def work(i: int) -> None:
        for j in range(500):
            pool.put(i * 500 + j)
            found = pool.get()
            if found is not None and j % 2:
                taken[i].append(found)
            else:
                pool.put(found)

    on_threads(4, work)
    given_out = list(itertools.chain(*taken))
    assert len(given_out) == len(set(given_out))


@pytest.mark.usefixtures("no_collections")
def test_two_collections_empty_a_pool() -> None:
    pool: Pool[object] = Pool()
    pool.put("a")
    gc.collect()
    assert pool.get() == "a", "what was used lately is kept"
    pool.put("b")
    gc.collect()
    gc.collect()
    assert pool.get() is None


@pytest.mark.skipif(not FREE_THREADED, reason="with the GIL it may be long until a full collection comes")
def test_collections_that_come_by_themselves_empty_a_pool() -> None:
    class Thing:
        pass

    pool: Pool[Any] = Pool()
    thing = Thing()
    known = weakref.ref(thing)
    pool.put(thing)
    del thing
    for _ in range(10_000_000):
        cycle: list[Any] = []
        cycle.append(cycle)
        if known() is None:
            break
    assert known() is None


@pytest.mark.parametrize("new", [1, "x"])
def test_a_pool_needs_a_function(new: Any) -> None:
    with pytest.raises(TypeError, match="makes a value"):
        Pool(new)


def test_nothing_is_borrowed_from_an_empty_pool() -> None:
    with pytest.raises(RuntimeError, match="nothing to borrow"), Pool().borrow():
        pass
