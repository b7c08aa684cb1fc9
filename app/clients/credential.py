"""With what a service client says who it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from azure.core.credentials import AzureKeyCredential
from azure.core.credentials_async import AsyncTokenCredential

from app.clients.service_client import AzureServiceClient
from app.settings import Settings


def credential_for(settings: Settings) -> AzureKeyCredential | AsyncTokenCredential | None:
    """The access key, or Entra where only an endpoint is configured; `None` where no service is."""
    if settings.connection is not None:
        return AzureKeyCredential(settings.connection.access_key.get_secret_value())
    if settings.webpubsub_endpoint is None:
        return None
    # A tenth of a second to import, and only services without a key need it.
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415

    return DefaultAzureCredential()


@asynccontextmanager
async def service_client(
    settings: Settings, hub: str, session: aiohttp.ClientSession
) -> AsyncIterator[AzureServiceClient]:
    """A client of one hub, for a program that does not hold one already."""
    credential = credential_for(settings)
    client = AzureServiceClient(settings.service_url, hub, credential)
    try:
        await client.open(session)
        yield client
    finally:
        await client.close()
        if isinstance(credential, AsyncTokenCredential):
            await credential.close()
