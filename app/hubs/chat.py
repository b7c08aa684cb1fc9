"""The chat: rooms, who is in them, what was said before, private messages. Bare WebSocket clients talk in the lobby.

docs/chat.md says what goes over the wire.
"""

import asyncio
from collections.abc import Iterable
from secrets import token_hex
from time import time

from pydantic import JsonValue

from app.hubs.chat_wire import (
    DIRECTORY,
    LOBBY,
    Enter,
    InRoom,
    Private,
    Say,
    Since,
    Spoken,
    as_line,
    check,
    fitting,
    is_room,
    line_id,
    named,
    read,
    signals,
)
from app.models.events import (
    ConnectedEvent,
    ConnectEvent,
    DisconnectedEvent,
    GroupJoinedEvent,
    GroupLeftEvent,
    OtherData,
    UserEvent,
)
from app.models.responses import ConnectResponse
from app.upstream.errors import Declined, ServiceError
from app.upstream.history import History
from app.upstream.hub import Answer, Environment, Hub, on_event
from app.upstream.publisher import Publisher
from app.upstream.roster import Change, Roster
from app.upstream.service import ServiceClient

NEWEST = 50
MOST_LINES = 200
MOST_MEMBERS = 1_000
MOST_ROOMS = 500
MOST_ENTERED = 50
TYPING_SECONDS = 5
COUNT_SECONDS = 1.0


class ChatHub(Hub):
    name = "Sample_ChatApp"

    def __init__(
        self,
        publisher: Publisher,
        service: ServiceClient,
        roster: Roster,
        history: History,
        environment: Environment,
    ) -> None:
        self._publisher = publisher
        self._service = service
        self._roster = roster
        self._history = history
        self._environment = environment
        self._changed: dict[str, None] = {}
        """Rooms whose members are to be counted, in the order of the changes."""
        self._has_changed = asyncio.Event()

    async def on_connect(self, event: ConnectEvent) -> ConnectResponse:
        groups = dict.fromkeys((LOBBY, *event.claims.get("webpubsub.group", ())))
        return ConnectResponse(user_id=self._environment.who(event), groups=tuple(groups))

    async def on_connected(self, event: ConnectedEvent) -> None:
        await self._came(LOBBY, event)

    async def on_disconnected(self, event: DisconnectedEvent) -> None:
        await self._announce(await self._roster.gone(event.connection_id))

    async def on_group_joined(self, event: GroupJoinedEvent) -> None:
        if is_room(event.group):
            await self._came(event.group, event)

    async def on_group_left(self, event: GroupLeftEvent) -> None:
        if is_room(event.group):
            await self._went(event.group, event)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._heal())
            tasks.create_task(self._tell_counts())

    async def on_user_event(self, event: UserEvent) -> Answer:
        try:
            return await super().on_user_event(event)
        except Declined as declined:
            raise Declined(declined.code, str(declined), **named(event)) from None
        except ServiceError as error:
            raise Declined("unavailable", "The service did not answer. Please try again.", **named(event)) from error

    @on_event("message")
    async def message(self, event: UserEvent) -> Answer:
        """The tutorial's: a text frame. Its sender knows lines and nothing else, so a refusal looks like one."""
        try:
            said = check(Spoken, {"message": event.text})
        except OtherData:
            return {"type": "system", "message": "A message is text."}
        except Declined as declined:
            return None if declined.code == "empty" else {"type": "system", "message": str(declined)}
        await self._say(LOBBY, event.message_id(), _from(event, message=said.message))
        return None

    @on_event("enter")
    async def enter(self, event: UserEvent) -> Answer:
        """In first, read after: whatever is said meanwhile is among the lines, or comes to the group."""
        asked = read(Enter, event)
        if len(await self._roster.groups_of(event.connection_id) | {asked.room}) > MOST_ENTERED:
            raise Declined("too-many-rooms", f"Leave a room first: one page may be in {MOST_ENTERED}.")
        groups = (asked.room, signals(asked.room))
        await asyncio.gather(*(self._service.add_connection_to_group(one, event.connection_id) for one in groups))
        await self._came(asked.room, event)
        members: list[JsonValue] = [
            {"user": one.user_id, "since": one.since} for one in await self._roster.members(asked.room)
        ]
        lines = await self._lines(asked.room, asked.since)
        return {"type": "room", "room": asked.room, "members": members[:MOST_MEMBERS], **lines}

    @on_event("leave")
    async def leave(self, event: UserEvent) -> None:
        room = read(InRoom, event).room
        groups = (room, signals(room))
        await asyncio.gather(*(self._service.remove_connection_from_group(one, event.connection_id) for one in groups))
        await self._went(room, event)

    @on_event("say")
    async def say(self, event: UserEvent) -> None:
        said = read(Say, event)
        await self._check_member(said.room, event)
        await self._say(said.room, line_id(event, said), _from(event, message=said.message, key=said.key))

    @on_event("private")
    async def private(self, event: UserEvent) -> None:
        said = read(Private, event)
        if not await self._service.user_exists(said.to):
            raise Declined("nobody", f"{said.to} is not here.")
        value = {"type": "private", "id": event.message_id(), "at": time()}
        value |= _from(event, to=said.to, message=said.message, key=said.key)
        for user_id in dict.fromkeys((said.to, event.user_id or "")):
            await self._publisher.send_to_user(user_id, value)

    @on_event("typing")
    async def typing(self, event: UserEvent) -> None:
        room = read(InRoom, event).room
        await self._check_member(room, event)
        value = {"type": "typing", "room": room, "user": event.user_id}
        await self._publisher.send_to_group(
            signals(room), value, excluded=[event.connection_id], ttl_seconds=TYPING_SECONDS
        )

    @on_event("since")
    async def since(self, event: UserEvent) -> Answer:
        asked = read(Since, event)
        await self._check_member(asked.room, event)
        return {"type": "lines", "room": asked.room, **await self._lines(asked.room, asked.number)}

    @on_event("rooms")
    async def rooms(self, event: UserEvent) -> Answer:
        await self._service.add_connection_to_group(DIRECTORY, event.connection_id)
        names = [group for group in await self._roster.groups() if is_room(group)]
        counts = await asyncio.gather(*map(self._count, names))
        fullest_first = sorted(zip(names, counts, strict=True), key=lambda one: (-one[1], one[0]))
        rooms = [{"room": name, "members": count} for name, count in fullest_first[:MOST_ROOMS]]
        return {"type": "rooms", "rooms": rooms}

    @on_event("*")
    async def unknown(self, event: UserEvent) -> None:
        raise Declined("unknown-event", f"The chat has no event {event.name!r}.")

    async def _check_member(self, room: str, event: UserEvent) -> None:
        if room not in await self._roster.groups_of(event.connection_id):
            raise Declined("not-in-room", f"Enter {room} first.")

    async def _say(self, room: str, id: str, value: dict[str, JsonValue]) -> None:
        """Kept, then sent. What is delivered again is neither kept nor numbered twice."""
        line = await self._history.append(room, {"id": id, **value}, id=id)
        await self._publisher.send_to_group(room, as_line(room, line))

    async def _lines(self, room: str, after: int | None) -> dict[str, JsonValue]:
        """The number of the last line; and the newest ones, or those after a number."""
        newest = await self._history.newest(room, NEWEST)
        number = newest[-1].number if newest else 0
        if after is None or after > number:  # the page's number is of a history that is no more
            lines = fitting(as_line(room, line) for line in reversed(newest))[::-1]
        else:
            found = await self._history.since(room, after, MOST_LINES)
            number = max([number, *(line.number for line in found[-1:])])
            lines = fitting(as_line(room, line) for line in found)
        return {"number": number, "lines": lines}

    async def _count(self, room: str) -> int:
        return len(await self._roster.members(room))

    async def _came(self, room: str, event: ConnectedEvent | GroupJoinedEvent | UserEvent) -> None:
        change = await self._roster.joined(room, event.connection_id, event.user_id, at=time())
        await self._announce([change] if change else [])

    async def _went(self, room: str, event: GroupLeftEvent | UserEvent) -> None:
        change = await self._roster.left(room, event.connection_id)
        await self._announce([change] if change else [])

    async def _announce(self, changes: Iterable[Change]) -> None:
        """In lanes of their own: the order that counts is that of one user, whichever connection caused it."""
        for room, user_id, is_in, at in changes:
            of_user = self._publisher.in_lane(f"presence/{user_id}")
            presence = {"type": "presence", "room": room, "user": user_id, "in": is_in, "at": at}
            await of_user.send_to_group(signals(room), presence)
            if room == LOBBY:
                text = f"{user_id} {'joined' if is_in else 'left'}"
                await of_user.send_to_group(LOBBY, {"id": token_hex(12), "type": "system", "message": text})
            self._changed[room] = None
            self._has_changed.set()

    async def _heal(self) -> None:
        async for changes in self._roster.healing(self._service, always=(LOBBY,)):
            await self._announce(changes)

    async def _tell_counts(self) -> None:
        """At once, but not for each of many who come and go together."""
        while True:
            await self._has_changed.wait()
            self._has_changed.clear()
            rooms, self._changed = self._changed, {}
            for room in rooms:
                value = {"type": "rooms-changed", "room": room, "members": await self._count(room)}
                await self._publisher.in_lane(DIRECTORY).send_to_group(DIRECTORY, value)
            await asyncio.sleep(COUNT_SECONDS)


def _from(event: UserEvent, **members: str | None) -> dict[str, JsonValue]:
    given = {name: value for name, value in members.items() if value is not None}
    return {"from": event.user_id, **given}
