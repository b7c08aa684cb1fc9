"""Whether data is what its type says (spec/service.md 3.1, 5.3, 8.4)."""

from collections.abc import Callable, Mapping

from localpubsub.protocol.json_codec import is_json
from localpubsub.protocol.messages import DataType, Payload, is_text
from localpubsub.protocol.protobuf_wire import is_any

_IS_LEGAL: Mapping[DataType, Callable[[bytes], bool]] = {
    DataType.TEXT: is_text,
    DataType.JSON: is_json,
    DataType.BINARY: lambda _: True,
    DataType.PROTOBUF: is_any,
}


def is_legal(payload: Payload) -> bool:
    """For what comes in as bytes and a name for them: JSON frames are checked as they are read."""
    return _IS_LEGAL[payload.data_type](payload.data)
