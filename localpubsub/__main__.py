"""`python -m localpubsub`, and `webpubsub local`."""

import asyncio
import logging
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from localpubsub.config import (
    DEFAULT_PORT,
    EVERY_HUB,
    ConfigError,
    EventHandler,
    HubSettings,
    ServiceConfig,
    load_config,
)
from localpubsub.server import LocalPubSub

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def main(argv: list[str] | None = None) -> int:
    """The exit code: 0 after a clean stop, 2 for flags or a file it cannot work with."""
    try:
        cli(argv, standalone_mode=True, prog_name="webpubsub local")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    return 0


@cli.command(help="Azure Web PubSub on this machine.")
def run(  # noqa: PLR0913, PLR0917 - one parameter a flag
    port: Annotated[int | None, typer.Option(help=f"Port; 0 takes a free one. {DEFAULT_PORT} where left out.")] = None,
    host: Annotated[str | None, typer.Option(help="Address; both loopback addresses where left out.")] = None,
    access_key: Annotated[
        list[str] | None, typer.Option(help="Primary access key; given again, the secondary one.")
    ] = None,
    hub: Annotated[str, typer.Option(help="The hub the handler is for; every hub where left out.")] = "",
    event_handler: Annotated[str, typer.Option(help="URL that gets the events; {hub} and {event} are replaced.")] = "",
    system_events: Annotated[
        str, typer.Option(help="Comma-separated, of connect, connected and disconnected.")
    ] = "connect,connected,disconnected",
    user_event_pattern: Annotated[str, typer.Option(help="*, a name, or a comma list.")] = "*",
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Let clients in without a token.")] = False,  # noqa: FBT002
    config: Annotated[Path | None, typer.Option(help="A TOML file with [hubs.NAME] tables.")] = None,
) -> None:
    try:
        base = load_config(config) if config else ServiceConfig()
        handlers = (EventHandler(event_handler, _names(system_events), user_event_pattern),) if event_handler else ()
        hubs = dict(base.hubs)
        if handlers or anonymous:
            hubs[(hub or EVERY_HUB).lower()] = HubSettings(anonymous, handlers)
        settings = replace(
            base,
            port=base.port if port is None else port,
            host=base.host if host is None else host,
            access_keys=tuple(access_key) if access_key else base.access_keys,
            hubs=hubs,
        )
    except ConfigError as error:
        _fail(str(error))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s", stream=sys.stderr)
    asyncio.run(_serve(settings))


async def _serve(settings: ServiceConfig) -> None:
    service = LocalPubSub(settings)
    try:
        await service.start()
    except OSError as error:
        _fail(f"cannot listen on port {settings.port}: {error.strerror or error}")
    try:
        _announce(service)
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        await stopped.wait()
    finally:
        await service.stop()


def _announce(service: LocalPubSub) -> None:
    lines = [f"Local service     {service.endpoint}", f"Connection string {service.connection_string}"]
    for name, hub in service.config.hubs.items():
        for handler in hub.event_handlers:
            events = ", ".join((*handler.system_events, handler.user_event_pattern)).strip(", ")
            where = "every hub" if name == EVERY_HUB else f"hub {name}"
            lines.append(f"Event handler     {handler.url_template} ({where}: {events})")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"localpubsub: {message}\n")
    raise typer.Exit(2)


if __name__ == "__main__":
    sys.exit(main())
