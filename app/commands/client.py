"""`webpubsub client`: a client of any of the service's protocols, at the prompt or in a script."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from yarl import URL

from app.client.access import Access, Person, given, issued, negotiated, publishing
from app.client.connection import Connection, Told
from app.client.frames import Connected
from app.client.piped import given_lines, piped_lines
from app.client.program import Listener, Plan, Program
from app.client.protocols import PUBSUB, Protocol, ProtocolName, raw
from app.client.transcript import ForPeople, ForPrograms, Transcript
from app.client.words import ABOUT_DATA, HELP, NotUnderstood, read
from app.console import fail, out, service_settings
from app.printable import printable
from app.upstream.registry import load_hub_class

PANEL_WAY = "Which way in"
PANEL_SCRIPT = "In scripts"

Hub = Annotated[str | None, typer.Option(help="Hub; the first of HUBS where it is left out.")]
UserId = Annotated[str | None, typer.Option("--user-id", "--user", help="User id; anonymous without one.")]
Spoken = Annotated[ProtocolName, typer.Option(help="Subprotocol; the reliable ones recover a lost connection.")]
Groups = Annotated[list[str] | None, typer.Option(help="A group to start in.")]
Roles = Annotated[
    list[str] | None, typer.Option(help="What it may do, as webpubsub.joinLeaveGroup or webpubsub.sendToGroup.")
]
SendTo = Annotated[
    str | None, typer.Option("--send-to-group", help="Raw only: every frame is published to this group.")
]
Reconnect = Annotated[bool, typer.Option("--reconnect", help="After a loss start anew, again and again.")]
Url = Annotated[str | None, typer.Option(help="A client access URL.", rich_help_panel=PANEL_WAY)]
Negotiate = Annotated[
    str | None, typer.Option(help="The URL of an upstream that hands out access.", rich_help_panel=PANEL_WAY)
]
BearerFile = Annotated[
    Path | None,
    typer.Option(help="For --negotiate: a file with the bearer token to show.", rich_help_panel=PANEL_WAY),
]
Service = Annotated[
    str | None, typer.Option(help="The service, instead of WEBPUBSUB_CONNECTION_STRING.", rich_help_panel=PANEL_WAY)
]
Execute = Annotated[
    list[str] | None,
    typer.Option("--exec", help='A command, as "sendtogroup lobby hi".', rich_help_panel=PANEL_SCRIPT),
]
Listen = Annotated[bool, typer.Option("--listen", help="Go on after the last command.", rich_help_panel=PANEL_SCRIPT)]
Count = Annotated[int | None, typer.Option(min=1, help="End after so many messages.", rich_help_panel=PANEL_SCRIPT)]
Seconds = Annotated[
    float | None, typer.Option("--for", min=0, help="End after so many seconds.", rich_help_panel=PANEL_SCRIPT)
]
AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON object a line, for each frame.", rich_help_panel=PANEL_SCRIPT)
]


def client(  # noqa: PLR0913, PLR0917 - one parameter an option
    hub: Hub = None,
    user_id: UserId = None,
    protocol: Spoken = ProtocolName.JSON,
    group: Groups = None,
    role: Roles = None,
    send_to: SendTo = None,
    reconnect: Reconnect = False,
    url: Url = None,
    negotiate: Negotiate = None,
    bearer_file: BearerFile = None,
    connection_string: Service = None,
    execute: Execute = None,
    listen: Listen = False,
    count: Count = None,
    seconds: Seconds = None,
    as_json: AsJson = False,
) -> None:
    """A client of the service: shows what comes, and says what it is told to, at a prompt or in a script.

    The prompt is for terminals; `help` lists its commands. Otherwise they come from standard input, one a line.

    The exit code is 1 where the client was refused or cut off, or where a command of a script failed.
    """
    for line in execute or ():
        _check(line)
    access = _access(hub, user_id, role or [], group or [], Way(url, negotiate, bearer_file, connection_string))
    made = Client(_spoken(protocol, send_to), access, reconnect=reconnect)
    if send_to is not None:
        made = replace(made, access=publishing(access, send_to))
    is_typed = sys.stdin.isatty()
    if is_typed and sys.stdout.isatty() and not (execute or listen or count or as_json or seconds is not None):
        raise SystemExit(asyncio.run(_talk(made, group or [])))
    # A terminal in front of a pipe, or of options for scripts, has no prompt: there it only listens.
    listens = listen or (is_typed and not execute)
    plan = Plan(listens=listens, messages=count, seconds=seconds, says_all=bool(execute))
    lines = given_lines(execute or ()) if execute or is_typed else piped_lines()
    raise SystemExit(asyncio.run(_script(made, plan, lines, as_json=as_json)))


@dataclass(frozen=True)
class Way:
    """Where the client access URL is to come from; with nothing given, from the configured service."""

    url: str | None
    negotiate: str | None
    bearer_file: Path | None
    connection_string: str | None


@dataclass(frozen=True)
class Client:
    """What a connection is made of."""

    protocol: Protocol
    access: Access
    reconnect: bool

    def connection(self, listener: Listener) -> Connection:
        return Connection(self.protocol, self.access, listener.tell, anew=self.reconnect)

    @property
    def help_text(self) -> str:
        return "\n".join((*HELP.values(), ABOUT_DATA))


def _check(line: str) -> None:
    try:
        read(line)
    except NotUnderstood as error:
        fail(f"--exec {line!r}: {error}")


def _spoken(name: ProtocolName, send_to: str | None) -> Protocol:
    if name is ProtocolName.RAW:
        return raw(send_to)
    if send_to is not None:
        fail("--send-to-group is for --protocol raw; the other protocols have the command sendtogroup")
    return PUBSUB[name]


def _access(hub: str | None, user_id: str | None, roles: list[str], groups: list[str], way: Way) -> Access:
    ways = [value for value in (way.url, way.negotiate, way.connection_string) if value is not None]
    if len(ways) > 1:
        fail("one of --url, --negotiate and --connection-string is enough")
    if way.bearer_file is not None and way.negotiate is None:
        fail("--bearer-file goes with --negotiate")
    if (way.url is not None or way.negotiate is not None) and (roles or groups):
        fail("whoever made the URL decided about roles and groups: --role and --group are for a configured service")
    if way.url is not None:
        if hub is not None or user_id is not None:
            fail("a client access URL names hub and user already: --hub and --user-id do not go with --url")
        return given(_checked(way.url, "--url", ("ws", "wss", "http", "https")))
    if way.negotiate is not None:
        upstream = _checked(way.negotiate, "--negotiate", ("http", "https"))
        return negotiated(upstream, hub, user_id, bearer_file=way.bearer_file)
    settings = service_settings(way.connection_string)
    return issued(settings, Person(hub or load_hub_class(settings.hubs[0]).name, user_id, roles, groups))


def _checked(url: str, option: str, schemes: tuple[str, ...]) -> str:
    """The URL may hold a token: it is not repeated."""
    try:
        parsed = URL(url)
    except ValueError:
        fail(f"{option}: this is not a URL")
    if parsed.scheme not in schemes or not parsed.host:
        fail(f"{option}: a URL starts with {schemes[0]}:// or {schemes[1]}:// and names a host")
    return url


async def _script(client: Client, plan: Plan, lines: AsyncIterator[str], *, as_json: bool) -> int:
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    transcript: Transcript = ForPrograms(_write_at_once) if as_json else ForPeople(out, errors)
    listener = Listener(plan, transcript.show)
    program = Program(
        client.connection(listener),
        listener,
        plan,
        help_text=client.help_text,
        remark=lambda text: errors.print(f"webpubsub: {text}", markup=False),
    )
    return await program.run(lines)


async def _talk(client: Client, groups: list[str]) -> int:
    # Four hundredths of a second to import, and a script has no prompt.
    from app.client.prompt import Names, kept_history, typed_lines  # noqa: PLC0415

    console = Console(highlight=False, soft_wrap=True)
    names, who, plan = Names(groups), Who(), Plan(is_script=False)
    listener = Listener(plan, ForPeople(console, console).show, names.note, who.note)
    program = Program(
        client.connection(listener),
        listener,
        plan,
        help_text=client.help_text,
        remark=lambda text: console.print(text, markup=False, style="yellow"),
        noticed=names.note,
    )
    return await program.run(typed_lines(names, lambda: who.name, kept_history()))


class Who:
    """What the prompt calls this client."""

    name = "raw"

    def note(self, told: Told) -> None:
        if isinstance(told, Connected):
            self.name = "anonymous" if told.user_id is None else printable(told.user_id)


def _write_at_once(line: str) -> None:
    try:
        sys.stdout.write(line)
        sys.stdout.flush()
    except BrokenPipeError:  # as `head` does it; rich ends the program in the same way
        out.on_broken_pipe()
