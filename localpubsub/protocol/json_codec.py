"""`json.webpubsub.azure.v1`: one JSON object per text frame (spec/service.md 3). What comes in."""

import binascii
from collections.abc import Callable, Mapping

from localpubsub.protocol import names
from localpubsub.protocol.errors import Disconnect, malformed
from localpubsub.protocol.json_members import DECODER, UINT64, Members
from localpubsub.protocol.messages import (
    CancelInvocation,
    Command,
    DataType,
    EndStream,
    Frame,
    InvocationAnswer,
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

NAME = "json.webpubsub.azure.v1"


def is_json(text: bytes) -> bool:
    """Strictly: UTF-8, no NaN, no absurd nesting."""
    try:
        DECODER.decode(text.decode())
    except (ValueError, RecursionError):
        return False
    return True


def decode(text: str) -> Command:
    """The command of a text frame. Raises `Disconnect` 1007 for what the subprotocol does not allow."""
    try:
        members = Members(text)
        kind = members.values.get("type")
        decoder = _COMMANDS.get(kind.lower()) if isinstance(kind, str) else None
        if decoder is None:
            raise malformed()
        return decoder(members)
    except (ValueError, binascii.Error, RecursionError):
        raise malformed() from None


def decode_frame(frame: Frame) -> Command:
    """As `decode`; a binary frame is a `Disconnect` 1003."""
    if not frame.is_text:
        raise Disconnect(1003, "The JSON subprotocol requires text messages.")
    return decode(frame.data.decode())


def _group(members: Members) -> str:
    return members.text("group", names.is_group)


def _ack_id(members: Members) -> int | None:
    return members.integer("ackId", UINT64)


def _send_to_group(members: Members) -> Command:
    stream = members.object("stream")
    if stream is not None:
        return StartStream(
            _group(members),
            stream.text("streamId", lambda _: True),
            stream.integer("idleTimeoutMs", below=UINT64, lowest=-UINT64),
            members.flag("noEcho"),
        )
    return SendToGroup(
        _group(members),
        members.payload(),
        _ack_id(members),
        members.flag("noEcho"),
        members.integer("ttlSeconds", names.MAX_TTL_SECONDS + 1) or 0,
        members.metadata(),
    )


def _event(members: Members) -> Command:
    return SendEvent(members.text("event", names.is_event), members.payload(), _ack_id(members), members.metadata())


def _sequence_ack(members: Members) -> Command:
    sequence_id = members.integer("sequenceId", UINT64)
    if sequence_id is None:
        raise malformed()
    return SequenceAck(sequence_id)


def _invoke(members: Members) -> Command:
    members.text("target", lambda target: target == "event")
    payload = members.optional_payload() or Payload(DataType.TEXT, b"")
    return Invoke(
        members.text("invocationId", bool), members.text("event", names.is_event), payload, members.metadata()
    )


def _invocation_answer(members: Members) -> Command:
    members.text("invocationId", bool)
    members.flag("success")
    return InvocationAnswer()


def _stream_data(members: Members) -> Command:
    """All of a fragment or nothing of it."""
    stream_id = members.text("streamId", bool)
    given = [members.values.get(name) is not None for name in ("streamSequenceId", "dataType", "data")]
    sequence_id = members.integer("streamSequenceId", UINT64)
    if sequence_id is None and not any(given):
        return StreamData(stream_id)
    if sequence_id is None or not all(given):
        raise malformed()
    return StreamData(stream_id, (sequence_id, members.payload()))


def _end_stream(members: Members) -> Command:
    error = members.object("error")
    if error is None:
        return EndStream(members.text("streamId", bool))
    failure = StreamFailure("UserError", error.optional_text("message") or "", error.optional_text("userErrorCode"))
    return EndStream(members.text("streamId", bool), failure)


_COMMANDS: Mapping[str, Callable[[Members], Command]] = {
    "joingroup": lambda members: JoinGroup(_group(members), _ack_id(members)),
    "leavegroup": lambda members: LeaveGroup(_group(members), _ack_id(members)),
    "sendtogroup": _send_to_group,
    "event": _event,
    "ping": lambda _: Ping(),
    "sequenceack": _sequence_ack,
    "invoke": _invoke,
    "cancelinvocation": lambda members: CancelInvocation(members.text("invocationId", bool)),
    "invokeresponse": _invocation_answer,
    "streamdata": _stream_data,
    "streamend": _end_stream,
    "setgroupstate": lambda members: SetGroupState(_group(members), members.texts("state"), _ack_id(members)),
    "subscribegroupstate": lambda members: SubscribeGroupState(_group(members), _ack_id(members)),
    "unsubscribegroupstate": lambda members: UnsubscribeGroupState(_group(members), _ack_id(members)),
}
