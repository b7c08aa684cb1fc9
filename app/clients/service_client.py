"""The `ServiceClient` over the official service SDK.

Sends go out as bytes under their own content type: the SDK's send verbs would encode JSON a second time and know no
protobuf. Everything else is the SDK's verb of the same name.
"""

from collections.abc import AsyncIterator, Awaitable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import aiohttp
from azure.core.credentials import AzureKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.policies import AsyncHTTPPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from pydantic_core import to_json

from app.models.actions import Permission
from app.models.payloads import JSON, Message, as_payload
from app.upstream.errors import ServiceError
from app.upstream.service import GroupConnection

API_VERSION = "2024-12-01"


class AzureServiceClient:
    """One hub's service client. `open` before use, `close` after; the session is shared and not closed here.

    `policy` sees each signed request on its way out.
    """

    def __init__(
        self,
        endpoint: str | None,
        hub: str,
        credential: AzureKeyCredential | AsyncTokenCredential | None,
        policy: AsyncHTTPPolicy[Any, Any] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._hub = hub
        self._credential = credential
        self._policy = policy
        self._client: WebPubSubServiceClient | None = None

    async def open(self, session: aiohttp.ClientSession) -> None:
        if self._endpoint is None or self._credential is None:
            return
        # Proxy and netrc look-ups happen in a thread on every call unless they are switched off.
        transport = AioHttpTransport(session=session, session_owner=False, use_env_settings=False)
        self._client = WebPubSubServiceClient(
            self._endpoint,
            self._hub,
            self._credential,
            transport=transport,
            retry_total=2,
            retry_backoff_factor=0.2,
            custom_hook_policy=self._policy,
        )

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    @property
    def client(self) -> WebPubSubServiceClient:
        """Raises `ServiceError` before `open` and where no service is configured."""
        if self._client is None:
            raise ServiceError("call", None, "no Web PubSub service is configured")
        return self._client

    async def send_to_all(
        self,
        message: Message,
        *,
        excluded: Collection[str] = (),
        filter: str | None = None,
        ttl_seconds: int | None = None,
    ) -> None:
        await self._send("send_to_all", "", message, _params(excluded, filter, ttl_seconds))

    async def send_to_group(
        self,
        group: str,
        message: Message,
        *,
        excluded: Collection[str] = (),
        filter: str | None = None,
        ttl_seconds: int | None = None,
    ) -> None:
        path = f"groups/{_segment('send_to_group', group)}/"
        await self._send("send_to_group", path, message, _params(excluded, filter, ttl_seconds))

    async def send_to_user(
        self,
        user_id: str,
        message: Message,
        *,
        filter: str | None = None,
        ttl_seconds: int | None = None,
    ) -> None:
        path = f"users/{_segment('send_to_user', user_id)}/"
        await self._send("send_to_user", path, message, _params((), filter, ttl_seconds))

    async def send_to_connection(self, connection_id: str, message: Message, *, ttl_seconds: int | None = None) -> None:
        path = f"connections/{_segment('send_to_connection', connection_id)}/"
        await self._send("send_to_connection", path, message, _params((), None, ttl_seconds))

    async def add_connection_to_group(self, group: str, connection_id: str) -> None:
        _check("add_connection_to_group", group, connection_id)
        await _call("add_connection_to_group", self.client.add_connection_to_group(group, connection_id))

    async def remove_connection_from_group(self, group: str, connection_id: str) -> None:
        _check("remove_connection_from_group", group, connection_id)
        await _call("remove_connection_from_group", self.client.remove_connection_from_group(group, connection_id))

    async def remove_connection_from_all_groups(self, connection_id: str) -> None:
        _check("remove_connection_from_all_groups", connection_id)
        call = self.client.remove_connection_from_all_groups(connection_id)
        await _call("remove_connection_from_all_groups", call)

    async def add_user_to_group(self, group: str, user_id: str) -> None:
        _check("add_user_to_group", group, user_id)
        await _call("add_user_to_group", self.client.add_user_to_group(group, user_id))

    async def remove_user_from_group(self, group: str, user_id: str) -> None:
        _check("remove_user_from_group", group, user_id)
        await _call("remove_user_from_group", self.client.remove_user_from_group(group, user_id))

    async def remove_user_from_all_groups(self, user_id: str) -> None:
        _check("remove_user_from_all_groups", user_id)
        await _call("remove_user_from_all_groups", self.client.remove_user_from_all_groups(user_id))

    async def add_connections_to_groups(self, groups: Sequence[str], *, filter: str = "") -> None:
        await self._change_groups("add_connections_to_groups", ":addToGroups", groups, filter)

    async def remove_connections_from_groups(self, groups: Sequence[str], *, filter: str = "") -> None:
        await self._change_groups("remove_connections_from_groups", ":removeFromGroups", groups, filter)

    async def grant_permission(self, permission: Permission, connection_id: str, group: str) -> None:
        _check("grant_permission", connection_id)
        call = self.client.grant_permission(permission, connection_id, target_name=group)
        await _call("grant_permission", call)

    async def revoke_permission(self, permission: Permission, connection_id: str, group: str) -> None:
        _check("revoke_permission", connection_id)
        call = self.client.revoke_permission(permission, connection_id, target_name=group)
        await _call("revoke_permission", call)

    async def has_permission(self, permission: Permission, connection_id: str, group: str) -> bool:
        _check("has_permission", connection_id)
        call = self.client.has_permission(permission, connection_id, target_name=group)
        return bool(await _call("has_permission", call))

    async def close_connection(self, connection_id: str, *, reason: str | None = None) -> None:
        _check("close_connection", connection_id)
        await _call("close_connection", self.client.close_connection(connection_id, reason=reason))

    async def close_all_connections(self, *, excluded: Collection[str] = (), reason: str | None = None) -> None:
        call = self.client.close_all_connections(excluded=list(excluded) or None, reason=reason)
        await _call("close_all_connections", call)

    async def close_group_connections(
        self, group: str, *, excluded: Collection[str] = (), reason: str | None = None
    ) -> None:
        _check("close_group_connections", group)
        call = self.client.close_group_connections(group, excluded=list(excluded) or None, reason=reason)
        await _call("close_group_connections", call)

    async def close_user_connections(
        self, user_id: str, *, excluded: Collection[str] = (), reason: str | None = None
    ) -> None:
        _check("close_user_connections", user_id)
        call = self.client.close_user_connections(user_id, excluded=list(excluded) or None, reason=reason)
        await _call("close_user_connections", call)

    async def connection_exists(self, connection_id: str) -> bool:
        _check("connection_exists", connection_id)
        return bool(await _call("connection_exists", self.client.connection_exists(connection_id)))

    async def group_exists(self, group: str) -> bool:
        _check("group_exists", group)
        return bool(await _call("group_exists", self.client.group_exists(group)))

    async def user_exists(self, user_id: str) -> bool:
        _check("user_exists", user_id)
        return bool(await _call("user_exists", self.client.user_exists(user_id)))

    async def connections_in_group(self, group: str) -> AsyncIterator[GroupConnection]:
        _check("connections_in_group", group)
        with _our_errors("connections_in_group"):
            async for one in self.client.list_connections(group=group):
                yield GroupConnection(one.connection_id, one.user_id or None)

    async def _send(self, operation: str, path: str, message: Message, params: dict[str, Any]) -> None:
        payload = as_payload(message)
        await self._post(operation, f"{path}:send", payload.body, payload.content_type, params, expected=202)

    async def _change_groups(self, operation: str, path: str, groups: Sequence[str], filter_text: str) -> None:
        body = to_json({"groups": list(groups), "filter": filter_text})
        await self._post(operation, path, body, JSON, {"api-version": API_VERSION}, expected=200)

    async def _post(
        self, operation: str, path: str, body: bytes, content_type: str, params: dict[str, Any], *, expected: int
    ) -> None:
        request = HttpRequest(
            "POST",
            f"/api/hubs/{quote(self._hub, safe='')}/{path}",
            params=params,
            headers={"Content-Type": content_type},
            content=body,
        )
        response = await _call(operation, self.client.send_request(request))
        if response.status_code != expected:
            raise ServiceError(operation, response.status_code) from HttpResponseError(response=response)


def _params(excluded: Collection[str], filter_text: str | None, ttl_seconds: int | None) -> dict[str, Any]:
    if ttl_seconds is not None and not 0 <= ttl_seconds <= 300:
        raise ValueError(f"ttl_seconds must be 0 to 300, not {ttl_seconds}")
    params: dict[str, Any] = {"api-version": API_VERSION}
    if excluded:
        params["excluded"] = list(excluded)
    if filter_text:
        params["filter"] = filter_text
    if ttl_seconds:
        params["messageTtlSeconds"] = ttl_seconds
    return params


def _check(operation: str, *names: str) -> None:
    """Raises `ServiceError` for a name that is no segment of a path."""
    for name in names:
        _segment(operation, name)


def _segment(operation: str, name: str) -> str:
    """As `segment`. Raises `ServiceError`."""
    try:
        return segment(name)
    except ValueError:
        raise ServiceError(operation, 400) from None


@lru_cache(maxsize=4096)
def segment(name: str) -> str:
    """A part of a URL's path, encoded. Raises `ValueError` for a name that can be none.

    Dots alone, encoded or not, are steps to another part of the path: there a message would go to everybody in the hub.
    """
    if name in (".", ".."):
        raise ValueError("no segment of a path")
    return quote(name, safe="")


async def _call(operation: str, call: Awaitable[Any]) -> Any:
    """Awaits an SDK call; its errors become ours."""
    with _our_errors(operation):
        return await call


@contextmanager
def _our_errors(operation: str) -> Iterator[None]:
    """The service's own text may name URLs and stays out."""
    try:
        yield
    except HttpResponseError as error:
        raise ServiceError(operation, error.status_code) from error
    except AzureError as error:
        raise ServiceError(operation, None, type(error).__name__) from error
