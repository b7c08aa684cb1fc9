"""What a CONNECT gets, what topics mean, what payloads become (spec/service.md 7.1, 7.2, 7.4)."""

from dataclasses import replace

import pytest

from localpubsub.protocol.messages import DataType, Message, Payload
from localpubsub.protocol.mqtt import content
from localpubsub.protocol.mqtt.packets import V3, V5, ConnAck, Connect, Publish, Will
from localpubsub.protocol.mqtt.properties import NONE, Properties
from localpubsub.protocol.mqtt.reasons import ConnectReturn, Reason
from localpubsub.protocol.mqtt.terms import ConnectFailed, refused_by_upstream, terms_of
from localpubsub.protocol.mqtt.topics import EventTopic, GroupTopic, filter_refusal, target

THREE = Connect("buoy7", V3, keep_alive=60)
FIVE = Connect("buoy7", V5, keep_alive=60)
LONG = "$webpubsub/server/events/"


def refused(connect: Connect, *, lenient: bool = False) -> int:
    with pytest.raises(ConnectFailed) as caught:
        terms_of(connect, new_id="new", lenient_ids=lenient)
    return caught.value.connack.code


@pytest.mark.parametrize("client_id", ["a" * 129, "mqttjs_ab12", "a-b", "é", "a b", "a\n"])
def test_a_client_id_is_letters_and_digits(client_id: str) -> None:
    assert refused(replace(FIVE, client_id=client_id)) == Reason.CLIENT_IDENTIFIER_NOT_VALID
    assert refused(replace(THREE, client_id=client_id)) == ConnectReturn.IDENTIFIER_REJECTED


def test_whoever_wants_to_may_be_lenient_with_client_ids() -> None:
    terms = terms_of(replace(FIVE, client_id="mqttjs_ab12"), new_id="new", lenient_ids=True)

    assert terms.client_id == "mqttjs_ab12"
    assert refused(replace(FIVE, client_id="a b"), lenient=True) == Reason.CLIENT_IDENTIFIER_NOT_VALID


def test_who_has_no_id_is_given_one_but_not_for_a_session_of_3_1_1() -> None:
    five = terms_of(replace(FIVE, client_id="", clean_start=False), new_id="new")

    assert (five.client_id, five.assigned) == ("new", True)
    assert five.connack(session_present=False).properties.assigned_client_id == "new"
    assert terms_of(replace(THREE, client_id=""), new_id="new").client_id == "new"
    assert refused(replace(THREE, client_id="", clean_start=False)) == ConnectReturn.IDENTIFIER_REJECTED


@pytest.mark.parametrize(("asked", "given"), [(0, 180), (181, 180), (0xFFFF, 180)])
def test_a_keep_alive_too_long_is_shortened_or_refused(asked: int, given: int) -> None:
    terms = terms_of(replace(FIVE, keep_alive=asked), new_id="")

    assert terms.keep_alive == given
    assert terms.connack(session_present=False).properties.server_keep_alive == given
    assert refused(replace(THREE, keep_alive=asked)) == ConnectReturn.SERVER_UNAVAILABLE


@pytest.mark.parametrize("asked", [1, 180])
def test_a_keep_alive_that_is_allowed_is_kept(asked: int) -> None:
    terms = terms_of(replace(FIVE, keep_alive=asked), new_id="")

    assert terms.keep_alive == asked
    assert terms.connack(session_present=False).properties.server_keep_alive is None
    assert terms_of(replace(THREE, keep_alive=asked), new_id="").keep_alive == asked


@pytest.mark.parametrize(("asked", "given"), [(None, 0), (0, 0), (20, 20), (31, 30), (0xFFFF_FFFF, 30)])
def test_a_session_lasts_half_a_minute_at_most(asked: int | None, given: int) -> None:
    terms = terms_of(replace(FIVE, properties=Properties(session_expiry=asked)), new_id="")

    assert terms.session_expiry == given
    assert terms.connack(session_present=False).properties.session_expiry == given


def test_a_session_of_3_1_1_lasts_where_it_is_not_clean() -> None:
    assert terms_of(THREE, new_id="").session_expiry == 0
    assert terms_of(replace(THREE, clean_start=False), new_id="").session_expiry == 30


def test_the_connack_says_what_is_offered() -> None:
    terms = terms_of(FIVE, new_id="")

    assert terms.connack(session_present=True, user_properties=(("a", "b"),)) == ConnAck(
        0,
        True,
        Properties(
            session_expiry=0,
            receive_maximum=100,
            topic_alias_maximum=0,
            retain_available=0,
            maximum_packet_size=1024 * 1024,
            wildcard_subscription_available=0,
            subscription_identifier_available=1,
            shared_subscription_available=0,
            user_properties=(("a", "b"),),
        ),
    )
    assert terms_of(THREE, new_id="").connack(session_present=True, user_properties=(("a", "b"),)) == ConnAck(0, True)


@pytest.mark.parametrize(
    ("will", "reason"),
    [
        (Will("t", b"", retain=True), Reason.RETAIN_NOT_SUPPORTED),
        (Will(" ", b""), Reason.TOPIC_NAME_INVALID),
        (Will("", b""), Reason.TOPIC_NAME_INVALID),
        (Will("a" * 1025, b""), Reason.TOPIC_NAME_INVALID),
        (Will("a/+", b""), Reason.TOPIC_NAME_INVALID),
        (Will("$share/a/b", b""), Reason.TOPIC_NAME_INVALID),
        (Will("t", bytes(2001)), Reason.PACKET_TOO_LARGE),
        (Will("t", b"\xff", properties=Properties(payload_format=1)), Reason.PAYLOAD_FORMAT_INVALID),
    ],
)
def test_a_will_that_could_not_be_sent_is_refused(will: Will, reason: Reason) -> None:
    assert refused(replace(FIVE, will=will)) == reason


def test_a_will_may_be_as_long_as_it_may_be_and_an_event() -> None:
    for will in (Will("a" * 1024, bytes(2000)), Will(f"{LONG}gone", b"")):
        assert terms_of(replace(FIVE, will=will), new_id="").will == will
    assert terms_of(replace(THREE, will=Will("t", b"", retain=True)), new_id="").will is not None


def test_there_is_no_enhanced_authentication() -> None:
    connect = replace(FIVE, properties=Properties(authentication_method="SCRAM"))

    assert refused(connect) == Reason.BAD_AUTHENTICATION_METHOD


@pytest.mark.parametrize(
    ("version", "status", "code", "expected"),
    [
        (V3, 401, 4, 4), (V3, 401, 5, 5), (V3, 401, 6, 3), (V3, 401, 0, 3), (V3, 401, 135, 3), (V3, 401, "5", 5),
        (V3, 400, None, 4), (V3, 401, None, 5), (V3, 403, None, 5), (V3, 500, None, 3), (V3, None, None, 3),
        (V5, 403, 138, 138), (V5, 403, 0, 128), (V5, 403, 5, 128), (V5, 403, 142, 128), (V5, 403, True, 135),
        (V5, 400, None, 134), (V5, 401, None, 135), (V5, 403, None, 135), (V5, 500, None, 128), (V5, None, None, 128),
        (V5, 429, None, 128),
    ],
)  # fmt: skip
def test_a_refusal_of_the_upstream_becomes_a_code(
    version: int, status: int | None, code: object, expected: int
) -> None:
    failure = refused_by_upstream(version, status, code, "no", (("ticket", "88"),))

    assert failure.connack.code == expected
    told = Properties(reason_string="no", user_properties=(("ticket", "88"),))
    assert failure.connack.properties == (told if version == V5 else NONE)


@pytest.mark.parametrize(
    ("topic", "meaning"),
    [
        ("reef.1", GroupTopic("reef.1")),
        ("reef/1", GroupTopic("reef/1")),
        ("x" * 1024, GroupTopic("x" * 1024)),
        ("x" * 1025, None),
        ("  ", None),
        ("$SYS", None),
        ("$webpubsub/server/messages", None),
        (f"{LONG}roll", EventTopic("roll")),
        (f"{LONG}roll/succeeded", None),
        (LONG, None),
        (f"{LONG}1roll", None),
    ],
)
def test_a_topic_is_a_group_or_an_event(topic: str, meaning: GroupTopic | EventTopic | None) -> None:
    assert target(topic) == meaning


@pytest.mark.parametrize(
    ("topic_filter", "reason"),
    [
        ("reef.1", None),
        ("reef/+", Reason.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED),
        ("#", Reason.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED),
        ("$share/a/b", Reason.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED),
        ("$share/a/+", Reason.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED),
        ("$webpubsub/server/messages", Reason.TOPIC_FILTER_INVALID),
        ("", Reason.TOPIC_FILTER_INVALID),
        (" ", Reason.TOPIC_FILTER_INVALID),
        ("x" * 1025, Reason.TOPIC_FILTER_INVALID),
    ],
)
def test_only_a_group_can_be_subscribed_to(topic_filter: str, reason: Reason | None) -> None:
    assert filter_refusal(topic_filter) is reason


TEXT, JSON, BINARY = DataType.TEXT, DataType.JSON, DataType.BINARY


@pytest.mark.parametrize(
    ("data", "properties", "kind"),
    [
        (b'{"t":4}', Properties(content_type="application/json"), JSON),
        (b'{"t":4}', Properties(content_type="Application/JSON; charset=utf-8"), JSON),
        (b"{", Properties(content_type="application/json"), BINARY),
        (b"hi", Properties(content_type="text/csv"), TEXT),
        (b"\xff", Properties(content_type="text/plain"), BINARY),
        (b"hi", Properties(content_type="image/png", payload_format=1), BINARY),
        (b"hi", Properties(payload_format=1), TEXT),
        (b"hi", Properties(payload_format=0), BINARY),
        (b"hi", NONE, BINARY),
    ],
)
def test_what_mqtt_clients_send_the_others_get_as(data: bytes, properties: Properties, kind: DataType) -> None:
    assert content.payload_of(Publish("t", data, properties=properties)) == Payload(kind, data)


@pytest.mark.parametrize(
    ("kind", "content_type", "payload_format"),
    [
        (TEXT, "text/plain", 1),
        (JSON, "application/json", 1),
        (BINARY, "application/octet-stream", 0),
        (DataType.PROTOBUF, "application/x-protobuf", 0),
    ],
)
def test_what_the_others_send_says_what_it_is(kind: DataType, content_type: str, payload_format: int) -> None:
    own = content.properties_of(Message(Payload(kind, b"1"), "g"))

    assert (own.content_type, own.payload_format) == (content_type, payload_format)


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("image/png", "image/png"),
        ('text/plain; charset="utf-8"; x=y', 'text/plain; charset="utf-8"; x=y'),
        (None, content.OCTETS),
        ("", content.OCTETS),
        ("png", content.OCTETS),
        ("a/b\r\nX: y", content.OCTETS),
        ("a/b, c/d", content.OCTETS),
    ],
)
def test_the_media_type_of_an_event_is_one(asked: str | None, sent: str) -> None:
    assert content.request_content_type(Properties(content_type=asked)) == sent


def test_user_properties_become_headers_where_they_can() -> None:
    pairs = (("zone", "a"), ("Zone", "b"), ("not a token", "c"), ("x", "line\r\nbreak"), ("é", "d"), ("ok", "ü"))

    assert content.request_headers(Properties(user_properties=pairs)) == {"mqtt-zone": "a, b", "mqtt-ok": "ü"}


def test_an_answer_that_cannot_be_said_in_mqtt_is_left_out() -> None:
    own = content.response_properties(NONE, 200, "a/\0", b"", (("a", "\udcff"), ("b", "c")))

    assert own == Properties(user_properties=(("b", "c"), ("azure-status-code", "200")))
