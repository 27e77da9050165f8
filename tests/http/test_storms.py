"""Small storms; ``python -m tests.stress_servers`` has large ones, and bounds for their figures."""

from __future__ import annotations

import os

import pytest

from goish import run
from tests.stress_servers import STORMS, Outcome

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks at the server by /proc")

SLOW = {"descriptors", "slow"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in STORMS]
)
def test_a_storm_is_borne(name: str) -> None:
    outcome = Outcome()
    run(STORMS[name], outcome, 0.02, "asyncio")
    assert outcome.failures == []
