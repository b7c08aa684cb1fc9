"""`webpubsub check`: everything that is wrong with the configuration, at once, before anybody depends on it."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.text import Text

from app.clients.identity import own_identity
from app.commands.asking import answers, setting_of_the_service
from app.commands.finding import Finding, Verdict
from app.console import out
from app.printable import printable
from app.services import Services
from app.settings import Settings
from app.settings_in_part import NAMES_OF_THE_SERVICE, SettingsInPart, read_in_part
from app.upstream.hub import Hub
from app.upstream.policy import PolicyError, read_policy
from app.upstream.registry import HubError
from app.upstream.testing import RecordingPublisher

COLOURS = {Verdict.GOOD: "green", Verdict.DOUBTFUL: "yellow", Verdict.WRONG: "red"}
ASKED_HUB = "check"
"""Where none of HUBS can be used."""


def check(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Only what can be told without asking anybody.")] = False,
) -> None:
    """Names every problem of the configuration, each with its setting and what to do.

    It asks the service whether a group has members, opens the store, and fetches what issuers publish; nothing is sent.

    The exit code is 0 where nothing is wrong, however doubtful, 1 where something is, and 2 for unknown options.
    """
    wrong = asyncio.run(_show(as_json=as_json, offline=offline))
    raise typer.Exit(1 if wrong else 0)


async def _show(*, as_json: bool, offline: bool) -> int:
    wrong = 0
    async for finding in findings(offline=offline):
        wrong += finding.verdict is Verdict.WRONG
        if as_json:
            typer.echo(json.dumps(finding._asdict()))
            continue
        line = Text().append(f"{finding.verdict:9}", style=COLOURS[finding.verdict])
        line.append(f"{finding.subject:16}", style="bold").append(printable(finding.said))
        out.print(line)
    return wrong


async def findings(*, offline: bool = False) -> AsyncIterator[Finding]:
    """Everything there is to say, of each part as if the rest were right."""
    part = read_in_part()
    hubs, found = _hubs(part.settings)
    found = [*_read(part), *found, *_files(part.settings), *_service(part), *_doubts(part)]
    if not any(finding.verdict is Verdict.WRONG for finding in found):
        found += _together(part.settings)
    for finding in found:
        yield finding
    if not offline:
        for finding in await answers(part, hubs[0].name if hubs else ASKED_HUB):
            yield finding


def _read(part: SettingsInPart) -> list[Finding]:
    wrong = [Finding("settings", Verdict.WRONG, problem) for problem in part.problems]
    return wrong or [Finding("settings", Verdict.GOOD, "every value can be used")]


def _hubs(settings: Settings) -> tuple[list[Hub], list[Finding]]:
    """Those that can be used, and what there is to say."""
    usable: list[Hub] = []
    mistakes = [] if settings.hubs else ["names no hub; write package.module:ClassName"]
    for path in settings.hubs:
        try:
            usable.append(_built(path, settings))
        except HubError as error:
            mistakes.append(str(error))
        except Exception as error:  # noqa: BLE001 - whatever a hub of somebody's raises
            mistakes.append(f"{path!r} cannot be built, its __init__ raises {type(error).__name__}: {error}")
    for name, count in Counter(hub.name.lower() for hub in usable).items():
        if count > 1:
            mistakes.append(f"{count} hubs are named {name!r}; leave out all but one, or rename them")
    found = [Finding("hubs", Verdict.WRONG, f"HUBS: {mistake}") for mistake in mistakes]
    if usable:
        found.append(Finding("hubs", Verdict.GOOD, ", ".join(hub.name for hub in usable)))
    return usable, found


def _built(path: str, settings: Settings) -> Hub:
    """By itself, and as if all else were right. Raises what its `__init__` raises."""
    alone = Settings.model_construct(
        hubs=(path,), store=SecretStr("memory://"), development=settings.development, translator="glossary"
    )
    return next(iter(Services(alone, lambda _: RecordingPublisher()).hubs))


def _files(settings: Settings) -> Iterator[Finding]:
    if (file := settings.webpubsub_connection_string_file) is not None:
        said = f"{len(settings.own_connections)} connection strings in {file}; what is written there counts at once"
        yield Finding("keys", Verdict.GOOD, said)
    if settings.policy is not None:
        try:
            yield Finding(
                "policy", Verdict.GOOD, f"{len(read_policy(settings.policy).rule)} rules in {settings.policy}"
            )
        except PolicyError as error:
            yield Finding("policy", Verdict.WRONG, f"POLICY: {error}; mend the file, or its path")
    if ":" in settings.identity:
        try:
            own_identity(settings.identity)
        except ValueError as error:
            yield Finding("identity", Verdict.WRONG, f"{error}; write package.module:function")


def _service(part: SettingsInPart) -> Iterator[Finding]:
    """Where it is, and whether its events can be told from others."""
    settings = part.settings
    if settings.service_url is None:
        if part.know(*NAMES_OF_THE_SERVICE):
            said = "no service is named: set WEBPUBSUB_CONNECTION_STRING, or WEBPUBSUB_ENDPOINT to use Entra"
            yield Finding("service", Verdict.WRONG, said)
    elif settings.service_url.startswith("http://") and "localhost" not in settings.service_url:
        said = f"{setting_of_the_service(settings)}: the service is called without TLS; use https://"
        yield Finding("service", Verdict.DOUBTFUL, said)
    if settings.allow_unverified_webhooks:
        said = "ALLOW_UNVERIFIED_WEBHOOKS: anybody is believed; turn it off"
        yield Finding("events", Verdict.WRONG, said)
    if not settings.can_verify_events:
        if part.know(*NAMES_OF_THE_SERVICE, "webpubsub_more_connection_strings"):
            said = (
                "nothing could prove them: set WEBPUBSUB_CONNECTION_STRING, or WEBHOOK_ENTRA_TENANT and "
                "WEBHOOK_ENTRA_AUDIENCE"
            )
            yield Finding("events", Verdict.WRONG, said)
    elif not settings.verifies_with_entra and settings.webhook_code is None:
        said = "the signature covers the connection id alone; WEBHOOK_CODE or WEBHOOK_ENTRA_TENANT would add to it"
        yield Finding("events", Verdict.DOUBTFUL, said)


def _doubts(part: SettingsInPart) -> Iterator[Finding]:
    """What starts, and is not as it should be in front of real users."""
    settings = part.settings
    if settings.identity == "query" and part.know("identity"):
        said = "IDENTITY is query: everybody is who they say; choose app-service, oidc or a function"
        yield Finding("negotiate", Verdict.DOUBTFUL, said)
    if settings.development:
        yield Finding("development", Verdict.DOUBTFUL, "DEVELOPMENT is on, and hubs may invent identities; turn it off")
    if settings.store.get_secret_value().startswith("memory:"):
        said = "STORE: memory:// loses what is unsent when the process ends; name a file or Redis"
        yield Finding("store", Verdict.DOUBTFUL, said)
    if settings.telemetry and not any("OTLP" in name and name.endswith("ENDPOINT") for name in os.environ):
        said = "TELEMETRY is on and exports nothing; set OTEL_EXPORTER_OTLP_ENDPOINT"
        yield Finding("telemetry", Verdict.DOUBTFUL, said)


def _together(settings: Settings) -> Iterator[Finding]:
    """What shows only when everything is built."""
    try:
        Services(settings)
    except ValueError as error:
        yield Finding("settings", Verdict.WRONG, str(error))
    except Exception as error:  # noqa: BLE001 - whatever a hub of somebody's raises with the real settings alone
        yield Finding("settings", Verdict.WRONG, f"the app cannot be built, it raises {type(error).__name__}: {error}")
