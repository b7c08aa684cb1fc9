"""One REST request, read and checked piece by piece (spec/service.md 8.2, 8.4)."""

import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from localpubsub.edge.rest_errors import RestError, bad_request
from localpubsub.protocol import names
from localpubsub.protocol.json_codec import is_json
from localpubsub.protocol.messages import DataType, Payload, data_type_of, is_text

BODY_LIMIT = 1024 * 1024
METADATA = "x-webpubsub-metadata-"


class RestCall:
    """`hub` is the hub's name as the caller spelled it. Every reader raises `RestError` for what is not legal."""

    def __init__(self, request: web.Request, hub: str) -> None:
        self.request = request
        self.hub = hub

    def texts(self, name: str) -> tuple[str, ...]:
        """Every value of a repeated query parameter."""
        return tuple(self.request.query.getall(name, []))

    def text(self, name: str) -> str | None:
        return self.request.query.get(name)

    def integer(self, name: str, lowest: int, highest: int) -> int | None:
        value = self.request.query.get(name)
        if value is None:
            return None
        try:
            number = int(value)
        except ValueError:
            number = lowest - 1
        if not lowest <= number <= highest:
            raise bad_request(f"{name} must be {lowest} to {highest}.", name)
        return number

    def refuse_filter(self, value: str | None) -> None:
        """Sending to everybody where somebody asked for some would be worse than an error."""
        if value and value.strip():
            raise bad_request("Filters are not supported by this version of the local service.", "filter")

    async def body(self) -> bytes:
        declared = self.request.content_length
        if declared is not None and declared > BODY_LIMIT:
            raise RestError(413, "PayloadTooLarge", "The body is larger than 1 MiB.")
        chunks: list[bytes] = []
        size = 0
        async for chunk in self.request.content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            if size > BODY_LIMIT:
                raise RestError(413, "PayloadTooLarge", "The body is larger than 1 MiB.")
        return b"".join(chunks)

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

    async def payload(self) -> Payload:
        """The message to send. JSON is validated and kept as it came."""
        kind = data_type_of(self.request.headers.get("Content-Type", ""))
        if kind is None:
            raise RestError(
                415, "UnsupportedMediaType", "Use text/plain, application/json or application/octet-stream."
            )
        data = await self.body()
        if not data and not self.metadata():
            raise bad_request("The message is empty.", "message")
        if (kind is DataType.JSON and not is_json(data)) or (kind is DataType.TEXT and not is_text(data)):
            raise bad_request("The body is not what its content type says.", "message")
        return Payload(kind, data)

    async def json_object(self) -> dict[str, Any]:
        if data_type_of(self.request.headers.get("Content-Type", "")) is not DataType.JSON:
            raise RestError(415, "UnsupportedMediaType", "Use application/json.")
        try:
            value = json.loads(await self.body())
        except (ValueError, RecursionError):
            raise bad_request("The body is not valid JSON.") from None
        if not isinstance(value, dict):
            raise bad_request("The body is not a JSON object.")
        return value


def legal_group(name: Any) -> str:
    if not isinstance(name, str) or not names.is_group(name):
        raise bad_request("The group name is not legal.", "group")
    return name


def legal_groups(value: Any) -> Sequence[str]:
    if not isinstance(value, list) or not value:
        raise bad_request("groups is a list of at least one name.", "groups")
    return [legal_group(name) for name in value]
