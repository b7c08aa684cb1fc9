"""A client at the door."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localpubsub.engine.upstream import MqttContext
from localpubsub.protocol.subprotocols import RawCodec


@dataclass(frozen=True)
class Knock:
    """What a client's token says, and what its handshake holds; `mqtt` is what a CONNECT packet adds."""

    connection_id: str
    user_id: str | None
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    claims: Mapping[str, list[str]]
    query: Mapping[str, list[str]]
    headers: Mapping[str, list[str]]
    subprotocols: tuple[str, ...]
    raw: RawCodec
    mqtt: Mapping[str, Any] | None = None
    mqtt_context: MqttContext | None = None
    certificates: tuple[Mapping[str, str], ...] = ()
