"""One call to the service's REST API from the command line: its target, its answer, its refusal."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn, TypeVar

import aiohttp
from pydantic_core import to_json
from rich.console import Console

from app.client.words import NotUnderstood, file_payload, json_payload, payload_of, text_payload
from app.clients.credential import service_client
from app.clients.refusal import words_of
from app.clients.service_client import AzureServiceClient
from app.console import fail, out, service_settings
from app.models.payloads import Payload
from app.printable import printable
from app.settings import Settings
from app.upstream.errors import ServiceError
from app.upstream.registry import load_hub_class

NO = REFUSED = 1
_Result = TypeVar("_Result")


class PayloadKind(StrEnum):
    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True)
class Target:
    """The hub that is called, and how its answer is shown."""

    hub: str | None
    connection_string: str | None
    as_json: bool

    def call(self, work: Callable[[AzureServiceClient], Awaitable[_Result]]) -> _Result:
        """Ends the program with status 1, and the service's reason, where it refuses."""
        settings = service_settings(self.connection_string)
        hub = self.hub or load_hub_class(settings.hubs[0]).name
        errors = Console(stderr=True, highlight=False, soft_wrap=True)
        spinner = errors.status("Asking the service") if errors.is_terminal else nullcontext()
        try:
            with spinner:
                return asyncio.run(_called(settings, hub, work))
        except ServiceError as error:
            self._refused(errors, error)
        except ValueError as error:
            fail(str(error))

    def every(self, listing: Callable[[AzureServiceClient], AsyncIterator[_Result]]) -> list[_Result]:
        """As `call`, for what comes page by page."""

        async def gather(client: AzureServiceClient) -> list[_Result]:
            return [one async for one in listing(client)]

        return self.call(gather)

    def send(self, work: Callable[[AzureServiceClient], Awaitable[None]]) -> None:
        """What is accepted is delivered to whoever is there; nobody says how many that were."""
        self.call(work)
        self.say("accepted", accepted=True)

    def change(self, work: Callable[[AzureServiceClient], Awaitable[None]]) -> None:
        self.call(work)
        self.say("done", done=True)

    def ask(self, name: str, question: Callable[[AzureServiceClient], Awaitable[bool]]) -> NoReturn:
        """Says yes or no, and ends the program with status 0 or 1, as a condition of a shell."""
        is_so = self.call(question)
        self.say("yes" if is_so else "no", **{name: is_so})
        raise SystemExit(0 if is_so else NO)

    def say(self, text: str, **members: object) -> None:
        """One line: a sentence for people, or the members for programs."""
        if self.as_json:
            sys.stdout.write(to_json(members).decode() + "\n")
        else:
            out.print(text, markup=False)

    def _refused(self, errors: Console, error: ServiceError) -> NoReturn:
        code, message = words_of(error)
        if self.as_json:
            told = {"status": error.status, "code": code, "message": message}
            errors.print(to_json({"error": told}).decode(), markup=False)
        else:
            head = "the service did not answer" if error.status is None else f"the service answered {error.status}"
            parts = [printable(part) for part in (head, code, message) if part]
            errors.print("webpubsub: " + ": ".join(parts), markup=False)
        raise SystemExit(REFUSED)


async def _called(settings: Settings, hub: str, work: Callable[[AzureServiceClient], Awaitable[_Result]]) -> _Result:
    timeout = aiohttp.ClientTimeout(total=settings.service_timeout_seconds)
    async with aiohttp.ClientSession(timeout=timeout) as session, service_client(settings, hub, session) as client:
        return await work(client)


def payload(text: str | None, file: str | None, kind: PayloadKind) -> Payload:
    """What is to be sent. Ends the program where that is nothing, or not what `kind` says."""
    if (text is None) == (file is None):
        fail("give --payload, or --payload-file for the bytes of a file")
    readers: dict[PayloadKind, Callable[[str], Payload]] = {
        PayloadKind.AUTO: lambda given: payload_of(given, "; --as text sends it as text"),
        PayloadKind.TEXT: text_payload,
        PayloadKind.JSON: json_payload,
    }
    try:
        return readers[kind](text) if text is not None else file_payload(file or "")
    except NotUnderstood as error:
        fail(str(error))
