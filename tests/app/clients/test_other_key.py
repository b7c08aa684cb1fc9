"""Calls through the SDK when the service takes one key no more."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from azure.core.credentials import AzureKeyCredential

from app.clients.keys import AccessKeys
from app.clients.other_key import OtherKey
from app.clients.service_client import AzureServiceClient
from app.upstream.connection_string import connection_strings
from app.upstream.errors import ServiceError
from localpubsub.testing import LocalService, quick_config

OLD, NEW = ("old-" * 11, "new-" * 11)


@pytest.fixture
async def service() -> AsyncIterator[LocalService]:
    async with LocalService(quick_config(access_keys=(NEW,))) as one:
        yield one


async def asked(service: LocalService, *keys: str) -> tuple[AccessKeys, list[bool]]:
    known = AccessKeys(connection_strings(",".join(f"Endpoint={service.endpoint};AccessKey={key}" for key in keys)))
    credential = AzureKeyCredential(keys[0])
    known.changed = lambda: credential.update(known.current.decode())
    client = AzureServiceClient(service.endpoint, "chat", credential, OtherKey(known))
    async with aiohttp.ClientSession() as session:
        await client.open(session)
        try:
            await client.send_to_all("hi")
            return known, [await client.group_exists("nobody"), await client.user_exists("nobody")]
        finally:
            await client.close()


async def test_the_other_key_is_used_within_the_same_call_and_from_then_on(service: LocalService) -> None:
    known, found = await asked(service, OLD, NEW)

    assert known.current == NEW.encode()
    assert found == [False, False]


async def test_without_another_key_the_refusal_is_told(service: LocalService) -> None:
    with pytest.raises(ServiceError) as caught:
        await asked(service, OLD)

    assert caught.value.status == 401
