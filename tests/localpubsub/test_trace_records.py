"""What is shown of a record: bodies, cuts, secrets."""

import base64
import json
import time

import pytest

from localpubsub.engine.masking import Masks, masked
from localpubsub.engine.records import BODY_LIMIT, MARGIN, Body, DeliveryContent, FrameContent, OpenContent, Record
from localpubsub.engine.summaries import frame_of_packet, summary_of_frame, summary_of_packet
from localpubsub.protocol.messages import Frame
from localpubsub.protocol.mqtt import packets as p
from localpubsub.protocol.subprotocols import WELL_KNOWN, RawCodec

KEY = 'local-"dev"-key/0000000000000000000000000001'
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJpdnkifQ.c2lnbmF0dXJl"
HEX = "0123456789abcdef" * 4
MASKS = Masks((KEY, "", "pass word"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"ws://h/client?access_token={JWT}&x=1", "ws://h/client?access_token=***&x=1"),
        ("/c?a=1&ACCESS_TOKEN=abc", "/c?a=1&ACCESS_TOKEN=***"),
        ("url=http%3A%2F%2Fh%3Faccess_token%3Dabc&y", "url=http%3A%2F%2Fh%3Faccess_token%3D***&y"),
        (f"Endpoint=http://h;AccessKey={KEY};Version=1.0;", "Endpoint=http://h;AccessKey=***;Version=1.0;"),
        ("Endpoint=http://h;AccessKey=another;Version=1.0;", "Endpoint=http://h;AccessKey=***;Version=1.0;"),
        ('{"access_token": "a\\"b", "n": 1}', '{"access_token": "***", "n": 1}'),
        ('{"access_token": ["abc"], "n": 1}', '{"access_token": ["***"], "n": 1}'),
        ('{"accessKey":"abc"}', '{"accessKey":"***"}'),
        ('{"s": "{\\"password\\": \\"x y\\", \\"n\\": 1}"}', '{"s": "{\\"password\\": \\"***\\", \\"n\\": 1}"}'),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("Authorization: Basic YTpi\n", "Authorization: ***\n"),
        ("use Bearer abcdefgh.ij now", "use Bearer *** now"),
        (f"ce-signature: sha256={HEX},sha256={HEX}", "ce-signature: ***,***"),
        (f"a sha256={HEX} b", "a *** b"),
        (f"the token {JWT}.", "the token ***."),
        (f"the key is {KEY}!", "the key is ***!"),
        (json.dumps({"key": KEY}), '{"key": "***"}'),
        ("/x?k=local-%22dev%22-key%2F0000000000000000000000000001", "/x?k=***"),
        ("it is pass word", "it is ***"),
        ("https://f.example/api?code=s3cr3t&clientId=1", "https://f.example/api?code=***&clientId=1"),
        ('{"type": "message", "data": "nothing to hide, a token of love"}',) * 2,
    ],
)
def test_secrets_are_hidden_wherever_they_stand(text: str, shown: str) -> None:
    assert MASKS(text) == shown


@pytest.mark.parametrize(
    "unit", ["access_token = ", "password:", 'password":"', '\\"', "eyJ", "Bearer ", "?code=", " "]
)
def test_hiding_takes_no_longer_for_a_text_that_was_made_for_it(unit: str) -> None:
    text = (unit * BODY_LIMIT)[:BODY_LIMIT]
    blanks = f"access_token={' ' * BODY_LIMIT}"

    began = time.process_time()
    MASKS(text)
    MASKS(blanks)

    assert time.process_time() - began < 1


def test_everything_in_it_is_hidden() -> None:
    assert masked({"a": [KEY, ("x", KEY)], "n": 1, "none": None}, MASKS) == {
        "a": ["***", ["x", "***"]],
        "n": 1,
        "none": None,
    }


@pytest.mark.parametrize(
    ("data", "content_type", "shown"),
    [
        (b"hi", "text/plain", {"body": "hi", "bodyType": "text"}),
        (b'{"a":1}', "application/json; charset=utf-8", {"body": '{"a":1}', "bodyType": "json"}),
        (b"\xff\x00", "application/octet-stream", {"body": "/wA=", "bodyType": "base64"}),
        (b"", "", {"body": "", "bodyType": "text"}),
    ],
)
def test_bodies(data: bytes, content_type: str, shown: dict[str, object]) -> None:
    assert Body.of(data, content_type).shown(str) == shown


def test_a_large_body_is_cut_at_a_character() -> None:
    body = Body.of("é".encode() * BODY_LIMIT)

    shown = body.shown(str)

    assert shown == {"body": "é" * (BODY_LIMIT // 2), "bodyType": "text", "bodyLength": 2 * BODY_LIMIT}
    assert len(Body.of(b"x" + "é".encode() * BODY_LIMIT).shown(str)["body"].encode()) <= BODY_LIMIT
    assert len(body.data) < BODY_LIMIT * 1.1


def test_a_large_binary_body_is_cut_too() -> None:
    shown = Body.of(b"\xff" * 10**6).shown(str)

    assert base64.b64decode(shown["body"]) == b"\xff" * BODY_LIMIT
    assert shown["bodyLength"] == 10**6


@pytest.mark.parametrize(("secret", "hidden"), [(KEY, "***"), (f"access_token={JWT}", "access_token=***")])
def test_a_secret_at_the_cut_is_hidden(secret: str, hidden: str) -> None:
    for inside in (len(secret) // 2, 1):
        shown = Body.of(b" " * (BODY_LIMIT - inside) + secret.encode() + b" " * BODY_LIMIT).shown(MASKS)

        assert hidden.startswith(shown["body"].strip())


def test_half_a_secret_at_the_end_of_what_is_kept_does_not_come_into_view() -> None:
    kept = BODY_LIMIT + MARGIN
    start = f"{KEY} " * 1000
    body = Body.of((start + " " * (kept - len(start) - 20) + KEY).encode())

    assert body.data.endswith(KEY[:20].encode())
    assert KEY[:10] not in body.shown(MASKS)["body"]


def test_a_secret_among_bytes_is_hidden() -> None:
    shown = Body.of(b"\xff" + KEY.encode() + b"\x80").shown(MASKS)

    assert base64.b64decode(shown["body"]) == b"\xff***\x80"


def test_a_record_as_the_page_gets_it() -> None:
    record = Record(3, 5, 0.0, "den", "c-1", None, OpenContent(None, (KEY,)), cause=2, exact=False, took_ms=1.5)

    assert record.shown(MASKS) == {
        "id": 3,
        "cause": 2,
        "exact": False,
        "at": 5,
        "kind": "open",
        "hub": "den",
        "connectionId": "c-1",
        "userId": None,
        "summary": "connected, raw",
        "status": None,
        "tookMs": 1.5,
        "detail": {"subprotocol": None, "groups": ["***"]},
    }


def test_a_summary_is_short_and_without_secrets() -> None:
    content = DeliveryContent("lobby", 1, "text", Body.of(f"{'x' * 90} {JWT} {'y' * 5000}".encode()))
    record = Record(1, 1, 0.0, "den", None, None, content)

    assert record.shown(MASKS)["summary"] == f"group lobby: {'x' * 90} *** {'y' * 12}"
    assert len(record.shown(str)["summary"]) == 120


def test_a_preview_is_short() -> None:
    assert DeliveryContent(None, 1, "text", Body.of(b"x" * 10**6)).preview(str) == "x" * 200
    binary = DeliveryContent(None, 1, "binary", Body.of(b"\xff" * 10))
    assert (binary.preview(str), binary.summary) == ("/////////////w==", "10 bytes")


def test_a_text_frame_that_is_no_text_is_bytes() -> None:
    assert FrameContent("x", Body.of(b"\xff"), is_text=True).detail(str) == {"direction": "in", "base64": "/w=="}


JSON = WELL_KNOWN["json.webpubsub.azure.v1"]


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ('{"type":"sendToGroup","group":"lobby","dataType":"text","data":"x"}', "sendToGroup lobby"),
        ('{"type":"event","event":"roll","dataType":"text","data":"x"}', "event roll"),
        ('{"type":"ping"}', "ping"),
        ('{"type":"sequenceAck","sequenceId":1}', "sequenceAck"),
        ("{", "not understood: The client message is not a valid JSON protocol message."),
    ],
)
def test_frames_in_a_few_words(text: str, summary: str) -> None:
    assert summary_of_frame(JSON, Frame(text.encode(), is_text=True)) == summary


def test_a_frame_of_a_raw_client() -> None:
    assert summary_of_frame(RawCodec(), Frame(b"x", is_text=False)) == "event message"


def test_packets_in_a_few_words() -> None:
    text, binary = p.Publish("lobby", b"hi"), p.Publish("lobby", b"\xff")

    assert summary_of_packet(text) == "PUBLISH lobby"
    assert summary_of_packet(p.Unsubscribe(1, ("a", "b"))) == "UNSUBSCRIBE a, b"
    assert summary_of_packet(p.PingReq()) == "PINGREQ"
    assert frame_of_packet(text, p.V5) == Frame(b"hi", is_text=True)
    assert frame_of_packet(binary, p.V5) == Frame(b"\xff", is_text=False)
    assert frame_of_packet(p.PingReq(), p.V5) == Frame(b"\xc0\x00", is_text=False)
