"""Who speaks for a client that is gone (spec/service.md 7.1, 7.5)."""

from dataclasses import replace
from typing import Any

import pytest

from localpubsub.protocol.mqtt import packets as p
from localpubsub.protocol.mqtt.properties import Properties
from localpubsub.protocol.mqtt.reasons import Reason
from tests.localpubsub.mqtt.stage import COMING_BACK, HANDLER, Stage, come_back, payloads

WILL = p.Will("wills", b"gone", 1)


async def test_the_will_is_for_those_who_go_without_a_word() -> None:
    stage = Stage()
    watcher = await stage.connected("watcher", groups=("wills",))
    for goodbye, is_sent in (
        (None, True),
        (p.Disconnect(), False),
        (p.Disconnect(Reason.DISCONNECT_WITH_WILL), True),
        (p.Disconnect(Reason.UNSPECIFIED_ERROR), True),
        (p.PingResp(), True),
    ):
        client = await stage.connected(will=WILL)
        if goodbye is not None:
            await client.send(goodbye)
        client.drop()
        assert payloads(watcher.received()) == ([b"gone"] if is_sent else [])


async def test_a_will_says_of_itself_what_its_client_said() -> None:
    stage = Stage()
    watcher = await stage.connected("watcher", groups=("wills",))
    own = Properties(payload_format=1, content_type="text/x", user_properties=(("a", "b"),), message_expiry=9)
    client = await stage.connected(will=replace(WILL, properties=replace(own, will_delay=0)))
    client.drop()

    assert watcher.received() == [p.Publish("wills", b"gone", 1, 1, properties=own)]


async def test_a_will_needs_the_permission_too() -> None:
    stage = Stage()
    watcher = await stage.connected("watcher", groups=("wills",))
    client = await stage.connected(will=WILL, roles=())
    client.drop()

    assert watcher.received() == []


def delayed(seconds: int, expiry: int) -> dict[str, Any]:
    own = Properties(will_delay=seconds)
    return {"will": replace(WILL, properties=own), "properties": Properties(session_expiry=expiry)}


@pytest.mark.parametrize(("delay", "expiry", "sent_after"), [(5, 20, 5), (25, 20, 20), (5, 0, 0), (0, 20, 0)])
async def test_a_will_waits_but_not_longer_than_the_session(delay: int, expiry: int, sent_after: int) -> None:
    stage = Stage()
    watcher = await stage.connected("watcher", groups=("wills",))
    client = await stage.connected(**delayed(delay, expiry))
    client.drop()
    if sent_after:
        stage.time.advance(sent_after - 1)
        assert watcher.received() == []
        stage.time.advance(1)

    assert payloads(watcher.received()) == [b"gone"]
    stage.time.advance(60)
    assert watcher.received() == []


@pytest.mark.parametrize(("delay", "clean_start", "sent"), [(5, False, 0), (5, True, 1), (0, False, 1), (0, True, 1)])
@pytest.mark.parametrize("is_away", [True, False])
async def test_who_comes_back_in_time_has_no_will(delay: int, clean_start: bool, sent: int, is_away: bool) -> None:
    stage = Stage()
    watcher = await stage.connected("watcher", groups=("wills",))
    client = await stage.connected(**delayed(delay, 20))
    if is_away:
        client.drop()
        stage.time.advance(4)

    await come_back(stage, replace(COMING_BACK, clean_start=clean_start))
    stage.time.advance(60)

    assert len(watcher.received()) == sent


async def test_a_will_may_be_an_event_and_comes_before_the_end() -> None:
    stage = Stage(handlers=(HANDLER,))
    client = await stage.connected(will=p.Will("$webpubsub/server/events/gone", b"bye", 1))
    client.drop()
    await stage.settle()

    assert stage.upstream.names == ["connect", "connected", "gone", "disconnected"]
