"""Who may connect over MQTT, and as whom (spec/service.md 7.3, 7.4)."""

import base64
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from localpubsub.engine.events import Events
from localpubsub.engine.knock import Knock
from localpubsub.engine.mqtt_connection import SUBPROTOCOL, user_properties_json
from localpubsub.engine.upstream import DeliveryFailed, MqttContext, UpstreamAnswer
from localpubsub.protocol import names
from localpubsub.protocol.mqtt.packets import Connect
from localpubsub.protocol.mqtt.properties import UserProperties
from localpubsub.protocol.mqtt.reasons import Reason
from localpubsub.protocol.mqtt.terms import ConnectFailed, Terms, refusal, refused_by_upstream
from localpubsub.protocol.mqtt.wire import is_legal

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Admission:
    """What token and upstream make of a client. `user_properties` go into the CONNACK."""

    user_id: str | None
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    answer: UpstreamAnswer | None = None
    user_properties: UserProperties = ()


async def admit(events: Events, hub: str, knock: Knock, connect: Connect, terms: Terms, transport: str) -> Admission:
    """Asks the upstream where it wants to be asked. `transport` is the physical connection. Raises `ConnectFailed`."""
    asked = replace(
        knock,
        connection_id=terms.client_id,
        subprotocols=knock.subprotocols or (SUBPROTOCOL,),
        mqtt=_members(connect),
        mqtt_context=MqttContext(transport),
    )
    try:
        answer = await events.connect(hub, asked)
    except DeliveryFailed as failure:
        raise _refused(failure, terms.version) from failure
    if answer is None:
        return Admission(knock.user_id, knock.roles, knock.groups)
    return _decision(answer, knock, terms.version)


def _members(connect: Connect) -> Mapping[str, Any]:
    password = connect.password
    return {
        "protocolVersion": connect.version,
        "cleanStart": connect.clean_start,
        "username": connect.username,
        "password": None if password is None else base64.b64encode(password).decode(),
        "userProperties": user_properties_json(connect.properties.user_properties),
    }


def _decision(answer: UpstreamAnswer, knock: Knock, version: int) -> Admission:
    """Names compare without case; `null` is absent. Raises `ConnectFailed` for what is no answer."""
    members = _object(answer.body)
    if members is None:
        raise _illegal(version)
    user_id, roles, groups = (members.get(name) for name in ("userid", "roles", "groups"))
    mqtt = members.get("mqtt") or {}
    legal = (user_id is None or names.is_whole(user_id)) and _are_texts(roles) and _are_texts(groups)
    if not legal or not isinstance(mqtt, dict) or not all(names.is_group(group) for group in groups or ()):
        raise _illegal(version)
    return Admission(
        user_id=knock.user_id if user_id is None else user_id,
        roles=knock.roles if roles is None else tuple(roles),
        groups=tuple(groups or knock.groups),
        answer=answer,
        user_properties=_user_properties(mqtt.get("userProperties")),
    )


def _illegal(version: int) -> ConnectFailed:
    log.warning("the upstream's answer to the connect of an MQTT client is not one")
    return refusal(version, Reason.UNSPECIFIED_ERROR)


def _refused(failure: DeliveryFailed, version: int) -> ConnectFailed:
    members = _object(failure.answer.body) if failure.answer is not None else None
    told = (members or {}).get("mqtt")
    mqtt = told if isinstance(told, dict) else {}
    text = mqtt.get("reason")
    return refused_by_upstream(
        version,
        None if mqtt is told else failure.status,
        mqtt.get("code"),
        text if isinstance(text, str) and is_legal(text) else None,
        _user_properties(mqtt.get("userProperties")),
    )


def _object(body: bytes) -> dict[str, Any] | None:
    """The members of a JSON object that are not `null`, names in small letters; `None` for what is not an object."""
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if value is None:
        return {}
    if not isinstance(value, dict):
        return None
    return {name.lower(): member for name, member in value.items() if member is not None}


def _are_texts(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(map(names.is_whole, value)))


def _user_properties(value: Any) -> UserProperties:
    """Those of the list that are pairs of texts MQTT can hold."""
    pairs = [
        (one["name"], one["value"])
        for one in (value if isinstance(value, list) else ())
        if isinstance(one, dict) and isinstance(one.get("name"), str) and isinstance(one.get("value"), str)
    ]
    return tuple(pair for pair in pairs if all(is_legal(text) for text in pair))
