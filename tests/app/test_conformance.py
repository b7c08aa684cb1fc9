"""The public contract as data: every case is one request and what may come back."""

from pathlib import Path

import httpx
import pytest
from pydantic_core import from_json

from app.main import create_app
from app.upstream.testing import RecordingPublisher
from tests.app.conformance import Case, check, request_for, settings_for

CASES: list[Case] = from_json((Path(__file__).parent.parent / "wire" / "upstream-cases.json").read_bytes())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
async def test_case(case: Case) -> None:
    app = create_app(settings_for(case["config"]), publisher_for=lambda hub: RecordingPublisher())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        for _ in range(case["request"].get("repeat", 1)):
            check(case, await client.send(request_for(case)))
    await app.state.services.followups.drain(5)
