"""A room where everybody writes and reads in a language of their own: docs/multilingual.md."""

import asyncio
from collections.abc import Collection, Mapping
from hashlib import blake2b
from time import time

from pydantic import JsonValue
from pydantic_core import to_json

from app.hubs.multilingual.lines import PATIENCE_SECONDS, Lines
from app.hubs.multilingual.readers import PEOPLE, Readers, group_of, language_of
from app.hubs.multilingual.relay import Relay, Turn
from app.hubs.multilingual.wire import MOST_LINES, Choose, Enter, Message, Said, Say, Since, read, text_of
from app.models.events import ConnectedEvent, ConnectEvent, DisconnectedEvent, UserEvent
from app.models.payloads import JsonData, TextData
from app.models.responses import ConnectResponse
from app.upstream.errors import Declined, Rejected, ServiceError
from app.upstream.history import History
from app.upstream.hub import Answer, Environment, Hub, on_event
from app.upstream.publisher import Publisher
from app.upstream.roster import Change, Roster
from app.upstream.service import ServiceClient
from app.upstream.storage import Storage
from app.upstream.translation import Translator

Value = dict[str, JsonValue]

DEFAULT_LANGUAGE = "en"

_LANGUAGE = "language"
_IS_RAW = "isRaw"


class MultilingualHub(Hub):
    name = "languages"

    def __init__(
        self,
        publisher: Publisher,
        service: ServiceClient,
        history: History,
        roster: Roster,
        storage: Storage,
        translator: Translator,
        environment: Environment,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._publisher = publisher
        self._service = service
        self._environment = environment
        self._translator = translator
        self._lines = Lines(history, storage, translator, patience_seconds)
        self._readers = Readers(roster, storage)
        self._relay = Relay(self._lines, self._readers, publisher, storage, Turn(storage))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._relay.run())
            tasks.create_task(self._heal())

    async def on_connect(self, event: ConnectEvent) -> ConnectResponse:
        """A raw WebSocket client can name no event: it says its language in the URL, as `?lang=`."""
        user_id = self._environment.who(event)
        of_token = event.claims.get("webpubsub.group", ())
        if event.subprotocols:
            return ConnectResponse(user_id=user_id, groups=(PEOPLE, *of_token))
        try:
            language = await self._choice(event.query_value("lang"), user_id)
        except Declined as declined:
            raise Rejected(str(declined), status=400) from None
        event.state[_LANGUAGE] = language
        event.state[_IS_RAW] = True
        return ConnectResponse(user_id=user_id, groups=(group_of(language, is_raw=True), *of_token))

    async def on_connected(self, event: ConnectedEvent) -> None:
        if _IS_RAW in event.state:
            group = group_of(str(event.state[_LANGUAGE]), is_raw=True)
            await self._announce(await self._readers.came(event.connection_id, _user(event), group, at=time()))

    async def on_disconnected(self, event: DisconnectedEvent) -> None:
        await self._announce(await self._readers.gone(event.connection_id))

    async def on_user_event(self, event: UserEvent) -> Answer:
        """What cannot be done is answered with the reason: a PubSub client sees no status."""
        try:
            return await super().on_user_event(event)
        except ServiceError:
            declined = Declined("unavailable", "the service did not answer, try again")
        except Declined as error:
            declined = error
        if _IS_RAW in event.state:
            return None if declined.code == "empty" else {"type": "system", "message": str(declined)}
        raise Declined(declined.code, str(declined), **_mark(event))

    @on_event("enter")
    async def enter(self, event: UserEvent) -> Value:
        """The history is read last: what is said afterwards reaches the group that the client is in by then."""
        request = read(event, Enter)
        language = await self._choice(request.language, _user(event))
        await self._seat(event, language)
        return await self._room(_user(event), language, request.since)

    @on_event("language")
    async def language(self, event: UserEvent) -> Value:
        language = await self._choice(read(event, Choose).language, _user(event))
        await self._seat(event, language)
        return await self._room(_user(event), language, None)

    @on_event("since")
    async def since(self, event: UserEvent) -> Value:
        request = read(event, Since)
        language, members = _seat_of(event), await self._readers.members()
        return {
            "type": "lines",
            "since": request.number,
            **await self._lines_in(language, request.number, request.limit, members),
        }

    @on_event("say")
    async def say(self, event: UserEvent) -> Value:
        request = read(event, Say)
        message = await self._add(event, request.message, request.key)
        return {
            "type": "said",
            "number": message.number,
            "at": message.at,
            "id": message.said.id,
            **_mark(event),
        }

    @on_event("message")
    async def message(self, event: UserEvent) -> None:
        """What a raw client writes."""
        if not isinstance(event.data, TextData):
            raise Declined("malformed", "a message is a text")
        await self._add(event, event.data.text, None)

    @on_event("*")
    async def anything_else(self, event: UserEvent) -> None:
        raise Declined("unknown-event", f"this room has no event {event.name!r}")

    async def _add(self, event: UserEvent, text: str, key: str | None) -> Message:
        """The same text under the same key is the same message: it may come again over another connection."""
        user_id, language, text = _user(event), _seat_of(event), text_of(text)
        mark = None if key is None else blake2b(to_json((user_id, key, text)), digest_size=12).hexdigest()
        said = Said(id=mark or event.message_id(), author=user_id, text=text, language=language, key=key)
        message = await self._lines.add(said)
        await self._relay.wake()
        return message

    async def _seat(self, event: UserEvent, language: str) -> None:
        """The connection is in the group of its language, and in no other, when this returns.

        The service is asked, not told: what is said from now on has to arrive.
        """
        connection_id, user_id = event.connection_id, _user(event)
        group, before = group_of(language), event.state.get(_LANGUAGE)
        await self._service.add_connection_to_group(group, connection_id)
        changes = await self._readers.came(connection_id, user_id, group, at=time())
        if isinstance(before, str) and before != language:
            await self._service.remove_connection_from_group(group_of(before), connection_id)
            changes += await self._readers.left(connection_id, group_of(before))
        event.state[_LANGUAGE] = language
        await self._readers.remember(user_id, language)
        await self._announce(changes)

    async def _choice(self, wish: str | None, user_id: str) -> str:
        """Without a wish it is what the user read last. Raises `Declined` for what the translator does not have."""
        # Asked each time: a translator may learn its languages while it runs.
        codes = {code.lower(): code for code in self._translator.languages}
        if wish is None:
            last = await self._readers.last_choice(user_id) or DEFAULT_LANGUAGE
            return codes.get(last.lower()) or codes.get(DEFAULT_LANGUAGE) or next(iter(codes.values()))
        language = codes.get(wish.lower())
        if language is None:
            raise Declined("unknown-language", f"nobody translates to it here; there are {', '.join(codes.values())}")
        return language

    async def _room(self, user_id: str, language: str, since: int | None) -> Value:
        members = await self._readers.members()
        return {
            "type": "room",
            "user": user_id,
            "languages": dict(self._translator.languages),
            "members": [{"user": name, "languages": [*languages]} for name, languages in members.items()],
            **await self._lines_in(language, since, MOST_LINES, members),
        }

    async def _lines_in(self, language: str, since: int | None, limit: int, names: Collection[str]) -> Value:
        """The newest lines, or those after `since`."""
        # Before the lines: no client may take a line for seen that it was never given.
        number = await self._lines.last_number()
        messages = await (self._lines.newest(limit) if since is None else self._lines.since(since, limit))
        lines: list[JsonValue] = [*await self._lines.read_in(language, messages, keep=names)]
        return {"language": language, "number": number, "lines": lines}

    async def _announce(self, changes: Collection[Change]) -> None:
        """Tells who reads a language with the first of their connections, or no longer with any."""
        for one in changes:
            language = language_of(one.group)
            news = {"type": "presence", "user": one.user_id, "language": language, "in": one.is_in, "at": one.at}
            await self._publisher.send_to_group(PEOPLE, news)

    async def _heal(self) -> None:
        async for changes in self._readers.healed(self._service):
            await self._announce(changes)


def _user(event: UserEvent | ConnectedEvent) -> str:
    """`on_connect` lets nobody in without one."""
    return event.user_id or ""


def _seat_of(event: UserEvent) -> str:
    language = event.state.get(_LANGUAGE)
    if not isinstance(language, str):
        raise Declined("not-in-room", "enter first")
    return language


def _mark(event: UserEvent) -> Value:
    """The key of the request, so that the client finds what the answer is about."""
    value = event.data.value if isinstance(event.data, JsonData) else None
    key = value.get("key") if isinstance(value, Mapping) else None
    return {"key": key} if isinstance(key, str) else {}
