"""`webpubsub check`: everything that is wrong with the configuration, at once, before anybody depends on it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import StrEnum
from functools import partial
from typing import Annotated, NamedTuple

import aiohttp
import typer
from azure.core.credentials import AzureKeyCredential
from pydantic import ValidationError
from rich.text import Text

from app.clients.credential import service_client
from app.clients.entra import AUTHORITY
from app.clients.service_client import AzureServiceClient
from app.console import out, problems_of
from app.printable import printable
from app.services import Services
from app.settings import Settings
from app.storage.sqlite_file import FileInUse
from app.translation.backend import Unavailable
from app.upstream.connection_string import ConnectionString
from app.upstream.errors import ServiceError
from app.upstream.storage import StorageError

PATIENCE_SECONDS = 10
ASKED_GROUP = "webpubsub-check"


class Verdict(StrEnum):
    GOOD = "good"
    DOUBTFUL = "doubtful"
    WRONG = "wrong"


class Finding(NamedTuple):
    subject: str
    verdict: Verdict
    said: str


class KeyRefused(Exception):
    """Of a key that is not the one to send with."""


COLOURS = {Verdict.GOOD: "green", Verdict.DOUBTFUL: "yellow", Verdict.WRONG: "red"}


def check(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Only what can be told without asking anybody.")] = False,
) -> None:
    """Names every problem of the configuration. The exit code is 1 where something is wrong.

    It asks the service whether a group has members, opens the store, and fetches what issuers publish; nothing is sent.
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
        line = Text(f"{finding.verdict:9}", style=COLOURS[finding.verdict])
        line.append(f"{finding.subject:16}", style="bold").append(printable(finding.said), style="none")
        out.print(line)
    return wrong


async def findings(*, offline: bool = False) -> AsyncIterator[Finding]:
    """Everything there is to say. Where the settings cannot be read, that is all of it."""
    try:
        settings = Settings()
    except ValidationError as error:
        for problem in problems_of(error):
            yield Finding("settings", Verdict.WRONG, problem)
        return
    yield Finding("settings", Verdict.GOOD, "every value can be used")
    try:
        services = Services(settings)
    except ValueError as error:
        yield Finding("hubs and policy", Verdict.WRONG, str(error))
        return
    yield Finding("hubs", Verdict.GOOD, ", ".join(hub.name for hub in services.hubs))
    if (file := settings.webpubsub_connection_string_file) is not None:
        said = f"{len(settings.own_connections)} connection strings in {file}; what is written there counts at once"
        yield Finding("keys", Verdict.GOOD, said)
    for finding in _doubts(settings):
        yield finding
    if not offline:
        async for finding in _asked(settings, services):
            yield finding


def _doubts(settings: Settings) -> list[Finding]:
    """What starts, and is not as it should be in front of real users."""
    found = []
    if settings.service_url is None:
        found.append(Finding("service", Verdict.WRONG, "set WEBPUBSUB_CONNECTION_STRING or WEBPUBSUB_ENDPOINT"))
    elif settings.service_url.startswith("http://") and "localhost" not in settings.service_url:
        found.append(Finding("service", Verdict.DOUBTFUL, "is called without TLS"))
    if settings.allow_unverified_webhooks:
        found.append(Finding("events", Verdict.WRONG, "ALLOW_UNVERIFIED_WEBHOOKS: anybody is believed"))
    elif not settings.can_verify_events:
        found.append(
            Finding("events", Verdict.WRONG, "nothing could prove them: no access key, no WEBHOOK_ENTRA_TENANT")
        )
    elif not settings.verifies_with_entra and settings.webhook_code is None:
        said = "the signature covers the connection id alone; WEBHOOK_CODE or WEBHOOK_ENTRA_TENANT would add to it"
        found.append(Finding("events", Verdict.DOUBTFUL, said))
    if settings.identity == "query":
        found.append(Finding("negotiate", Verdict.DOUBTFUL, "IDENTITY is query: everybody is who they say"))
    if settings.development:
        found.append(Finding("development", Verdict.DOUBTFUL, "is on: hubs may invent identities"))
    if settings.store.get_secret_value().startswith("memory:"):
        found.append(Finding("store", Verdict.DOUBTFUL, "memory:// loses what is unsent when the process ends"))
    return found


async def _asked(settings: Settings, services: Services) -> AsyncIterator[Finding]:
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        questions: list[tuple[str, Callable[[], Awaitable[str]]]] = [("store", partial(_store, services))]
        if settings.service_url is not None:
            questions.append(("service", partial(_service, settings, services, session)))
        questions.extend(("other key", partial(_other_key, one, services, session)) for one in _other_keys(settings))
        questions.extend(("issuer", partial(_issuer, session, url)) for url in _issuers(settings))
        questions.append(("translator", partial(_translator, services)))
        for subject, ask in questions:
            try:
                yield Finding(subject, Verdict.GOOD, await ask())
            except KeyRefused as refusal:
                yield Finding(subject, Verdict.DOUBTFUL, str(refusal))
            except FileInUse:
                yield Finding(subject, Verdict.DOUBTFUL, "is in use by a running upstream, and was not looked into")
            except (StorageError, ServiceError, Unavailable) as error:
                yield Finding(subject, Verdict.WRONG, str(error))
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                yield Finding(subject, Verdict.WRONG, f"no answer that could be used ({type(error).__name__})")
    await services.limiter.close()


async def _store(services: Services) -> str:
    await services.storage.open()
    await services.storage.close()
    return "can be written"


async def _service(settings: Settings, services: Services, session: aiohttp.ClientSession) -> str:
    hub = next(iter(services.hubs)).name
    async with service_client(settings, hub, session) as client:
        await client.group_exists(ASKED_GROUP)
    return f"{settings.service_url} answers, and accepts the credential"


def _other_keys(settings: Settings) -> list[ConnectionString]:
    """Those of the service we send through."""
    every = {one.key: one for one in (*settings.own_connections, *settings.further_connections)}
    here = settings.connection
    return [one for one in every.values() if here and one.endpoint == here.endpoint and one.key != here.key]


async def _other_key(other: ConnectionString, services: Services, session: aiohttp.ClientSession) -> str:
    """Raises `KeyRefused`."""
    credential = AzureKeyCredential(other.access_key.get_secret_value())
    client = AzureServiceClient(other.endpoint, next(iter(services.hubs)).name, credential)
    await client.open(session)
    try:
        await client.group_exists(ASKED_GROUP)
    except ServiceError as error:
        if error.status != 401:
            raise
        raise KeyRefused("is refused: right in the middle of a rotation, of no use otherwise") from error
    finally:
        await client.close()
    return "is accepted too, and takes over where the first is refused"


async def _issuer(session: aiohttp.ClientSession, metadata: str) -> str:
    async with session.get(metadata, raise_for_status=True) as answer:
        keys = (await answer.json())["jwks_uri"]
    async with session.get(keys, raise_for_status=True) as answer:
        count = len((await answer.json())["keys"])
    return f"{metadata} leads to {count} keys"


async def _translator(services: Services) -> str:
    async with services.translator.open():
        return f"can write {len(services.translator.languages)} languages"


def _issuers(settings: Settings) -> list[str]:
    path = "/.well-known/openid-configuration"
    found = [f"{settings.identity_issuer.rstrip('/')}{path}"] if settings.identity_issuer else []
    if settings.webhook_entra_tenant:
        found.append(f"{AUTHORITY}/{settings.webhook_entra_tenant}/v2.0{path}")
    return found
