"""`webpubsub policy`: what the policy file says, in plain words and as hub settings."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from app.console import fail, out, read_settings
from app.printable import printable
from app.settings import Settings
from app.upstream.policy import ANY, Person, Policy, PolicyError, Rule, read_policy
from app.upstream.registry import load_hub_class

policy_cli = typer.Typer(no_args_is_help=True, help="Explains the policy file, and turns it into hub settings.")

File = Annotated[Path | None, typer.Option("--file", help="The policy; POLICY where it is left out.")]


@policy_cli.command("test")
def explain(
    hub: Annotated[str | None, typer.Option(help="Hub; the first of HUBS where it is left out.")] = None,
    user: Annotated[str | None, typer.Option("--as", help="User id; anonymous where it is left out.")] = None,
    claim: Annotated[list[str] | None, typer.Option(help="A claim of the user, as role=admin.")] = None,
    event: Annotated[str | None, typer.Option(help="May this event be raised? The exit code says it too.")] = None,
    file: File = None,
) -> None:
    """Who somebody is to the policy, and what they may. The exit code is 1 where the answer is no."""
    settings = read_settings()
    policy, name = _policy(settings, file), hub or load_hub_class(settings.hubs[0]).name
    person = Person(user, _claims(claim or ()))
    rights = policy.rights(name, person)
    out.print(f"[bold]{_plain(user or 'Somebody anonymous')}[/] at the hub {_plain(name)}")
    table = Table("rule", "", show_header=False, box=None)
    for rule in policy.rule:
        table.add_row(rule.name, _why(rule, name, person))
    out.print(table)
    if not rights.may_connect:
        out.print("[red]Stays outside:[/] no rule fits.")
        raise typer.Exit(1)
    try:
        roles = rights.roles
    except PolicyError as error:
        fail(str(error))
    out.print(f"Starts in    {_plain(', '.join(rights.groups) or 'no group')}")
    out.print(f"Token roles  {_plain(', '.join(roles))}")
    events = dict.fromkeys(name for rule in rights.rules for name in rule.events)
    out.print(f"Events       {_plain(', '.join(events) or 'none')}")
    if event is not None:
        allowed = rights.may_raise(event)
        rates = "; ".join(f"{rate.limit} per {rate.per} (rule {rule.name})" for rule, rate in rights.rates(event))
        out.print(
            f"{_plain(event)} is {'allowed' if allowed else 'not allowed'}{f', {rates}' if allowed and rates else ''}"
        )
        if not allowed:
            raise typer.Exit(1)


@policy_cli.command()
def export(
    host: Annotated[str, typer.Option(help="Where the service reaches the upstream, as https://app.example.")],
    lazy: Annotated[
        bool, typer.Option("--lazy", help="Clients come without a token, and `connect` says who they are.")
    ] = False,
    file: File = None,
) -> None:
    """The settings of every hub in HUBS as JSON: what Bicep and `az rest` take as properties."""
    settings = read_settings()
    policy = _policy(settings, file)
    names = [load_hub_class(path).name for path in settings.hubs]
    typer.echo(json.dumps({name: hub_properties(policy, name, host, lazy=lazy) for name in names}, indent=2))


def hub_properties(policy: Policy, hub: str, host: str, *, lazy: bool = False) -> dict[str, Any]:
    """As the resource type Microsoft.SignalRService/webPubSub/hubs has them."""
    rules = [rule for rule in policy.rule if rule.covers(hub)]
    events = dict.fromkeys(name for rule in rules for name in rule.events)
    is_open = lazy or any(subject in (ANY, "anonymous") for rule in rules for subject in rule.who)
    return {
        "anonymousConnectPolicy": "allow" if is_open else "deny",
        "eventHandlers": [
            {
                "urlTemplate": f"{host.rstrip('/')}/eventhandler",
                "userEventPattern": ANY if ANY in events else ",".join(events),
                "systemEvents": ["connect", "connected", "disconnected"],
            }
        ],
    }


def _policy(settings: Settings, file: Path | None) -> Policy:
    path = file or settings.policy
    if path is None:
        fail("name the file with --file, or set POLICY")
    try:
        return read_policy(path)
    except PolicyError as error:
        fail(str(error))


def _claims(texts: list[str] | tuple[()]) -> dict[str, list[str]]:
    claims: dict[str, list[str]] = {}
    for text in texts:
        name, found, value = text.partition("=")
        if not found:
            fail(f"--claim takes name=value, not {text!r}")
        claims.setdefault(name, []).append(value)
    return claims


def _why(rule: Rule, hub: str, person: Person) -> str:
    if not rule.covers(hub):
        return f"[dim]is for the hub {rule.hub}[/]"
    subject = rule.fits(person)
    return f"[green]fits[/] ({_plain(subject)})" if subject else f"[dim]does not fit ({_plain(', '.join(rule.who))})[/]"


def _plain(text: str) -> str:
    return escape(printable(text))
