"""What a hub asks the service to do: the fourteen actions of the Functions output binding, a closed union.

The publisher stores them, hubs may return them, and their JSON form is the binding's: `{"actionName": "sendToGroup",
"group": "lobby", "data": "hi", "dataType": "text"}`.
"""

from base64 import b64decode, b64encode
from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter

from app.models.payloads import (
    BINARY,
    JSON,
    PROTOBUF,
    TEXT,
    BinaryData,
    JsonData,
    Message,
    ProtobufData,
    TextData,
    json_text,
)
from app.models.wire import WireModel

DataType = Literal["text", "json", "binary", "protobuf"]
Permission = Literal["sendToGroup", "joinLeaveGroup"]
Name = Annotated[str, Field(min_length=1, max_length=1024)]
Ttl = Annotated[int, Field(ge=0, le=300)]

_CONTENT_TYPES: dict[DataType, str] = {
    "text": f"{TEXT}; charset=utf-8",
    "json": JSON,
    "binary": BINARY,
    "protobuf": PROTOBUF,
}
_DATA_TYPES: dict[str, DataType] = {media.partition(";")[0]: name for name, media in _CONTENT_TYPES.items()}


class ActionBase(WireModel):
    """`lane` orders: actions of one lane are carried out one after the other, in the order they were accepted.

    Left out, it is the connection whose event caused the action, or else the action's target.
    """

    lane: str | None = None
    traceparent: str | None = None
    """The trace the action belongs to, where traces are kept."""

    @property
    def target(self) -> str:
        """What the action is about; its lane where nothing else gives one."""
        return "*"

    def to_json(self) -> bytes:
        return self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_none=True, exclude={"lane"})


class _Send(ActionBase):
    """`data` is the text, the JSON text, or base64 of the bytes."""

    data: str
    data_type: DataType = "text"
    filter: str | None = None
    ttl_seconds: Ttl | None = None

    @classmethod
    def of(cls, message: Message, **fields: Any) -> Self:
        """The action for a text, bytes, JSON value or payload. Raises `ValueError` for what JSON cannot hold."""
        match message:
            case str():
                return cls(data=message, **fields)
            case bytes():
                return cls(data=b64encode(message).decode(), data_type="binary", **fields)
            case TextData() | JsonData() | BinaryData() | ProtobufData():
                data_type = _DATA_TYPES.get(message.content_type.partition(";")[0], "binary")
                body = message.body
                data = body.decode() if data_type in ("text", "json") else b64encode(body).decode()
                return cls(data=data, data_type=data_type, **fields)
            case _:
                return cls(data=json_text(message).decode(), data_type="json", **fields)

    @property
    def content_type(self) -> str:
        return _CONTENT_TYPES[self.data_type]

    @property
    def body(self) -> bytes:
        return self.data.encode() if self.data_type in ("text", "json") else b64decode(self.data)


class SendToAll(_Send):
    action_name: Literal["sendToAll"] = "sendToAll"
    excluded: tuple[str, ...] = ()


class SendToGroup(_Send):
    action_name: Literal["sendToGroup"] = "sendToGroup"
    group: Name
    excluded: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        return f"group/{self.group}"


class SendToUser(_Send):
    """Reaches every connection of the user."""

    action_name: Literal["sendToUser"] = "sendToUser"
    user_id: Name

    @property
    def target(self) -> str:
        return f"user/{self.user_id}"


class SendToConnection(_Send):
    action_name: Literal["sendToConnection"] = "sendToConnection"
    connection_id: Name

    @property
    def target(self) -> str:
        return f"connection/{self.connection_id}"


class _OfConnection(ActionBase):
    connection_id: Name

    @property
    def target(self) -> str:
        return f"connection/{self.connection_id}"


class _OfUser(ActionBase):
    user_id: Name

    @property
    def target(self) -> str:
        return f"user/{self.user_id}"


class AddConnectionToGroup(_OfConnection):
    action_name: Literal["addConnectionToGroup"] = "addConnectionToGroup"
    group: Name


class RemoveConnectionFromGroup(_OfConnection):
    action_name: Literal["removeConnectionFromGroup"] = "removeConnectionFromGroup"
    group: Name


class AddUserToGroup(_OfUser):
    action_name: Literal["addUserToGroup"] = "addUserToGroup"
    group: Name


class RemoveUserFromGroup(_OfUser):
    action_name: Literal["removeUserFromGroup"] = "removeUserFromGroup"
    group: Name


class RemoveUserFromAllGroups(_OfUser):
    action_name: Literal["removeUserFromAllGroups"] = "removeUserFromAllGroups"


class GrantPermission(_OfConnection):
    """`target_name` is the group."""

    action_name: Literal["grantPermission"] = "grantPermission"
    permission: Permission
    target_name: Name


class RevokePermission(_OfConnection):
    action_name: Literal["revokePermission"] = "revokePermission"
    permission: Permission
    target_name: Name


class CloseClientConnection(_OfConnection):
    action_name: Literal["closeClientConnection"] = "closeClientConnection"
    reason: str | None = None


class CloseAllConnections(ActionBase):
    action_name: Literal["closeAllConnections"] = "closeAllConnections"
    excluded: tuple[str, ...] = ()
    reason: str | None = None


class CloseGroupConnections(ActionBase):
    action_name: Literal["closeGroupConnections"] = "closeGroupConnections"
    group: Name
    excluded: tuple[str, ...] = ()
    reason: str | None = None

    @property
    def target(self) -> str:
        return f"group/{self.group}"


Send = SendToAll | SendToGroup | SendToUser | SendToConnection
Change = (
    AddConnectionToGroup
    | RemoveConnectionFromGroup
    | AddUserToGroup
    | RemoveUserFromGroup
    | RemoveUserFromAllGroups
    | GrantPermission
    | RevokePermission
)
Close = CloseClientConnection | CloseAllConnections | CloseGroupConnections
Action = Send | Change | Close

ACTION: TypeAdapter[Action] = TypeAdapter(Annotated[Action, Field(discriminator="action_name")])
"""Reads an action from its JSON form; raises pydantic's `ValidationError`."""
