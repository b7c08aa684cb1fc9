"""An upstream with nothing wrong, as plain as can be and not ours. The defects change one thing each."""

import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from app.doctor.exchange import Answer, Request
from app.doctor.http import HttpWire
from app.doctor.target import Target
from app.doctor.upstream.visit import Visit

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
ORIGIN = "contoso.webpubsub.azure.com"
HUB = "chat"
TYPES = ("text/plain", "application/json", "application/octet-stream", "application/x-protobuf")
NEEDED = ("webhook-request-origin", "ce-awpsversion", "ce-type", "ce-hub", "ce-connectionid", "ce-eventname")
SYSTEM = ("sys.connect", "sys.connected", "sys.disconnected", "gp.joined", "gp.left")
MEGABYTES = 1024 * 1024


class Refusal(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


def error(status: int, text: str = "no") -> web.Response:
    return web.Response(status=status, text=text)


def answer_json(value: Any, status: int = 200, **headers: str) -> web.Response:
    named = {name.replace("_", "-"): header for name, header in headers.items()}
    return web.json_response(value, status=status, headers=named)


class SoundUpstream:
    def __init__(self) -> None:
        self.answers: dict[tuple[str, ...], tuple[int, bytes, dict[str, str]]] = {}
        self.users: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return self.validate(request)
        if request.method != "POST":
            return self.other_method(request)
        try:
            return await self.receive(request)
        except Refusal as refusal:
            return error(refusal.status)

    def validate(self, request: web.Request) -> web.Response:
        hosts = [one.strip().lower() for one in request.headers.get("WebHook-Request-Origin", "").split(",")]
        return web.Response(headers={"WebHook-Allowed-Origin": ORIGIN}) if ORIGIN in hosts else error(400)

    def other_method(self, request: web.Request) -> web.Response:
        return error(405)

    async def receive(self, request: web.Request) -> web.StreamResponse:
        self.check_headers(request)
        if not self.is_signed(request):
            raise Refusal(401)
        family, _, name = request.headers["ce-type"].removeprefix("azure.webpubsub.").partition(".")
        if family == "user":
            self.check_media(request)
        elif f"{family}.{name}" not in SYSTEM:
            raise Refusal(404)
        body = await request.read()
        return self.once(request, family, name, body)

    def once(self, request: web.Request, family: str, name: str, body: bytes) -> web.StreamResponse:
        head = request.headers
        key = (head["ce-connectionId"], head.get("ce-physicalConnectionId", ""), head.get("ce-id", ""))
        if key not in self.answers or "ce-id" not in head:
            made = self.dispatch(request, family, name, body)
            self.answers[key] = (made.status, bytes(made.body or b""), dict(made.headers))  # type: ignore[arg-type]
        status, content, headers = self.answers[key]
        headers.pop("Content-Length", None)
        return web.Response(status=status, body=content, headers=headers)

    def dispatch(self, request: web.Request, family: str, name: str, body: bytes) -> web.Response:
        if family == "user":
            return self.message(request, name, request.content_type, self.check_body(request, body))
        if name == "connect":
            return self.connect(request, self.read_object(body))
        return self.notify(request, name, body)

    def check_headers(self, request: web.Request) -> None:
        for name in NEEDED:
            if len(request.headers.getall(name, [])) != 1:
                raise Refusal(400)
        self.check_hub(request)
        if request.headers.get("ce-specversion", "1.0") != "1.0":
            raise Refusal(400)
        if not request.headers["ce-type"].lower().endswith(f".{request.headers['ce-eventName'].lower()}"):
            raise Refusal(400)

    def check_hub(self, request: web.Request) -> None:
        if request.headers["ce-hub"].lower() != HUB:
            raise Refusal(404)

    def is_signed(self, request: web.Request) -> bool:
        given = [one.strip().encode() for one in request.headers.get("ce-signature", "").split(",")]
        made = self.sign(request.headers["ce-connectionId"]).encode()
        return any(hmac.compare_digest(made, one) for one in given)

    def sign(self, text: str) -> str:
        return "sha256=" + hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()

    def check_media(self, request: web.Request) -> None:
        is_mqtt = "ce-physicalConnectionId" in request.headers
        if "Content-Type" not in request.headers and not is_mqtt:
            raise Refusal(415)
        if request.content_type not in TYPES and not is_mqtt:
            raise Refusal(415)

    def check_body(self, request: web.Request, body: bytes) -> bytes:
        try:
            if request.content_type == "application/json":
                json.loads(body)
            elif request.content_type == "text/plain":
                body.decode()
        except (ValueError, RecursionError):
            raise Refusal(400) from None
        return body

    def read_object(self, body: bytes) -> dict[str, Any]:
        try:
            value = json.loads(body, parse_constant=self.refuse_constant)
        except (ValueError, RecursionError):
            raise Refusal(400) from None
        if not isinstance(value, dict):
            raise Refusal(400)
        return value

    def refuse_constant(self, text: str) -> None:
        raise ValueError(text)

    def connect(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        user = self.user_of(request, body)
        mqtt = body.get("mqtt")
        if not user:
            return self.refuse(mqtt)
        answer: dict[str, Any] = {"userId": user, "groups": ["lobby"], "roles": ["webpubsub.sendToGroup.lobby"]}
        if mqtt:
            answer["mqtt"] = {"userProperties": [{"name": "region", "value": "north"}]}
        return answer_json(answer, ce_connectionState=self.state({"n": 1}))

    def user_of(self, request: web.Request, body: dict[str, Any]) -> str:
        return request.headers.get("ce-userId", "")

    def refuse(self, mqtt: dict[str, Any] | None) -> web.Response:
        if mqtt:
            return answer_json({"mqtt": {"code": 135 if mqtt["protocolVersion"] == 5 else 5}}, status=401)
        return error(401)

    def notify(self, request: web.Request, name: str, body: bytes) -> web.Response:
        return web.Response(status=204)

    def message(self, request: web.Request, name: str, media: str, body: bytes) -> web.Response:
        if name != "message" or media == "application/x-protobuf" or not body:
            return web.Response(status=204)
        kept = {key: value for key, value in request.headers.items() if key.lower().startswith("x-webpubsub-metadata")}
        return web.Response(
            body=body,
            content_type=media if media in TYPES else "application/octet-stream",
            headers={"ce-connectionState": self.state(self.read_state(request) | {"n": 2})} | kept,
        )

    def state(self, value: dict[str, Any]) -> str:
        return base64.b64encode(json.dumps(value).encode()).decode()

    def read_state(self, request: web.Request) -> dict[str, Any]:
        try:
            value = json.loads(base64.b64decode(request.headers.get("ce-connectionState", ""), validate=True))
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


@asynccontextmanager
async def serving(
    upstream: SoundUpstream, path: str = "/eventhandler", *, ssl_context: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """The event handler's URL."""
    app = web.Application(client_max_size=2 * MEGABYTES)
    app.router.add_route("*", path, upstream.handle)
    app.router.add_route("*", f"{path}/", upstream.handle)
    runner = web.AppRunner(app, access_log=None, max_field_size=64 * 1024, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http{'s' if ssl_context else ''}://127.0.0.1:{port}{path}"
    finally:
        await runner.cleanup()


def target(url: str, **changes: Any) -> Target:
    usual: dict[str, Any] = {"hub": HUB, "origin": ORIGIN, "access_key": KEY.encode()}
    return Target(url, **(usual | changes))


@asynccontextmanager
async def visiting(url: str, *, timeout_seconds: float = 10, **changes: Any) -> AsyncIterator[Visit]:
    async with HttpWire(timeout_seconds=timeout_seconds) as wire:
        yield Visit(target(url, **changes), wire)


class FixedWire:
    """Answers every request in the same way."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    async def ask(self, request: Request) -> Answer:
        return self.answer
