"""The official client SDK, unmodified, against the local service."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from azure.messaging.webpubsubclient.aio import WebPubSubClient
from azure.messaging.webpubsubclient.models import (
    CallbackType,
    OnConnectedArgs,
    OnGroupDataMessageArgs,
    OnServerDataMessageArgs,
    SendMessageError,
    WebPubSubDataType,
    WebPubSubProtocolType,
)

from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import Received, RecordingUpstream, client_url

ROLES = ("webpubsub.joinLeaveGroup.reef", "webpubsub.sendToGroup.reef")


class Inbox:
    """What the callbacks of a client were told."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Any] = asyncio.Queue()

    async def put(self, message: Any) -> None:
        await self.queue.put(message)

    async def next(self) -> Any:
        async with asyncio.timeout(5):
            return await self.queue.get()


@pytest.fixture
async def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def client(service: LocalPubSub, upstream: RecordingUpstream, inbox: Inbox) -> AsyncIterator[WebPubSubClient]:
    def answer(received: Received) -> web.Response:
        if received.event == "ask":
            return web.Response(body=received.body.upper(), content_type="text/plain")
        return web.Response(status=400 if received.event == "fail" else 204)

    upstream.answer = answer
    one = WebPubSubClient(
        client_url(service, "den", user="mia", roles=ROLES),
        protocol_type=WebPubSubProtocolType.JSON,
        auto_reconnect=False,
        message_retry_total=0,
    )
    for kind in (CallbackType.CONNECTED, CallbackType.GROUP_MESSAGE, CallbackType.SERVER_MESSAGE):
        await one.subscribe(kind, inbox.put)
    async with one:
        yield one


async def test_the_client_learns_who_it_is(client: WebPubSubClient, inbox: Inbox) -> None:
    connected: OnConnectedArgs = await inbox.next()

    assert connected.user_id == "mia"
    assert connected.connection_id


async def test_it_joins_sends_and_receives(client: WebPubSubClient, inbox: Inbox) -> None:
    await inbox.next()
    await client.join_group("reef")
    await client.send_to_group("reef", {"n": 1}, WebPubSubDataType.JSON)

    message: OnGroupDataMessageArgs = await inbox.next()
    assert (message.group, message.from_user_id, message.data) == ("reef", "mia", {"n": 1})

    await client.send_to_group("reef", "quiet", WebPubSubDataType.TEXT, no_echo=True)
    await client.send_to_group("reef", memoryview(b"\x01"), WebPubSubDataType.BINARY)
    assert (await inbox.next()).data == b"\x01"
    await client.leave_group("reef")


async def test_an_event_is_acknowledged_and_answered(client: WebPubSubClient, inbox: Inbox) -> None:
    await inbox.next()
    await client.send_event("ask", "hello", WebPubSubDataType.TEXT)

    answer: OnServerDataMessageArgs = await inbox.next()
    assert answer.data == "HELLO"


async def test_what_is_not_allowed_or_fails_is_an_error(client: WebPubSubClient) -> None:
    with pytest.raises(SendMessageError) as forbidden:
        await client.join_group("attic")
    with pytest.raises(SendMessageError) as failed:
        await client.send_event("fail", "x", WebPubSubDataType.TEXT)

    details = [caught.value.error_detail for caught in (forbidden, failed)]
    assert [detail and detail.name for detail in details] == ["Forbidden", "InternalServerError"]


async def test_a_repeated_ack_id_counts_as_done(client: WebPubSubClient) -> None:
    await client.join_group("reef", ack_id=77)
    await client.join_group("reef", ack_id=77)
