"""Upstreams with one thing wrong in what they make of connections: connect, notifications, state, MQTT."""

import json
from typing import Any

from aiohttp import web

from tests.app.doctor.defects import defect
from tests.app.doctor.sound_upstream import Refusal, SoundUpstream, answer_json, error


class Answers(SoundUpstream):
    """Adds members to the answer to connect."""

    members = "{}"

    def connect(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        response = super().connect(request, body)
        if response.status != 200:
            return response
        return answer_json(json.loads(response.text or "") | json.loads(self.members))


class AnswersBytes(SoundUpstream):
    body = b""
    media = "application/json"

    def connect(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        return web.Response(body=self.body, content_type=self.media)


@defect("connect.accepted", "turned-away")
class TurnsAway(SoundUpstream):
    def user_of(self, request: web.Request, body: dict[str, Any]) -> str:
        return ""


@defect("connect.answer", "not-json")
class AnswersText(AnswersBytes):
    body = b"ok"


@defect("connect.answer", "not-json")
class AnswersAnArray(AnswersBytes):
    body = b"[]"


@defect("connect.answer", "content-type")
class LabelsNothing(AnswersBytes):
    body = b'{"userId":"doctor"}'
    media = "text/html"


@defect("connect.answer", "member-type")
class NumbersUsers(Answers):
    members = '{"userId": 7}'


@defect("connect.answer", "member-type")
class SendsOneGroup(Answers):
    members = '{"groups": "lobby"}'


@defect("connect.answer", "member-type")
class NumbersSubprotocols(Answers):
    members = '{"subprotocol": 1}'


@defect("connect.answer", "member-type")
class SaysMqttInAWord(Answers):
    members = '{"mqtt": "yes"}'


@defect("connect.answer", "group-name")
class SendsABlankGroup(Answers):
    members = '{"groups": [" "]}'


@defect("connect.answer", "unknown-role")
class ShortensRoles(Answers):
    members = '{"roles": ["sendToGroup"]}'


@defect("connect.answer", "unknown-member")
class SpellsAsPythonDoes(Answers):
    members = '{"user_id": "doctor"}'


@defect("connect.answer", "blank-subprotocol")
class SendsABlankSubprotocol(Answers):
    members = '{"subprotocol": ""}'


@defect("connect.subprotocol", "not-offered")
class PicksItsOwnSubprotocol(Answers):
    members = '{"subprotocol": "json.webpubsub.azure.v1"}'


@defect("connect.lenient", "too-strict")
class WantsCertificates(SoundUpstream):
    def connect(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        return super().connect(request, body) if isinstance(body.get("clientCertificates"), list) else error(400)


@defect("connect.lenient", "server-error")
class ReadsQueriesBlindly(SoundUpstream):
    def connect(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        return super().connect(request, body) if "query" in body else error(500)


@defect("connect.anonymous", "odd-refusal")
class ConflictsWithNobody(SoundUpstream):
    def refuse(self, mqtt: dict[str, Any] | None) -> web.Response:
        return error(409)


@defect("connect.user-id", "changed-user")
class ReadsLatin(SoundUpstream):
    def user_of(self, request: web.Request, body: dict[str, Any]) -> str:
        raw = dict(request.raw_headers).get(b"ce-userId", b"")
        return raw.decode("latin-1")


@defect("connect.user-id", "changed-user")
class DecodesPercentSigns(SoundUpstream):
    def user_of(self, request: web.Request, body: dict[str, Any]) -> str:
        return super().user_of(request, body).replace("%25", "%")


@defect("connect.user-id", "refused-user")
class WantsLetters(SoundUpstream):
    def user_of(self, request: web.Request, body: dict[str, Any]) -> str:
        user = super().user_of(request, body)
        return user if user.isascii() else ""


class Notifies(SoundUpstream):
    refused: tuple[str, ...] = ()
    status = 404

    def notify(self, request: web.Request, name: str, body: bytes) -> web.Response:
        return error(self.status) if name in self.refused else super().notify(request, name, body)


@defect("notifications.connected", "ignored")
@defect("mqtt.notifications", "ignored")
class KnowsNoConnected(Notifies):
    """`signature.right` then finds that connect is taken."""

    refused = ("connected",)


@defect("notifications.disconnected", "ignored")
class WantsAReason(SoundUpstream):
    def notify(self, request: web.Request, name: str, body: bytes) -> web.Response:
        is_gone = name == "disconnected" and not json.loads(body or b"{}").get("reason")
        return error(400) if is_gone else super().notify(request, name, body)


@defect("notifications.presence", "no-presence")
class KnowsNoPresence(Notifies):
    refused = ("joined", "left")


@defect("notifications.any-order", "order-refused")
class WantsThemInOrder(SoundUpstream):
    def notify(self, request: web.Request, name: str, body: bytes) -> web.Response:
        connection = request.headers["ce-connectionId"]
        if name == "connected" and connection in self.users:
            return error(409)
        self.users.append(connection)
        return super().notify(request, name, body)


class SetsState(SoundUpstream):
    states: tuple[str, ...] = ()

    def message(self, request: web.Request, name: str, media: str, body: bytes) -> web.Response:
        return web.Response(status=204)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        response = await super().handle(request)
        for state in self.states if request.method == "POST" else ():
            response.headers.add("ce-connectionState", state)
        return response


@defect("state.round-trip", "repeated")
class SetsStateTwice(SetsState):
    states = ("e30=", "e30=")


@defect("state.round-trip", "not-a-header")
class SetsPlainState(SetsState):
    states = ("{'name': 'ñ'}",)

    def connect(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        return answer_json({"userId": "doctor"})


class SetsLongState(SoundUpstream):
    size = 5 * 1024

    def state(self, value: dict[str, Any]) -> str:
        return "x" * self.size


@defect("state.round-trip", "large")
class SetsFiveKilobytes(SetsLongState): ...


@defect("state.round-trip", "too-large")
class SetsNineKilobytes(SetsLongState):
    size = 9 * 1024


@defect("state.round-trip", "not-read-back")
class ForgetsItsOwnState(SoundUpstream):
    def read_state(self, request: web.Request) -> dict[str, Any]:
        if request.headers.get("ce-connectionState"):
            raise Refusal(400)
        return {}


@defect("state.unreadable", "unreadable-refused")
class WantsItsOwnState(SoundUpstream):
    def read_state(self, request: web.Request) -> dict[str, Any]:
        given, read = request.headers.get("ce-connectionState"), super().read_state(request)
        if given and not read:
            raise Refusal(400)
        return read


class RefusesDevices(SoundUpstream):
    refusal = ""

    def connect(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        if not body.get("mqtt"):
            return super().connect(request, body)
        return answer_json(json.loads(self.refusal), status=403)


@defect("mqtt.connect-5", "no-code")
@defect("mqtt.connect-3", "no-code")
class SaysNoCode(RefusesDevices):
    refusal = '{"mqtt": {"reason": "no"}}'


@defect("mqtt.connect-3", "foreign-code")
class SaysCodesOfFive(RefusesDevices):
    refusal = '{"mqtt": {"code": 135}}'


@defect("mqtt.connect-5", "foreign-code")
class SaysCodesOfThree(RefusesDevices):
    refusal = '{"mqtt": {"code": 5}}'


class AnswersDevices(Answers):
    def connect(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        return super().connect(request, body) if body.get("mqtt") else SoundUpstream.connect(self, request, body)


@defect("mqtt.connect-5", "bad-answer")
@defect("mqtt.connect-3", "bad-answer")
class SendsPropertiesAsObject(AnswersDevices):
    members = '{"mqtt": {"userProperties": {"region": "north"}}}'


@defect("mqtt.connect-5", "bad-answer")
class SendsNumbersAsProperties(AnswersDevices):
    members = '{"mqtt": {"userProperties": [{"name": "n", "value": 1}]}}'


@defect("mqtt.connect-5", "bad-answer")
class PicksJsonForDevices(AnswersDevices):
    members = '{"subprotocol": "json.webpubsub.azure.v1"}'


@defect("mqtt.detection", "bare-refused")
class WantsBothHeaders(SoundUpstream):
    def connect(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        is_mqtt = request.headers.get("ce-subprotocol") == "mqtt"
        return error(400) if body.get("mqtt") and not is_mqtt else super().connect(request, body)
