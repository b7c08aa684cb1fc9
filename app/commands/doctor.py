"""`webpubsub doctor`: what is wrong with an upstream, or with a service, and how to mend it."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Annotated
from urllib.parse import urlsplit

import typer

from app.console import fail, out, read_settings
from app.doctor.client.groups import GROUPS as OF_A_SERVICE
from app.doctor.client.sockets import Sockets
from app.doctor.client.visit import ClientVisit, Service
from app.doctor.examination import TOTAL_SECONDS, Recorder, examine
from app.doctor.http import HttpWire
from app.doctor.registry import Group, Visiting, chosen
from app.doctor.rendering import Teller
from app.doctor.report import Outcome, Report
from app.doctor.target import MADE_UP_ORIGIN, USER, Target
from app.doctor.upstream.groups import GROUPS as OF_AN_UPSTREAM
from app.doctor.upstream.visit import MAX_IN_FLIGHT, MAX_REQUESTS, Visit
from app.upstream.connection_string import ConnectionString
from app.upstream.registry import load_hub_class

Url = Annotated[
    str | None, typer.Argument(help="The event handler's URL, as it stands in the hub's settings.", show_default=False)
]
Hub = Annotated[str | None, typer.Option(help="Hub; the first of HUBS where it is left out.")]
AccessKey = Annotated[str | None, typer.Option(help="The key that events are signed with.")]
ConnectionText = Annotated[
    str | None, typer.Option(help="The service that is played; WEBPUBSUB_CONNECTION_STRING where it is left out.")
]
Origin = Annotated[str | None, typer.Option(help="The service's host, as it names itself to the upstream.")]
User = Annotated[str, typer.Option("--user-id", "--user", help="The user id to connect with.")]
Events = Annotated[list[str] | None, typer.Option("--event", help="A user event to send; message where left out.")]
Only = Annotated[list[str] | None, typer.Option(help="A group of checks, or one check; may be repeated.")]
Timeout = Annotated[float, typer.Option(min=0.1, max=120, help="Seconds to wait for one answer.")]
AsJson = Annotated[bool, typer.Option("--json", help="The report as one JSON object, for programs.")]
ClientText = Annotated[
    str | None, typer.Option(help="Connection string of a service: visits it as a client, in place of a URL.")
]


STATUSES = {Outcome.HEALTHY: 0, Outcome.SICK: 1, Outcome.NOT_EXAMINED: 2}


@dataclass(frozen=True)
class Options:
    only: Sequence[str]
    timeout_seconds: float
    as_json: bool


def doctor(  # noqa: PLR0913 - a parameter an option
    url: Url = None,
    *,
    hub: Hub = None,
    access_key: AccessKey = None,
    connection_string: ConnectionText = None,
    origin: Origin = None,
    user: User = USER,
    event: Events = None,
    only: Only = None,
    timeout: Timeout = 10,
    as_json: AsJson = False,
    client: ClientText = None,
) -> None:
    """Plays the service against any upstream, and tells what is wrong and how to mend it.

    With --client it plays clients against a service. It sends nothing to anybody else. Exit status: 0 healthy, 1 not
    healthy, 2 wrong usage, or not given what an examination needs.
    """
    if (url is None) == (client is None):
        fail("give the event handler's URL, or --client with the connection string of a service")
    options = Options(only or (), timeout, as_json)
    hub, events = hub or load_hub_class(read_settings().hubs[0]).name, tuple(event or ("message",))
    try:
        if client is not None:
            if access_key or connection_string or origin:
                fail("--client names host and key already: no --access-key, --connection-string or --origin with it")
            service = Service(ConnectionString.parse(client), hub, events, user)
            chosen(OF_A_SERVICE, options.only)
            work = _visit_service(service, options)
        else:
            key, host = _service(access_key, connection_string)
            target = Target(url or "", hub, origin or host, key, events, user)
            chosen(OF_AN_UPSTREAM, options.only)
            work = _visit_upstream(target, options)
    except ValueError as error:
        fail(str(error))
    report = asyncio.run(work)
    if as_json:
        sys.stdout.write(f"{report.model_dump_json(indent=2)}\n")
    raise SystemExit(STATUSES[report.outcome])


def _service(access_key: str | None, text: str | None) -> tuple[bytes | None, str]:
    """Key and host of the service that is played. Raises `ValueError`."""
    if access_key and text:
        raise ValueError("give --access-key or --connection-string, not both")
    if access_key:
        return access_key.encode(), MADE_UP_ORIGIN
    connection = ConnectionString.parse(text) if text else read_settings().connection
    if connection is None:
        return None, MADE_UP_ORIGIN
    return connection.access_key.get_secret_value().encode(), urlsplit(connection.endpoint).netloc


async def _visit_upstream(target: Target, options: Options) -> Report:
    proof = "signs them with the access key" if target.access_key else "signs nothing, having no access key"
    played = (
        f"Plays the service {target.origin} to the hub {target.hub}: connects as the user {target.user}, sends the "
        f"user events {', '.join(target.events)}, and {proof}. The hub's code runs, and its users may see the messages."
    )
    bounds = f"At most {MAX_REQUESTS} requests, {MAX_IN_FLIGHT} at the same time, {TOTAL_SECONDS:.0f} seconds."
    plan = (played, f"{bounds} Nothing goes to another host.")
    async with HttpWire(timeout_seconds=options.timeout_seconds) as wire:
        visit = Visit(target, wire)
        return await _examined(OF_AN_UPSTREAM, visit, visit, (target.shown, target.hub, plan), options)


async def _visit_service(service: Service, options: Options) -> Report:
    played = (
        f"Plays clients of the hub {service.hub}, with the user id {service.user} and tokens it signs itself: joins "
        f"groups named doctor-…, publishes there, sends the user events {', '.join(service.events)}."
    )
    plan = (played, f"At most {TOTAL_SECONDS:.0f} seconds. Nothing goes to another host.")
    async with Sockets(timeout_seconds=options.timeout_seconds) as sockets:
        visit = ClientVisit(service, sockets, patience_seconds=options.timeout_seconds)
        try:
            return await _examined(OF_A_SERVICE, visit, visit, (service.endpoint, service.hub, plan), options)
        finally:
            await visit.leave()


async def _examined(
    groups: Sequence[Group[Visiting]],
    visit: Visiting,
    recorder: Recorder,
    about: tuple[str, str, tuple[str, ...]],
    options: Options,
) -> Report:
    visited, hub, plan = about
    teller = Teller(out, {group.name: group.title for group in groups})
    started = perf_counter()
    if options.as_json:
        findings = await examine(groups, visit, recorder, only=options.only)
    else:
        teller.begin(f"Doctor at {visited}", plan)
        findings = await examine(groups, visit, recorder, only=options.only, tell=teller.tell)
    report = Report(
        visited=visited,
        hub=hub,
        plan=plan,
        findings=tuple(findings),
        exchanges=recorder.count(),
        seconds=round(perf_counter() - started, 3),
    )
    if not options.as_json:
        teller.end(report)
    return report
