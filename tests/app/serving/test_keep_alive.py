"""A connection between requests, in virtual time and without a socket."""

import asyncio

from app.serving.direct import Receive, Scope, Send, send_reply
from app.serving.incoming import IncomingLimits
from app.upstream.reply import Reply
from tests.app.fanout.virtual_time import in_virtual_time
from tests.app.serving.wire_double import Silent, Wire, connected

KEEP_ALIVE = 75
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def answering(handler_seconds: float = 0) -> tuple[IncomingLimits, Wire]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(handler_seconds)
        await send_reply(send, Reply(204))

    return connected(app, keep_alive_seconds=KEEP_ALIVE)


@in_virtual_time
async def test_a_connection_that_asks_nothing_more_is_closed_in_time() -> None:
    protocol, wire = answering()
    protocol.data_received(GET)

    await asyncio.sleep(KEEP_ALIVE - 1)
    assert wire.answers == 1
    assert not wire.closed
    await asyncio.sleep(2)
    assert wire.closed


@in_virtual_time
async def test_every_answer_puts_the_end_off() -> None:
    protocol, wire = answering()
    for _ in range(4):
        protocol.data_received(GET)
        await asyncio.sleep(KEEP_ALIVE - 1)
    assert wire.answers == 4
    assert not wire.closed
    await asyncio.sleep(2)
    assert wire.closed


@in_virtual_time
async def test_a_request_that_is_worked_on_is_not_idle() -> None:
    protocol, wire = answering(handler_seconds=KEEP_ALIVE - 1)
    protocol.data_received(GET)
    await asyncio.sleep(KEEP_ALIVE + 10)  # answered a moment ago
    protocol.data_received(GET)
    await asyncio.sleep(KEEP_ALIVE - 5)  # the timer was due while this one was worked on
    assert wire.answers == 1
    assert not wire.closed

    await asyncio.sleep(KEEP_ALIVE)
    assert wire.answers == 2
    assert not wire.closed
    await asyncio.sleep(KEEP_ALIVE)
    assert wire.closed


@in_virtual_time
async def test_a_request_that_is_on_its_way_is_not_idle() -> None:
    protocol, wire = answering()
    protocol.data_received(GET)
    await asyncio.sleep(KEEP_ALIVE - 5)
    protocol.data_received(GET[:9])
    await asyncio.sleep(10)
    protocol.data_received(GET[9:])
    await asyncio.sleep(1)

    assert wire.answers == 2
    assert not wire.closed


@in_virtual_time
async def test_a_request_that_began_to_come_during_another_is_not_idle_when_it_is_worked_on() -> None:
    protocol, wire = answering(handler_seconds=KEEP_ALIVE - 1)
    protocol.request_seconds = 2 * KEEP_ALIVE
    protocol.data_received(GET + GET[:9])
    await asyncio.sleep(KEEP_ALIVE)  # the first was answered a moment ago
    protocol.data_received(GET[9:])
    await asyncio.sleep(KEEP_ALIVE)

    assert wire.answers == 2
    assert not wire.closed


@in_virtual_time
async def test_requests_that_come_at_once_are_answered_one_after_the_other() -> None:
    protocol, wire = answering(handler_seconds=1)
    protocol.data_received(GET * 3)

    await asyncio.sleep(1.5)
    assert wire.answers == 1
    await asyncio.sleep(2)
    assert wire.answers == 3


@in_virtual_time
async def test_a_connection_that_is_gone_is_not_looked_at() -> None:
    protocol, wire = answering()
    protocol.data_received(GET)
    await asyncio.sleep(1)
    protocol.connection_lost(ConnectionResetError())

    assert protocol.timeout_keep_alive_task is None
    await asyncio.sleep(KEEP_ALIVE + 1)
    assert not wire.closed


@in_virtual_time
async def test_what_became_a_websocket_is_not_closed_for_asking_nothing() -> None:
    protocol, wire = answering()
    protocol.data_received(GET)
    await asyncio.sleep(1)
    protocol.data_received(UPGRADE)
    assert isinstance(wire.protocol, Silent)

    await asyncio.sleep(2 * KEEP_ALIVE)
    assert not wire.closed
