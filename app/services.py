"""Everything the application holds, built once from `Settings`."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import structlog
from azure.core.credentials import AzureKeyCredential
from azure.core.credentials_async import AsyncTokenCredential

from app.clients.access import AccessIssuer, EntraAccessIssuer, KeyAccessIssuer
from app.clients.entra import EntraVerifier
from app.clients.webpubsub import AzurePublisher
from app.settings import Settings
from app.upstream.authentication import Authentication
from app.upstream.followups import Followups
from app.upstream.hub import Environment
from app.upstream.idempotency import IdempotencyWindow
from app.upstream.origins import Origins
from app.upstream.registry import HubRegistry, build_hub, load_hub_class
from app.upstream.service import Publisher
from app.upstream.webhook import Limits, Webhook

log = structlog.get_logger(__name__)

PublisherFor = Callable[[str], Publisher]


class Services:
    """Built without I/O; `open` does the I/O and undoes it.

    `publisher_for` replaces the service clients: tests and tools pass a recording one.
    """

    def __init__(self, settings: Settings, publisher_for: PublisherFor | None = None) -> None:
        self.settings = settings
        classes = [load_hub_class(path) for path in settings.hubs]
        self._azure: Mapping[str, AzurePublisher] = {}
        self._credential = _credential(settings)
        if publisher_for is None:
            self._azure = {
                one.name.lower(): AzurePublisher(settings.service_url, one.name, self._credential) for one in classes
            }
        self.publishers: dict[str, Publisher] = {
            one.name.lower(): publisher_for(one.name) if publisher_for else self._azure[one.name.lower()]
            for one in classes
        }
        environment = Environment(development=settings.development)
        self.hubs = HubRegistry(build_hub(one, self.publishers[one.name.lower()], environment) for one in classes)
        self._verifier = _verifier(settings)
        self.authentication = Authentication(
            Origins(settings.endpoints, settings.webpubsub_allowed_origins),
            bearer=self._verifier,
            allow_unverified=settings.allow_unverified_webhooks,
        )
        self.followups = Followups()
        self.webhook = Webhook(
            self.hubs,
            self.authentication,
            window=IdempotencyWindow(
                seconds=settings.idempotency_seconds, max_answers=settings.idempotency_max_answers
            ),
            followups=self.followups,
            limits=Limits(
                max_body_bytes=settings.max_body_bytes,
                max_header_bytes=settings.max_header_bytes,
                handler_seconds=settings.handler_timeout_seconds,
                strict=settings.strict_cloudevents,
                ignore_unknown_events=settings.ignore_unknown_events,
            ),
        )
        self.issuer = self._issuer()

    def _issuer(self) -> AccessIssuer | None:
        connection = self.settings.connection
        if connection is not None:
            return KeyAccessIssuer(connection.endpoint, connection.access_key.get_secret_value().encode())
        return EntraAccessIssuer(self._azure) if self.settings.service_url and self._azure else None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Service clients live inside; on the way out handlers finish first, then clients close."""
        self._warn()
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    timeout=aiohttp.ClientTimeout(total=self.settings.service_timeout_seconds, sock_connect=5),
                    auto_decompress=False,
                )
            )
            if isinstance(self._credential, AsyncTokenCredential):
                await stack.enter_async_context(self._credential)
            if self._verifier is not None:
                self._verifier.open(session)
            for publisher in self._azure.values():
                await publisher.open(session)
                stack.push_async_callback(publisher.close)
            stack.push_async_callback(self.followups.drain, self.settings.shutdown_grace_seconds)
            yield

    def _warn(self) -> None:
        if self.settings.allow_unverified_webhooks:
            log.warning("ALLOW_UNVERIFIED_WEBHOOKS is on: anyone who reaches /eventhandler is believed")
        elif not self.settings.can_verify_events:
            log.warning(
                "no event can be verified, so every event is refused; set WEBPUBSUB_CONNECTION_STRING or "
                "WEBHOOK_ENTRA_TENANT and WEBHOOK_ENTRA_AUDIENCE"
            )
        if self.settings.service_url is None:
            log.warning("no Web PubSub service is configured, so nothing can be sent or negotiated")


def _credential(settings: Settings) -> AzureKeyCredential | AsyncTokenCredential | None:
    if settings.connection is not None:
        return AzureKeyCredential(settings.connection.access_key.get_secret_value())
    if settings.webpubsub_endpoint is None:
        return None
    # A tenth of a second to import, and only deployments without keys need it.
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415

    return DefaultAzureCredential()


def _verifier(settings: Settings) -> EntraVerifier | None:
    if settings.webhook_entra_tenant is None:
        return None
    return EntraVerifier(settings.webhook_entra_tenant, settings.webhook_entra_audience, settings.webhook_entra_callers)
