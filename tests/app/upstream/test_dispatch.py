"""What a hub answers, and what goes over the wire for it."""

import json
from typing import Any

import pytest
import structlog

from app.models.actions import CloseAllConnections
from app.models.events import ConnectEvent, ConnectionContext, MqttConnectEvent, UserEvent
from app.models.mqtt import (
    ConnectReasonCode,
    ConnectReturnCode,
    MqttConnectAnswer,
    MqttConnectProperties,
    UserProperty,
    code_for,
    status_for,
)
from app.models.payloads import BinaryData, JsonData, ProtobufData, TextData
from app.models.responses import ConnectResponse, UserEventResponse
from app.upstream.connection_state import ConnectionState
from app.upstream.dispatch import dispatch, encode_connect, encode_failure, encode_rejection, encode_user_event
from app.upstream.errors import Declined, HandlerError, MqttRejected, Rejected
from app.upstream.hub import Hub


def context(**changes: Any) -> ConnectionContext:
    values = {
        "origin": "x", "awps_version": "1.0", "hub": "chat", "connection_id": "c", "event_name": "e",
        "type": "azure.webpubsub.user.e",
    }  # fmt: skip
    return ConnectionContext.model_validate(values | changes)


def user_event(**changes: Any) -> UserEvent:
    return UserEvent(data=TextData(text="x")).within(context(**changes))


def connect(*subprotocols: str) -> ConnectEvent:
    return ConnectEvent(subprotocols=list(subprotocols)).within(context())


def mqtt_connect(version: int) -> MqttConnectEvent:
    properties = MqttConnectProperties(protocol_version=version)
    return MqttConnectEvent(mqtt=properties).within(context(physical_connection_id="ph"))


@pytest.mark.parametrize(
    ("answer", "content_type", "body"),
    [
        ("grüße", b"text/plain; charset=utf-8", "grüße".encode()),
        (b"\x00\xff", b"application/octet-stream", b"\x00\xff"),
        ({"a": [1, "é"]}, b"application/json", '{"a":[1,"é"]}'.encode()),
        ([1], b"application/json", b"[1]"),
        (0, b"application/json", b"0"),
        (False, b"application/json", b"false"),
        (1.5, b"application/json", b"1.5"),
        (TextData(text=""), b"text/plain; charset=utf-8", b""),
        (JsonData(value=None), b"application/json", b"null"),
        (JsonData(value=1.0, raw=b"1.00"), b"application/json", b"1.00"),
        (BinaryData(data=b"x", content_type="image/png"), b"image/png", b"x"),
        (ProtobufData(data=b"\x08\x01"), b"application/x-protobuf", b"\x08\x01"),
        (UserEventResponse(data="m"), b"text/plain; charset=utf-8", b"m"),
    ],
)
def test_an_answer_becomes_a_body_with_its_content_type(answer: Any, content_type: bytes, body: bytes) -> None:
    reply = encode_user_event(user_event(), answer)

    assert (reply.status, reply.body) == (200, body)
    assert reply.headers == ((b"content-type", content_type),)


def test_no_answer_is_204() -> None:
    assert encode_user_event(user_event(), None) == (204, b"", ())


def test_a_response_may_carry_metadata_properties_cookies_and_state() -> None:
    event = user_event(state=ConnectionState({"n": 1}))
    event.state["m"] = 2
    answer = UserEventResponse(metadata={"Trace": "t-91"}, user_properties=[("zone", "a")], cookies={"affinity": "n1"})

    reply = encode_user_event(event, answer)

    assert reply.status == 204
    assert dict(reply.headers) == {
        b"ce-connectionstate": b"eyJuIjoxLCJtIjoyfQ==",
        b"x-webpubsub-metadata-trace": b"t-91",
        b"mqtt-zone": b"a",
        b"set-cookie": b"affinity=n1",
    }


@pytest.mark.parametrize(
    "answer",
    [
        UserEventResponse(metadata={"a": "x\r\nSet-Cookie: b=c"}),
        UserEventResponse(metadata={"a": "x\x0bb: c"}),
        UserEventResponse(metadata={"a": "\x1b[2J"}),
        UserEventResponse(metadata={"a b": "x"}),
        UserEventResponse(metadata={"a\r\nb": "x"}),
        UserEventResponse(metadata={"a": "é"}),
        UserEventResponse(metadata={"a": "x" * 1025}),
        UserEventResponse(metadata={"a" * 257: "x"}),
        UserEventResponse(metadata={f"k{n}": "x" * 1000 for n in range(9)}),
        UserEventResponse(cookies={"a b": "x"}),
        BinaryData(data=b"x", content_type="a\r\nb: c"),
        BinaryData(data=b"x", content_type=""),
        float("nan"),
        {"a": float("inf")},
    ],
)
def test_what_a_header_or_json_cannot_carry_is_the_handlers_error(answer: Any) -> None:
    with pytest.raises(HandlerError):
        encode_user_event(user_event(), answer)


def test_user_properties_that_no_header_carries_are_left_out() -> None:
    """A device chose them: handing them back must not fail, or the event would come again."""
    properties = [("a", "x\0"), ("", "x"), ("b c", "x"), ("d", "x\r\ny: z"), ("e", "é"), ("F", "x"), ("f", "y")]
    with structlog.testing.capture_logs() as logs:
        reply = encode_user_event(user_event(), UserEventResponse(user_properties=properties))

    assert reply.headers == ((b"mqtt-f", b"x"), (b"mqtt-f", b"y"))
    assert [(line["event"], line["count"]) for line in logs] == [("user properties left out", 5)]


def test_a_cookie_value_cannot_break_out_of_its_line() -> None:
    reply = encode_user_event(user_event(), UserEventResponse(cookies={"a": "x\r\nb: c; d"}))

    assert b"\r" not in reply.headers[0][1]
    assert b"\n" not in reply.headers[0][1]


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (None, 204, b""),
        (ConnectResponse(), 204, b""),
        (ConnectResponse(user_id=""), 200, b'{"userId":""}'),
        (ConnectResponse(groups=(), roles=()), 200, b'{"groups":[],"roles":[]}'),
        (ConnectResponse(user_id="mia", subprotocol=""), 200, b'{"userId":"mia"}'),
        (ConnectResponse(subprotocol="x.custom"), 200, b'{"subprotocol":"x.custom"}'),
        (
            ConnectResponse(mqtt=MqttConnectAnswer(user_properties=(UserProperty(name="a", value="1"),))),
            200,
            b'{"mqtt":{"userProperties":[{"name":"a","value":"1"}]}}',
        ),
    ],
)
def test_an_answer_to_connect_holds_what_was_set_and_no_more(
    answer: ConnectResponse | None, status: int, body: bytes
) -> None:
    reply = encode_connect(connect("x.custom"), answer)

    assert (reply.status, reply.body) == (status, body)


def test_a_subprotocol_nobody_offered_is_the_handlers_error() -> None:
    with pytest.raises(HandlerError, match="did not offer"):
        encode_connect(connect("a"), ConnectResponse(subprotocol="b"))


def test_connect_may_set_state_and_cookies() -> None:
    event = connect()
    event.state["seat"] = {"n": 1}

    reply = encode_connect(event, ConnectResponse(cookies={"affinity": "n1"}))

    assert (reply.status, reply.body) == (204, b"")
    assert dict(reply.headers) == {b"ce-connectionstate": b"eyJzZWF0Ijp7Im4iOjF9fQ==", b"set-cookie": b"affinity=n1"}


def test_a_large_state_is_warned_of() -> None:
    event = user_event()
    event.state["big"] = "x" * 4000
    with structlog.testing.capture_logs() as logs:
        encode_user_event(event, None)

    assert logs[0]["event"] == "connection state is large"
    assert "xxx" not in str(logs)


def test_a_rejection_is_its_status_and_reason() -> None:
    reply = encode_rejection(connect(), Rejected("sign in first"))

    assert (reply.status, reply.body) == (401, b"sign in first")
    assert encode_rejection(user_event(), Rejected("no", status=409)).status == 409


@pytest.mark.parametrize("status", [200, 302, 399, 408, 600])
def test_a_rejection_is_never_a_success_a_redirect_or_a_408(status: int) -> None:
    with pytest.raises(ValueError, match="rejection"):
        Rejected(status=status)


@pytest.mark.parametrize(
    ("status", "v3", "v5"),
    [(400, 4, 134), (401, 5, 135), (403, 5, 138), (429, 3, 159), (500, 3, 128), (503, 3, 136), (418, 3, 128)],
)
def test_a_bare_status_becomes_a_code_of_the_clients_version(status: int, v3: int, v5: int) -> None:
    assert (code_for(status, 4), code_for(status, 5)) == (v3, v5)
    for version, code in ((4, v3), (5, v5)):
        reply = encode_rejection(mqtt_connect(version), Rejected("no", status=status))
        assert reply.status == status
        assert reply.body == b'{"mqtt":{"code":%d,"reason":"no"}}' % code
        assert reply.headers == ((b"content-type", b"application/json"),)


def test_a_code_is_sent_where_it_suits_the_version_and_translated_where_not() -> None:
    banned = MqttRejected(ConnectReasonCode.BANNED, "device retired", user_properties=[("ticket", "88")])

    assert banned.status == 403
    assert encode_rejection(mqtt_connect(5), banned).body == (
        b'{"mqtt":{"code":138,"reason":"device retired","userProperties":[{"name":"ticket","value":"88"}]}}'
    )
    assert b'"code":5,' in encode_rejection(mqtt_connect(4), banned).body
    old = MqttRejected(ConnectReturnCode.IDENTIFIER_REJECTED)
    assert b'"code":2,' in encode_rejection(mqtt_connect(4), old).body
    assert b'"code":134,' in encode_rejection(mqtt_connect(5), old).body


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (1, 400), (2, 400), (3, 503), (4, 401), (5, 401), (128, 500), (129, 400), (130, 500), (131, 400), (132, 400),
        (133, 400), (134, 401), (135, 401), (136, 500), (137, 500), (138, 403), (140, 400), (144, 400), (149, 400),
        (151, 429), (153, 400), (154, 400), (155, 400), (156, 500), (157, 500), (159, 429),
    ],
)  # fmt: skip
def test_every_code_has_its_status(code: int, status: int) -> None:
    assert status_for(code) == status


def test_a_failure_tells_an_mqtt_client_in_its_own_terms() -> None:
    assert encode_failure(mqtt_connect(4)).body == b'{"mqtt":{"code":3}}'
    assert encode_failure(mqtt_connect(5)).body == b'{"mqtt":{"code":128}}'
    assert encode_failure(connect()) == encode_failure(user_event())
    assert encode_failure(connect()).status == 500


async def test_who_declines_answers_and_the_state_that_was_set_is_kept() -> None:
    class Choosy(Hub):
        name = "chat"

        async def on_user_event(self, event: UserEvent) -> None:
            event.state["asked"] = True
            raise Declined("too-early", "not yet", again="tomorrow")

    reply = (await dispatch(Choosy(), user_event())).reply

    assert (reply.status, dict(reply.headers)[b"content-type"]) == (200, b"application/json")
    assert reply.body == b'{"type":"error","event":"e","code":"too-early","message":"not yet","again":"tomorrow"}'
    assert b"ce-connectionstate" in dict(reply.headers)


@pytest.mark.parametrize(("read", "sentence"), [("text", b"is not text"), ("value", b"is not JSON")])
async def test_data_of_another_kind_than_the_hub_reads_is_the_clients_mistake(read: str, sentence: bytes) -> None:
    class Reader(Hub):
        name = "chat"

        async def on_user_event(self, event: UserEvent) -> Any:
            return getattr(event, read)

    reply = (await dispatch(Reader(), UserEvent(data=BinaryData(data=b"\xff")).within(context()))).reply

    assert (reply.status, reply.body.endswith(sentence)) == (400, True)


SUBJECT = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"


@pytest.mark.parametrize(
    ("user_id", "claims"),
    [("mia", {"sub": [" mia"]}), ("mia", {"sub": ["mia\t"]}), ("mia", {SUBJECT: ["mia", "mia "]}), ("mia ", {})],
)
async def test_who_is_somebody_else_but_for_a_blank_is_refused(user_id: str, claims: dict[str, list[str]]) -> None:
    """A header is trimmed on its way: the hub would see the other one."""
    event = ConnectEvent(claims=claims).within(context(user_id=user_id))

    assert (await dispatch(Hub(), event)).reply.status == 401


@pytest.mark.parametrize("claims", [{}, {"sub": ["mia"]}, {"sub": ["jonas"]}, {"sub": ["Mia Lee"]}])
async def test_who_is_another_by_more_than_a_blank_is_the_hubs_to_judge(claims: dict[str, list[str]]) -> None:
    event = ConnectEvent(claims=claims).within(context(user_id="mia"))

    assert (await dispatch(Hub(), event)).reply.status == 204


class Echo(Hub):
    """Calls its clients what they call themselves."""

    name = "chat"

    async def on_connect(self, event: ConnectEvent) -> ConnectResponse:
        return ConnectResponse(user_id=event.query_value("id"), actions=(CloseAllConnections(),))


@pytest.mark.parametrize("user_id", [" mia", "mia ", "mia\t"])
async def test_a_hub_names_nobody_with_a_blank_at_an_end(user_id: str) -> None:
    """It may be the client who chose the name: that is final, and nothing for the service to deliver again."""
    with structlog.testing.capture_logs() as logs:
        outcome = await dispatch(Echo(), ConnectEvent(query={"id": [user_id]}).within(context()))

    assert (outcome.reply.status, outcome.actions) == (401, ())
    assert [line["event"] for line in logs] == ["a hub names a user with a blank at an end"]


@pytest.mark.parametrize("user_id", ["", "mia", "Mia Lee", "\u00a0mia", "mia\u3000", "mia\u0085"])
async def test_other_blanks_are_part_of_a_user_id(user_id: str) -> None:
    """No header loses them."""
    event = ConnectEvent(claims={"sub": [user_id]}, query={"id": [user_id]}).within(context(user_id=user_id.encode()))

    reply = (await dispatch(Echo(), event)).reply

    assert (event.user_id or "", json.loads(reply.body)["userId"]) == (user_id, user_id)
