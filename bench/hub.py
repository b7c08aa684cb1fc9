"""The hub the benchmark serves: the least an application does."""

import os

from app.models.events import ConnectEvent, UserEvent
from app.models.responses import ConnectResponse
from app.upstream.hub import Hub, on_event
from app.upstream.publisher import Publisher


class BenchHub(Hub):
    name = "chat"

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._sends = os.environ.get("FANOUT", "none") == "sdk"

    async def on_connect(self, event: ConnectEvent) -> ConnectResponse:
        return ConnectResponse(user_id=event.claim("sub") or event.query_value("id"))

    @on_event("message")
    async def message(self, event: UserEvent) -> None:
        if self._sends:
            await self._publisher.send_to_all({"from": event.user_id, "message": event.text})
