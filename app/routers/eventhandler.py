"""`/eventhandler` and `/eventhandler/{event}`: where Azure Web PubSub delivers events (spec/upstream.md 1, 2)."""

from functools import partial

from app.serving.direct import ClientGone, Receive, Scope, Send, read_body, send_reply
from app.upstream.cloudevents import Lines
from app.upstream.gate import UNKNOWN, Caller
from app.upstream.reply import Reply, text
from app.upstream.webhook import Webhook

NOT_ALLOWED = text(405, "events are delivered with POST", ((b"allow", b"OPTIONS, POST"),))
NOT_FOUND = text(404, "there is no such path")


class EventHandlerEndpoint:
    """An ASGI endpoint. The path after `/eventhandler` only routes: headers say which event it is.

    It never redirects, least of all for a slash: the service would follow with a GET.
    """

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            reply = await self._reply(scope, receive)
        except ClientGone:
            return
        await send_reply(send, reply)

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        method, headers = scope["method"], scope["headers"]
        if method not in ("POST", "OPTIONS") and not (method == "GET" and _is_validation(headers)):
            return NOT_ALLOWED
        if scope["path"].rstrip("/").count("/") > 2:
            return NOT_FOUND
        caller = _caller(scope) if self._webhook.asks_callers else UNKNOWN
        if method == "POST":
            return await self._webhook.receive(headers, partial(read_body, receive), caller)
        return self._webhook.validate(headers, caller)


def _is_validation(headers: Lines) -> bool:
    """The service repeats a validation with GET where OPTIONS was answered 404. It names no event then."""
    names = [name for name, _ in headers]
    return b"webhook-request-origin" in names and b"ce-type" not in names


def _caller(scope: Scope) -> Caller:
    client = scope.get("client")
    return Caller(client[0] if client else None, scope.get("query_string", b""))
