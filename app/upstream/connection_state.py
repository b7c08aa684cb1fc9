"""The connection state: a small JSON object that travels in a header (spec/upstream.md 7).

The service stores what the last successful answer to `connect` or a user event sent, and replays it with every later
event. Nobody signs it: trust it as far as the webhook is authenticated.
"""

import base64
import binascii
from collections.abc import Iterator, MutableMapping
from typing import TypeVar

from pydantic import BaseModel, JsonValue
from pydantic_core import from_json, to_json

from app.upstream.errors import StateTooLarge

SOFT_LIMIT_BYTES = 4 * 1024
HARD_LIMIT_BYTES = 8 * 1024
CLEARED = "e30="
"""base64 of `{}`. An empty header would clear too, but proxies drop those."""

Model = TypeVar("Model", bound=BaseModel)


class ConnectionState(MutableMapping[str, JsonValue]):
    """A dictionary of JSON values that knows whether it changed.

    `raw` is the header as received. Text that is no base64 JSON object leaves the dictionary empty, never an error:
    another library may have written it.
    """

    __slots__ = ("_changed", "_values", "raw")

    def __init__(self, values: dict[str, JsonValue] | None = None, *, raw: str | None = None) -> None:
        self._values = values if values is not None else {}
        self._changed = False
        self.raw = raw

    @classmethod
    def from_header(cls, header: "str | ConnectionState") -> "ConnectionState":
        if isinstance(header, ConnectionState):
            return header
        try:
            values = from_json(base64.b64decode(header, validate=True), allow_inf_nan=False)
        except (binascii.Error, ValueError):
            values = None
        return cls(values if isinstance(values, dict) else None, raw=header or None)

    def header(self) -> str | None:
        """The value to send back, or `None` when nothing changed.

        Raises `StateTooLarge` past 8 KiB: common servers refuse a longer header line, and the state would be lost.
        """
        if not self._changed:
            return None
        if not self._values:
            return CLEARED
        encoded = base64.b64encode(to_json(self._values, inf_nan_mode="constants")).decode()
        if len(encoded) > HARD_LIMIT_BYTES:
            raise StateTooLarge(len(encoded), HARD_LIMIT_BYTES)
        return encoded

    def read(self, model: type[Model]) -> Model:
        """The state as `model`; raises pydantic's `ValidationError` where it does not fit."""
        return model.model_validate(self._values)

    def write(self, model: BaseModel) -> None:
        """Store every field of `model`, by alias. Other keys stay."""
        self.update(model.model_dump(mode="json", by_alias=True))

    def clear(self) -> None:
        self._values = {}
        self._changed = True

    def __getitem__(self, key: str) -> JsonValue:
        return self._values[key]

    def __setitem__(self, key: str, value: JsonValue) -> None:
        self._values[key] = value
        self._changed = True

    def __delitem__(self, key: str) -> None:
        del self._values[key]
        self._changed = True

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        """Keys only: values are the application's and stay out of logs."""
        return f"ConnectionState({sorted(self._values)})"
