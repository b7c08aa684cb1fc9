"""A chat that says no, so that the pages can show what no looks like."""

from app.hubs.chat import ChatHub
from app.models.events import ConnectEvent, UserEvent
from app.models.responses import ConnectResponse
from app.upstream.errors import Rejected
from app.upstream.history import History
from app.upstream.hub import Environment, on_event
from app.upstream.publisher import Publisher
from app.upstream.roster import Roster
from app.upstream.service import ServiceClient


class GuardedChat(ChatHub):
    """Nobody called mallory comes in, and a message is taken only when it is sent the second time."""

    def __init__(
        self,
        publisher: Publisher,
        service: ServiceClient,
        roster: Roster,
        history: History,
        environment: Environment,
    ) -> None:
        super().__init__(publisher, service, roster, history, environment)
        self._heard: set[str] = set()

    async def on_connect(self, event: ConnectEvent) -> ConnectResponse:
        if "mallory" in (event.user_id, event.query_value("id")):
            raise Rejected("not for you", status=403)
        return await super().on_connect(event)

    @on_event("say")
    async def say(self, event: UserEvent) -> None:
        if event.text not in self._heard:
            self._heard.add(event.text)
            raise Rejected("say it again", status=400)
        await super().say(event)
