"""The tutorial's chat: everybody hears everybody."""

from secrets import token_hex

from app.models.events import ConnectedEvent, ConnectEvent, DisconnectedEvent, UserEvent
from app.models.responses import ConnectResponse
from app.upstream.errors import Rejected
from app.upstream.hub import Environment, Hub, on_event
from app.upstream.publisher import Publisher


class ChatHub(Hub):
    name = "Sample_ChatApp"

    def __init__(self, publisher: Publisher, environment: Environment) -> None:
        self._publisher = publisher
        self._environment = environment

    async def on_connect(self, event: ConnectEvent) -> ConnectResponse:
        """Who it is: the token's word, else `?id=` (lazy authentication), else, in development, a guest."""
        user_id = event.user_id or event.claim("sub") or (event.query_value("id") or "").strip()
        if not user_id and self._environment.development:
            user_id = f"guest-{token_hex(3)}"
        if not user_id:
            raise Rejected("missing user id", status=401)
        return ConnectResponse(user_id=user_id)

    async def on_connected(self, event: ConnectedEvent) -> None:
        await self._announce(event, f"{event.user_id} joined")

    async def on_disconnected(self, event: DisconnectedEvent) -> None:
        await self._announce(event, f"{event.user_id} left")

    @on_event("message")
    async def message(self, event: UserEvent) -> None:
        """A message id lets a page drop the repeat that a retry may bring."""
        await self._publisher.send_to_all({"id": event.message_id(), "from": event.user_id, "message": event.text})

    async def _announce(self, event: ConnectedEvent | DisconnectedEvent, line: str) -> None:
        await self._publisher.send_to_all({"id": event.message_id(), "type": "system", "message": line})
