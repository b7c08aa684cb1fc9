"""Which pages may call the REST data plane: those of this machine (spec/service.md 8.2).

The tunnel tool's page is one of them. A page from elsewhere gets no header, so its browser keeps the answer from it.
"""

from urllib.parse import urlsplit

from aiohttp import web

from localpubsub.config import is_loopback

METHODS = "GET, HEAD, POST, PUT, DELETE"
HEADERS = frozenset({"authorization", "content-type", "accept", "accept-language"})
HEADER_FAMILIES = ("x-ms-", "x-webpubsub-metadata-")
EXPOSED = "x-ms-error-code, api-supported-versions"
MAX_AGE = "600"


def is_preflight(request: web.Request) -> bool:
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def preflight(request: web.Request) -> web.Response:
    response = web.Response(status=204)
    if _is_local(request.headers.get("Origin", "")):
        wanted = request.headers.get("Access-Control-Request-Headers", "").split(",")
        response.headers["Access-Control-Allow-Methods"] = METHODS
        response.headers["Access-Control-Allow-Headers"] = ", ".join(filter(_is_allowed, map(str.strip, wanted)))
        response.headers["Access-Control-Max-Age"] = MAX_AGE
    return response


def allow(request: web.Request, response: web.Response) -> None:
    """Marks the answer, of a preflight too, as readable for the page that asked."""
    origin = request.headers.get("Origin", "")
    if _is_local(origin):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = EXPOSED
    response.headers["Vary"] = "Origin"


def _is_allowed(header: str) -> bool:
    return header.lower() in HEADERS or header.lower().startswith(HEADER_FAMILIES)


def _is_local(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and is_loopback(parts.hostname or "")
