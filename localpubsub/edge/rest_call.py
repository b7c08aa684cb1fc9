"""One REST request, read and checked piece by piece (spec/service.md 8.2, 8.4)."""

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from multidict import MultiMapping

from localpubsub.edge.rest_errors import RestError, bad_request
from localpubsub.engine.filters import select
from localpubsub.engine.hub import Connection
from localpubsub.engine.service import Service
from localpubsub.protocol import names
from localpubsub.protocol.messages import DataType, Payload, data_type_of
from localpubsub.protocol.odata import Filter, FilterError, parse
from localpubsub.protocol.payloads import is_legal

BODY_LIMIT = 1024 * 1024
METADATA = "x-webpubsub-metadata-"

_INTEGER = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True)
class RestRequest:
    """A request without its transport. `raw_path` is percent-encoded as it came; `base` is the scheme and host.

    `read` gives the body and raises `RestError` 413 before it holds more than `BODY_LIMIT`.
    """

    method: str
    raw_path: str
    base: str
    query: MultiMapping[str]
    headers: MultiMapping[str]
    read: Callable[[], Awaitable[bytes]]


def too_large() -> RestError:
    return RestError(413, "PayloadTooLarge", "The body is larger than 1 MiB.")


class RestCall:
    """A request to a hub, named as the caller spelled it. Every reader raises `RestError` for what is not legal."""

    def __init__(self, request: RestRequest, service: Service, hub_name: str) -> None:
        self.request = request
        self.service = service
        self.hub_name = hub_name
        self.hub = service.hub(hub_name)

    def texts(self, name: str) -> tuple[str, ...]:
        """Every value of a repeated query parameter."""
        return tuple(self.request.query.getall(name, []))

    def text(self, name: str) -> str | None:
        return self.request.query.get(name)

    def integer(self, name: str, lowest: int, highest: int) -> int | None:
        value = self.request.query.get(name)
        if value is None:
            return None
        number = int(value) if _INTEGER.fullmatch(value) else lowest - 1
        if not lowest <= number <= highest:
            raise bad_request(f"{name} must be {lowest} to {highest}.", name)
        return number

    def filter(self) -> Filter | None:
        """The filter of the query; given twice it is an error."""
        values = self.texts("filter")
        if len(values) > 1:
            raise bad_request("filter is given more than once.", "filter")
        return parsed_filter(values[0] if values else None)

    def refuse_filter(self) -> None:
        """For operations without one: acting on everybody where somebody asked for some is worse than an error."""
        if self.texts("filter"):
            raise bad_request("This operation has no filter.", "filter")

    def metadata(self) -> dict[str, str]:
        metadata: dict[str, str] = {}
        for name, value in self.request.headers.items():
            if name.lower().startswith(METADATA):
                key = name[len(METADATA) :].lower()
                if key in metadata:
                    raise bad_request(f"The metadata {key} is given twice.", "metadata")
                metadata[key] = value
        if not names.is_metadata(metadata):
            raise bad_request("The message metadata is not legal.", "metadata")
        return metadata

    async def payload(self, *, may_be_empty: bool) -> Payload:
        """The message to send, validated and kept as it came."""
        kind = self._data_type()
        if kind is None:
            raise RestError(
                415, "UnsupportedMediaType", "Use text/plain, application/json or application/octet-stream."
            )
        data = await self.request.read()
        if not data:
            if not may_be_empty:
                raise bad_request("The message is empty.", "message")
            return Payload(DataType.TEXT, b"")
        payload = Payload(kind, data)
        if not is_legal(payload):
            raise bad_request("The body is not what its content type says.", "message")
        return payload

    async def json_object(self) -> dict[str, Any]:
        if self._data_type() is not DataType.JSON:
            raise RestError(415, "UnsupportedMediaType", "Use application/json.")
        try:
            value = json.loads(await self.request.read())
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
        except (ValueError, RecursionError):
            raise bad_request("The body is not valid JSON.") from None
        if not isinstance(value, dict):
            raise bad_request("The body is not a JSON object.")
        return value

    def _data_type(self) -> DataType | None:
        return data_type_of(self.request.headers.get("Content-Type", ""))


def parsed_filter(text: Any) -> Filter | None:
    """`None` where there is none to parse: absent, null or empty."""
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise bad_request("The filter is not a text.", "filter")
    try:
        return parse(text)
    except FilterError as error:
        raise bad_request(str(error), "filter") from None


def selected(connections: Iterable[Connection], wanted: Filter | None) -> list[Connection]:
    try:
        return select(connections, wanted)
    except FilterError as error:
        raise bad_request(str(error), "filter") from None


def legal_group(name: Any) -> str:
    if not isinstance(name, str) or not names.is_group(name):
        raise bad_request("The group name is not legal.", "group")
    return name


def legal_groups(value: Any) -> Sequence[str]:
    if not isinstance(value, list) or not value:
        raise bad_request("groups is a list of at least one name.", "groups")
    return [legal_group(name) for name in value]
