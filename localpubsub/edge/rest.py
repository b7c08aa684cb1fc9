"""The REST data plane: who may call, in which version, what (spec/service.md 8.1, 8.2)."""

import logging
from urllib.parse import unquote, urlsplit

from aiohttp import web

from localpubsub.config import is_loopback
from localpubsub.edge.operations import NoSuchOperation, Operations, find
from localpubsub.edge.rest_call import RestCall
from localpubsub.edge.rest_errors import RestError, bad_request
from localpubsub.edge.tokens import InvalidToken, Tokens
from localpubsub.engine.service import Service
from localpubsub.protocol import names

log = logging.getLogger(__name__)

API_VERSIONS = ("2021-10-01", "2022-11-01", "2023-07-01", "2024-01-01", "2024-12-01")
PREVIEWS = ("2021-08-01-preview", "2022-10-01-preview")
CORS_METHODS = "GET, HEAD, POST, PUT, DELETE"


class RestEndpoint:
    """`/api/hubs/{hub}/...`, routed on the raw path: an id may hold an encoded slash."""

    def __init__(self, service: Service, tokens: Tokens) -> None:
        self._operations = Operations(service)
        self._tokens = tokens

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response = web.Response(status=204)
        else:
            try:
                response = await self._answer(request)
            except RestError as error:
                response = error.response()
        response.headers["api-supported-versions"] = ", ".join(API_VERSIONS)
        _allow_local_pages(request, response)
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        raw_path = request.raw_path.partition("?")[0]
        self._authenticate(request, raw_path)
        hub, *segments = [unquote(segment) for segment in raw_path.split("/")[3:]] or [""]
        if not names.is_hub(hub):
            raise bad_request("The hub name is not legal.", "hub")
        versions = request.query.getall("api-version", [])
        if len(versions) > 1 or not set(versions) <= {*API_VERSIONS, *PREVIEWS}:
            raise bad_request("This api-version is not supported.", "api-version")
        try:
            operation, ids = find(request.method, segments)
        except NoSuchOperation as missing:
            if missing.allowed:
                raise RestError(405, "MethodNotAllowed", f"Use {', '.join(missing.allowed)}.") from None
            raise RestError(404, "NotFound", "There is no such operation.") from None
        return await operation(self._operations, RestCall(request, hub), *ids)

    def _authenticate(self, request: web.Request, raw_path: str) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            self._tokens.rest(token.strip() if scheme.lower() == "bearer" else "", raw_path=raw_path, host=request.host)
        except InvalidToken as error:
            log.info("%s %s was refused: %s", request.method, raw_path, error)
            raise RestError(401, "Unauthorized", "The token is missing or not valid.") from None


def _allow_local_pages(request: web.Request, response: web.Response) -> None:
    """A page on this machine may call; one from elsewhere may not."""
    origin = request.headers.get("Origin")
    if origin is None or not is_loopback(urlsplit(origin).hostname or ""):
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Methods"] = CORS_METHODS
    wanted = request.headers.get("Access-Control-Request-Headers")
    if wanted:
        response.headers["Access-Control-Allow-Headers"] = wanted
    response.headers["Vary"] = "Origin"
