"""Can the service get there at all?"""

from urllib.parse import urlsplit, urlunsplit

from app.doctor.exchange import Answer, Request, Trouble
from app.doctor.registry import Group
from app.doctor.upstream.common import REDIRECTED
from app.doctor.upstream.visit import Visit
from app.doctor.verdicts import Verdict, failure, passed, warning

group: Group[Visit] = Group("reach", "Reachability", needs=["reach.answers"])

UNREACHABLE = failure(
    "unreachable",
    cause="Nothing takes connections there, so no event can arrive, and every client that connects is refused.",
    mend=(
        "Start the upstream, and check host, port and firewall. It must listen on more than 127.0.0.1 inside a "
        "container. Azure cannot reach your machine: use a tunnel, or the local service."
    ),
)
UNKNOWN_HOST = failure(
    "unknown-host",
    cause="The host name has no address.",
    mend="Correct the name, or wait until the new DNS record is known everywhere.",
)
BAD_CERTIFICATE = failure(
    "bad-certificate",
    cause="The service does not talk to a server whose certificate it cannot verify.",
    mend=(
        "Use a certificate of a public authority that names this host, send the intermediate certificates with it, "
        "and look at its last day."
    ),
)
SILENT = failure(
    "silent",
    cause="The service gives a validation ten seconds, and sends no event while validation fails.",
    mend="A firewall that drops packets, or a server that hangs: see whether curl from another network is answered.",
)
NOT_HTTP = failure(
    "not-http",
    cause="Something listens there, but it does not answer in HTTP.",
    mend="Check the port, and whether it wants https:// in place of http://.",
)
_TROUBLES = {
    Trouble.UNKNOWN_HOST: UNKNOWN_HOST,
    Trouble.NO_CONNECTION: UNREACHABLE,
    Trouble.BAD_CERTIFICATE: BAD_CERTIFICATE,
    Trouble.TIMEOUT: SILENT,
    Trouble.HUNG_UP: NOT_HTTP,
    Trouble.NOT_HTTP: NOT_HTTP,
}


@group.check(
    "answers",
    "The upstream answers",
    UNREACHABLE,
    UNKNOWN_HOST,
    BAD_CERTIFICATE,
    SILENT,
    NOT_HTTP,
    needs=[],
)
async def answers(visit: Visit) -> Verdict:
    answer = await visit.ask(visit.validation())
    if answer.trouble is not None:
        return _TROUBLES[answer.trouble].found(str(answer))
    return passed(f"OPTIONS was answered {answer}")


PLAIN_HTTP = warning(
    "plain-http",
    cause="Everybody on the way can read what users send, and a signature they see lets them forge events.",
    mend="Serve https, and write https:// into the hub's settings.",
)


@group.check("encrypted", "Events travel encrypted", PLAIN_HTTP)
async def encrypted(visit: Visit) -> Verdict:
    if visit.target.is_encrypted:
        return passed("https")
    if visit.target.is_local:
        return passed("plain http, which does not leave this machine")
    return PLAIN_HTTP.found("plain http")


SIGN_IN = failure(
    "sign-in",
    cause="A sign-in stands in front of the upstream. The service cannot sign in, so nothing arrives.",
    mend=(
        "Exclude the event handler's path from App Service or Container Apps authentication, or from the proxy's, and "
        "let the upstream check ce-signature itself."
    ),
)


@group.check("redirects", "Neither OPTIONS nor POST is redirected", REDIRECTED, SIGN_IN)
async def redirects(visit: Visit) -> Verdict:
    for request in (visit.validation(), visit.play().connected()):
        answer = await visit.ask(request)
        if answer.is_redirect:
            problem = SIGN_IN if _leads_to_sign_in(answer) else REDIRECTED
            place = _place(answer.header("Location") or "")
            return problem.found(f"{request.method} was answered {answer.status}, to {place or 'nowhere'}")
    return passed("no redirect")


def _leads_to_sign_in(answer: Answer) -> bool:
    place = (answer.header("Location") or "").lower()
    return any(word in place for word in ("login", "/.auth/", "signin", "sign-in", "oauth2", "/authorize"))


def _place(location: str) -> str:
    """Without the query, which may hold a token."""
    return location.partition("?")[0][:100]


SLASH = warning(
    "slash-redirect",
    cause=(
        "The path with a slash more or less is redirected. Whoever writes it so into the hub's settings loses every "
        "event, since a redirect is not an answer."
    ),
    mend="Turn off the framework's slash redirects (FastAPI: redirect_slashes=False; Flask: strict_slashes=False).",
)


@group.check("slash", "A slash at the end of the path does not redirect", SLASH)
async def slash(visit: Visit) -> Verdict:
    request = visit.validation()
    parts = urlsplit(request.url)
    path = parts.path[:-1] if parts.path.endswith("/") else f"{parts.path}/"
    if path in ("", "//"):
        return passed("the path is /")
    answer = await visit.ask(Request("POST", urlunsplit(parts._replace(path=path)), visit.play().connected().headers))
    if answer.is_redirect:
        return SLASH.found(f"{path} was answered {answer.status}")
    return passed(f"{path} was answered {answer.status or 'nothing'}")
