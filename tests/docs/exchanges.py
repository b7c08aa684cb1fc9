"""What really goes over the wire between a client, the local service and the upstream of docs/events.md.

`python -m tests.docs.exchanges` writes it into the page. What the service chooses by chance is replaced by fixed words,
and each signature is made again for the fixed connection id.
"""

import asyncio
import hmac
import json
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any, NamedTuple

import aiohttp
import httpx
from aiohttp import web

from app.main import create_app
from app.upstream.testing import RecordingPublisher
from localpubsub.config import GroupPresence
from localpubsub.protocol.mqtt import packets as p
from localpubsub.testing import Client, LocalService, quick_config
from tests.app.conftest import settings
from tests.docs.spoken import ROOT
from tests.localpubsub.mqtt.peer import Peer, knocked, mqtt_url

PAGE = ROOT / "docs" / "events.md"
HUB = "tea"
ORIGIN = "localhost:8081"
ASKING = b"WebHook-Request-Origin"
KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
CLIENT_ID = "kettle7"
BLOCK = re.compile(r"<!-- (?!end )([\w-]+) -->\n.*?(?=<!-- end -->)", re.DOTALL)
NOT_SHOWN = {"host", "accept", "accept-encoding", "user-agent", "connection", "content-length"}
FIXED = {
    "ce-time": "2026-11-21T12:00:00Z",
    "x-ms-client-request-id": "3d0f1d2e-6f0a-4a35-9a51-0b6a9d3c7e11",
    "WebHook-Request-Origin": ORIGIN,
    "ce-physicalConnectionId": "phys-51c2",
    "ce-sessionId": "session-90d4",
}


class Exchange(NamedTuple):
    request: str
    answer: str


class Recorder:
    """Stands between the service and the upstream, and keeps what passes, by the type of the event.

    The service has another port each time; to the upstream it is the one of its connection string.
    """

    def __init__(self, upstream: httpx.AsyncClient) -> None:
        self._upstream = upstream
        self._passed: dict[str, list[Exchange]] = {}
        self._changed = asyncio.Condition()

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = [(name, ORIGIN.encode() if name == ASKING else value) for name, value in request.raw_headers]
        answer = await self._upstream.request(request.method, request.path_qs, headers=headers, content=body)
        kind = request.headers.get("ce-type", "validation")
        async with self._changed:
            self._passed.setdefault(kind, []).append(Exchange(_request(request, body), _answer(answer)))
            self._changed.notify_all()
        own = request.headers["WebHook-Request-Origin"]
        back = [(name, own if value == ORIGIN else value) for name, value in answer.headers.items()]
        return web.Response(
            status=answer.status_code,
            headers=[(name, value) for name, value in back if name != "content-length"],
            body=answer.content,
        )

    async def take(self, kind: str) -> Exchange:
        """The oldest of its kind, when it is there."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self._passed.get(kind))
            return self._passed[kind].pop(0)


def _request(request: web.Request, body: bytes) -> str:
    pairs = [(name.decode(), value.decode()) for name, value in request.raw_headers]
    signed = next((value for name, value in pairs if name == "ce-connectionId"), "")
    lines = [f"{request.method} {request.path_qs} HTTP/1.1"]
    for name, value in pairs:
        if name.lower() not in NOT_SHOWN:
            lines.append(f"{name}: {_fixed(name, value, signed)}")
    return "\n".join([*lines, "", _text(body, request.content_type)]).rstrip()


def _fixed(name: str, value: str, connection_id: str) -> str:
    shown = _shown_id(connection_id)
    if name == "ce-signature":
        return f"sha256={hmac.digest(KEY.encode(), shown.encode(), 'sha256').hex()}"
    if name == "ce-source":
        return f"/hubs/{HUB}/client/{shown}" + ("/phys-51c2" if shown == CLIENT_ID else "")
    return shown if name == "ce-connectionId" else FIXED.get(name, value)


def _shown_id(connection_id: str) -> str:
    return CLIENT_ID if connection_id == CLIENT_ID else "conn-7f3a"


def _answer(answer: httpx.Response) -> str:
    head = [f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}"]
    head += [f"{name}: {value}" for name, value in answer.headers.items() if name != "content-length"]
    return "\n".join([*head, "", _text(answer.content, answer.headers.get("content-type", ""))]).rstrip()


def _text(body: bytes, content_type: str) -> str:
    """Bodies as they are, but for the times of a token and the headers of a handshake, of which one is kept."""
    if content_type in ("application/octet-stream", "application/x-protobuf") and body:
        return f"({len(body)} bytes: {body[:16].hex(' ')}{' …' if len(body) > 16 else ''})"
    text = body.decode()
    if '"claims"' in text:
        members = json.loads(text)
        members["claims"] = {name: value for name, value in members["claims"].items() if name not in ("exp", "iat")}
        members["claims"] |= {"aud": [re.sub(r":\d+", ":8081", one) for one in members["claims"].get("aud", [])]}
        members["headers"] = {name: value for name, value in members["headers"].items() if name == "Upgrade"}
        text = json.dumps(members)
    return text


def hub_of_the_page() -> None:
    """Makes the hub that the page shows importable."""
    module = ModuleType("hub_of_the_page")
    block = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    exec(compile(block[1], str(PAGE), "exec"), module.__dict__)
    sys.modules[module.__name__] = module


@asynccontextmanager
async def stage() -> AsyncIterator[tuple[LocalService, Recorder]]:
    hub_of_the_page()
    app = create_app(
        settings(
            webpubsub_connection_string=f"Endpoint=http://{ORIGIN};AccessKey={KEY};Version=1.0;",
            hubs=("hub_of_the_page:TeaHub",),
        ),
        publisher_for=lambda _: RecordingPublisher(),
    )
    upstream = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://upstream")
    async with upstream, LocalService(quick_config(access_keys=(KEY,))) as service:
        recorder = Recorder(upstream)
        proxy = web.Application()
        proxy.router.add_route("*", "/{path:.*}", recorder.handle)
        runner = web.AppRunner(proxy, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/eventhandler"
        service.handle(url, hub=HUB, group_presence_events=GroupPresence(("joined", "left")))
        yield service, recorder
        await service.stop()
        await runner.cleanup()


async def record() -> dict[str, str]:
    """What belongs into each block of the page."""
    async with stage() as (service, recorder), aiohttp.ClientSession() as session:
        shown = await _json_client(service, recorder)
        shown |= await _strangers(service, recorder, session)
        shown |= await _mqtt(service, recorder, session)
    return shown


async def _json_client(service: LocalService, recorder: Recorder) -> dict[str, str]:
    shown = {}
    async with service.client(HUB, "mia") as client:
        shown["validation"] = _blocks(await recorder.take("validation"))
        connected = client.connected | {"connectionId": "conn-7f3a"}
        shown["connect"] = _blocks(await recorder.take("azure.webpubsub.sys.connect"), connected)
        shown["connected"] = _blocks(await recorder.take("azure.webpubsub.sys.connected"))
        for slug, frame in FRAMES.items():
            shown[slug] = await _event(client, recorder, slug, frame)
        await recorder.take("azure.webpubsub.gp.joined")  # the lobby, at the beginning
        await client.join("green")
        shown["joined"] = _blocks(await recorder.take("azure.webpubsub.gp.joined"))
        await client.leave("green")
        shown["left"] = _blocks(await recorder.take("azure.webpubsub.gp.left"))
    shown["disconnected"] = _blocks(await recorder.take("azure.webpubsub.sys.disconnected"))
    return shown


FRAMES: dict[str, dict[str, Any]] = {
    "text": {"event": "say", "dataType": "text", "data": "a cup, please"},
    "json": {"event": "order", "dataType": "json", "data": {"tea": "green", "cups": 2}},
    "binary": {"event": "picture", "dataType": "binary", "data": "iVBORw=="},
    "protobuf": {
        "event": "scan",
        "dataType": "protobuf",
        "data": "Ci90eXBlLmdvb2dsZWFwaXMuY29tL2dvb2dsZS5wcm90b2J1Zi5TdHJpbmdWYWx1ZRIGCgR0ZWE3",
    },
    "silent": {"event": "stir", "dataType": "text", "data": ""},
    "declined": {"event": "pay", "dataType": "text", "data": ""},
    "rejected": {"event": "close", "dataType": "text", "data": "now"},
}


async def _event(client: Client, recorder: Recorder, slug: str, frame: dict[str, Any]) -> str:
    sent = {"type": "event", **frame, "ackId": list(FRAMES).index(slug) + 11}
    await client.send(**sent)
    ack = await client.expect(type="ack", ackId=sent["ackId"])
    said, client.unexpected = client.unexpected, []
    exchange = await recorder.take(f"azure.webpubsub.user.{frame['event']}")
    return _blocks(exchange, *said, ack, sent=sent)


async def _strangers(service: LocalService, recorder: Recorder, session: aiohttp.ClientSession) -> dict[str, str]:
    url = service.client_url(HUB)
    try:
        await session.ws_connect(url)
    except aiohttp.WSServerHandshakeError as refusal:
        status = refusal.status
    shown = {"refused": _blocks(await recorder.take("azure.webpubsub.sys.connect"), seen=f"HTTP/1.1 {status}")}
    async with session.ws_connect(f"{url}&id=jonas") as raw:
        await recorder.take("azure.webpubsub.sys.connect")
        await raw.send_str("two cups")
        reply = await raw.receive_str(timeout=10)
        shown["raw"] = _blocks(await recorder.take("azure.webpubsub.user.message"), seen=reply, sent="two cups")
    return shown


async def _mqtt(service: LocalService, recorder: Recorder, session: aiohttp.ClientSession) -> dict[str, str]:
    for kind in ("connected", "disconnected"):
        await recorder.take(f"azure.webpubsub.sys.{kind}")
    url = mqtt_url(service, HUB, user="kettle", key=KEY)
    shown = {}
    async with knocked(session, url) as peer:
        refusal = await peer.ask(_knock("wrong"))
        assert isinstance(refusal, p.ConnAck)
        shown["mqtt-refused"] = _blocks(
            await recorder.take("azure.webpubsub.sys.connect"), seen=f"CONNACK, reason code {int(refusal.code)}"
        )
    async with knocked(session, url) as peer:
        accepted = await peer.ask(_knock("right"))
        assert isinstance(accepted, p.ConnAck)
        shown["mqtt-connect"] = _blocks(
            await recorder.take("azure.webpubsub.sys.connect"), seen=f"CONNACK, reason code {int(accepted.code)}"
        )
        shown["mqtt-connected"] = _blocks(await recorder.take("azure.webpubsub.sys.connected"))
        shown["mqtt-event"] = await _publish(peer, recorder)
        await peer.send(p.Disconnect())
    shown["mqtt-disconnected"] = _blocks(await recorder.take("azure.webpubsub.sys.disconnected"))
    return shown


def _knock(password: str) -> p.Connect:
    return p.Connect(CLIENT_ID, p.V5, keep_alive=60, username="kettle", password=password.encode())


async def _publish(peer: Peer, recorder: Recorder) -> str:
    topic, payload = "$webpubsub/server/events/say", b"it boils"
    await peer.send(p.Publish(topic, payload))
    exchange = await recorder.take("azure.webpubsub.user.say")
    answer = await peer.receive()
    assert isinstance(answer, p.Publish)
    return _blocks(
        exchange,
        sent=f"PUBLISH {topic}: {payload.decode()}",
        seen=f"PUBLISH {answer.topic}: {bytes(answer.payload).decode()}",
    )


def _blocks(exchange: Exchange, *frames: dict[str, Any], sent: Any = "", seen: str = "") -> str:
    """Markdown: what the client sent, the event, the answer, what the client sees."""
    return "\n\n".join(_parts(exchange, frames, sent, seen))


def _parts(exchange: Exchange, frames: tuple[dict[str, Any], ...], sent: Any, seen: str) -> Iterator[str]:
    if sent:
        text = sent if isinstance(sent, str) else json.dumps(sent)
        yield f"The client sends:\n\n```{'text' if isinstance(sent, str) else 'json'}\n{text}\n```"
    yield f"The service asks:\n\n```http\n{exchange.request}\n```"
    yield f"The upstream answers:\n\n```http\n{exchange.answer}\n```"
    if frames:
        yield "The client sees:\n\n```json\n" + "\n".join(json.dumps(frame) for frame in frames) + "\n```"
    if seen:
        yield f"The client sees:\n\n```text\n{seen}\n```"


def page(text: str, shown: dict[str, str]) -> str:
    """The page with these blocks."""
    return BLOCK.sub(lambda found: f"<!-- {found[1]} -->\n\n{shown[found[1]]}\n\n", text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), asyncio.run(record())), encoding="utf-8")
