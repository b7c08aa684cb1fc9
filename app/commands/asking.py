"""What `webpubsub check` asks of others: the store, the service, issuers, the translator. Nothing is sent."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import NamedTuple

import aiohttp
from azure.core.credentials import AzureKeyCredential

from app.clients.credential import service_client
from app.clients.entra import AUTHORITY
from app.clients.service_client import AzureServiceClient
from app.commands.finding import Finding, Verdict
from app.fanout.stores import stores_for
from app.settings import Settings
from app.settings_in_part import NAMES_OF_THE_SERVICE, SettingsInPart
from app.storage.sqlite_file import FileInUse
from app.translation.backend import Unavailable
from app.translation.configured import translator_for
from app.upstream.connection_string import ConnectionString
from app.upstream.errors import ServiceError
from app.upstream.storage import StorageError

PATIENCE_SECONDS = 10
ASKED_GROUP = "webpubsub-check"


class KeyRefused(Exception):
    """Of a key that is not the one to send with."""


class Question(NamedTuple):
    subject: str
    setting: str
    ask: Callable[[], Awaitable[str]]
    advice: str
    """What to look at where there is no good answer."""


async def answers(part: SettingsInPart, hub: str) -> list[Finding]:
    """To all questions that can be asked, which takes as long as the slowest."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        return await asyncio.gather(*(_answer(question) for question in _questions(part, hub, session)))


async def _answer(question: Question) -> Finding:
    try:
        return Finding(question.subject, Verdict.GOOD, f"{question.setting}: {await question.ask()}")
    except KeyRefused as refusal:
        verdict, said = Verdict.DOUBTFUL, str(refusal)
    except FileInUse:
        verdict, said = Verdict.DOUBTFUL, "is in use by a running upstream, and was not looked into"
    except Unavailable as error:
        verdict, said = Verdict.WRONG, str(error)
    except (StorageError, ServiceError) as error:
        verdict, said = Verdict.WRONG, f"{error}; {question.advice}"
    except (aiohttp.ClientError, TimeoutError, ValueError, LookupError, TypeError) as error:
        verdict, said = Verdict.WRONG, f"no answer that could be used ({type(error).__name__}); {question.advice}"
    return Finding(question.subject, verdict, f"{question.setting}: {said}")


def _questions(part: SettingsInPart, hub: str, session: aiohttp.ClientSession) -> Iterator[Question]:
    settings = part.settings
    if part.know("store"):
        advice = "is it where STORE says, does it run, and may this program write to it?"
        yield Question("store", "STORE", partial(_store, settings), advice)
    if settings.connection is not None or (settings.webpubsub_endpoint and part.know(*NAMES_OF_THE_SERVICE)):
        advice = "is it the address and the credential of this service, and can it be reached from here?"
        yield Question("service", setting_of_the_service(settings), partial(_service, settings, hub, session), advice)
        for setting, other in _other_keys(settings):
            yield Question("other key", setting, partial(_other_key, other, hub, session), advice)
    for setting, url in _issuers(settings):
        advice = "is it the issuer, and can it be reached from here?"
        yield Question("issuer", setting, partial(_issuer, session, url), advice)
    if _can_translate(part):
        yield Question("translator", "TRANSLATOR", partial(_translator, settings), "")


def setting_of_the_service(settings: Settings) -> str:
    """The one that counts, of those that name it."""
    if settings.webpubsub_connection_string_file is not None:
        return "WEBPUBSUB_CONNECTION_STRING_FILE"
    return "WEBPUBSUB_CONNECTION_STRING" if settings.connection else "WEBPUBSUB_ENDPOINT"


async def _store(settings: Settings) -> str:
    storage = stores_for(settings.store.get_secret_value()).storage
    await storage.open()
    await storage.close()
    return "can be written"


async def _service(settings: Settings, hub: str, session: aiohttp.ClientSession) -> str:
    async with service_client(settings, hub, session) as client:
        await client.group_exists(ASKED_GROUP)
    return f"{settings.service_url} answers, and accepts the credential"


def _other_keys(settings: Settings) -> list[tuple[str, ConnectionString]]:
    """Those of the service we send through, with the setting that holds each."""
    here = settings.connection
    if here is None:
        return []
    every = [(setting_of_the_service(settings), one) for one in settings.own_connections[1:]]
    every += [("WEBPUBSUB_MORE_CONNECTION_STRINGS", one) for one in settings.further_connections]
    by_key = {one.key: (setting, one) for setting, one in reversed(every) if one.endpoint == here.endpoint}
    by_key.pop(here.key, None)
    return list(reversed(by_key.values()))


async def _other_key(other: ConnectionString, hub: str, session: aiohttp.ClientSession) -> str:
    """Raises `KeyRefused`."""
    credential = AzureKeyCredential(other.access_key.get_secret_value())
    client = AzureServiceClient(other.endpoint, hub, credential)
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


def _issuers(settings: Settings) -> list[tuple[str, str]]:
    path = "/.well-known/openid-configuration"
    found = []
    if settings.identity_issuer:
        found.append(("IDENTITY_ISSUER", f"{settings.identity_issuer.rstrip('/')}{path}"))
    if settings.webhook_entra_tenant:
        found.append(("WEBHOOK_ENTRA_TENANT", f"{AUTHORITY}/{settings.webhook_entra_tenant}/v2.0{path}"))
    return found


def _can_translate(part: SettingsInPart) -> bool:
    """Whether there is all that the translator needs."""
    settings = part.settings
    if settings.translator != "azure":
        return part.know("translator")
    return part.know("translator_endpoint") and bool(settings.translator_key or settings.translator_endpoint)


async def _translator(settings: Settings) -> str:
    translator = translator_for(settings)
    async with translator.open():
        return f"can write {len(translator.languages)} languages"
