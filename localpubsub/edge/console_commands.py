"""What the console does on request: tokens, messages, closes, repeats, faults."""

import asyncio
import base64
import json
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, NoReturn

from aiohttp import web
from multidict import MultiDict

from localpubsub.edge.bodies import BodyTooLarge, BodyTooSlow, read_body
from localpubsub.edge.console_faults import ConsoleFaults, FaultRefused
from localpubsub.edge.operations import generate_token
from localpubsub.edge.rest_call import RestCall, RestRequest
from localpubsub.edge.rest_errors import RestError
from localpubsub.engine.hub import Connection, Hub
from localpubsub.engine.outbound import Close
from localpubsub.engine.records import EventContent
from localpubsub.engine.service import Service
from localpubsub.engine.upstream import DeliveryFailed, Upstream
from localpubsub.protocol import names
from localpubsub.protocol.messages import MESSAGE_LIMIT, DataType, Message, Payload

log = logging.getLogger(__name__)

BODY_LIMIT = 2 * MESSAGE_LIMIT  # a message as base64 in JSON
REPLAYED = 1_000_000_000
"""Where the ids of repeated events begin. No connection raises so many of its own."""
WRITTEN = {"binary": "base64", "json": "JSON"}
CLOSED = "Closed from the console."

Values = Mapping[str, Any]
Command = Callable[[web.Request, Values], Awaitable[Any]]


class BadCommand(Exception):
    """The text is for the person at the page."""

    headers: Mapping[str, str] = {}

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status


class ConsoleCommands:
    """`/console/api/...` for callers that are known. Every command raises `BadCommand` for what it cannot do."""

    def __init__(self, service: Service, upstream: Upstream) -> None:
        self._service = service
        self._upstream = upstream
        self._faults = ConsoleFaults(service.chaos)
        self._replays: set[asyncio.Task[None]] = set()
        self._replayed = 0
        self._commands: Mapping[tuple[str, str], Command] = {
            ("POST", "token"): self._token,
            ("POST", "publish"): self._publish,
            ("POST", "close"): self._close,
            ("POST", "replay"): self._replay,
            ("GET", "chaos"): self._list_faults,
            ("POST", "chaos"): self._add_fault,
            ("DELETE", "chaos"): self._remove_faults,
        }

    async def answer(self, request: web.Request, name: str) -> web.Response:
        command = self._commands.get((request.method, name))
        if command is None:
            known = any(name == one for _, one in self._commands)
            raise BadCommand("There is no such command.", 405 if known else 404)
        try:
            value = await command(request, await _values(request))
        except FaultRefused as refusal:
            raise BadCommand(str(refusal)) from None
        if value is None:
            return web.Response(status=204)
        return web.json_response(value)

    async def close(self) -> None:
        """Repeats that are not answered yet are given up."""
        for task in self._replays:
            task.cancel()
        await asyncio.gather(*self._replays, return_exceptions=True)

    async def _token(self, request: web.Request, values: Values) -> Any:
        hub, protocol = _hub(values), _text(values, "protocol", "default").lower()
        minutes = values.get("minutes", 60)
        if not isinstance(minutes, int) or isinstance(minutes, bool):
            _complain("minutes is a whole number.")
        query = MultiDict({"minutesToExpire": str(minutes), "clientType": protocol})
        if user_id := _text(values, "userId"):
            query.add("userId", user_id)
        for member, name in (("roles", "role"), ("groups", "group")):
            query.extend((name, one) for one in _texts(values, member))
        base = f"{request.scheme}://{request.host}"
        asked = RestRequest("POST", f"/api/hubs/{hub}/:generateToken", base, query, request.headers, request.read)
        try:
            answer = await generate_token(RestCall(asked, self._service, hub))
        except RestError as error:
            sentence = error.message.replace("clientType", "protocol").replace("minutesToExpire", "minutes")
            raise BadCommand(sentence) from None
        token = json.loads(answer.body)["token"]
        path = "/clients/mqtt/hubs/" if protocol == "mqtt" else "/client/hubs/"
        return {"url": f"ws{base.removeprefix('http')}{path}{hub}?access_token={token}", "token": token}

    async def _publish(self, _request: web.Request, values: Values) -> Any:
        hub = self._service.hub(_hub(values))
        target = values.get("target")
        if not isinstance(target, dict):
            _complain('target is an object, as {"kind": "group", "name": "lobby"}.')
        kind = _text(target, "kind")
        payload = _payload(_text(values, "dataType", "text"), values.get("data", ""))
        name = "" if kind == "all" else _needed(target, "name")
        receivers = tuple(_receivers(hub, kind, name))
        hub.publish(receivers, Message(payload, name if kind == "group" else None))
        return {"receivers": len(receivers)}

    async def _close(self, _request: web.Request, values: Values) -> Any:
        hub, reason = self._service.hub(_hub(values)), _text(values, "reason") or CLOSED
        connection = hub.connections.get(_needed(values, "connectionId"))
        if connection is None:
            raise BadCommand("There is no such connection any more.", 404)
        hub.close(connection, reason, Close(1000, "" if connection.codec.is_pubsub else reason))

    async def _replay(self, _request: web.Request, values: Values) -> Any:
        record_id = values.get("recordId")
        record = self._service.trace.record(record_id) if isinstance(record_id, int) else None
        content = record.content if record is not None else None
        if record is None or not isinstance(content, EventContent):
            _complain("There is no such event any more.")
        if content.event is None:
            _complain("Its body is larger than 64 KiB and was not kept: it cannot be sent again.")
        self._replayed += 1
        event, handler = replace(content.event, event_id=REPLAYED + self._replayed), content.handler

        async def deliver() -> None:
            self._service.trace.again(record)
            try:
                await self._upstream.deliver(handler, event)
            except DeliveryFailed as failure:
                log.info("the event %r was sent again, and failed: %s", event.name, failure)

        task = asyncio.create_task(deliver())
        self._replays.add(task)
        task.add_done_callback(self._replays.discard)

    async def _list_faults(self, _request: web.Request, _values: Values) -> Any:
        return {"rules": self._faults.all()}

    async def _add_fault(self, _request: web.Request, values: Values) -> Any:
        return self._faults.add(values)

    async def _remove_faults(self, _request: web.Request, values: Values) -> Any:
        self._faults.remove(values.get("id"))


async def _values(request: web.Request) -> Values:
    """The JSON object of the body; none where a method needs none."""
    try:
        data = await read_body(request, BODY_LIMIT)
    except BodyTooLarge:
        raise BadCommand("That is too much.", 413) from None
    except BodyTooSlow:
        raise BadCommand("That took too long.", 408) from None
    if not data and request.method != "POST":
        return {}
    if request.content_type != "application/json":
        _complain("A command of the console is JSON.")
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        _complain("This is not JSON.")
    if not isinstance(values, dict):
        _complain("A command of the console is a JSON object.")
    return values


def _complain(sentence: str) -> NoReturn:
    raise BadCommand(sentence)


def _text(values: Values, name: str, default: str = "") -> str:
    value = values.get(name, default)
    if not isinstance(value, str) or not names.is_whole(value):
        _complain(f"{name} is a text.")
    return value


def _needed(values: Values, name: str) -> str:
    return _text(values, name) or _complain(f"{name} is missing.")


def _texts(values: Values, name: str) -> list[str]:
    value = values.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and names.is_whole(one) for one in value):
        _complain(f"{name} is a list of texts.")
    return value


def _hub(values: Values) -> str:
    hub = _needed(values, "hub")
    if not names.is_hub(hub):
        _complain("The hub name is not legal.")
    return hub


def _payload(data_type: str, data: Any) -> Payload:
    """`data` is a text for each type: JSON is written out, bytes are base64."""
    if not isinstance(data, str):
        data = json.dumps(data, ensure_ascii=False)
    try:
        match data_type:
            case "text":
                payload = Payload(DataType.TEXT, data.encode())
            case "json":
                json.loads(data)
                payload = Payload(DataType.JSON, data.encode())
            case "binary":
                payload = Payload(DataType.BINARY, base64.b64decode(data, validate=True))
            case _:
                _complain("dataType is text, json or binary.")
    except (ValueError, RecursionError):
        _complain(f"The data is not {WRITTEN.get(data_type, 'legal text')}.")
    if len(payload.data) > MESSAGE_LIMIT:
        _complain("A message has at most 1 MiB.")
    return payload


def _receivers(hub: Hub, kind: str, name: str) -> Collection[Connection]:
    match kind:
        case "all":
            return hub.connections.values()
        case "group":
            return hub.group(name) if names.is_group(name) else _complain("The group name is not legal.")
        case "user":
            return hub.user(name)
        case "connection":
            found = hub.connections.get(name)
            return () if found is None else (found,)
    _complain("target.kind is all, group, user or connection.")
