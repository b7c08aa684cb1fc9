"""MQTT clients: their connect, the codes that refuse them, their events (spec/upstream.md 6)."""

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from app.doctor.exchange import Answer
from app.doctor.registry import Group
from app.doctor.upstream.connect import read_members
from app.doctor.upstream.visit import Visit, what_is
from app.doctor.verdicts import Problem, Verdict, failure, passed, warning
from app.models.mqtt import V3_1_1, V5_0, is_code_valid

group: Group[Visit] = Group("mqtt", "MQTT clients", needs=["signature.right"])

NO_CODE = warning(
    "no-code",
    cause="The refusal has no CONNACK code, so the device is told “unspecified error” whatever the reason is.",
    mend='Answer JSON: {"mqtt": {"code": 135, "reason": "..."}} to MQTT 5, code 5 to MQTT 3.1.1.',
)
FOREIGN_CODE = failure(
    "foreign-code",
    cause="The refusal's code belongs to the other version of MQTT, so the device does not learn why.",
    mend="MQTT 3.1.1 (protocolVersion 4) has codes 1 to 5, MQTT 5 those from 128 on; choose by `mqtt.protocolVersion`.",
)
BAD_ANSWER = failure(
    "bad-answer",
    cause="The service cannot read what the answer says about MQTT, and refuses the device.",
    mend=(
        '`mqtt.userProperties` is an array of {"name", "value"} with strings, and `subprotocol`, where it is there, '
        "is `mqtt`."
    ),
)


@group.check("connect-5", "An MQTT 5 client gets in, or a code of its own", NO_CODE, FOREIGN_CODE, BAD_ANSWER)
async def connect_5(visit: Visit) -> Verdict:
    request = visit.play_mqtt(V5_0).connect_mqtt([("site", "nörd"), ("site", "2")])
    return judge_connect(await visit.deliver(request), V5_0)


@group.check("connect-3", "An MQTT 3.1.1 client gets in, or a code of its own", NO_CODE, FOREIGN_CODE, BAD_ANSWER)
async def connect_3(visit: Visit) -> Verdict:
    return judge_connect(await visit.deliver(visit.play_mqtt(V3_1_1).connect_mqtt()), V3_1_1)


def judge_connect(answer: Answer, version: int) -> Verdict:
    members = read_members(answer)
    mqtt = (members or {}).get("mqtt")
    if answer.is_success:
        return _judge_acceptance(answer, members, mqtt)
    code = mqtt.get("code") if isinstance(mqtt, dict) else None
    if not isinstance(code, int) or isinstance(code, bool):
        return NO_CODE.found(f"{answer}")
    if not is_code_valid(code, version):
        return FOREIGN_CODE.found(f"code {code} to {'MQTT 5' if version == V5_0 else 'MQTT 3.1.1'}")
    return passed(f"refused with {answer.status}, code {code}")


def _judge_acceptance(answer: Answer, members: Mapping[str, JsonValue] | None, mqtt: JsonValue) -> Verdict:
    if members is None or (mqtt is not None and not isinstance(mqtt, dict)):
        return BAD_ANSWER.found("the body is not a JSON object, or its `mqtt` is none")
    if members.get("subprotocol", "mqtt") != "mqtt":
        return BAD_ANSWER.found("the subprotocol is not mqtt")
    properties = mqtt.get("userProperties") if isinstance(mqtt, dict) else None
    if properties is not None and not (isinstance(properties, list) and all(map(_is_property, properties))):
        return BAD_ANSWER.found("mqtt.userProperties is not an array of {name, value}")
    return passed(f"let in, {answer.status}")


def _is_property(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str) and isinstance(value.get("value"), str)


BARE_REFUSED = failure(
    "bare-refused",
    cause="The documented requests for MQTT carry no ce-subprotocol; with it the client gets in, without it not.",
    mend="Tell MQTT by ce-physicalConnectionId alone.",
)


@group.check("detection", "MQTT is told by ce-physicalConnectionId alone", BARE_REFUSED)
async def detection(visit: Visit) -> Verdict:
    usual = await visit.deliver(visit.play_mqtt(V5_0).connect_mqtt())
    bare = await visit.deliver(visit.play_mqtt(V5_0).connect_mqtt().changed(ce_subprotocol=None))
    if usual.is_success and not bare.is_success:
        return BARE_REFUSED.found(f"with ce-subprotocol: {usual.status}, without: {bare}")
    return passed(f"with ce-subprotocol: {usual.status}, without: {bare.status}")


IGNORED = warning(
    "ignored",
    cause="The service logs a failed delivery and forgets the event: the upstream will not know of the device.",
    mend="Answer 204 to events of MQTT clients also where you do not care; or untick the event in the hub's settings.",
)


@group.check("notifications", "`connected` and `disconnected` of MQTT clients are acknowledged", IGNORED)
async def notifications(visit: Visit) -> Verdict:
    played = visit.play_mqtt(V5_0)
    packet = {"code": 160, "userProperties": [{"name": "why", "value": "low battery"}]}
    bodies: tuple[dict[str, Any], ...] = (
        {"reason": None, "mqtt": {"initiatedByClient": False, "disconnectPacket": None}},
        {"reason": "gone", "mqtt": {"initiatedByClient": True, "disconnectPacket": packet}},
        {"reason": None, "mqtt": {"initiatedByClient": True, "disconnectPacket": {"code": 0, "userProperties": None}}},
    )
    for request in (played.connected(), *(visit.play_mqtt(V5_0).disconnected(body) for body in bodies)):
        answer = await visit.deliver(request)
        if not answer.is_success:
            return IGNORED.found(f"{what_is(request)}: {answer}")
    return passed("connected, and disconnected with a packet and without")


REFUSED = warning(
    "refused",
    cause="The device gets a message on the topic …/failed in place of an answer.",
    mend="Take any content type, or none, from MQTT clients, as bytes; mqtt-… headers are the user properties.",
)
BAD_PROPERTY: Problem = failure(
    "bad-property",
    cause="An answer's mqtt-… header holds what a header cannot carry; clients get something else.",
    mend="Put ASCII into mqtt-… headers, and check what you copy from the request.",
)


@group.check("event", "A publish with any content type, or with none, is taken", REFUSED, BAD_PROPERTY)
async def event(visit: Visit) -> Verdict:
    for media in ("text/plain", "application/vnd.doctor+xml; v=1", ""):
        request = visit.play_mqtt(V5_0).message("21.5", media).changed(("mqtt-site", "north"))
        answer = await visit.deliver(request)
        if not answer.is_success:
            return REFUSED.found(f"{media or 'no content type'}: {answer}")
        wrong = [name for name, value in answer.headers if name.lower().startswith("mqtt-") and not value.isascii()]
        if wrong:
            return BAD_PROPERTY.found(f"{wrong[0][:40]!r}")
    return passed("three content types")
