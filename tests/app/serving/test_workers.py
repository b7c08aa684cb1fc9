"""Looking after workers, without any: `tests/e2e/test_workers.py` has real ones."""

import asyncio
from typing import Any

import pytest
import structlog

from app.serving import workers
from app.serving.server import DidNotStart, bind
from app.serving.workers import Workers, reason_against
from tests.app.conftest import settings


@pytest.mark.parametrize(
    "store", ["redis://localhost/0", "rediss://u:p@cache.example:6380/0", "unix:///run/redis.sock"]
)
def test_redis_is_shared(store: str) -> None:
    assert reason_against(settings(store=store)) is None


@pytest.mark.parametrize("store", ["sqlite:///secret/upstream.db", "memory://"])
def test_anything_else_is_not_and_the_reason_names_no_path(store: str) -> None:
    reason = reason_against(settings(store=store))

    assert reason is not None
    assert "STORE=redis://" in reason
    assert "secret" not in reason


async def test_processes_that_cannot_be_had_end_the_start_after_a_try_each(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(workers, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
    with (
        bind("127.0.0.1", 0) as listener,
        structlog.testing.capture_logs() as logs,
        pytest.raises(DidNotStart, match="no worker could start"),
    ):
        async with asyncio.timeout(10):
            await Workers(listener, 3, grace_seconds=1).run()

    assert {one["code"] for one in logs} == {"Resource temporarily unavailable"}
