"""The `webpubsub` command."""

import asyncio
import socket
import sys
from collections.abc import Coroutine
from typing import Annotated

import typer

from app.clients.access import KeyAccessIssuer
from app.commands.check import check
from app.commands.client import client
from app.commands.doctor import doctor
from app.commands.outbox import outbox_cli
from app.commands.policy import policy_cli
from app.commands.service import service_cli
from app.commands.simulate import simulate_cli
from app.console import fail, out, read_settings
from app.logging import configure_logging
from app.main import create_app
from app.models.negotiate import MOST_MINUTES, ClientProtocol
from app.serving.server import DidNotStart, bind, run, serving, until_stopped
from app.serving.workers import Workers, reason_against
from app.settings import Settings
from app.upstream.registry import load_hub_class

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The upstream server for Azure Web PubSub, and the service itself on your machine.",
)

cli.add_typer(outbox_cli, name="outbox")
cli.add_typer(policy_cli, name="policy")
cli.add_typer(service_cli, name="service")
cli.add_typer(simulate_cli, name="simulate")
cli.command()(check)
cli.command()(client)
cli.command()(doctor)

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")]


def main() -> None:
    # As `python -m` and uvicorn do it: hubs are modules of the folder one stands in.
    sys.path.insert(0, "")
    cli()


@cli.command()
def dev(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    service_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the local service.")] = 8081,
) -> None:
    """The upstream and the local service together: no Azure account needed."""
    settings = read_settings(webpubsub_connection_string=None, webpubsub_connection_string_file=None)
    configure_logging(settings.log_level, settings.log_format)
    _run(_dev(host, port, service_port))


async def _dev(host: str, port: int, service_port: int) -> None:
    try:
        from app.devserver import run_dev  # noqa: PLC0415 - the production image has no local service
    except ModuleNotFoundError:
        fail("the local service is not part of this installation; use `webpubsub serve`")
    try:
        async with run_dev(host=host, port=port, service_port=service_port) as servers:
            out.print(f"[bold]Pages[/]             {servers.upstream_url}")
            out.print(f"API documents     {servers.upstream_url}/docs")
            out.print(f"Local service     {servers.service.endpoint}")
            out.print(f"Its console       {servers.service.endpoint}/console")
            out.print(f"Connection string {servers.service.connection_string}")
            out.print(f"Hubs              {', '.join(servers.hubs)}")
            out.print("[dim]Ctrl-C stops both.[/]")
            await until_stopped()
            out.print("[dim]Stopping.[/]")
    except DidNotStart as error:
        fail(str(error))
    except OSError as error:
        fail(f"cannot listen: {error.strerror or error}; choose others with --port and --service-port")


@cli.command()
def serve(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes; several need STORE=redis://...")] = 1,
) -> None:
    """The upstream alone, for a service that is configured in the environment."""
    settings = read_settings()
    if settings.service_url is None:
        fail("set WEBPUBSUB_CONNECTION_STRING, or WEBPUBSUB_ENDPOINT to use Entra; `webpubsub dev` needs neither")
    if not settings.can_verify_events and not settings.allow_unverified_webhooks:
        fail(
            "nothing could prove that an event comes from the service: configure an access key, or "
            "WEBHOOK_ENTRA_TENANT and WEBHOOK_ENTRA_AUDIENCE (for development only: ALLOW_UNVERIFIED_WEBHOOKS=true)"
        )
    if workers > 1 and (reason := reason_against(settings)) is not None:
        fail(reason)
    configure_logging(settings.log_level, settings.log_format)
    _run(_serve(settings, host, port) if workers == 1 else _serve_with(workers, settings, host, port))


def _listener(host: str, port: int) -> socket.socket:
    try:
        return bind(host, port)
    except OSError as error:
        fail(f"cannot listen on {host}:{port}: {error.strerror or error}")


async def _serve_with(count: int, settings: Settings, host: str, port: int) -> None:
    with _listener(host, port) as listener:
        workers = Workers(listener, count, grace_seconds=settings.shutdown_grace_seconds)
        running = asyncio.create_task(workers.run())
        ready, stopped = asyncio.create_task(workers.ready.wait()), asyncio.create_task(until_stopped())
        try:
            await asyncio.wait({running, ready, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                out.print(f"Upstream on http://{host}:{listener.getsockname()[1]} with {count} workers")
            await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
            workers.stop()
            await running
        except DidNotStart as error:
            fail(str(error))
        finally:
            ready.cancel()
            stopped.cancel()


async def _serve(settings: Settings, host: str, port: int) -> None:
    listener = _listener(host, port)
    app = create_app(settings)
    try:
        async with serving(
            app,
            listener,
            grace_seconds=settings.shutdown_grace_seconds,
            trusted_proxies=settings.trusted_proxies,
        ):
            out.print(f"Upstream on http://{host}:{listener.getsockname()[1]}")
            await until_stopped()
    except DidNotStart as error:
        fail(app.state.services.start_failure or str(error))


@cli.command(
    "local", add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def local_service(context: typer.Context) -> None:
    """The local service alone. `webpubsub local --help` lists its options."""
    try:
        from app.devserver import run_local  # noqa: PLC0415 - the production image has no local service
    except ModuleNotFoundError:
        fail("the local service is not part of this installation")
    run_local(context.args)


@cli.command()
def token(
    hub: Annotated[str | None, typer.Option(help="Hub; the first of HUBS where it is left out.")] = None,
    user: Annotated[
        str | None, typer.Option("--user-id", "--user", help="User id; anonymous where it is left out.")
    ] = None,
    role: Annotated[list[str] | None, typer.Option(help="A role, as webpubsub.sendToGroup.lobby.")] = None,
    group: Annotated[list[str] | None, typer.Option(help="A group to start in.")] = None,
    minutes: Annotated[int, typer.Option(min=1, max=MOST_MINUTES, help="Lifetime.")] = 60,
    client: Annotated[ClientProtocol, typer.Option(help="Which kind of client.")] = ClientProtocol.DEFAULT,
) -> None:
    """Prints a client access URL, signed with the access key of the configured service."""
    settings = read_settings()
    connection = settings.connection
    if connection is None:
        fail("set WEBPUBSUB_CONNECTION_STRING; `webpubsub dev` prints the one of the local service")
    issuer = KeyAccessIssuer(connection.endpoint, connection.access_key.get_secret_value().encode())
    access = asyncio.run(
        issuer.issue(
            hub or load_hub_class(settings.hubs[0]).name,
            user_id=user,
            roles=role or (),
            groups=group or (),
            minutes=minutes,
            protocol=client,
        )
    )
    sys.stdout.write(f"{access.url}\n")


def _run(work: Coroutine[object, object, None]) -> None:
    try:
        run(work)
    except RuntimeError as error:
        fail(str(error))
