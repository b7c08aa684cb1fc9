"""Upstreams that the service cannot come in by, or others can: routes, validation, signatures."""

from aiohttp import web

from tests.app.doctor.defects import defect
from tests.app.doctor.sound_upstream import KEY, ORIGIN, Refusal, SoundUpstream, error


class Permits(SoundUpstream):
    """Answers validation with these lines."""

    lines: tuple[str, ...] = ()
    status = 200

    def validate(self, request: web.Request) -> web.Response:
        response = web.Response(status=self.status)
        for line in self.lines:
            response.headers.add("WebHook-Allowed-Origin", line)
        return response


@defect("reach.redirects", "redirected")
class RedirectsToHttps(SoundUpstream):
    async def handle(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=301, headers={"Location": "https://app.example/eventhandler"})


@defect("reach.redirects", "redirected")
class RedirectsPosts(SoundUpstream):
    async def receive(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": f"{request.path}/"})


@defect("reach.redirects", "sign-in")
class BehindASignIn(SoundUpstream):
    async def handle(self, request: web.Request) -> web.StreamResponse:
        place = "https://login.microsoftonline.com/common/oauth2/authorize?client_id=1"
        return web.Response(status=302, headers={"Location": place})


@defect("reach.slash", "slash-redirect")
class RedirectsSlashes(SoundUpstream):
    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/"):
            return web.Response(status=307, headers={"Location": request.path.rstrip("/")})
        return await super().handle(request)


@defect("validation.allowed", "header-missing")
class CorsAnswersOptions(Permits):
    """As a CORS layer in front does."""


@defect("validation.allowed", "other-origin")
class WithAScheme(Permits):
    lines = (f"https://{ORIGIN}",)


@defect("validation.allowed", "joined-origins")
class JoinsOrigins(Permits):
    lines = (f"{ORIGIN}, other.example",)


@defect("validation.allowed", "wants-proof")
class WantsProof(Permits):
    status = 401


@defect("validation.allowed", "not-found")
class KnowsNoOptions(Permits):
    status = 404


@defect("validation.allowed", "method-not-allowed")
class AllowsNoOptions(Permits):
    status = 405


@defect("validation.allowed", "refused")
class AllowsOthersOnly(Permits):
    status = 400


@defect("validation.allowed", "broken")
class BreaksOnOptions(Permits):
    status = 500


@defect("validation.several", "list")
class TakesTheListAsOneHost(SoundUpstream):
    def validate(self, request: web.Request) -> web.Response:
        host = request.headers.get("WebHook-Request-Origin", "").lower()
        return web.Response(headers={"WebHook-Allowed-Origin": host}) if host == ORIGIN else error(400)


@defect("validation.several", "list")
class DoesNotTrim(SoundUpstream):
    def validate(self, request: web.Request) -> web.Response:
        hosts = request.headers.get("WebHook-Request-Origin", "").lower().split(",")
        return web.Response(headers={"WebHook-Allowed-Origin": ORIGIN}) if ORIGIN in hosts else error(400)


@defect("validation.case", "case")
class ComparesLetters(SoundUpstream):
    def validate(self, request: web.Request) -> web.Response:
        hosts = [one.strip() for one in request.headers.get("WebHook-Request-Origin", "").split(",")]
        return web.Response(headers={"WebHook-Allowed-Origin": ORIGIN}) if ORIGIN in hosts else error(400)


class Echoes(SoundUpstream):
    def takes(self, host: str) -> bool:
        return False

    def validate(self, request: web.Request) -> web.Response:
        hosts = [one.strip().lower() for one in request.headers.get("WebHook-Request-Origin", "").split(",")]
        host = next(filter(self.takes, hosts), None)
        return web.Response(headers={"WebHook-Allowed-Origin": host}) if host else error(400)


@defect("validation.lookalike", "lookalike")
class ComparesTheBeginning(Echoes):
    def takes(self, host: str) -> bool:
        return host.startswith(ORIGIN)


@defect("validation.lookalike", "lookalike")
class ComparesTheEnd(Echoes):
    def takes(self, host: str) -> bool:
        return host.endswith(ORIGIN)


@defect("validation.odd", "server-error")
class NeedsAnOrigin(SoundUpstream):
    def validate(self, request: web.Request) -> web.Response:
        if "WebHook-Request-Origin" not in request.headers:
            return error(500)
        return super().validate(request)


@defect("signature.right", "refused")
class DecodesTheKey(SoundUpstream):
    def sign(self, text: str) -> str:
        return super().sign(text + KEY)


@defect("signature.right", "not-found")
class ServesAnotherHub(SoundUpstream):
    def check_hub(self, request: web.Request) -> None:
        raise Refusal(404)


@defect("signature.right", "not-taken")
class WantsAnotherHeader(SoundUpstream):
    def check_headers(self, request: web.Request) -> None:
        raise Refusal(400)


@defect("signature.checked", "unchecked")
class ChecksNothing(SoundUpstream):
    def is_signed(self, request: web.Request) -> bool:
        return True


@defect("signature.checked", "missing-taken")
class ChecksWhatIsThere(SoundUpstream):
    def is_signed(self, request: web.Request) -> bool:
        return not request.headers.get("ce-signature") or super().is_signed(request)


@defect("signature.bound", "not-bound")
class RemembersSignatures(SoundUpstream):
    def is_signed(self, request: web.Request) -> bool:
        value = request.headers.get("ce-signature", "")
        if super().is_signed(request):
            self.users.append(value)
        return value in self.users


@defect("signature.bound", "not-bound")
class SignsTheTarget(SoundUpstream):
    """Believes any signature that could be of some connection it has heard of."""

    def is_signed(self, request: web.Request) -> bool:
        self.users.append(request.headers["ce-connectionId"])
        return any(self.sign(one) in request.headers.get("ce-signature", "") for one in self.users)


@defect("signature.rotation", "only-first")
class ComparesTheWholeHeader(SoundUpstream):
    def is_signed(self, request: web.Request) -> bool:
        return request.headers.get("ce-signature") == self.sign(request.headers["ce-connectionId"])


@defect("signature.rotation", "only-first")
class ComparesTheFirst(SoundUpstream):
    def is_signed(self, request: web.Request) -> bool:
        first = request.headers.get("ce-signature", "").split(",")[0]
        return first.strip() == self.sign(request.headers["ce-connectionId"])


@defect("signature.malformed", "malformed-taken")
class ComparesAPrefix(SoundUpstream):
    def is_signed(self, request: web.Request) -> bool:
        given = [one.strip() for one in request.headers.get("ce-signature", "").split(",")]
        made = self.sign(request.headers["ce-connectionId"])
        return any(len(one) > 60 and made.startswith(one) for one in given)


@defect("signature.malformed", "server-error")
class StumblesOverLetters(SoundUpstream):
    """As `hmac.compare_digest` does with text."""

    def is_signed(self, request: web.Request) -> bool:
        if not request.headers.get("ce-signature", "").isascii():
            raise Refusal(500)
        return super().is_signed(request)
