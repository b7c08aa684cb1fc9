"""The hub of `bench.soak`: keeps every line, and tells the hall of it."""

from app.models.events import ConnectEvent, UserEvent
from app.models.responses import ConnectResponse
from app.upstream.history import History
from app.upstream.hub import Hub, on_event
from app.upstream.publisher import Publisher

HALL = "hall"


class SoakHub(Hub):
    name = "soak"

    def __init__(self, publisher: Publisher, history: History) -> None:
        self._publisher = publisher
        self._history = history

    async def on_connect(self, event: ConnectEvent) -> ConnectResponse:
        is_listener = (event.user_id or "").startswith("listener")
        return ConnectResponse(groups=(HALL,) if is_listener else ())

    @on_event("say")
    async def say(self, event: UserEvent) -> None:
        line = {"id": event.message_id(), "from": event.user_id, "n": int(event.text)}
        await self._history.append(HALL, line["n"], id=str(line["id"]))
        await self._publisher.send_to_group(HALL, line)
