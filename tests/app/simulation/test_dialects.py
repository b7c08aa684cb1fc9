"""What parties say and hear, in either language."""

import pytest
from pydantic_core import from_json

from app.simulation import mqtt
from app.simulation.dialects import JsonDialect, MqttDialect


def test_a_json_client_says_an_event_as_the_subprotocol_has_it() -> None:
    assert from_json(JsonDialect().event("picked", {"shipment": "S-1"})) == {
        "type": "event",
        "event": "picked",
        "dataType": "json",
        "data": {"shipment": "S-1"},
    }


@pytest.mark.parametrize(
    ("frame", "is_greeting", "messages"),
    [
        ('{"type":"system","event":"connected","userId":"x","connectionId":"y"}', True, []),
        ('{"type":"message","from":"server","dataType":"json","data":{"type":"ok"}}', False, [{"type": "ok"}]),
        ('{"type":"message","from":"group","group":"g","dataType":"text","data":"hi"}', False, []),
        ('{"type":"ack","ackId":1,"success":true}', False, []),
    ],
)
def test_a_json_client_hears_messages_and_its_greeting(frame: str, is_greeting: bool, messages: list[object]) -> None:
    heard = JsonDialect().hear(frame)

    assert (heard.is_greeting, heard.messages, heard.replies) == (is_greeting, messages, [])


def test_an_mqtt_client_publishes_to_the_topic_of_the_event() -> None:
    dialect = MqttDialect("vehicle:V1")

    frame = dialect.event("position", {"lat": 1})

    assert frame == mqtt.publish("$webpubsub/server/events/position", b'{"lat":1}')
    assert dialect.opening() == mqtt.connect("vehicleV1")


def test_an_mqtt_client_acknowledges_what_comes_from_a_group() -> None:
    dialect = MqttDialect("vehicle:V1")
    dialect.opening()

    greeting = dialect.hear(b"\x20\x02\x00\x00")
    heard = dialect.hear(b"\x32\x15\x00\x01a\x00\x09" + b'{"type":"error"}')

    assert greeting.is_greeting
    assert (heard.messages, heard.replies) == ([{"type": "error"}], [mqtt.acknowledge(9)])


def test_a_connect_that_is_refused_is_no_greeting() -> None:
    with pytest.raises(ValueError, match="refused"):
        MqttDialect("vehicle:V1").hear(b"\x20\x02\x00\x05")
