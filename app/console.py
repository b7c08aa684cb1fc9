"""What the commands share: where they print, how they read settings, how they fail."""

from typing import NoReturn

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rich.console import Console

from app.settings import Settings

out = Console(highlight=False, soft_wrap=True)

PLAINLY = {"bool": "true or false", "float": "a number", "int": "a whole number"}
"""What a setting must be, by the beginning of the kind of mistake."""


def read_settings(**overrides: object) -> Settings:
    """Settings with some fields given. Ends the program with one sentence a problem."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # names of fields
    except ValidationError as error:
        fail("; ".join(problems_of(error)))
    except UnicodeDecodeError:
        fail(".env is not UTF-8")


def service_settings(connection_string: str | None = None) -> Settings:
    """Settings that name a service: the given one, or else the configured one. Ends the program where there is none."""
    given = {
        "webpubsub_connection_string": connection_string,
        "webpubsub_connection_string_file": None,
        "webpubsub_endpoint": None,
    }
    settings = read_settings(**(given if connection_string else {}))
    if settings.service_url is None:
        fail(
            "no service is configured: give --connection-string, or set WEBPUBSUB_CONNECTION_STRING, or "
            "WEBPUBSUB_ENDPOINT to use Entra; `webpubsub dev` prints the connection string of the local service"
        )
    return settings


def fail(message: str) -> NoReturn:
    """Says why on standard error and ends the program with status 2."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"webpubsub: {message}", markup=False)
    raise SystemExit(2)


def problems_of(error: ValidationError) -> list[str]:
    """A sentence each."""
    return [_sentence(problem) for problem in error.errors(include_input=False, include_url=False)]


def _sentence(problem: ErrorDetails) -> str:
    place = ".".join(str(step).upper() for step in problem["loc"])
    kind, _, mistake = problem["type"].partition("_")
    message = str(problem["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    if mistake and kind in PLAINLY:
        message = f"must be {PLAINLY[kind]}"
    return f"{place}: {message}" if place else message
