"""From headers and bytes to events."""

from contextlib import suppress
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app.models.events import (
    DisconnectedEvent,
    Event,
    GroupLeftEvent,
    MqttConnectedEvent,
    MqttConnectEvent,
    MqttDisconnectedEvent,
    MqttUserEvent,
    UserEvent,
)
from app.models.mqtt import UserProperty
from app.models.payloads import BinaryData, JsonData, ProtobufData, TextData
from app.upstream.cloudevents import decode_context, kind_of, read_headers
from app.upstream.errors import MalformedEvent

MQTT = {"ce-physicalconnectionid": "ph-01", "ce-sessionid": "se-5", "ce-subprotocol": "mqtt"}


def headers(kind: str, **more: str | bytes) -> dict[bytes, bytes]:
    name = kind.rpartition(".")[2]
    values: dict[str, str | bytes] = {
        "webhook-request-origin": "x", "ce-awpsversion": "1.0", "ce-hub": "chat", "ce-connectionid": "c",
        "ce-type": f"azure.webpubsub.{kind}", "ce-eventname": name,
    }  # fmt: skip
    values |= {header.replace("_", "-"): value for header, value in more.items()}
    return {name.encode(): value if isinstance(value, bytes) else value.encode() for name, value in values.items()}


def decode(kind: str, body: bytes = b"{}", /, **more: str | bytes) -> Event:
    given_headers = headers(kind, **more)
    context = decode_context(given_headers)
    found = kind_of(context.type, context.event_name, given_headers.get(b"content-type", b""), context.is_mqtt)
    return found.decode(context, found.media, given_headers, body)


@given(st.text(min_size=1, max_size=50))
def test_user_ids_are_utf_8(user_id: str) -> None:
    try:
        raw = user_id.encode()
    except UnicodeEncodeError:
        return

    assert decode_context(headers("user.e", ce_userid=raw)).user_id == user_id


@given(st.binary(min_size=1, max_size=50))
def test_no_bytes_of_a_header_are_more_than_malformed(value: bytes) -> None:
    for name in ("ce_userid", "ce_connectionid", "ce_connectionstate", "ce_hub", "cookie"):
        with suppress(MalformedEvent):
            decode_context(headers("user.e", **{name: value}))


def test_a_user_id_an_intermediary_made_latin_1_is_still_read() -> None:
    assert decode_context(headers("user.e", ce_userid="grün".encode("latin-1"))).user_id == "grün"


def test_empty_is_anonymous_and_no_mqtt() -> None:
    event = decode("user.e", b"x", content_type="text/plain", ce_userid="", ce_physicalconnectionid="")

    assert event.user_id is None
    assert not event.context.is_mqtt


def test_lists_of_several_lines_are_joined_and_the_first_of_others_counts() -> None:
    lines = [(b"ce-signature", b"a"), (b"x", b"1"), (b"ce-signature", b"b"), (b"x", b"2")]

    assert read_headers(lines) == {b"ce-signature": b"a,b", b"x": b"1"}


def test_cookies_and_mqtt_properties_of_several_lines_are_joined() -> None:
    lines = [(b"cookie", b"a=1"), (b"mqtt-zone", b"n"), (b"cookie", b"b=2"), (b"mqtt-zone", b"s")]

    assert read_headers(lines) == {b"cookie": b"a=1; b=2", b"mqtt-zone": b"n,s"}


@pytest.mark.parametrize(
    ("content_type", "body", "data"),
    [
        ("text/plain; charset=utf-8", "ü".encode(), TextData(text="ü")),
        ("Application/JSON", b"[1]", JsonData(value=[1], raw=b"[1]")),
        ("application/octet-stream", b"\x00", BinaryData(data=b"\x00")),
        ("application/x-protobuf", b"\x08\x01", ProtobufData(data=b"\x08\x01")),
    ],
)
def test_a_user_event_carries_its_kind_of_data(content_type: str, body: bytes, data: Any) -> None:
    event = decode("user.room.move-v2", body, content_type=content_type, ce_eventname="room.move-v2")

    assert isinstance(event, UserEvent)
    assert (event.name, event.data) == ("room.move-v2", data)


def test_data_is_read_as_text_or_as_a_value() -> None:
    json_event = decode("user.e", b'{"n":1}', content_type="application/json")
    text_event = decode("user.e", b"hi", content_type="text/plain")
    assert isinstance(json_event, UserEvent)
    assert isinstance(text_event, UserEvent)

    assert (json_event.value, json_event.text, text_event.text) == ({"n": 1}, '{"n":1}', "hi")
    with pytest.raises(TypeError, match="not JSON"):
        _ = text_event.value


def test_metadata_and_cookies_are_read() -> None:
    event = decode(
        "user.e",
        b"x",
        content_type="text/plain",
        x_webpubsub_metadata_trace="t-91",
        x_other="y",
        cookie="a=b; c=d=e; f",
    )

    assert isinstance(event, UserEvent)
    assert event.metadata == {"trace": "t-91"}
    assert event.cookies == {"a": "b", "c": "d=e", "f": ""}


def test_a_quoted_cookie_is_read_as_it_was_written() -> None:
    event = decode("sys.connected", cookie=r'a="x\073 y"; b="\"q\""; c="; d=""')

    assert event.cookies == {"a": "x; y", "b": '"q"', "c": '"', "d": ""}


def test_a_device_may_send_metadata_too() -> None:
    event = decode("user.e", b"x", ce_physicalconnectionid="ph", x_webpubsub_metadata_trace="t-91", mqtt_zone="sál")

    assert isinstance(event, MqttUserEvent)
    assert (event.metadata, event.user_properties) == ({"trace": "t-91"}, [("zone", "sál")])


@pytest.mark.parametrize("value", ["é".encode(), "é".encode("latin-1")])
def test_metadata_that_could_not_be_sent_back_is_none(value: bytes) -> None:
    event = decode("user.e", b"x", content_type="text/plain", x_webpubsub_metadata_a=value, x_webpubsub_metadata_b="b")

    assert isinstance(event, UserEvent)
    assert event.metadata == {"b": "b"}


def test_a_prefix_alone_names_nothing() -> None:
    sent = decode("user.e", b"x", content_type="text/plain", x_webpubsub_metadata_="y")
    published = decode("user.e", b"x", ce_physicalconnectionid="ph", mqtt_="y")

    assert isinstance(sent, UserEvent)
    assert isinstance(published, MqttUserEvent)
    assert (sent.metadata, published.user_properties) == ({}, [])


@pytest.mark.parametrize("claims", [b"{}", b"null"])
def test_members_are_known_by_their_names_on_the_wire_only(claims: bytes) -> None:
    body = b'{"claims":%s,"client_certificates":[{"thumbprint":"a1"}],"mqtt":{"protocol_version":5}}' % claims

    event = decode("sys.connect", body, ce_physicalconnectionid="ph")

    assert isinstance(event, MqttConnectEvent)
    assert event.client_certificates == []
    assert event.mqtt.protocol_version == 4


def test_a_connect_event_is_asked_by_name() -> None:
    body = (
        b'{"claims":{"sub":["mia"],"exp":[1790000000]},"query":{"room":["a","b"]},'
        b'"clientCertificates":[{"thumbprint":"a1:b2 c3","content":null}],"hub":"forged","context":{}}'
    )
    event = decode("sys.connect", body)

    assert event.hub == "chat"
    assert event.claim("sub") == "mia"  # type: ignore[union-attr]
    assert event.claim("exp") == "1790000000"  # type: ignore[union-attr]
    assert event.query_value("room") == "a"  # type: ignore[union-attr]
    assert event.query_value("none") is None  # type: ignore[union-attr]
    assert event.client_certificates[0].fingerprint == "A1B2C3"  # type: ignore[union-attr]


def test_a_null_is_nothing_wherever_it_stands() -> None:
    body = (
        b'{"claims":{"sub":null,"role":[null,"a"]},"query":{"q":null},"headers":null,"subprotocols":[null,"b"],'
        b'"clientCertificates":[null,{},{"thumbprint":null,"content":null}],'
        b'"mqtt":{"username":null,"userProperties":[null,{"name":"n","value":null}]}}'
    )
    event = decode("sys.connect", body, ce_physicalconnectionid="ph")

    assert isinstance(event, MqttConnectEvent)
    assert (event.claims, event.query, event.headers) == ({"role": ["a"]}, {}, {})
    assert event.subprotocols == ["b"]
    assert [one.fingerprint for one in event.client_certificates] == ["", ""]
    assert (event.mqtt.username, event.mqtt.user_properties) == (None, (UserProperty(name="n"),))


def test_mqtt_connect_has_its_credentials_and_hides_the_password() -> None:
    body = (
        b'{"mqtt":{"protocolVersion":5,"cleanStart":true,"username":"dev","password":"cHc=",'
        b'"userProperties":[{"name":"a","value":"1"},{"name":"a","value":"2"}]}}'
    )
    event = decode("sys.connect", body, **{name.replace("-", "_"): value for name, value in MQTT.items()})

    assert isinstance(event, MqttConnectEvent)
    assert (event.mqtt.protocol_version, event.mqtt.username, event.mqtt.password) == (5, "dev", b"pw")
    assert [one.value for one in event.mqtt.user_properties] == ["1", "2"]
    assert "pw" not in repr(event)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"mqtt":null}',
        b'{"mqtt":{"protocolVersion":4,"userProperties":null}}',
        b'{"mqtt":{"protocolVersion":null,"username":null}}',
    ],
)
def test_mqtt_connect_may_leave_everything_out(body: bytes) -> None:
    event = decode("sys.connect", body, ce_physicalconnectionid="ph")

    assert isinstance(event, MqttConnectEvent)
    assert event.mqtt.protocol_version == 4


def test_the_other_mqtt_events() -> None:
    mqtt = {name.replace("-", "_"): value for name, value in MQTT.items()}
    gone_body = (
        b'{"reason":"x","mqtt":{"initiatedByClient":true,"disconnectPacket":{"code":200,"userProperties":null}}}'
    )

    gone = decode("sys.disconnected", gone_body, **mqtt)
    published = decode("user.roll", b"\x01", mqtt_zone="a", content_type="image/png", **mqtt)
    untyped = decode("user.roll", b"\x01", **mqtt)

    assert isinstance(decode("sys.connected", **mqtt), MqttConnectedEvent)
    assert isinstance(gone, MqttDisconnectedEvent)
    assert gone.mqtt.disconnect_packet is not None
    assert (gone.reason, gone.mqtt.disconnect_packet.code) == ("x", 200)
    assert isinstance(published, MqttUserEvent)
    assert published.user_properties == [("zone", "a")]
    assert published.data == BinaryData(data=b"\x01", content_type="image/png")
    assert isinstance(untyped, MqttUserEvent)
    assert untyped.data == BinaryData(data=b"\x01")
    assert published.context.session_id == "se-5"


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        ("Image/SVG+xml; Charset=UTF-8", BinaryData(data=b"1", content_type="Image/SVG+xml; Charset=UTF-8")),
        ("Application/JSON; charset=utf-8", JsonData(value=1, raw=b"1")),
        ("Text/Plain; x=y", TextData(text="1")),
        ("sál/1", BinaryData(data=b"1")),
        (" ", BinaryData(data=b"1")),
    ],
)
def test_a_device_may_name_any_media_type(content_type: str, data: Any) -> None:
    event = decode("user.roll", b"1", ce_physicalconnectionid="ph", content_type=content_type)

    assert isinstance(event, UserEvent)
    assert event.data == data


def test_events_without_much_in_them() -> None:
    left = decode("gp.left", '{"group":"sál-1/東","reason":null}'.encode())
    gone = decode("sys.disconnected", b'{"reason":null}')

    assert isinstance(left, GroupLeftEvent)
    assert left.group == "sál-1/東"
    assert isinstance(gone, DisconnectedEvent)
    assert gone.reason is None


def test_a_disconnect_nobody_can_read_is_one_all_the_same() -> None:
    with structlog.testing.capture_logs() as logs:
        event = decode("sys.disconnected", b'{"reason":7}')

    assert isinstance(event, DisconnectedEvent)
    assert event.reason is None
    assert [(line["event"], line["connection_id"]) for line in logs] == [("disconnected cannot be read", "c")]
