"""The `Publisher` over the outbox."""

from typing import Self

from app.models.actions import Action
from app.upstream.errors import ServiceError
from app.upstream.outbox import Outbox
from app.upstream.publisher import Publisher, event_scope


class OutboxPublisher(Publisher):
    """Serves one hub. `outbox` is `None` where no service is configured: then every publish is a `ServiceError`."""

    def __init__(self, hub: str, outbox: Outbox | None, *, lane: str | None = None) -> None:
        self._hub = hub
        self._outbox = outbox
        self._lane = lane

    async def publish(self, action: Action) -> None:
        if self._outbox is None:
            raise ServiceError("publish", None, "no Web PubSub service is configured")
        if self._lane is not None and action.lane is None:
            action = action.model_copy(update={"lane": self._lane})
        scope = event_scope.get()
        if scope is None:
            self._outbox.check_room()
            await self._outbox.commit("", [(self._hub, action)])
        elif scope.is_open:
            scope.actions.append((self._hub, action))
        else:
            await self._outbox.commit(scope.lane, [(self._hub, action)])

    def in_lane(self, key: str) -> Self:
        return type(self)(self._hub, self._outbox, lane=key)
