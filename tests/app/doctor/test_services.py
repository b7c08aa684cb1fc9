"""The doctor as a client: of the local service, which is sound, and of services with one thing wrong."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from app.doctor.client.common import COMMON
from app.doctor.client.groups import GROUPS
from app.doctor.client.sockets import Sockets
from app.doctor.client.visit import ClientVisit, Closed, Heard, Service
from app.doctor.examination import examine
from app.doctor.report import Finding
from app.doctor.verdicts import Grade
from app.upstream.connection_string import ConnectionString
from localpubsub.config import EventHandler, HubSettings
from localpubsub.server import LocalPubSub
from localpubsub.testing import LocalService, quick_config
from tests.app.doctor.defects_of_services import DEFECTS, Frame, ServiceDefect, Wire
from tests.app.doctor.sound_upstream import HUB, KEY, SoundUpstream, answer_json, serving

EVERY = [check for group in GROUPS for check in group.checks]
ELSEWHERE = {("handshake.json", "unauthorized"), ("events.raw", "disconnected")}


class OpenUpstream(SoundUpstream):
    def validate(self, request: web.Request) -> web.Response:
        return web.Response(headers={"WebHook-Allowed-Origin": "*"})

    def connect(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        return answer_json({"userId": self.user_of(request, body)})


@asynccontextmanager
async def running() -> AsyncIterator[LocalPubSub]:
    """A local service with tokens and an upstream."""
    async with serving(OpenUpstream()) as url:
        handler = EventHandler(url, ("connect",), "*")
        hubs = {HUB: HubSettings(anonymous_connect=False, event_handlers=(handler,))}
        async with LocalService(quick_config(hubs=hubs, access_keys=(KEY,))) as service:
            yield service


async def examined(
    connection_string: str, *only: str, wire: type[Wire] = Wire, patience_seconds: float = 5, hub: str = HUB
) -> dict[str, Finding]:
    async with Sockets(timeout_seconds=5) as sockets:
        service = Service(ConnectionString.parse(connection_string), hub)
        visit = ClientVisit(service, wire(sockets), patience_seconds=patience_seconds)
        try:
            return {one.check: one for one in await examine(GROUPS, visit, visit, only=only)}
        finally:
            await visit.leave()


async def test_the_local_service_is_sound() -> None:
    async with running() as service:
        findings = await examined(service.connection_string)

    assert {name: one.found for name, one in findings.items() if one.grade is not Grade.PASS} == {}
    assert findings["events.handled"].found == "message: 1 answer"
    assert len(findings) == len(EVERY)


def test_every_problem_has_a_defect() -> None:
    declared = {(check.id, problem.name) for check in EVERY for problem in check.problems}

    assert declared == {(one.check, one.problem) for one in DEFECTS} | ELSEWHERE


@pytest.mark.parametrize("defect", DEFECTS, ids=[one.id for one in DEFECTS])
async def test_a_defect_is_found_and_named(defect: ServiceDefect) -> None:
    async with running() as service:
        patience = 1 if defect.wire.is_silent else 5
        findings = await examined(service.connection_string, defect.check, wire=defect.wire, patience_seconds=patience)

    found = findings[defect.check]
    assert found.problem == defect.problem, found
    assert found.grade in (Grade.FAIL, Grade.WARNING)
    assert found.cause
    assert found.mend
    assert found.exchanges


class SaysNothing(Wire):
    def hears(self, frame: Frame) -> Heard | Frame:
        return frame if frame.get("event") == "connected" else None


class HangsUp(Wire):
    def hears(self, frame: Frame) -> Heard | Frame:
        return frame if frame.get("event") == "connected" else Closed(1011, "oops")


class Babbles(Wire):
    def hears(self, frame: Frame) -> Heard | Frame:
        return frame if frame.get("event") == "connected" else "[1]"


@pytest.mark.parametrize(("wire", "name"), [(SaysNothing, "no-frame"), (HangsUp, "closed"), (Babbles, "not-a-frame")])
async def test_a_conversation_that_breaks_off_is_told(wire: type[Wire], name: str) -> None:
    async with running() as service:
        findings = await examined(service.connection_string, "frames.ping", wire=wire, patience_seconds=1)

    assert name in {problem.name for problem in COMMON}
    assert findings["frames.ping"].problem == name


async def test_a_key_that_does_not_fit_is_told() -> None:
    async with running() as service:
        findings = await examined(service.connection_string.replace(KEY, KEY[::-1]))

    assert findings.pop("handshake.json").problem == "unauthorized"
    assert {one.grade for one in findings.values()} == {Grade.SKIPPED}


async def test_a_service_that_is_not_there_is_told() -> None:
    async with running() as service:
        connection_string = service.connection_string

    assert (await examined(connection_string))["handshake.json"].problem == "unreachable"


async def test_a_raw_client_whose_message_nobody_handles_is_disconnected() -> None:
    """Those of `json.webpubsub.azure.v1` are told an error in place of that."""

    class AsIfHandled(Wire):
        def hears(self, frame: Frame) -> Heard | Frame:
            return frame | {"success": True} if frame["type"] == "ack" else frame

    async with LocalService(quick_config()) as service:
        findings = await examined(service.connection_string, "events", wire=AsIfHandled)

    assert findings["events.raw"].problem == "disconnected"
    assert "1011" in findings["events.raw"].found


async def test_a_redirect_is_not_followed() -> None:
    async def elsewhere(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "http://127.0.0.1:1/"})

    upstream = SoundUpstream()
    upstream.handle = elsewhere  # type: ignore[method-assign]
    async with serving(upstream, f"/client/hubs/{HUB}") as url:
        endpoint = url.partition("/client")[0]
        findings = await examined(f"Endpoint={endpoint};AccessKey={KEY};")

    assert findings["handshake.json"].problem == "handler"
    assert "307" in findings["handshake.json"].found
