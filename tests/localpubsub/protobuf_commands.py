"""Any command of a client, and the bytes the official protobuf library makes of it."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from localpubsub.protocol.messages import (
    CancelInvocation,
    Command,
    DataType,
    EndStream,
    Invoke,
    JoinGroup,
    LeaveGroup,
    Payload,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
    SetGroupState,
    StartStream,
    StreamData,
    StreamFailure,
    SubscribeGroupState,
    UnsubscribeGroupState,
)
from tests.localpubsub.protobuf_schema import AnyMessage, UpstreamMessage

uint64 = st.integers(0, 2**64 - 1)
ack_ids = st.none() | uint64
texts = st.text(max_size=20)
groups = st.text(min_size=1, max_size=20).filter(str.strip)
ids = st.text(min_size=1, max_size=10)
events = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,20}", fullmatch=True)
maps = st.dictionaries(texts, texts, max_size=3)
metadata = st.dictionaries(
    st.from_regex(r"[a-z-]{1,9}", fullmatch=True), st.from_regex(r"[ -~]{0,9}", fullmatch=True), max_size=2
)
anys = st.builds(lambda url, value: AnyMessage(type_url=url, value=value).SerializeToString(), texts, st.binary())
payloads = st.one_of(
    texts.map(lambda text: Payload(DataType.TEXT, text.encode())),
    st.binary(max_size=30).map(lambda data: Payload(DataType.BINARY, data)),
    anys.map(lambda data: Payload(DataType.PROTOBUF, data)),
    st.lists(st.integers()).map(lambda value: Payload(DataType.JSON, json.dumps(value).encode())),
)
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(JoinGroup, groups, ack_ids),
    st.builds(LeaveGroup, groups, ack_ids),
    st.builds(SendToGroup, groups, payloads, ack_ids, st.booleans(), st.integers(0, 300), metadata),
    st.builds(SendEvent, events, payloads, ack_ids, metadata),
    st.just(Ping()),
    st.builds(SequenceAck, uint64),
    st.builds(Invoke, ids, events, payloads, metadata),
    st.builds(CancelInvocation, ids),
    st.builds(StartStream, groups, texts, st.none() | st.integers(0, 2**32 - 1), st.booleans()),
    st.builds(StreamData, ids, st.none() | st.tuples(uint64, payloads)),
    st.builds(EndStream, ids, st.none() | st.builds(StreamFailure, st.just("UserError"), texts, st.none() | texts)),
    st.builds(SetGroupState, groups, st.none() | maps, ack_ids),
    st.builds(SubscribeGroupState, groups, ack_ids),
    st.builds(UnsubscribeGroupState, groups, ack_ids),
)


def data_fields(payload: Payload) -> dict[str, Any]:
    kind, data = payload
    if kind is DataType.PROTOBUF:
        any_message = AnyMessage.FromString(data)
        return {"protobuf_data": {"type_url": any_message.type_url, "value": any_message.value}}
    return {f"{kind}_data": data if kind is DataType.BINARY else data.decode()}


def failure_fields(failure: StreamFailure | None) -> dict[str, Any] | None:
    return None if failure is None else {"message": failure.message, "user_error_code": failure.code}


def fragment_fields(sequence_id: int, payload: Payload) -> dict[str, Any]:
    return {"stream_sequence_id": sequence_id, "data": data_fields(payload)}


def group_fields(command: Any) -> dict[str, Any]:
    return {"group": command.group, "ack_id": command.ack_id}


# What a client that uses the protobuf library would set.
OFFICIAL: Mapping[type, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    JoinGroup: ("join_group_message", group_fields),
    LeaveGroup: ("leave_group_message", group_fields),
    SubscribeGroupState: ("subscribe_group_state_message", group_fields),
    UnsubscribeGroupState: ("unsubscribe_group_state_message", group_fields),
    SendToGroup: (
        "send_to_group_message",
        lambda one: (
            group_fields(one)
            | {"no_echo": one.no_echo, "ttl_seconds": one.ttl_seconds}
            | {"data": data_fields(one.payload), "metadata": one.metadata}
        ),
    ),
    SendEvent: (
        "event_message",
        lambda one: (
            {"event": one.event, "ack_id": one.ack_id, "metadata": one.metadata} | {"data": data_fields(one.payload)}
        ),
    ),
    Ping: ("ping_message", lambda _: {}),
    SequenceAck: ("sequence_ack_message", lambda one: {"sequence_id": one.sequence_id}),
    Invoke: (
        "invoke_event_message",
        lambda one: (
            {"event": one.event, "invocation_id": one.invocation_id, "metadata": one.metadata}
            | {"data": data_fields(one.payload)}
        ),
    ),
    CancelInvocation: ("cancel_invocation_message", lambda one: {"invocation_id": one.invocation_id}),
    StartStream: (
        "send_to_group_message",
        lambda one: (
            {"group": one.group, "no_echo": one.no_echo}
            | {"stream": {"stream_id": one.stream_id, "idle_timeout_ms": one.idle_timeout_ms}}
        ),
    ),
    StreamData: (
        "stream_data_message",
        lambda one: {"stream_id": one.stream_id} | ({} if one.fragment is None else fragment_fields(*one.fragment)),
    ),
    EndStream: (
        "stream_end_message",
        lambda one: {"stream_id": one.stream_id, "error": failure_fields(one.failure)},
    ),
    SetGroupState: (
        "set_group_state_message",
        lambda one: group_fields(one) | {"state": None if one.state is None else {"entries": one.state}},
    ),
}


def fill(message: Any, fields: Mapping[str, Any]) -> None:
    message.SetInParent()
    for name, value in fields.items():
        if name in ("metadata", "entries"):
            getattr(message, name).update(value)
        elif isinstance(value, Mapping):
            fill(getattr(message, name), value)
        elif value is not None:
            setattr(message, name, value)


def officially_encoded(command: Command) -> bytes:
    upstream = UpstreamMessage()
    member, fields = OFFICIAL[type(command)]
    fill(getattr(upstream, member), fields(command))
    return bytes(upstream.SerializeToString(deterministic=True))
