"""The handler profile the conformance cases are written against (spec/upstream.md 14)."""

from app.models.events import ConnectedEvent, ConnectEvent, DisconnectedEvent, MqttConnectEvent, UserEvent
from app.models.responses import ConnectResponse, UserEventResponse
from app.upstream.errors import Rejected
from app.upstream.hub import Answer, Hub, on_event


class ReferenceHub(Hub):
    name = "chat"

    async def on_connect(self, event: ConnectEvent) -> ConnectResponse | None:
        mode = event.query_value("mode")
        if isinstance(event, MqttConnectEvent):
            mode = event.mqtt.username
        accepted = ConnectResponse(
            user_id=f"u-{event.connection_id}", groups=("lobby",), roles=("webpubsub.sendToGroup.lobby",)
        )
        match mode or "accept":
            case "accept":
                return accepted
            case "deny401" | "deny403" | "deny400" as denial:
                raise Rejected("denied", status=int(denial.removeprefix("deny")))
            case "sub":
                return accepted.model_copy(update={"subprotocol": next(iter(event.subprotocols), None)})
            case "state":
                event.state["seat"] = {"n": 1}
            case "clear":
                event.state.clear()
            case "boom":
                raise RuntimeError("boom")
        return None

    async def on_connected(self, event: ConnectedEvent) -> None: ...

    async def on_disconnected(self, event: DisconnectedEvent) -> None: ...

    @on_event("message", "echo")
    async def echo(self, event: UserEvent) -> Answer:
        return event.data

    @on_event("ok")
    async def ok(self, event: UserEvent) -> Answer:
        return {"ok": True}

    @on_event("txt")
    async def txt(self, event: UserEvent) -> Answer:
        return "done"

    @on_event("state")
    async def set_state(self, event: UserEvent) -> None:
        event.state["n"] = 1

    @on_event("clear")
    async def clear_state(self, event: UserEvent) -> None:
        event.state.clear()

    @on_event("deny401", "deny400")
    async def deny(self, event: UserEvent) -> None:
        raise Rejected("denied", status=int(event.name.removeprefix("deny")))

    @on_event("boom")
    async def boom(self, event: UserEvent) -> None:
        raise RuntimeError("boom")

    @on_event("meta")
    async def meta(self, event: UserEvent) -> Answer:
        return UserEventResponse(data="m", metadata=event.metadata)
