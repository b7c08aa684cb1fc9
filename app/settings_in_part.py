"""Settings as far as they can be used, for those who name every problem and not the first."""

from typing import NamedTuple, Self

from pydantic import ValidationError, field_validator, model_validator

from app.console import problems_of
from app.settings import Settings
from app.settings_together import contradictions

NAMES_OF_THE_SERVICE = ("webpubsub_connection_string", "webpubsub_connection_string_file", "webpubsub_endpoint")


class SettingsInPart(NamedTuple):
    settings: Settings
    """With the default in place of what cannot be used. Its hubs are what HUBS says, loadable or not."""
    unusable: frozenset[str]
    problems: list[str]
    """A sentence each."""

    def know(self, *fields: str) -> bool:
        return self.unusable.isdisjoint(fields)


class _EachByItself(Settings):
    @field_validator("hubs")
    @classmethod
    def _hubs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return self


def read_in_part() -> SettingsInPart:
    """From the environment and `.env`, as `Settings()`."""
    try:
        return _read()
    except (UnicodeDecodeError, OSError) as error:
        reason = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else f"cannot be read: {error.strerror}"
        rest = _read(_env_file=None)
        return rest._replace(problems=[f".env {reason}; what follows is of the environment alone", *rest.problems])


def _read(**options: None) -> SettingsInPart:
    """Raises `UnicodeDecodeError` or `OSError` where `.env` cannot be read."""
    unusable: frozenset[str] = frozenset()
    problems: list[str] = []
    try:
        settings = _EachByItself(**options)
    except ValidationError as error:
        unusable = frozenset(str(problem["loc"][0]).lower() for problem in error.errors(include_input=False))
        problems = problems_of(error)
        settings = _EachByItself(**options, **{name: Settings.model_fields[name].default for name in unusable})
    return SettingsInPart(settings, unusable, [*problems, *contradictions(settings, unusable)])
