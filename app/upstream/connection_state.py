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

from app.upstream.errors import HandlerError, StateTooLarge

SOFT_LIMIT_BYTES = 4 * 1024
HARD_LIMIT_BYTES = 8 * 1024
CLEARED = "e30="
"""base64 of `{}`. An empty header would clear too, but proxies drop those."""

Model = TypeVar("Model", bound=BaseModel)


class ConnectionState(MutableMapping[str, JsonValue]):
    """A dictionary of JSON values that knows whether it changed, deep inside included.

    `raw` is the header as received. Text that is no base64 JSON object leaves the dictionary empty, never an error:
    another library may have written it.
    """

    __slots__ = ("_changed", "_received", "_values", "raw")

    def __init__(
        self, values: dict[str, JsonValue] | None = None, *, raw: str | None = None, received: bytes | None = None
    ) -> None:
        """`received` is the JSON text of `values`, where there is one already."""
        self._values = values if values is not None else {}
        if received is None:
            received = to_json(values) if values else b"{}"
        self._received = received
        self._changed = False
        self.raw = raw

    @classmethod
    def from_header(cls, header: "str | ConnectionState") -> "ConnectionState":
        if isinstance(header, ConnectionState):
            return header
        try:
            received = base64.b64decode(header, validate=True)
            values = from_json(received, allow_inf_nan=False)
        except (binascii.Error, ValueError):
            values = None
        if not isinstance(values, dict):
            return cls(raw=header or None)
        return cls(values, raw=header, received=received)

    def header(self) -> str | None:
        """The value to send back, or `None` when nothing changed.

        Raises `StateTooLarge` past 8 KiB: common servers refuse a longer header line, and the state would be lost.
        Raises `HandlerError` for values that are not JSON.
        """
        if not self._changed and not self._values:
            return None
        if not self._values:
            return CLEARED
        text = self._json()
        # As text: in Python 1 and True are equal, for the next reader they are not.
        if not self._changed and text == to_json(from_json(self._received)):
            return None
        encoded = base64.b64encode(text).decode()
        if len(encoded) > HARD_LIMIT_BYTES:
            raise StateTooLarge(len(encoded), HARD_LIMIT_BYTES)
        return encoded

    def _json(self) -> bytes:
        try:
            text = to_json(self._values, inf_nan_mode="constants")
            if b"NaN" in text or b"Infinity" in text:
                from_json(text, allow_inf_nan=False)
        except ValueError as error:
            raise HandlerError(f"the connection state is not JSON: {error}") from None
        return text

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
