"""`webpubsub simulate`: clients that behave like people and machines, for demonstrations and for load."""

import asyncio
from contextlib import suppress
from typing import Annotated

import typer
from rich.live import Live
from rich.table import Table
from rich.text import Text

from app.console import fail, out, read_settings
from app.logging import configure_logging
from app.simulation.config import Config
from app.simulation.doors import Door, KeyDoor, NegotiateDoor
from app.simulation.run import Simulation, Standing, simulating
from app.upstream.connection_string import ConnectionString

simulate_cli = typer.Typer(no_args_is_help=True, help="Clients that behave like people and machines.")

LINE_SECONDS = 5.0
LIVE_SECONDS = 1.0
SPARE_FILES = 200


@simulate_cli.callback()
def simulate() -> None:
    """Clients that behave like people and machines."""


@simulate_cli.command()
def tower(
    vehicles: Annotated[int, typer.Option(min=1, help="Vehicles on the road.")] = 200,
    rate: Annotated[float, typer.Option(min=0.01, max=20, help="Positions a second, of each.")] = 1.0,
    minutes: Annotated[float | None, typer.Option(min=0, help="Then it ends; otherwise with Ctrl-C.")] = None,
    mqtt_share: Annotated[float, typer.Option(min=0, max=1, help="The share of vehicles that speak MQTT.")] = 0.2,
    speedup: Annotated[float, typer.Option(min=1, help="Seconds on the road in one of ours.")] = 120,
    negotiate: Annotated[
        str | None, typer.Option(help="The URL of an upstream that hands out access, as http://localhost:8080.")
    ] = None,
    connection_string: Annotated[
        str | None, typer.Option(help="The service, instead of WEBPUBSUB_CONNECTION_STRING.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed, the same mishaps.")] = 1,
) -> None:
    """Warehouses that load, vehicles that drive, and what goes wrong on the way: open the control tower and watch.

    Without --negotiate and without a connection string it asks http://localhost:8080, where `webpubsub dev` listens.
    """
    configure_logging("warning")
    door = _door(negotiate, connection_string)
    config = Config(vehicles=vehicles, rate=rate, mqtt_share=mqtt_share, speedup=speedup, seed=seed)
    _allow_files(vehicles + config.customers + config.transporters + SPARE_FILES)
    with suppress(KeyboardInterrupt):
        asyncio.run(_simulate(config, door, None if minutes is None else minutes * 60))


def _door(negotiate: str | None, connection_string: str | None) -> Door:
    if negotiate is not None:
        return NegotiateDoor(negotiate)
    if connection_string is not None:
        try:
            return KeyDoor(ConnectionString.parse(connection_string))
        except ValueError as error:
            fail(str(error))
    connection = read_settings().connection
    return KeyDoor(connection) if connection is not None else NegotiateDoor("http://localhost:8080")


async def _simulate(config: Config, door: Door, seconds: float | None) -> None:
    async with simulating(config, door) as simulation:
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await (_tell_live(simulation) if out.is_terminal else _tell_in_lines(simulation))
        finally:
            out.print(simulation.standing().line())


async def _tell_live(simulation: Simulation) -> None:
    with Live(console=out, auto_refresh=False, transient=True) as live:
        while True:
            live.update(_table(simulation.standing()), refresh=True)
            await asyncio.sleep(LIVE_SECONDS)


def _table(standing: Standing) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row(Text("seconds", style="dim"), f"{standing.seconds:.0f}")
    for about, fact in standing.facts().items():
        table.add_row(Text(about, style="bold red" if about == "trouble" else "dim"), fact)
    return table


async def _tell_in_lines(simulation: Simulation) -> None:
    while True:
        await asyncio.sleep(LINE_SECONDS)
        out.print(simulation.standing().line())


def _allow_files(wanted: int) -> None:
    """A socket is a file, and the usual limit is 1,024."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
