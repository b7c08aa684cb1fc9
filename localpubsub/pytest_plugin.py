"""Fixtures for pytest. They need pytest-asyncio; nothing of the service is imported before a test asks for it."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from localpubsub.config import ServiceConfig
    from localpubsub.testing import LocalService

try:
    import pytest_asyncio
except ImportError:

    @pytest.fixture
    def localpubsub() -> None:
        """Says what is missing."""
        pytest.fail("the fixture localpubsub needs pytest-asyncio: pip install pytest-asyncio")

else:

    @pytest.fixture
    def localpubsub_config() -> "ServiceConfig":
        """Override it for other settings."""
        from localpubsub.testing import quick_config  # noqa: PLC0415 - most test runs have no use for it

        return quick_config()

    @pytest_asyncio.fixture
    async def localpubsub(  # type: ignore[misc]  # the other one is for where this one cannot be
        localpubsub_config: "ServiceConfig",
    ) -> "AsyncIterator[LocalService]":
        """Azure Web PubSub in this process, on a free port, for one test."""
        from localpubsub.testing import LocalService  # noqa: PLC0415 - most test runs have no use for it

        async with LocalService(localpubsub_config) as service:
            yield service
