"""A hub whose every event is a broadcast, for tests that kill its process."""

from app.models.events import UserEvent
from app.upstream.hub import Hub, on_event
from app.upstream.publisher import Publisher


class ShoutHub(Hub):
    name = "shout"

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    @on_event("shout")
    async def shout(self, event: UserEvent) -> None:
        await self._publisher.send_to_all({"id": event.message_id(), "from": event.user_id, "n": int(event.text)})
