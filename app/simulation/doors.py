"""How a party gets in: with a URL the service's key signs, or with one that an upstream's `/negotiate` gives."""

from typing import Protocol

import aiohttp
from pydantic import ValidationError
from yarl import URL

from app.clients.access import KeyAccessIssuer
from app.hubs.control_tower.hub import ControlTowerHub
from app.models.negotiate import ClientAccess, ClientProtocol
from app.upstream.connection_string import ConnectionString

MINUTES = 24 * 60


class NoWayIn(Exception):
    """Nobody gave a URL; the text says why."""


class Door(Protocol):
    async def open(self, session: aiohttp.ClientSession, party: str, protocol: ClientProtocol) -> str:
        """A URL that opens one connection. Raises `NoWayIn`, and what aiohttp raises."""


class KeyDoor:
    def __init__(self, connection: ConnectionString) -> None:
        self._issuer = KeyAccessIssuer(connection.endpoint, connection.access_key.get_secret_value().encode())

    async def open(self, session: aiohttp.ClientSession, party: str, protocol: ClientProtocol) -> str:  # noqa: ARG002
        access = await self._issuer.issue(ControlTowerHub.name, user_id=party, minutes=MINUTES, protocol=protocol)
        return access.url


class NegotiateDoor:
    """`upstream` is its URL, without a path."""

    def __init__(self, upstream: str) -> None:
        self._url = URL(upstream) / "negotiate"

    async def open(self, session: aiohttp.ClientSession, party: str, protocol: ClientProtocol) -> str:
        query = {"hub": ControlTowerHub.name, "id": party, "client": protocol.value}
        async with session.get(self._url.with_query(query)) as response:
            body = await response.read()
        if response.status != 200:
            raise NoWayIn(f"/negotiate answered {response.status}")
        try:
            return ClientAccess.model_validate_json(body).url
        except ValidationError:
            raise NoWayIn("/negotiate answered what is no client access URL") from None
