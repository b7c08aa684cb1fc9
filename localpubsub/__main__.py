"""`python -m localpubsub`, and `webpubsub local`."""

import asyncio
import logging
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from localpubsub.config import DEFAULT_PORT, EVERY_HUB, ConfigError, EventHandler, ServiceConfig
from localpubsub.config_file import FILE_NAME, load_config
from localpubsub.edge.state_file import StateError
from localpubsub.edge.tls import CERTIFICATE
from localpubsub.flags import Flags
from localpubsub.log_lines import LineFormatter
from localpubsub.loops import fastest_loop
from localpubsub.reload import ConfigWatch
from localpubsub.server import LocalPubSub

HUB = "A hub"
FAULTS = "Faults on purpose"

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
    tls: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="https, with a certificate that is made and kept there.")
    ] = None,
    accept_entra_tokens: Annotated[  # noqa: FBT002
        bool, typer.Option("--accept-entra-tokens", help="UNSAFE: REST callers with an Entra token are not checked.")
    ] = False,
    console_password: Annotated[
        str,
        typer.Option(
            envvar="LOCALPUBSUB_CONSOLE_PASSWORD", help="Opens /console from anywhere; else it is for this machine."
        ),
    ] = "",
    state: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Reliable connections are kept there, and survive a restart.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help=f"Settings; {FILE_NAME} where there is one. Changes apply at once.")
    ] = None,
    hub: Annotated[
        str,
        typer.Option(help="The hub these are for; left out, every hub the file does not name.", rich_help_panel=HUB),
    ] = "",
    event_handler: Annotated[
        str, typer.Option(help="URL that gets the events; {hub} and {event} are replaced.", rich_help_panel=HUB)
    ] = "",
    system_events: Annotated[
        str, typer.Option(help="Comma-separated, of connect, connected and disconnected.", rich_help_panel=HUB)
    ] = "connect,connected,disconnected",
    user_event_pattern: Annotated[str, typer.Option(help="*, a name, or a comma list.", rich_help_panel=HUB)] = "*",
    group_presence: Annotated[
        str, typer.Option(help="joined, left or both with a comma: tell the handler of it.", rich_help_panel=HUB)
    ] = "",
    handler_token_env: Annotated[
        str, typer.Option(help="Environment variable with the bearer token the handler wants.", rich_help_panel=HUB)
    ] = "",
    event_listener: Annotated[
        str, typer.Option(help="file:PATH, a URL, or log: gets a copy of every event.", rich_help_panel=HUB)
    ] = "",
    anonymous: Annotated[  # noqa: FBT002
        bool, typer.Option("--anonymous", help="Let clients in without a token.", rich_help_panel=HUB)
    ] = False,
    chaos: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help='As "drop group=lobby p=0.1" or "rest 429 every=3"; may be given again. See docs/localpubsub.md.',
            rich_help_panel=FAULTS,
        ),
    ] = None,
    chaos_seed: Annotated[
        int | None, typer.Option(help="The same seed and traffic strike the same places.", rich_help_panel=FAULTS)
    ] = None,
) -> None:
    flags = Flags(
        port, host, tuple(access_key or ()), hub, event_handler, system_events, user_event_pattern, group_presence,
        handler_token_env, event_listener, anonymous, tuple(chaos or ()), chaos_seed,
        tls, accept_entra_tokens, console_password, state,
    )  # fmt: skip
    path = config or (Path(FILE_NAME) if Path(FILE_NAME).is_file() else None)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    with asyncio.Runner(loop_factory=fastest_loop()) as runner:
        runner.run(_serve(flags, path))


def _settings(flags: Flags, path: Path | None) -> ServiceConfig:
    return flags.lay_over(load_config(path) if path else ServiceConfig())


async def _serve(flags: Flags, path: Path | None) -> None:
    watch = ConfigWatch(path, lambda: _settings(flags, path)) if path else None
    try:
        settings = _settings(flags, path)
    except ConfigError as error:
        _fail(str(error))
    service = LocalPubSub(settings)
    try:
        await service.start()
    except StateError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"cannot listen on port {settings.port}: {error.strerror or error}")
    watching = asyncio.create_task(watch.run(service.apply)) if watch else None
    try:
        _announce(service, path)
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        await stopped.wait()
    finally:
        if watching is not None:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        await service.stop()


def _announce(service: LocalPubSub, path: Path | None) -> None:
    lines = [f"Local service     {service.endpoint}", f"Connection string {service.connection_string}"]
    lines.append(f"Console           {service.endpoint}/console")
    if service.config.tls_folder is not None:
        lines.append(f"Certificate       {service.config.tls_folder / CERTIFICATE} (clients must be told to trust it)")
    if service.config.state is not None:
        lines.append(f"State             {service.config.state} (reliable connections survive a restart)")
    if path is not None:
        lines.append(f"Settings          {path} (changes apply at once)")
    for name, hub in service.config.hubs.items():
        where = "every hub" if name == EVERY_HUB else f"hub {name}"
        lines += [f"Event handler     {one.url_template} ({where}: {_events(one)})" for one in hub.event_handlers]
        lines += [f"Event listener    {one.endpoint} ({where})" for one in hub.event_listeners]
    lines += [f"Fault on purpose  {armed.rule}" for armed in service.chaos.rules]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _events(handler: EventHandler) -> str:
    presence = handler.group_presence_events.event_names
    return ", ".join((*handler.system_events, handler.user_event_pattern, *presence)).strip(", ")


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"localpubsub: {message}\n")
    raise typer.Exit(2)


if __name__ == "__main__":
    sys.exit(main())
