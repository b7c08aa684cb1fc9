"""Whole upstreams: ours, which is healthy, and the tutorial's, which is not."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from app.doctor.examination import examine
from app.doctor.report import Finding
from app.doctor.upstream.groups import GROUPS
from app.doctor.upstream.visit import MAX_IN_FLIGHT, MAX_REQUESTS, Visit
from app.doctor.verdicts import Grade
from app.main import create_app
from app.serving.server import bind
from app.serving.server import serving as serving_ours
from app.upstream.testing import RecordingPublisher
from tests.app.conftest import settings
from tests.app.doctor.sound_upstream import SoundUpstream, error, serving, visiting


async def examined(visit: Visit) -> dict[str, Finding]:
    return {one.check: one for one in await examine(GROUPS, visit, visit)}


def worse_than_pass(findings: dict[str, Finding]) -> dict[str, str | None]:
    return {name: one.problem or one.found for name, one in findings.items() if one.grade is not Grade.PASS}


@pytest.mark.parametrize(
    ("path", "hub"),
    [("tests.app.reference_hub:ReferenceHub", "chat"), ("app.hubs.chat:ChatHub", "Sample_ChatApp")],
)
@pytest.mark.parametrize("template", ["/eventhandler", "/eventhandler/{event}", "/eventhandler?code=k%2Fy"])
async def test_ours_is_healthy(path: str, hub: str, template: str) -> None:
    app = create_app(settings(hubs=(path,)), publisher_for=lambda _: RecordingPublisher())
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}{template}"
    async with serving_ours(app, listener, grace_seconds=1), visiting(url, hub=hub) as visit:
        findings = await examined(visit)

    assert worse_than_pass(findings) == {}
    assert len(visit.exchanges) <= MAX_REQUESTS


class Tutorial(SoundUpstream):
    """What the Flask tutorial does, mistakes included."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response(headers={"WebHook-Allowed-Origin": "*"})
        if request.method != "POST":
            return error(405)
        user = request.headers.get("ce-userId")
        if request.headers.get("ce-type") == "azure.webpubsub.sys.connected":
            return web.Response(text=f"{user} connected")
        if request.headers.get("ce-type") != "azure.webpubsub.user.message":
            return error(400, "Bad Request")
        try:
            (await request.read()).decode()
        except UnicodeDecodeError:
            return error(500, "Traceback (most recent call last):\n  UnicodeDecodeError")
        return web.Response(content_type="text/plain")


async def test_the_tutorials_is_told_what_it_lacks() -> None:
    async with serving(Tutorial()) as url, visiting(url) as visit:
        findings = await examined(visit)

    problems = {name: one.problem for name, one in findings.items() if one.problem}
    assert problems == {
        "signature.checked": "unchecked",
        "connect.accepted": "turned-away",
        "notifications.disconnected": "ignored",
        "notifications.presence": "no-presence",
        "messages.binary": "server-error",
        "messages.answer": "server-error",
        "mqtt.connect-5": "no-code",
        "mqtt.connect-3": "no-code",
        "mqtt.notifications": "ignored",
        "malformed.hub": "any-hub",
        "malformed.message": "server-error",
        "malformed.leaks": "stack-trace",
    }
    assert findings["state.round-trip"].found == "needs connect.accepted"


class KnowsAna(SoundUpstream):
    def user_of(self, request: web.Request, body: dict[str, Any]) -> str:
        user = super().user_of(request, body)
        return user if user == "ana" else ""


async def test_an_upstream_that_knows_its_users_is_healthy_to_one_of_them() -> None:
    async with serving(KnowsAna()) as url:
        async with visiting(url, user="ana") as visit:
            of_ana = await examined(visit)
        async with visiting(url) as visit:
            of_nobody = await examined(visit)

    assert worse_than_pass(of_ana) == {}
    assert worse_than_pass(of_nobody)["connect.accepted"] == "turned-away"


async def test_a_busy_upstream_never_has_more_in_flight_than_promised() -> None:
    most = now = 0

    class Counts(SoundUpstream):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            nonlocal most, now
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.001)
            now -= 1
            return await super().handle(request)

    async with serving(Counts()) as url, visiting(url) as visit:
        await examined(visit)

    assert 1 < most <= MAX_IN_FLIGHT
