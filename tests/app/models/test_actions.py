"""The fourteen actions and their JSON form, which is the Functions output binding's."""

import json
from base64 import b64encode
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.models.actions import (
    ACTION,
    Action,
    AddConnectionToGroup,
    AddUserToGroup,
    CloseAllConnections,
    CloseClientConnection,
    CloseGroupConnections,
    GrantPermission,
    RemoveConnectionFromGroup,
    RemoveUserFromAllGroups,
    RemoveUserFromGroup,
    RevokePermission,
    SendToAll,
    SendToConnection,
    SendToGroup,
    SendToUser,
)
from app.models.payloads import BinaryData, JsonData, Message, ProtobufData, TextData

TEXT = {"data": "hi", "dataType": "text"}
PLACE: dict[str, Any] = {"connectionId": "c", "group": "g"}
MEMBER: dict[str, Any] = {"userId": "u", "group": "g"}
PERMISSION: dict[str, Any] = {"connectionId": "c", "permission": "joinLeaveGroup", "targetName": "g"}

FORMS: list[tuple[Action, dict[str, Any]]] = [
    (
        SendToAll(data="hi", excluded=("c",), filter="f", ttl_seconds=5),
        {"actionName": "sendToAll", **TEXT, "excluded": ["c"], "filter": "f", "ttlSeconds": 5},
    ),
    (
        SendToGroup(group="g", data="hi", excluded=("c", "d")),
        {"actionName": "sendToGroup", **TEXT, "group": "g", "excluded": ["c", "d"]},
    ),
    (SendToUser(user_id="u", data="hi"), {"actionName": "sendToUser", **TEXT, "userId": "u"}),
    (SendToConnection(connection_id="c", data="hi"), {"actionName": "sendToConnection", **TEXT, "connectionId": "c"}),
    (AddConnectionToGroup(connection_id="c", group="g"), {"actionName": "addConnectionToGroup", **PLACE}),
    (RemoveConnectionFromGroup(connection_id="c", group="g"), {"actionName": "removeConnectionFromGroup", **PLACE}),
    (AddUserToGroup(user_id="u", group="g"), {"actionName": "addUserToGroup", **MEMBER}),
    (RemoveUserFromGroup(user_id="u", group="g"), {"actionName": "removeUserFromGroup", **MEMBER}),
    (RemoveUserFromAllGroups(user_id="u"), {"actionName": "removeUserFromAllGroups", "userId": "u"}),
    (
        GrantPermission(connection_id="c", permission="joinLeaveGroup", target_name="g"),
        {"actionName": "grantPermission", **PERMISSION},
    ),
    (
        RevokePermission(connection_id="c", permission="joinLeaveGroup", target_name="g"),
        {"actionName": "revokePermission", **PERMISSION},
    ),
    (
        CloseClientConnection(connection_id="c", reason="r"),
        {"actionName": "closeClientConnection", "connectionId": "c", "reason": "r"},
    ),
    (
        CloseAllConnections(excluded=("c",), reason="r"),
        {"actionName": "closeAllConnections", "excluded": ["c"], "reason": "r"},
    ),
    (
        CloseGroupConnections(group="g", excluded=("c",), reason="r"),
        {"actionName": "closeGroupConnections", "group": "g", "excluded": ["c"], "reason": "r"},
    ),
]

TARGETS = [
    "*",
    "group/g",
    "user/u",
    "connection/c",
    *["connection/c"] * 2,
    *["user/u"] * 3,
    *["connection/c"] * 3,
    "*",
    "group/g",
]


def test_every_action_is_tried_here() -> None:
    kinds = {kind for part in get_args(Action) for kind in (get_args(part) or (part,))}

    assert {type(action) for action, _ in FORMS} == kinds
    assert len(kinds) == 14


@pytest.mark.parametrize(("action", "form"), FORMS)
def test_the_json_form_has_the_names_of_the_binding(action: Action, form: dict[str, Any]) -> None:
    assert json.loads(action.to_json()) == form


@pytest.mark.parametrize(("action", "form"), FORMS)
def test_an_action_is_read_back_as_it_was_written(action: Action, form: dict[str, Any]) -> None:
    assert ACTION.validate_json(action.to_json()) == action
    assert ACTION.validate_json(json.dumps(form)) == action


@pytest.mark.parametrize(("action", "target"), [(one, target) for (one, _), target in zip(FORMS, TARGETS, strict=True)])
def test_an_action_names_what_it_is_about(action: Action, target: str) -> None:
    assert action.target == target


def test_the_lane_is_no_part_of_the_form() -> None:
    assert b"lane" not in SendToAll(data="hi", lane="auction").to_json()


def test_a_trace_goes_with_its_action() -> None:
    action = SendToAll(data="hi", traceparent="00-1-2-01")

    assert ACTION.validate_json(action.to_json()) == action


@pytest.mark.parametrize(
    "text",
    [
        '{"actionName":"sing"}',
        '{"actionName":"SendToAll","data":"hi"}',
        '{"data":"hi"}',
        '{"actionName":null}',
        "null",
        "[]",
        "",
        '{"actionName":"sendToGroup","data":"hi"}',
        '{"actionName":"sendToGroup","data":"hi","group":""}',
        '{"actionName":"sendToAll","data":"hi","dataType":"xml"}',
        '{"actionName":"sendToAll","data":{"a":1}}',
        '{"actionName":"grantPermission","connectionId":"c","permission":"fly","targetName":"g"}',
    ],
)
def test_what_is_no_action_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        ACTION.validate_json(text)


def test_members_of_a_later_version_are_ignored() -> None:
    assert ACTION.validate_json('{"actionName":"sendToAll","data":"hi","color":"red"}') == SendToAll(data="hi")


@pytest.mark.parametrize("seconds", [0, 1, 300])
def test_a_time_to_live_may_be_this_long(seconds: int) -> None:
    assert SendToAll(data="hi", ttl_seconds=seconds).ttl_seconds == seconds


@pytest.mark.parametrize("seconds", [-1, 301, 1.5])
def test_a_time_to_live_may_not_be_this_long(seconds: int) -> None:
    with pytest.raises(ValidationError):
        SendToAll(data="hi", ttl_seconds=seconds)


@pytest.mark.parametrize("name", ["", "x" * 1025])
def test_a_name_is_not_empty_and_not_endless(name: str) -> None:
    for make in (lambda: SendToUser(data="", user_id=name), lambda: SendToGroup(data="", group=name)):
        with pytest.raises(ValidationError):
            make()


RAW = b"\x00\xff"
BASE64 = b64encode(RAW).decode()


@pytest.mark.parametrize(
    ("message", "data", "data_type", "content_type"),
    [
        ("grüße", "grüße", "text", "text/plain; charset=utf-8"),
        (TextData(text="hi"), "hi", "text", "text/plain; charset=utf-8"),
        (RAW, BASE64, "binary", "application/octet-stream"),
        (BinaryData(data=RAW), BASE64, "binary", "application/octet-stream"),
        (BinaryData(data=RAW, content_type="image/png"), BASE64, "binary", "application/octet-stream"),
        (ProtobufData(data=RAW), BASE64, "protobuf", "application/x-protobuf"),
        ({"a": [1, None]}, '{"a":[1,null]}', "json", "application/json"),
        (None, "null", "json", "application/json"),
        (True, "true", "json", "application/json"),
        (1.5, "1.5", "json", "application/json"),
        (JsonData(value={"a": 1}), '{"a":1}', "json", "application/json"),
        (JsonData(value=1, raw=b"1.000"), "1.000", "json", "application/json"),
    ],
)
def test_every_kind_of_message_has_its_data_type(
    message: Message, data: str, data_type: str, content_type: str
) -> None:
    action = SendToAll.of(message)

    assert (action.data, action.data_type, action.content_type) == (data, data_type, content_type)
    assert action.body == (RAW if data == BASE64 else data.encode())


@given(st.text() | st.binary() | st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_what_is_said_is_what_is_sent(message: Message) -> None:
    sent = ACTION.validate_json(SendToGroup.of(message, group="g").to_json())

    assert isinstance(sent, SendToGroup)
    match message:
        case str():
            assert sent.body.decode() == message
        case bytes():
            assert sent.body == message
        case _:
            assert json.loads(sent.body) == message


@pytest.mark.parametrize(
    "message", [float("nan"), float("inf"), {"price": float("-inf")}, [float("nan")], {"deep": object()}]
)
def test_what_json_cannot_hold_is_refused(message: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        SendToAll.of(message)


def test_the_words_nan_and_infinity_may_be_said() -> None:
    assert SendToAll.of(["NaN", "Infinity"]).data == '["NaN","Infinity"]'


def test_an_action_does_not_change() -> None:
    with pytest.raises(ValidationError):
        SendToAll(data="hi").data = "ho"  # type: ignore[misc]
