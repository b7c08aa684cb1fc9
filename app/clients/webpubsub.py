"""The send path: an action becomes one request to the service's REST API (spec/service.md 8).

It puts on the wire what the official service SDK puts there, and costs a tenth of it.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import ceil, isfinite
from typing import NamedTuple, assert_never
from urllib.parse import quote, urlsplit

from app.clients.bearer import Bearer, NoBearer
from app.clients.http1 import Answer, KeepAliveClient, NoAnswer
from app.clients.service_client import API_VERSION, segment
from app.fanout.delivery import SendFailed
from app.models.actions import (
    Action,
    AddConnectionToGroup,
    AddUserToGroup,
    Change,
    Close,
    CloseAllConnections,
    CloseClientConnection,
    CloseGroupConnections,
    GrantPermission,
    RemoveConnectionFromGroup,
    RemoveUserFromAllGroups,
    RemoveUserFromGroup,
    RevokePermission,
    Send,
    SendToAll,
    SendToConnection,
    SendToGroup,
    SendToUser,
)

_VERSION = f"api-version={API_VERSION}"
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Call(NamedTuple):
    """A request without endpoint and hub. `path` follows `/api/hubs/{hub}`; it and the query's items are encoded."""

    method: str
    path: str
    query: list[str]
    content_type: str | None = None
    body: bytes = b""


class ServiceSender:
    """Sends actions of any hub to one service. `close` when done."""

    def __init__(self, endpoint: str, bearer: Bearer, *, timeout_seconds: float = 30) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._target_from = len(self._endpoint) - len(urlsplit(self._endpoint).path)
        self._bearer = bearer
        self._client = KeepAliveClient(endpoint, timeout_seconds=timeout_seconds)
        self._head = b"HTTP/1.1\r\nHost: %b\r\nAccept: application/json" % self._client.host_header

    async def send(self, hub: str, action: Action, *, waited_seconds: float = 0) -> None:
        """Raises `SendFailed`; its reason names the status and the service's error code, nothing else."""
        try:
            call = call_for(action, waited_seconds)
            url = f"{self._endpoint}/api/hubs/{segment(hub)}{call.path}?{'&'.join(call.query)}"
        except ValueError as error:  # as final as the service's own 400
            raise SendFailed(f"the action cannot be sent: {type(error).__name__}", 400) from error
        try:
            bearer = await self._bearer.value(url)
            answer = await self._client.request(self._request(call, url, bearer, action.traceparent))
            if answer.status == 401:  # the token may have expired on the way, or the clock been set
                self._bearer.forget(url, bearer)
                bearer = await self._bearer.value(url)
                answer = await self._client.request(self._request(call, url, bearer, action.traceparent))
        except NoAnswer as error:
            raise SendFailed(str(error)) from error
        except NoBearer as error:
            raise SendFailed(f"no token: {error}") from error
        if not 200 <= answer.status < 300:
            raise _failure(answer)

    async def close(self) -> None:
        await self._client.close()

    def _request(self, call: Call, url: str, bearer: bytes, trace: str | None) -> bytes:
        return b"%b %b %b\r\nAuthorization: %b%b%b\r\nContent-Length: %d\r\n\r\n%b" % (
            call.method.encode(),
            url[self._target_from :].encode(),
            self._head,
            bearer,
            b"" if call.content_type is None else b"\r\nContent-Type: " + call.content_type.encode(),
            b"\r\ntraceparent: " + trace.encode() if trace and _TRACEPARENT.fullmatch(trace) else b"",
            len(call.body),
            call.body,
        )


def call_for(action: Action, waited_seconds: float = 0) -> Call:
    """The REST call that carries out `action`."""
    match action:
        case SendToAll() | SendToGroup() | SendToUser() | SendToConnection():
            return _send(action, waited_seconds)
        case CloseClientConnection() | CloseAllConnections() | CloseGroupConnections():
            return _close(action)
        case _:
            return _change(action)


def _change(action: Change) -> Call:
    """Groups and permissions."""
    method = "PUT" if isinstance(action, AddConnectionToGroup | AddUserToGroup | GrantPermission) else "DELETE"
    query = [_VERSION]
    match action:
        case AddConnectionToGroup() | RemoveConnectionFromGroup():
            path = f"/groups/{segment(action.group)}/connections/{segment(action.connection_id)}"
        case AddUserToGroup() | RemoveUserFromGroup():
            path = f"/users/{segment(action.user_id)}/groups/{segment(action.group)}"
        case RemoveUserFromAllGroups():
            path = f"/users/{segment(action.user_id)}/groups"
        case GrantPermission() | RevokePermission():
            path = f"/permissions/{action.permission}/connections/{segment(action.connection_id)}"
            query = [f"targetName={quote(action.target_name, safe='')}", _VERSION]
        case _:
            assert_never(action)
    return Call(method, path, query)


def _close(action: Close) -> Call:
    reason = [] if action.reason is None else [f"reason={quote(action.reason, safe='')}"]
    match action:
        case CloseClientConnection():
            return Call("DELETE", f"/connections/{segment(action.connection_id)}", [*reason, _VERSION])
        case CloseGroupConnections():
            path = f"/groups/{segment(action.group)}/:closeConnections"
        case CloseAllConnections():
            path = "/:closeConnections"
        case _:
            assert_never(action)
    return Call("POST", path, [*_excluded(action.excluded), *reason, _VERSION])


def _send(action: Send, waited_seconds: float) -> Call:
    excluded: list[str] = []
    path = "/:send"
    match action:
        case SendToAll():
            excluded = _excluded(action.excluded)
        case SendToGroup():
            path = f"/groups/{segment(action.group)}/:send"
            excluded = _excluded(action.excluded)
        case SendToUser():
            path = f"/users/{segment(action.user_id)}/:send"
        case SendToConnection():
            path = f"/connections/{segment(action.connection_id)}/:send"
    query = [*excluded, _VERSION]
    ttl = action.ttl_seconds
    if ttl:
        # What is left of it: 0 would mean for ever, and a clock that was set back leaves no more than all.
        query.insert(0, f"messageTtlSeconds={min(ttl, max(1, ceil(ttl - waited_seconds)))}")
    if action.filter:
        query.append(f"filter={quote(action.filter, safe='')}")
    return Call("POST", path, query, action.content_type, action.body)


def _excluded(connections: Iterable[str]) -> list[str]:
    return [f"excluded={quote(connection_id, safe='')}" for connection_id in connections]


def _failure(answer: Answer) -> SendFailed:
    code = answer.headers.get(b"x-ms-error-code", b"").decode("latin-1")[:128]
    reason = f"the service answered {answer.status}" + (f" {code}" if code.isprintable() and code else "")
    return SendFailed(reason, answer.status, retry_after_seconds=_retry_after(answer))


def _retry_after(answer: Answer) -> float:
    """Seconds from a `Retry-After` header: a number or a date."""
    text = answer.headers.get(b"retry-after", b"").decode("latin-1").strip()
    if not text:
        return 0
    try:
        seconds = float(text) if text.replace(".", "", 1).isdigit() else _seconds_until(text)
    except (ValueError, TypeError, OverflowError):
        return 0
    return max(0.0, seconds) if isfinite(seconds) else 0


def _seconds_until(date: str) -> float:
    return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
