"""The official protobuf library, told the published schema: somebody else's encoder and decoder."""

import json
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]

SCHEMA = Path(__file__).parents[1] / "wire" / "protobuf-schema.json"
PACKAGE = "azure.webpubsub"

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "bool": _Field.TYPE_BOOL,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
    "int64": _Field.TYPE_INT64,
}


def _add_map(message: Any, name: str, number: int) -> None:
    entry_name = "".join(part.capitalize() for part in name.split("_")) + "Entry"
    entry = message.nested_type.add(name=entry_name)
    entry.options.map_entry = True
    for inner, inner_number in (("key", 1), ("value", 2)):
        entry.field.add(name=inner, number=inner_number, type=_Field.TYPE_STRING, label=_Field.LABEL_OPTIONAL)
    message.field.add(
        name=name,
        number=number,
        type=_Field.TYPE_MESSAGE,
        label=_Field.LABEL_REPEATED,
        type_name=f".{PACKAGE}.{message.name}.{entry_name}",
    )


def _add_field(message: Any, name: str, number: int, kind: str) -> None:
    mark = kind[-1] if kind[-1] in "?*|" else ""
    base = kind.rstrip("?*|")
    field = message.field.add(name=name, number=number)
    field.label = _Field.LABEL_REPEATED if mark == "*" else _Field.LABEL_OPTIONAL
    if base in _SCALARS:
        field.type = _SCALARS[base]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{PACKAGE}.{base}"
    if mark == "|":
        field.oneof_index = 0
    elif mark == "?" and base in _SCALARS:
        field.proto3_optional = True


def _add_message(file: Any, name: str, fields: dict[str, list[str]]) -> None:
    message = file.message_type.add(name=name)
    if any(kind.endswith("|") for _, kind in fields.values()):
        message.oneof_decl.add(name="member")
    for number, (field_name, kind) in fields.items():
        if kind == "map":
            _add_map(message, field_name, int(number))
        else:
            _add_field(message, field_name, int(number), kind)
    for field in message.field:
        if field.proto3_optional:  # each has a oneof of its own, behind the real ones
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field.name}")


def _classes() -> dict[str, Any]:
    messages = json.loads(SCHEMA.read_text())["messages"]
    file = descriptor_pb2.FileDescriptorProto(name="webpubsub.proto", package=PACKAGE, syntax="proto3")
    for name, fields in messages.items():
        _add_message(file, name, fields)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in messages}


CLASSES = _classes()
UpstreamMessage: Any = CLASSES["UpstreamMessage"]
DownstreamMessage: Any = CLASSES["DownstreamMessage"]
AnyMessage: Any = CLASSES["Any"]
NothingMessage: Any = CLASSES["Nothing"]
