"""What clients say and hear, in the client's own words and in the local service's."""

import json

from hypothesis import strategies as st

from app.client.frames import Command, Failure, JoinGroup, LeaveGroup, Ping, SendEvent, SendToGroup, SequenceAck
from app.models.payloads import BinaryData, JsonData, Payload, ProtobufData, TextData
from localpubsub.protocol import messages
from localpubsub.protocol.messages import DataType
from tests.localpubsub.protobuf_commands import anys, events, groups, metadata

numbers = st.integers(0, 2**64 - 1)
texts = st.text(max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def json_data(raw: str) -> JsonData:
    return JsonData(value=json.loads(raw), raw=raw.encode())


# Of a client's own JSON only `null` is not allowed to be all of it.
json_payloads = st.builds(
    lambda value, indent: json_data(json.dumps(value, indent=indent)),
    json_values.filter(lambda value: value is not None),
    st.sampled_from([None, 1]),
)
payloads: st.SearchStrategy[Payload] = st.one_of(
    st.builds(TextData, text=texts),
    json_payloads,
    st.builds(BinaryData, data=st.binary(max_size=30)),
    st.builds(ProtobufData, data=anys),
)
requests = st.one_of(
    st.builds(JoinGroup, groups),
    st.builds(LeaveGroup, groups),
    st.builds(SendToGroup, groups, payloads, st.booleans()),
    st.builds(SendEvent, events, payloads),
)
commands: st.SearchStrategy[Command] = requests | st.just(Ping()) | st.builds(SequenceAck, numbers)
failures = st.none() | st.builds(Failure, texts, texts)
received = st.tuples(payloads, st.none() | groups, st.none() | groups, metadata)


def as_the_service_has_it(payload: Payload) -> messages.Payload:
    kinds = {
        TextData: DataType.TEXT,
        JsonData: DataType.JSON,
        BinaryData: DataType.BINARY,
        ProtobufData: DataType.PROTOBUF,
    }
    return messages.Payload(kinds[type(payload)], payload.body)


def as_the_service_reads_it(command: Command, ack_id: int) -> messages.Command:
    match command:
        case JoinGroup(group):
            return messages.JoinGroup(group, ack_id)
        case LeaveGroup(group):
            return messages.LeaveGroup(group, ack_id)
        case SendToGroup(group, payload, no_echo):
            return messages.SendToGroup(group, as_the_service_has_it(payload), ack_id, no_echo)
        case SendEvent(event, payload):
            return messages.SendEvent(event, as_the_service_has_it(payload), ack_id)
        case Ping():
            return messages.Ping()
        case SequenceAck(sequence_id):
            return messages.SequenceAck(sequence_id)
