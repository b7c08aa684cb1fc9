"""Upstreams with one thing wrong in what they make of messages, and of what comes twice."""

from typing import Any

from aiohttp import web

from tests.app.doctor.defects import defect
from tests.app.doctor.sound_upstream import Refusal, SoundUpstream, answer_json, error


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
