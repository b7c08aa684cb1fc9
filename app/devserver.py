"""Both programs in one process: the upstream and the local service it belongs to.

The only module of `app` that knows `localpubsub`; the production image holds neither.
"""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any

from app.main import create_app
from app.serving.own_names import OwnNames
from app.serving.server import DidNotStart, bind, serving
from app.settings import Settings
from app.upstream.registry import load_hub_class
from localpubsub.__main__ import main as local_main
from localpubsub.config import (
    DEFAULT_ACCESS_KEY,
    KEY_LENGTH,
    EventHandler,
    GroupPresence,
    HubSettings,
    ServiceConfig,
    is_loopback,
)
from localpubsub.server import LocalPubSub

SYSTEM_EVENTS = ("connect", "connected", "disconnected")


@dataclass(frozen=True)
class DevServers:
    """What runs: the upstream's URL, the hubs it serves, and the service."""

    upstream_url: str
    hubs: tuple[str, ...]
    service: LocalPubSub


@asynccontextmanager
async def run_dev(
    *, host: str = "127.0.0.1", port: int = 8080, service_port: int = 8081, **settings: Any
) -> AsyncIterator[DevServers]:
    """Both servers answer inside; ports of 0 take free ones. `settings` are fields of `Settings`.

    On the way out the service goes first, so that the hubs still hear of every client that leaves. Raises `OSError`
    where a port is taken.
    """
    hub_names = _hub_names(settings)
    listener = bind(host, port)
    upstream_url = f"http://localhost:{listener.getsockname()[1]}"
    service = _service(upstream_url, hub_names, service_port, has_known_key=is_loopback(host))
    try:
        await service.start()
        ours = _settings(service, settings)
        app = create_app(ours)
        try:
            served = OwnNames(app) if is_loopback(host) else app
            async with serving(served, listener, grace_seconds=ours.shutdown_grace_seconds):
                yield DevServers(upstream_url, hub_names, service)
                await service.stop()
        except DidNotStart as error:
            raise DidNotStart(app.state.services.start_failure or str(error)) from error
    finally:
        await service.stop()
        listener.close()


def _service(upstream_url: str, hubs: Sequence[str], port: int, *, has_known_key: bool) -> LocalPubSub:
    handler = EventHandler(
        url_template=f"{upstream_url}/eventhandler",
        system_events=SYSTEM_EVENTS,
        user_event_pattern="*",
        group_presence_events=GroupPresence(("joined", "left")),
    )
    # Whoever reaches the upstream could sign events with the key that everybody knows.
    key = DEFAULT_ACCESS_KEY if has_known_key else token_urlsafe(KEY_LENGTH)
    settings = {name.lower(): HubSettings(anonymous_connect=True, event_handlers=(handler,)) for name in hubs}
    return LocalPubSub(ServiceConfig(port=port, access_keys=(key,), hubs=settings))


def _settings(service: LocalPubSub, chosen: dict[str, Any]) -> Settings:
    """Those that were chosen, but for the service, which is ours."""
    # What is unsent when both programs stop has nowhere to go at the next start.
    is_chosen = "store" in chosen or "store" in _configured().model_fields_set
    store = {} if is_chosen else {"store": "memory://"}
    ours = {
        "webpubsub_connection_string": service.connection_string,
        "webpubsub_connection_string_file": None,
        "webpubsub_more_connection_strings": None,
        "webpubsub_endpoint": None,
        "webhook_entra_tenant": None,
        "webhook_entra_audience": (),
        "development": True,
        # The service goes first, so what is still to be sent then has nowhere to go.
        "shutdown_grace_seconds": 1,
    }
    return Settings(**(chosen | ours | store))


def _hub_names(settings: dict[str, Any]) -> tuple[str, ...]:
    # Before the service's port is known only the hubs matter, and they decide which handlers it gets.
    paths: Sequence[str] = settings.get("hubs") or _configured().hubs
    return tuple(load_hub_class(path).name for path in paths)


def _configured() -> Settings:
    """The environment's settings but for the service, which is ours."""
    return Settings(webpubsub_connection_string=None, webpubsub_connection_string_file=None)


def run_local(arguments: list[str]) -> None:
    """`webpubsub local`: the local service alone."""
    sys.exit(local_main(arguments))
