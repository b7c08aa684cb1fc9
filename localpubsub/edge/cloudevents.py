"""Events as CloudEvents, and answers read from HTTP (spec/service.md 9.4-9.6)."""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookies import CookieError, SimpleCookie
from uuid import uuid4

from multidict import CIMultiDictProxy

from localpubsub.engine.upstream import UpstreamAnswer, UpstreamEvent

METADATA = "x-webpubsub-metadata-"
USER_PROPERTY = "mqtt-"


@dataclass(frozen=True)
class Response:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


def attributes(event: UpstreamEvent) -> dict[str, str]:
    """What handlers and listeners are told alike; the signature and the cookies are for handlers alone."""
    physical = f"/{event.mqtt.physical_connection_id}" if event.mqtt else ""
    always = {
        "specversion": "1.0",
        "awpsversion": "1.0",
        "type": f"azure.webpubsub.{event.family}.{event.name}",
        "source": f"/hubs/{event.hub}/client/{event.connection_id}{physical}",
        "id": str(event.event_id),
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "connectionId": event.connection_id,
        "hub": event.hub,
        "eventName": event.name,
    }
    optional = {
        "userId": event.user_id,
        "subprotocol": event.subprotocol,
        "physicalConnectionId": event.mqtt and event.mqtt.physical_connection_id,
        "sessionId": event.mqtt and event.mqtt.session_id,
        "connectionState": event.state,
    }
    return always | {name: value for name, value in optional.items() if value}


def content_headers(event: UpstreamEvent) -> dict[str, str]:
    """What belongs to the message rather than to the event; header names the client chose come last."""
    headers = {"Content-Type": event.content_type}
    headers |= {f"{METADATA}{key.lower()}": value for key, value in event.metadata.items()}
    return headers | dict(event.headers)


def request_headers(event: UpstreamEvent, origin: str, access_keys: Iterable[str], token: str = "") -> dict[str, str]:
    """The headers of a request to an event handler."""
    connection_id = event.connection_id.encode()
    signatures = (hmac.digest(key.encode(), connection_id, "sha256").hex() for key in access_keys)
    headers = {"WebHook-Request-Origin": origin}
    headers |= {f"ce-{name}": value for name, value in attributes(event).items()}
    headers |= {
        "ce-signature": ",".join(f"sha256={signature}" for signature in signatures),
        "x-ms-client-request-id": str(uuid4()),
    }
    if event.cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in event.cookies.items())
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return headers | content_headers(event)


def read_answer(response: Response) -> UpstreamAnswer:
    headers = response.headers
    states = headers.getall("ce-connectionState", [])
    metadata = {
        name[len(METADATA) :].lower(): headers.getall(name)[-1].rpartition(",")[2].strip()
        for name in headers
        if name.lower().startswith(METADATA)
    }
    properties = tuple(
        (name[len(USER_PROPERTY) :], value) for name, value in headers.items() if name.lower().startswith(USER_PROPERTY)
    )
    return UpstreamAnswer(
        response.body,
        headers.get("Content-Type"),
        states[-1] if states else None,
        _cookies(headers),
        metadata,
        response.status,
        properties,
    )


def _cookies(headers: CIMultiDictProxy[str]) -> Mapping[str, str]:
    cookies: dict[str, str] = {}
    for line in headers.getall("Set-Cookie", []):
        jar = SimpleCookie()
        try:
            jar.load(line)
        except CookieError:
            continue
        cookies |= {name: morsel.coded_value for name, morsel in jar.items()}
    return cookies
