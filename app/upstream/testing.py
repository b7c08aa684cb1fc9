"""Test a hub without HTTP: a client that plays the service, and a publisher that remembers.

client = HubClient(EchoHub(publisher := RecordingPublisher()))
await client.connect(user_id="mia")
await client.send("message", "hi")
assert publisher.sent[-1].value == {"from": "mia", "message": "hi"}
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Self

from pydantic import JsonValue
from pydantic_core import from_json

from app.models.actions import (
    Action,
    AddConnectionToGroup,
    AddUserToGroup,
    CloseAllConnections,
    CloseClientConnection,
    CloseGroupConnections,
    GrantPermission,
    Permission,
    RemoveConnectionFromGroup,
    RemoveUserFromAllGroups,
    RemoveUserFromGroup,
    RevokePermission,
    Send,
    SendToAll,
    SendToConnection,
    SendToGroup,
    SendToUser,
)
from app.models.events import (
    ConnectedEvent,
    ConnectEvent,
    ConnectionContext,
    DisconnectedEvent,
    Event,
    GroupJoinedEvent,
    GroupLeftEvent,
    UserEvent,
)
from app.models.payloads import (
    BinaryData,
    JsonData,
    Message,
    Payload,
    ProtobufData,
    TextData,
    as_payload,
    parse_json,
)
from app.upstream.connection_state import ConnectionState
from app.upstream.dispatch import actions_in, dispatch
from app.upstream.errors import Rejected
from app.upstream.hub import Hub
from app.upstream.publisher import Publisher
from app.upstream.reply import Reply
from app.upstream.service import GroupConnection
from app.upstream.translation import Note, Translation


@dataclass(frozen=True)
class Sent:
    """One send. `target` is the group, user or connection; `None` for everybody."""

    verb: str
    target: str | None
    payload: Payload
    excluded: tuple[str, ...] = ()
    filter: str | None = None
    ttl_seconds: int | None = None

    @property
    def value(self) -> JsonValue | bytes:
        """The JSON value, the text or the bytes."""
        if isinstance(self.payload, JsonData):
            return self.payload.value
        body = self.payload.body
        return body.decode() if self.payload.content_type.startswith("text/") else body


@dataclass(frozen=True)
class Call:
    """Any other call, by the verb of the `Publisher` and its arguments."""

    verb: str
    arguments: Mapping[str, Any]


class RecordingPublisher(Publisher):
    """Sends nothing and remembers everything: a `Publisher`, and a `ServiceClient` too.

    `existing` answers the questions, `granted` the permission one; `listing` has the users of each group by connection.
    """

    def __init__(self, *, existing: Collection[str] = (), granted: Collection[tuple[str, str, str]] = ()) -> None:
        self.sent: list[Sent] = []
        self.calls: list[Call] = []
        self.actions: list[Action] = []
        self.existing = set(existing)
        self.granted = set(granted)
        self.listing: dict[str, dict[str, str | None]] = {}

    async def publish(self, action: Action) -> None:
        self.actions.append(action)
        verb, target = VERBS[type(action)]
        if isinstance(action, SendToAll | SendToGroup | SendToUser | SendToConnection):
            self.sent.append(
                Sent(
                    verb,
                    getattr(action, target) if target else None,
                    _payload(action),
                    getattr(action, "excluded", ()),
                    action.filter,
                    action.ttl_seconds,
                )
            )
            return
        if isinstance(action, GrantPermission | RevokePermission):
            permission = (action.permission, action.connection_id, action.target_name)
            (self.granted.add if isinstance(action, GrantPermission) else self.granted.discard)(permission)
        arguments = action.model_dump(exclude={"action_name", "lane", "target_name", "traceparent"})
        if isinstance(action, GrantPermission | RevokePermission):
            arguments["group"] = action.target_name
        self._call(verb, **arguments)

    def in_lane(self, key: str) -> Self:
        return self

    async def remove_connection_from_all_groups(self, connection_id: str) -> None:
        self._call("remove_connection_from_all_groups", connection_id=connection_id)

    async def add_connections_to_groups(self, groups: Sequence[str], *, filter: str = "") -> None:
        self._call("add_connections_to_groups", groups=tuple(groups), filter=filter)

    async def remove_connections_from_groups(self, groups: Sequence[str], *, filter: str = "") -> None:
        self._call("remove_connections_from_groups", groups=tuple(groups), filter=filter)

    async def close_user_connections(
        self, user_id: str, *, excluded: Collection[str] = (), reason: str | None = None
    ) -> None:
        self._call("close_user_connections", user_id=user_id, excluded=tuple(excluded), reason=reason)

    async def has_permission(self, permission: Permission, connection_id: str, group: str) -> bool:
        return (permission, connection_id, group) in self.granted

    async def connection_exists(self, connection_id: str) -> bool:
        return connection_id in self.existing

    async def group_exists(self, group: str) -> bool:
        return group in self.existing

    async def user_exists(self, user_id: str) -> bool:
        return user_id in self.existing

    async def connections_in_group(self, group: str) -> AsyncIterator[GroupConnection]:
        for connection_id, user_id in self.listing.get(group, {}).items():
            yield GroupConnection(connection_id, user_id)

    def _call(self, verb: str, **arguments: Any) -> None:
        self.calls.append(Call(verb, arguments))


VERBS: Mapping[type[Action], tuple[str, str]] = {
    SendToAll: ("send_to_all", ""),
    SendToGroup: ("send_to_group", "group"),
    SendToUser: ("send_to_user", "user_id"),
    SendToConnection: ("send_to_connection", "connection_id"),
    AddConnectionToGroup: ("add_connection_to_group", ""),
    RemoveConnectionFromGroup: ("remove_connection_from_group", ""),
    AddUserToGroup: ("add_user_to_group", ""),
    RemoveUserFromGroup: ("remove_user_from_group", ""),
    RemoveUserFromAllGroups: ("remove_user_from_all_groups", ""),
    GrantPermission: ("grant_permission", ""),
    RevokePermission: ("revoke_permission", ""),
    CloseClientConnection: ("close_connection", ""),
    CloseAllConnections: ("close_all_connections", ""),
    CloseGroupConnections: ("close_group_connections", ""),
}
"""The verb of each action, and which member of a send is its target."""


def _payload(action: Send) -> Payload:
    match action.data_type:
        case "text":
            return TextData(text=action.data)
        case "json":
            return JsonData(value=parse_json(action.body), raw=action.body)
        case "protobuf":
            return ProtobufData(data=action.body)
        case _:
            return BinaryData(data=action.body)


class FakeTranslator:
    """A `Translator` whose German for "hi" is "[de] hi". `asked` remembers text, targets and source of each call.

    `notes` says for which languages it fails, and how; it detects what `detected` says of a text.
    """

    languages: Mapping[str, str] = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español"}

    def __init__(self, *, notes: Mapping[str, Note] | None = None, detected: Mapping[str, str] | None = None) -> None:
        self.asked: list[tuple[str, tuple[str, ...], str | None]] = []
        self.notes = dict(notes or {})
        self.detected = dict(detected or {})

    async def translate(
        self, text: str, to: Sequence[str], *, source: str | None = None, keep: Collection[str] = ()
    ) -> Mapping[str, Translation]:
        self.asked.append((text, tuple(to), source))
        return {one: self._translation(text, one, source) for one in to}

    async def detect(self, text: str, *, likely: str | None = None) -> str | None:
        return self.detected.get(text, likely)

    def _translation(self, text: str, to: str, source: str | None) -> Translation:
        note = Note.SAME_LANGUAGE if to == source else self.notes.get(to)
        if note is not None:
            return Translation(text, source or "", is_translated=False, note=note)
        return Translation(f"[{to}] {text}", to, is_translated=True)


class HubClient:
    """One connection of a hub under test. State that an answer sets comes with the next event, as in the service.

    Unblocking events run at once here, and what they raise reaches the test.
    """

    def __init__(self, hub: Hub, *, connection_id: str = "conn-1", subprotocol: str | None = None) -> None:
        self._hub = hub
        self.connection_id = connection_id
        self._subprotocol = subprotocol
        self._state: dict[str, JsonValue] = {}
        self._next_id = 0
        self.user_id: str | None = None
        self.returned: list[Action] = []
        """Actions that handlers returned, in place of publishing them."""

    @property
    def state(self) -> Mapping[str, JsonValue]:
        """The connection state as the service holds it now."""
        return self._state

    async def connect(
        self,
        *,
        user_id: str | None = None,
        query: Mapping[str, str] | None = None,
        claims: Mapping[str, list[str]] | None = None,
        headers: Mapping[str, list[str]] | None = None,
        subprotocols: Sequence[str] = (),
    ) -> Reply:
        """Knocks. `user_id` is the one of the token. Afterwards `self.user_id` is who the hub says it is.

        Raises `Rejected` where the hub refuses.
        """
        self.user_id = user_id
        reply = await self._deliver(
            ConnectEvent(
                claims=dict(claims or {}),
                query={name: [value] for name, value in (query or {}).items()},
                headers=dict(headers or {}),
                subprotocols=list(subprotocols),
            ).within(self._context("sys", "connect"))
        )
        if reply.body:
            self.user_id = from_json(reply.body).get("userId", user_id)
        return reply

    async def send(self, event_name: str, data: Message, *, metadata: Mapping[str, str] | None = None) -> Reply:
        """A user event; the reply is what this client would get. Raises `Rejected` where the hub refuses."""
        event = UserEvent(data=as_payload(data), metadata=dict(metadata or {}))
        return await self._deliver(event.within(self._context("user", event_name)))

    async def ask(self, event_name: str, data: Message) -> Any:
        """A user event; the JSON value it is answered with, `None` where there is no answer."""
        reply = await self.send(event_name, data)
        return from_json(reply.body) if reply.body else None

    async def connected(self) -> None:
        await self._deliver(ConnectedEvent().within(self._context("sys", "connected")))

    async def disconnected(self, reason: str | None = None) -> None:
        await self._deliver(DisconnectedEvent(reason=reason).within(self._context("sys", "disconnected")))

    async def joined(self, group: str) -> None:
        await self._deliver(GroupJoinedEvent(group=group).within(self._context("gp", "joined")))

    async def left(self, group: str) -> None:
        await self._deliver(GroupLeftEvent(group=group).within(self._context("gp", "left")))

    def _context(self, family: str, event_name: str) -> ConnectionContext:
        event_id, self._next_id = str(self._next_id), self._next_id + 1
        return ConnectionContext(
            origin="localhost",
            awps_version="1.0",
            spec_version="1.0",
            hub=self._hub.name,
            connection_id=self.connection_id,
            type=f"azure.webpubsub.{family}.{event_name}",
            event_name=event_name,
            event_id=event_id,
            user_id=self.user_id,
            subprotocol=self._subprotocol,
            state=ConnectionState(deepcopy(self._state)),
        )

    async def _deliver(self, event: Event) -> Reply:
        reply, returned, followup = await dispatch(self._hub, event)
        self.returned.extend(returned)
        if followup is not None:
            self.returned.extend(actions_in(await followup()))
        if reply.status >= 400:
            raise Rejected(reply.body.decode(), status=reply.status)
        if followup is None and event.state.header() is not None:
            self._state = dict(event.state)
        return reply
