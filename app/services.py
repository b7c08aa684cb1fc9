"""Everything the application holds, built once from `Settings`."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import structlog
from azure.core.credentials import AzureKeyCredential
from azure.core.credentials_async import AsyncTokenCredential

from app.clients.access import AccessIssuer, EntraAccessIssuer, KeyAccessIssuer
from app.clients.bearer import Bearer, EntraBearer, KeyBearer
from app.clients.credential import credential_for
from app.clients.entra import EntraVerifier
from app.clients.identity import AppServiceIdentity, Identity, OidcIdentity, QueryIdentity, own_identity
from app.clients.key_file import followed
from app.clients.keys import AccessKeys
from app.clients.limiter import RateLimiter
from app.clients.other_key import OtherKey
from app.clients.service_client import AzureServiceClient
from app.clients.webpubsub import ServiceSender
from app.fanout.delivery import Delivery, RetryPolicy
from app.fanout.outbox import Outbox, OutboxLimits
from app.fanout.publisher import OutboxPublisher
from app.fanout.store import Store
from app.fanout.stores import OwnedStorage, stores_for
from app.metrics import Metrics
from app.settings import Settings
from app.telemetry import TracedSender, current_trace, traced
from app.translation.backend import Unavailable
from app.translation.configured import translator_for
from app.upstream.authentication import Authentication
from app.upstream.followups import Followups
from app.upstream.gate import Gate, parse_network
from app.upstream.guard import GuardedHub
from app.upstream.history import History
from app.upstream.hub import Environment, Hub
from app.upstream.idempotency import IdempotencyWindow
from app.upstream.memory_storage import MemoryStorage
from app.upstream.origins import Origins
from app.upstream.outbox import NoOutbox
from app.upstream.policy import read_policy
from app.upstream.publisher import Publisher, trace_of_event
from app.upstream.registry import Collaborators, HubRegistry, asks_for, build_hub, load_hub_class
from app.upstream.roster import Roster
from app.upstream.running import running
from app.upstream.service import ServiceClient
from app.upstream.storage import ScopedStorage, Storage, StorageError
from app.upstream.translation import Translator
from app.upstream.webhook import Limits, Webhook

if TYPE_CHECKING:
    from app.upstream.testing import RecordingPublisher

log = structlog.get_logger(__name__)

PublisherFor = Callable[[str], "RecordingPublisher"]


@dataclass(frozen=True)
class Fanout:
    """The way of an action from the outbox to the service."""

    sender: ServiceSender
    delivery: Delivery
    outbox: Outbox


class Services:
    """Built without I/O; `open` does the I/O and undoes it.

    `publisher_for` replaces publishers and service clients: tests and tools pass a recording one.
    """

    def __init__(self, settings: Settings, publisher_for: PublisherFor | None = None) -> None:
        self.settings = settings
        self.start_failure: str | None = None
        """Why `open` raised, in one sentence."""
        classes = [load_hub_class(path) for path in settings.hubs]
        self.keys = AccessKeys(settings.own_connections, settings.further_connections, settings.webpubsub_endpoint)
        self._credential = credential_for(settings)
        self._bearer = _bearer(settings, self._credential, self.keys)
        self._clients: dict[str, AzureServiceClient] = {}
        self.fanout: Fanout | None = None
        self.publishers: dict[str, Publisher] = {}
        self.storage: OwnedStorage = MemoryStorage()
        service_clients: Mapping[str, ServiceClient] = self._clients
        if publisher_for is None:
            self.fanout = self._reach_service([one.name for one in classes])
        else:
            service_clients = recording = {one.name.lower(): publisher_for(one.name) for one in classes}
            self.publishers.update(recording)
        self.policy = read_policy(settings.policy) if settings.policy else None
        self.limiter = RateLimiter(settings.store.get_secret_value())
        self.identity = _identity(settings)
        self.translator = translator_for(settings)
        self.hubs = HubRegistry(self._built(one, service_clients[one.name.lower()]) for one in classes)
        self.rosters = {
            one.name.lower(): Roster(self._storage_of(one.name)) for one in classes if asks_for(one, Roster)
        }
        self._verifier = _verifier(settings)
        self.authentication = Authentication(
            Origins(self.keys.endpoints, settings.webpubsub_allowed_origins),
            bearer=self._verifier,
            allow_unverified=settings.allow_unverified_webhooks,
        )
        self.followups = Followups()
        outbox, delivery = (self.fanout.outbox, self.fanout.delivery) if self.fanout else (None, None)
        self.window = IdempotencyWindow(
            seconds=settings.idempotency_seconds,
            max_answers=settings.idempotency_max_answers,
            ledger=outbox.ledger if outbox else None,
        )
        self.webhook = self._webhook(outbox or NoOutbox(self.publishers))
        self.issuer = self._issuer()
        self.keys.changed = self._use_keys
        self.metrics = Metrics(self.followups, outbox, delivery)
        self.webhook.observe = traced(self.metrics.observe) if settings.telemetry else self.metrics.observe

    def _reach_service(self, hubs: Sequence[str]) -> Fanout | None:
        """Makes a publisher and a service client of each hub, and the outbox behind the publishers."""
        stores = stores_for(self.settings.store.get_secret_value())
        fanout = _fanout(self.settings, self._bearer, stores.outbox)
        if fanout is not None:
            self.storage = stores.storage
        outbox = fanout.outbox if fanout else None
        policy = OtherKey(self.keys) if self.settings.connection else None
        for name in hubs:
            client = AzureServiceClient(self.settings.service_url, name, self._credential, policy)
            self._clients[name.lower()] = client
            self.publishers[name.lower()] = OutboxPublisher(name, outbox)
        return fanout

    def _built(self, hub_class: type[Hub], service: ServiceClient) -> Hub:
        hub = build_hub(hub_class, self._collaborators(hub_class.name.lower(), service))
        return hub if self.policy is None else GuardedHub(hub, self.policy, self.limiter)

    def _webhook(self, outbox: Outbox | NoOutbox) -> Webhook:
        settings = self.settings
        return Webhook(
            self.hubs,
            self.authentication,
            window=self.window,
            outbox=outbox,
            followups=self.followups,
            gate=_gate(settings),
            limits=Limits(
                max_body_bytes=settings.max_body_bytes,
                max_header_bytes=settings.max_header_bytes,
                handler_seconds=settings.handler_timeout_seconds,
                strict=settings.strict_cloudevents,
                ignore_unknown_events=settings.ignore_unknown_events,
            ),
        )

    def _collaborators(self, hub: str, service: ServiceClient) -> Collaborators:
        storage = self._storage_of(hub)
        return {
            Environment: Environment(
                development=self.settings.development, believes_query=self.settings.identity == "query"
            ),
            History: History(storage),
            Publisher: self.publishers[hub],
            Roster: Roster(storage),
            ServiceClient: service,
            Storage: storage,
            Translator: self.translator,
        }

    def _storage_of(self, hub: str) -> Storage:
        return ScopedStorage(self.storage, f"{hub.lower()}/")

    def _issuer(self) -> AccessIssuer | None:
        connection = self.settings.connection
        if connection is not None:
            return KeyAccessIssuer(connection.endpoint, self.keys.current)
        return EntraAccessIssuer(self._clients) if self.settings.service_url and self._clients else None

    def _use_keys(self) -> None:
        """What was made of the keys before is made of those of now."""
        self.authentication.origins = Origins(self.keys.endpoints, self.settings.webpubsub_allowed_origins)
        for signing in (self._bearer, self.issuer):
            if isinstance(signing, KeyBearer | KeyAccessIssuer):
                signing.use(self.keys.current)
        if isinstance(self._credential, AzureKeyCredential):
            self._credential.update(self.keys.current.decode())

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Service clients live inside. On the way out handlers finish first, then what they published is sent.

        Raises `StorageError` where the store cannot be opened.
        """
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
            if (file := self.settings.webpubsub_connection_string_file) is not None:
                await stack.enter_async_context(followed(file, self.settings.own_connections, self.keys.replace))
            if isinstance(self._credential, AsyncTokenCredential):
                await stack.enter_async_context(self._credential)
            if self._verifier is not None:
                self._verifier.open(session)
            self.identity.open(session)
            stack.push_async_callback(self.limiter.close)
            for client in self._clients.values():
                await client.open(session)
                stack.push_async_callback(client.close)
            if self.fanout is not None:
                stack.push_async_callback(self.fanout.sender.close)
                try:
                    await self.storage.open()
                    stack.push_async_callback(self.storage.close)
                    await self.fanout.outbox.open(self.window)
                except StorageError as error:
                    self.start_failure = str(error)
                    raise
                stack.push_async_callback(self.fanout.outbox.close)
            try:
                await stack.enter_async_context(self.translator.open())
            except Unavailable as error:
                self.start_failure = str(error)
                raise
            stack.push_async_callback(self._drain)
            await stack.enter_async_context(running(self.hubs))
            self.metrics.lag.start()
            stack.callback(self.metrics.lag.stop)
            yield

    async def _drain(self) -> None:
        """Handlers and sends share one grace period."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.settings.shutdown_grace_seconds
        await self.followups.drain(self.settings.shutdown_grace_seconds)
        if self.fanout is not None:
            await self.fanout.outbox.drain(max(0.0, end - loop.time()))

    def _warn(self) -> None:
        if self.settings.allow_unverified_webhooks:
            log.warning("ALLOW_UNVERIFIED_WEBHOOKS is on: anyone who reaches /eventhandler is believed")
        elif not self.settings.can_verify_events:
            log.warning(
                "no event can be verified, so every event is refused; set WEBPUBSUB_CONNECTION_STRING or "
                "WEBHOOK_ENTRA_TENANT and WEBHOOK_ENTRA_AUDIENCE"
            )
        if self.settings.telemetry and not any("OTLP" in name and name.endswith("ENDPOINT") for name in os.environ):
            log.warning("TELEMETRY is on and exports nothing: set OTEL_EXPORTER_OTLP_ENDPOINT")
        if self.settings.identity == "query" and not self.settings.development:
            log.warning("IDENTITY is query: /negotiate believes who anybody says to be")
        if self.settings.service_url is None:
            log.warning("no Web PubSub service is configured, so nothing can be sent or negotiated")


def _fanout(settings: Settings, bearer: Bearer | None, store: Store) -> Fanout | None:
    if settings.service_url is None or bearer is None:
        return None
    sender = ServiceSender(settings.service_url, bearer, timeout_seconds=settings.fanout_send_timeout_seconds)
    delivery = Delivery(
        TracedSender(sender) if settings.telemetry else sender,
        RetryPolicy(deadline_seconds=settings.fanout_deadline_seconds),
        concurrency=settings.fanout_concurrency,
    )
    limits = OutboxLimits(
        max_entries=settings.fanout_max_messages,
        max_bytes=settings.fanout_max_bytes,
        answer_seconds=settings.idempotency_seconds,
    )
    trace = current_trace if settings.telemetry else trace_of_event
    return Fanout(sender, delivery, Outbox(store, delivery, limits, trace))


def _bearer(
    settings: Settings, credential: AzureKeyCredential | AsyncTokenCredential | None, keys: AccessKeys
) -> Bearer | None:
    if settings.connection is not None:
        return KeyBearer(keys.current, refused=keys.refused)
    return EntraBearer(credential) if isinstance(credential, AsyncTokenCredential) else None


def _identity(settings: Settings) -> Identity:
    match settings.identity:
        case "query":
            return QueryIdentity()
        case "app-service":
            return AppServiceIdentity()
        case "oidc":
            issuer = settings.identity_issuer or ""
            return OidcIdentity(issuer, settings.identity_audience, settings.identity_user_claim)
        case path:
            return own_identity(path)


def _gate(settings: Settings) -> Gate | None:
    code = settings.webhook_code.get_secret_value() if settings.webhook_code else None
    networks = [parse_network(one) for one in settings.webhook_allowed_networks]
    return Gate(networks, code) if networks or code is not None else None


def _verifier(settings: Settings) -> EntraVerifier | None:
    if settings.webhook_entra_tenant is None:
        return None
    return EntraVerifier(settings.webhook_entra_tenant, settings.webhook_entra_audience, settings.webhook_entra_callers)
