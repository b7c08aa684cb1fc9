"""A policy is asked about devices as about everybody else."""

import json
from pathlib import Path

import httpx
import pytest

from tests.app.conftest import MakeClient, event

MQTT = {"ce-subprotocol": "mqtt", "ce-physicalConnectionId": "phys-1"}
POLICY = """
[[rule]]
name = "devices"
who = ["user:sensor"]
events = ["echo"]
"""


@pytest.fixture
def guarded(connect_to: MakeClient, tmp_path: Path) -> httpx.AsyncClient:
    file = tmp_path / "policy.toml"
    file.write_text(POLICY, encoding="utf-8")
    return connect_to(policy=file)


async def connect(client: httpx.AsyncClient, user: str) -> httpx.Response:
    body = {
        "claims": {"sub": [user]} if user else {},
        "query": {},
        "headers": {},
        "subprotocols": ["mqtt"],
        "clientCertificates": [],
        "mqtt": {"protocolVersion": 5, "cleanStart": True, "username": "sensor"},
    }
    headers = event("sys", "connect", ce_userId=user) | MQTT
    return await client.post("/eventhandler", headers=headers, content=json.dumps(body))


@pytest.mark.parametrize(("user", "status"), [("sensor", 200), ("mia", 403), ("", 401)])
async def test_a_device_is_asked_as_anybody_else(guarded: httpx.AsyncClient, user: str, status: int) -> None:
    """Also one that only says in its CONNECT who it is."""
    response = await connect(guarded, user)

    assert response.status_code == status
    if status != 200:
        assert response.json()["mqtt"]["code"] >= 0x80


async def test_what_a_device_publishes_as_an_event_is_asked_about(guarded: httpx.AsyncClient) -> None:
    for name, user, allowed in (("echo", "sensor", True), ("deny401", "sensor", False), ("echo", "mia", False)):
        headers = event("user", name, ce_userId=user, connection_id=f"{name}-{user}") | MQTT
        response = await guarded.post("/eventhandler", headers=headers, content=b"x")

        assert (response.content == b"x") is allowed
        assert (b"not-allowed" in response.content) is not allowed
