"""What tests of connections share; a conftest of theirs imports the fixture."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import settle

from tests.conftest import Driver


@pytest.fixture(autouse=True)
def closed_before_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transport that was closed is gone a few turns later: before the loop is closed, or asyncio complains."""
    call = Driver.__call__

    def call_and_settle(self: Driver, main: Any, *args: Any, **options: Any) -> Any:
        async def then_settle() -> Any:
            try:
                return await main(*args)
            finally:
                await settle(20)

        return call(self, then_settle, **options)

    monkeypatch.setattr(Driver, "__call__", call_and_settle)
