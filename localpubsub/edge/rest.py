"""The REST data plane: who may call, in which version, what (spec/service.md 8.1, 8.2)."""

import logging
from urllib.parse import unquote

from aiohttp import web

from localpubsub.edge import cors
from localpubsub.edge.bodies import BodyTooLarge, BodyTooSlow, read_body
from localpubsub.edge.rest_call import BODY_LIMIT, RestCall, RestRequest, too_large
from localpubsub.edge.rest_errors import RestAnswer, RestError, bad_request
from localpubsub.edge.rest_faults import fail_on_purpose
from localpubsub.edge.rest_routes import find
from localpubsub.edge.tokens import InvalidToken, Tokens
from localpubsub.edge.tracing import trace_refusal, traced_call
from localpubsub.engine.service import Service
from localpubsub.protocol import names

log = logging.getLogger(__name__)

API_VERSIONS = ("2021-10-01", "2022-11-01", "2023-07-01", "2024-01-01", "2024-12-01")
PREVIEWS = ("2021-08-01-preview", "2022-10-01-preview")
PREFIX = "/api/hubs/"


class RestApi:
    """`/api/hubs/{hub}/...` for callers that are known, routed on the raw path: an id may hold an encoded slash."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.trace = service.trace

    async def answer(self, request: RestRequest) -> RestAnswer:
        if self.trace.on:
            return await traced_call(self.trace, request, self._answer_any)
        return await self._answer_any(request)

    async def _answer_any(self, request: RestRequest) -> RestAnswer:
        try:
            answer = await self._answer(request)
        except RestError as error:
            answer = error.answer()
        return RestAnswer(answer.status, answer.body, {**answer.headers, **supported_versions()})

    async def _answer(self, request: RestRequest) -> RestAnswer:
        hub, *segments = _segments(request.raw_path)
        if not names.is_hub(hub):
            raise bad_request("The hub name is not legal.", "hub")
        if self._service.chaos.requests:
            fail_on_purpose(self._service.chaos, hub, segments)
        versions = request.query.getall("api-version", [])
        if len(versions) > 1 or not set(versions) <= {*API_VERSIONS, *PREVIEWS}:
            raise bad_request("This api-version is not supported.", "api-version")
        operation, ids = find(request.method, segments)
        return await operation(RestCall(request, self._service, hub), *ids)


def supported_versions() -> dict[str, str]:
    return {"api-supported-versions": ", ".join(API_VERSIONS)}


def _segments(raw_path: str) -> list[str]:
    """The hub and what follows it, each decoded once and fully: `%2F` is a slash, `+` is a plus."""
    try:
        return [unquote(segment, errors="strict") for segment in raw_path.removeprefix(PREFIX).split("/")]
    except UnicodeDecodeError:
        raise bad_request("The path is not UTF-8.") from None


class RestEndpoint:
    """The REST data plane over HTTP: tokens, CORS, bodies."""

    def __init__(self, api: RestApi, tokens: Tokens) -> None:
        self._api = api
        self._tokens = tokens

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if cors.is_preflight(request):
            response = cors.preflight(request)
        else:
            answer = await self._answer(request)
            response = web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        cors.allow(request, response)
        return response

    async def _answer(self, request: web.Request) -> RestAnswer:
        raw_path = request.raw_path.partition("?")[0]
        base = f"{request.scheme}://{request.host}"

        async def read() -> bytes:
            return await _body(request)

        call = RestRequest(request.method, raw_path, base, request.query, request.headers, read)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            self._tokens.rest(token.strip() if scheme.lower() == "bearer" else "", raw_path=raw_path, host=request.host)
        except InvalidToken as error:
            log.info("%s %s was refused: %s", request.method, raw_path, error)
            refusal = RestError(401, "Unauthorized", "The token is missing or not valid.").answer()
            if self._api.trace.on:
                trace_refusal(self._api.trace, call, refusal)
            return RestAnswer(refusal.status, refusal.body, {**refusal.headers, **supported_versions()})
        return await self._api.answer(call)


def health(request: web.Request) -> web.Response:
    """`HEAD /api/health`, without a token."""
    if cors.is_preflight(request):
        response = cors.preflight(request)
    elif request.method in ("HEAD", "GET"):
        response = web.Response(headers=supported_versions())
    else:
        response = web.Response(status=405, headers={"Allow": "HEAD, GET"})
    cors.allow(request, response)
    return response


async def _body(request: web.Request) -> bytes:
    try:
        return await read_body(request, BODY_LIMIT)
    except BodyTooLarge:
        raise too_large() from None
    except BodyTooSlow:
        raise RestError(408, "RequestTimeout", "The body took too long.") from None
