"""Upstreams with one thing wrong in how they take requests: headers, malformed ones, many at a time."""

import asyncio
from typing import Any

from aiohttp import web

from tests.app.doctor.defects import defect
from tests.app.doctor.sound_upstream import HUB, KEY, NEEDED, Refusal, SoundUpstream, error


@defect("headers.names", "case-sensitive")
class LooksUpLetters(SoundUpstream):
    def check_headers(self, request: web.Request) -> None:
        if b"ce-connectionId" not in [name for name, _ in request.raw_headers]:
            raise Refusal(400)


@defect("headers.room", "no-room")
class HasNoRoom(SoundUpstream):
    limit = 4096

    async def receive(self, request: web.Request) -> web.StreamResponse:
        size = sum(len(name) + len(value) for name, value in request.raw_headers)
        return error(431) if size > self.limit else await super().receive(request)


@defect("headers.room", "little-room")
class HasLittleRoom(HasNoRoom):
    limit = 16 * 1024


@defect("headers.unknown", "unknown-header")
class KnowsItsHeaders(SoundUpstream):
    def check_headers(self, request: web.Request) -> None:
        super().check_headers(request)
        if "ce-doctor" in request.headers:
            raise Refusal(400)


@defect("headers.optional", "optional-needed")
class ReadsTheSource(SoundUpstream):
    def check_headers(self, request: web.Request) -> None:
        super().check_headers(request)
        if not request.headers.get("ce-source", "").startswith("/hubs/"):
            raise Refusal(400)


@defect("malformed.connect", "body-taken")
class ReadsNoBody(SoundUpstream):
    def read_object(self, body: bytes) -> dict[str, Any]:
        try:
            return super().read_object(body)
        except Refusal:
            return {}


@defect("malformed.repeated", "two-ids")
class TakesTheFirstLine(SoundUpstream):
    def check_headers(self, request: web.Request) -> None:
        if any(name not in request.headers for name in NEEDED):
            raise Refusal(400)
        if request.headers["ce-hub"] != HUB:
            raise Refusal(404)


@defect("malformed.hub", "any-hub")
class ServesAnyHub(SoundUpstream):
    def check_hub(self, request: web.Request) -> None: ...


@defect("malformed.large", "unlimited")
class TakesAnySize(SoundUpstream):
    def check_headers(self, request: web.Request) -> None:
        super().check_headers(request)
        request._client_max_size = 0


@defect("malformed.method", "method-taken")
class TakesAnyMethod(SoundUpstream):
    def other_method(self, request: web.Request) -> web.Response:
        return web.Response(status=204)


class ShowsItsInside(SoundUpstream):
    text = ""

    def read_object(self, body: bytes) -> dict[str, Any]:
        try:
            return super().read_object(body)
        except Refusal:
            raise web.HTTPBadRequest(text=self.text) from None


@defect("malformed.leaks", "stack-trace")
class ShowsPython(ShowsItsInside):
    text = 'Traceback (most recent call last):\n  File "/srv/app/hub.py", line 3, in connect\nValueError'


@defect("malformed.leaks", "stack-trace")
class ShowsExpress(ShowsItsInside):
    text = (
        "<pre>SyntaxError: Unexpected token<br> &nbsp; &nbsp;at JSON.parse (&lt;anonymous&gt;)<br> &nbsp; &nbsp;at "
        "IncomingMessage.&lt;anonymous&gt; (/srv/node_modules/x/y.js:12:30)</pre>"
    )


@defect("malformed.leaks", "stack-trace")
class ShowsDotNet(ShowsItsInside):
    text = "System.Text.Json.JsonException: bad\n   at System.Text.Json.Parse(String text)"


@defect("malformed.leaks", "stack-trace")
class ShowsJava(ShowsItsInside):
    text = "java.lang.NullPointerException\n\tat com.example.Hub.connect(Hub.java:30)"


@defect("malformed.leaks", "secret")
class ShowsTheKey(ShowsItsInside):
    text = f"the settings are {{'key': '{KEY}'}}"


@defect("malformed.leaks", "secret")
class ShowsWhatItExpected(ShowsItsInside):
    def is_signed(self, request: web.Request) -> bool:
        if super().is_signed(request):
            return True
        made = self.sign(request.headers["ce-connectionId"])
        raise web.HTTPUnauthorized(text=f"expected {made}")


@defect("load.keep-alive", "not-kept")
class HangsUp(SoundUpstream):
    async def receive(self, request: web.Request) -> web.StreamResponse:
        response = await super().receive(request)
        response.force_close()
        return response


class HasAPool(SoundUpstream):
    """Two at the same time; others are told so."""

    status = 503
    busy = 0

    async def receive(self, request: web.Request) -> web.StreamResponse:
        if self.busy == 2:
            return error(self.status)
        self.busy += 1
        try:
            await asyncio.sleep(0.001)
            return await super().receive(request)
        finally:
            self.busy -= 1


@defect("load.parallel", "errors")
class HasASmallPool(HasAPool): ...


@defect("load.parallel", "rate-limited")
class LimitsTheRate(HasAPool):
    status = 429


@defect("load.parallel", "mixed-up")
class SharesAVariable(SoundUpstream):
    last = b""

    async def receive(self, request: web.Request) -> web.StreamResponse:
        self.last = await request.read()
        await asyncio.sleep(0.001)
        return web.Response(body=self.last, content_type="text/plain")
