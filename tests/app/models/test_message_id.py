"""The id a hub gives a message: the same when its event is delivered again, and no other message's."""

from itertools import combinations
from typing import Any

from app.models.events import ConnectionContext, UserEvent
from app.models.payloads import TextData

CAUSE: dict[str, Any] = {
    "origin": "contoso.webpubsub.azure.com",
    "awps_version": "1.0",
    "type": "azure.webpubsub.user.message",
    "event_name": "message",
    "hub": "chat",
    "connection_id": "aKiaUq7Ab8x3kD9mPq0ZQg",
    "event_id": "7",
}


def event(**changes: Any) -> UserEvent:
    return UserEvent(data=TextData(text="hi")).within(ConnectionContext.model_validate(CAUSE | changes))


def test_a_redelivery_has_the_id_it_had_before() -> None:
    # All that may differ from one delivery to the next.
    again = event(time="2026-03-04T05:06:09Z", request_id="other", origin="replica.example", hub="Chat")

    assert again.message_id() == event().message_id()
    assert again.message_id("second") == event().message_id("second")


def test_another_cause_or_part_has_another_id() -> None:
    ids = [
        event().message_id(),
        event().message_id("second"),
        event(event_id="8").message_id(),
        event(connection_id="other").message_id(),
        event(physical_connection_id="p").message_id(),
        event(hub="other").message_id(),
        event(type="azure.webpubsub.sys.connected").message_id(),
    ]

    assert all(one != other for one, other in combinations(ids, 2))


def test_parts_of_a_cause_do_not_run_into_each_other() -> None:
    assert event(hub="a", connection_id="b c").message_id() != event(hub="a b", connection_id="c").message_id()
    assert event(connection_id="c", event_id="17").message_id() != event(connection_id="c1", event_id="7").message_id()


def test_an_event_that_cannot_be_recognised_again_gives_every_message_its_own() -> None:
    for unknown in (None, ""):
        nameless = event(event_id=unknown)
        assert len({nameless.message_id() for _ in range(5)}) == 5


def test_it_tells_nothing_of_the_connection() -> None:
    shown = event().message_id()

    assert len(shown) == 24
    assert int(shown, 16)
    assert CAUSE["connection_id"] not in shown
