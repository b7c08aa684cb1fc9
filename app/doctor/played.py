"""One connection, played: the events the service would send for it (spec/upstream.md 2, 4-7)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http.cookies import CookieError, SimpleCookie
from typing import Any

from pydantic_core import to_json

from app.doctor.exchange import Answer, Lines, Request
from app.doctor.target import Target
from app.upstream.signature import sign

JSON = "application/json; charset=utf-8"
JSON_SUBPROTOCOL = "json.webpubsub.azure.v1"


class Played:
    """Event ids count up; what answers set, state and cookies, goes with the next event once `heard`."""

    def __init__(self, target: Target, connection_id: str, *, user_id: str | None) -> None:
        self.target = target
        self.id = connection_id
        self.user_id = user_id
        self.state = ""
        self.cookies: dict[str, str] = {}
        self.subprotocol: str | None = JSON_SUBPROTOCOL
        self._next_id = 0

    def connect(self, **members: Any) -> Request:
        """`members` lie over the usual body. A member that is `...` is left out."""
        usual = {
            "claims": {"sub": [self.user_id]} if self.user_id else {},
            "query": {},
            "headers": {"User-Agent": ["webpubsub-doctor"]},
            "subprotocols": [JSON_SUBPROTOCOL],
            "clientCertificates": [],
        }
        body = {name: member for name, member in (usual | members).items() if member is not ...}
        return self.event("sys", "connect", to_json(body), JSON)

    def connected(self) -> Request:
        return self.event("sys", "connected", b"{}", JSON)

    def disconnected(self, body: Mapping[str, Any]) -> Request:
        return self.event("sys", "disconnected", to_json(body), JSON)

    def joined(self, group: str) -> Request:
        return self.event("gp", "joined", to_json({"group": group}), JSON)

    def left(self, group: str) -> Request:
        return self.event("gp", "left", to_json({"group": group}), JSON)

    def message(self, body: str | bytes, media: str = "text/plain", *, event: str | None = None) -> Request:
        """A user event, the first of the target's where it is left out."""
        data = body.encode() if isinstance(body, str) else body
        return self.event("user", event or self.target.events[0], data, media)

    def event(self, family: str, name: str, body: bytes, media: str) -> Request:
        event_id, self._next_id = self._next_id, self._next_id + 1
        is_connect = (family, name) == ("sys", "connect")
        headers = {
            "Content-Type": media,
            "WebHook-Request-Origin": self.target.origin,
            "ce-specversion": "1.0",
            "ce-awpsversion": "1.0",
            "ce-type": f"azure.webpubsub.{family}.{name}",
            "ce-source": f"/hubs/{self.target.hub}/client/{self._source()}",
            "ce-id": str(event_id),
            "ce-time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "ce-signature": self.signature(),
            "ce-connectionId": self.id,
            "ce-hub": self.target.hub,
            "ce-eventName": name,
            "ce-userId": self.user_id or "",
            "ce-subprotocol": "" if is_connect else self.subprotocol or "",
            "ce-connectionState": self.state,
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            **self._more_headers(is_connect=is_connect),
        }
        lines: Lines = tuple((name, value) for name, value in headers.items() if value)
        return Request("POST", self.target.url(name), lines, body)

    def signature(self) -> str:
        """Empty without a key."""
        key = self.target.access_key
        return sign(key, self.id.encode()).decode() if key else ""

    def heard(self, answer: Answer) -> None:
        """Keeps what the service would keep of the answer to a connect or a user event."""
        if not answer.is_success:
            return
        for line in answer.lines("ce-connectionState")[-1:]:
            self.state = line
        for line in answer.lines("Set-Cookie"):
            try:
                self.cookies |= {name: morsel.coded_value for name, morsel in SimpleCookie(line).items()}
            except CookieError:
                continue

    def _source(self) -> str:
        return self.id

    def _more_headers(self, *, is_connect: bool) -> dict[str, str]:  # noqa: ARG002 - MQTT's differ
        return {}


class PlayedMqtt(Played):
    """An MQTT client: its own id, a physical connection, a session (spec/upstream.md 6)."""

    def __init__(self, target: Target, connection_id: str, *, version: int) -> None:
        super().__init__(target, connection_id, user_id=target.user)
        self.version = version
        self.subprotocol = "mqtt"
        self.physical_id = f"{connection_id}-physical"

    def connect_mqtt(self, properties: Sequence[tuple[str, str]] = ()) -> Request:
        named = [{"name": name, "value": value} for name, value in properties]
        mqtt = {
            "protocolVersion": self.version,
            "cleanStart": True,
            "username": self.user_id,
            "password": "ZG9jdG9y",
            "userProperties": named if self.version == 5 else None,
        }
        return self.connect(subprotocols=["mqtt"], mqtt=mqtt)

    def _source(self) -> str:
        return f"{self.id}/{self.physical_id}"

    def _more_headers(self, *, is_connect: bool) -> dict[str, str]:
        session = {} if is_connect else {"ce-sessionId": f"{self.id}-session"}
        return {"ce-physicalConnectionId": self.physical_id, "ce-subprotocol": "mqtt", **session}
