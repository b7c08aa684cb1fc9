"""Upstreams with one thing wrong in what they make of events."""

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


class RefusesMedia(SoundUpstream):
    refused = ""

    def check_media(self, request: web.Request) -> None:
        super().check_media(request)
        if request.content_type == self.refused:
            raise Refusal(415)


@defect("messages.text", "refused")
class TakesNoText(RefusesMedia):
    refused = "text/plain"


@defect("messages.json", "refused")
class TakesNoJson(RefusesMedia):
    refused = "application/json"


@defect("messages.json", "server-error")
class WantsObjects(SoundUpstream):
    def check_body(self, request: web.Request, body: bytes) -> bytes:
        if request.content_type == "application/json" and body.strip()[:1] == b"t":
            raise Refusal(500)
        return super().check_body(request, body)


@defect("messages.binary", "refused")
class TakesNoBytes(RefusesMedia):
    refused = "application/octet-stream"


@defect("messages.protobuf", "no-protobuf")
class TakesNoProtobuf(RefusesMedia):
    refused = "application/x-protobuf"


@defect("messages.content-type", "charset")
class ComparesTheWholeType(SoundUpstream):
    def check_media(self, request: web.Request) -> None:
        if "charset" in request.headers.get("Content-Type", ""):
            raise Refusal(415)
        super().check_media(request)


@defect("messages.content-type", "letters")
class ComparesTypesLetterByLetter(SoundUpstream):
    def check_media(self, request: web.Request) -> None:
        if request.headers.get("Content-Type", "")[:1].isupper():
            raise Refusal(415)
        super().check_media(request)


class SaysBack(SoundUpstream):
    body = b"hello"
    media: str | None = "text/plain"

    def message(self, request: web.Request, name: str, media: str, body: bytes) -> web.Response:
        response = web.Response(body=self.body, content_type=self.media or "application/octet-stream")
        if self.media is None:
            del response.headers["Content-Type"]
        return response


@defect("messages.answer", "answer-type")
class SaysHtml(SaysBack):
    media = "text/html"


@defect("messages.answer", "no-answer-type")
class SaysNoType(SaysBack):
    media = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        response = await super().handle(request)
        if request.method == "POST" and "user" in request.headers.get("ce-type", ""):
            response.headers["Content-Type"] = ""
        return response


@defect("messages.answer", "answer-body")
class SaysBrokenJson(SaysBack):
    body = b"{'n': 1}"
    media = "application/json"


@defect("messages.answer", "answer-body")
class SaysLatin(SaysBack):
    body = "ñ".encode("latin-1")


@defect("messages.answer", "long-answer")
class SaysMuch(SaysBack):
    body = b"x" * (1024 * 1024 + 1)


@defect("messages.characters", "garbled")
class HearsLatin(SoundUpstream):
    def message(self, request: web.Request, name: str, media: str, body: bytes) -> web.Response:
        heard = body.decode("latin-1").encode() if media == "text/plain" else body
        return super().message(request, name, media, heard)


@defect("messages.metadata", "refused")
class TakesNoMetadata(SoundUpstream):
    def check_headers(self, request: web.Request) -> None:
        super().check_headers(request)
        if any(name.lower().startswith("x-webpubsub-metadata") for name in request.headers):
            raise Refusal(400)


@defect("messages.metadata", "bad-metadata")
class SaysLongMetadata(SoundUpstream):
    note = "x" * 1025
    count = 1

    def message(self, request: web.Request, name: str, media: str, body: bytes) -> web.Response:
        response = super().message(request, name, media, body)
        response.headers.update({f"x-webpubsub-metadata-note{number}": self.note for number in range(self.count)})
        return response


@defect("messages.metadata", "bad-metadata")
class SaysForeignMetadata(SaysLongMetadata):
    note = "ñ"


@defect("messages.metadata", "bad-metadata")
class SaysMuchMetadata(SaysLongMetadata):
    note = "x" * 1000
    count = 9


@defect("messages.unknown", "server-error")
class KnowsItsEvents(SoundUpstream):
    def message(self, request: web.Request, name: str, media: str, body: bytes) -> web.Response:
        return super().message(request, name, media, body) if name == "message" else error(500)


@defect("messages.megabyte", "small-limit")
class TakesSmallBodies(SoundUpstream):
    def check_headers(self, request: web.Request) -> None:
        super().check_headers(request)
        if (request.content_length or 0) > 100_000:
            raise Refusal(413)


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


@defect("mqtt.event", "refused")
class WantsATypeOfDevices(SoundUpstream):
    def check_media(self, request: web.Request) -> None:
        if not request.headers.get("Content-Type"):
            raise Refusal(415)


@defect("mqtt.event", "bad-property")
class CopiesAnything(SoundUpstream):
    def message(self, request: web.Request, name: str, media: str, body: bytes) -> web.Response:
        return web.Response(status=204, headers={"mqtt-site": "nörd"})


class Forgets(SoundUpstream):
    """Runs every delivery."""

    runs = 0

    def once(self, request: web.Request, family: str, name: str, body: bytes) -> web.StreamResponse:
        self.runs += 1
        return self.dispatch(request, family, name, body)


@defect("retries.connect", "answers-differ")
class NamesGuests(Forgets):
    def user_of(self, request: web.Request, body: dict[str, Any]) -> str:
        return super().user_of(request, body) or f"guest-{self.runs}"


@defect("retries.message", "answers-differ")
@defect("retries.twins", "answers-differ")
class CountsMessages(Forgets):
    def message(self, request: web.Request, name: str, media: str, body: bytes) -> web.Response:
        return answer_json({"number": self.runs})


@defect("retries.connect", "repeat-refused")
@defect("retries.message", "repeat-refused")
@defect("retries.twins", "repeat-refused")
class RefusesRepeats(SoundUpstream):
    def user_of(self, request: web.Request, body: dict[str, Any]) -> str:
        return "somebody"

    def once(self, request: web.Request, family: str, name: str, body: bytes) -> web.StreamResponse:
        event = request.headers["ce-connectionId"] + request.headers["ce-id"]
        if event in self.users:
            return error(409)
        self.users.append(event)
        return self.dispatch(request, family, name, body)


@defect("retries.order", "gap-refused")
class WantsEveryNumber(SoundUpstream):
    def once(self, request: web.Request, family: str, name: str, body: bytes) -> web.StreamResponse:
        return error(409) if len(request.headers["ce-id"]) > 1 else super().once(request, family, name, body)
