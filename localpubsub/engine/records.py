"""What the console shows of the traffic, one record a step. Bodies are cut; secrets are hidden when it is shown."""

import base64
import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

from localpubsub.config import EventHandler
from localpubsub.engine.masking import Headers, Mask, masked
from localpubsub.engine.upstream import UpstreamEvent

BODY_LIMIT = 64 * 1024
PREVIEW_CHARACTERS = 200
SUMMARY_CHARACTERS = 120
MARGIN = 2048  # kept besides, so that a secret at the cut is still known for one


@dataclass(frozen=True, slots=True)
class Body:
    """The first 64 KiB; `length` is what it was."""

    data: bytes = b""
    length: int = 0
    content_type: str = ""

    @classmethod
    def of(cls, data: bytes, content_type: str = "", limit: int = BODY_LIMIT) -> Self:
        kept = data if len(data) <= limit + MARGIN else data[: limit + MARGIN]
        return cls(bytes(kept), len(data), content_type)

    def text(self, mask: Mask) -> str | None:
        """`None` for what is no text."""
        try:
            text = codecs.getincrementaldecoder("utf-8")().decode(self.data, final=self.length == len(self.data))
        except UnicodeDecodeError:
            return None
        return self._cut(mask(text).encode()).decode(errors="ignore")

    def base64(self, mask: Mask) -> str:
        return base64.b64encode(self._cut(mask(self.data.decode("latin-1")).encode("latin-1"))).decode()

    def _cut(self, masked_data: bytes) -> bytes:
        """Without the margin, where half a secret may stand: hiding others has moved it."""
        is_whole = self.length == len(self.data)
        return masked_data[: BODY_LIMIT if is_whole else min(BODY_LIMIT, max(len(masked_data) - MARGIN, 0))]

    def shown(self, mask: Mask) -> dict[str, Any]:
        text = self.text(mask)
        members: dict[str, Any] = {"body": self.base64(mask), "bodyType": "base64"}
        if text is not None:
            members = {"body": text, "bodyType": "json" if "json" in self.content_type.lower() else "text"}
        return members | ({"bodyLength": self.length} if self.length > BODY_LIMIT else {})


class Content(Protocol):
    """What a record of one kind holds."""

    kind: ClassVar[str]

    @property
    def summary(self) -> str: ...

    @property
    def size(self) -> int:
        """About how many bytes it keeps."""

    def detail(self, mask: Mask) -> dict[str, Any]: ...


@dataclass(slots=True)
class OpenContent:
    kind: ClassVar[str] = "open"
    subprotocol: str | None
    groups: tuple[str, ...]

    @property
    def summary(self) -> str:
        return f"connected, {self.subprotocol or 'raw'}"

    @property
    def size(self) -> int:
        return sum(map(len, self.groups))

    def detail(self, mask: Mask) -> dict[str, Any]:
        return {"subprotocol": self.subprotocol, "groups": masked(self.groups, mask)}


@dataclass(slots=True)
class CloseContent:
    """`farewell` is what the `disconnected` event says."""

    kind: ClassVar[str] = "close"
    farewell: Mapping[str, Any]

    @property
    def summary(self) -> str:
        return str(self.farewell.get("reason") or "disconnected")

    @property
    def size(self) -> int:
        return len(self.summary)

    def detail(self, mask: Mask) -> dict[str, Any]:
        return dict(masked(self.farewell, mask))


@dataclass(slots=True)
class FrameContent:
    kind: ClassVar[str] = "frame"
    summary: str
    data: Body
    is_text: bool
    ack: Mapping[str, Any] | None = None

    @property
    def size(self) -> int:
        return len(self.data.data)

    def detail(self, mask: Mask) -> dict[str, Any]:
        text = self.data.text(mask) if self.is_text else None
        members: dict[str, Any] = {"direction": "in"}
        members |= {"base64": self.data.base64(mask)} if text is None else {"text": text}
        return members | ({"ack": masked(self.ack, mask)} if self.ack else {})


@dataclass(slots=True)
class Answered:
    """What an event handler said; `error` where it did not, or not well."""

    status: int | None = None
    headers: Headers = ()
    body: Body = field(default_factory=Body)
    error: str | None = None

    def detail(self, mask: Mask) -> dict[str, Any]:
        members = {"status": self.status, "headers": _by_name(self.headers, mask), **self.body.shown(mask)}
        return members | ({"error": mask(self.error)} if self.error else {})


@dataclass(slots=True)
class EventContent:
    """A request to an event handler. `event` is there to be delivered again; one with a large body is not kept."""

    kind: ClassVar[str] = "event"
    handler: EventHandler
    name: str
    url: str
    headers: Headers
    body: Body
    event: UpstreamEvent | None
    answer: Answered | None = None

    @property
    def summary(self) -> str:
        return self.name

    @property
    def size(self) -> int:
        answer = self.answer
        more = len(answer.body.data) + _length(answer.headers) if answer is not None else 0
        return len(self.body.data) + _length(self.headers) + more

    def detail(self, mask: Mask) -> dict[str, Any]:
        return {
            "url": mask(self.url),
            "headers": _by_name(self.headers, mask),
            **self.body.shown(mask),
            "answer": None if self.answer is None else self.answer.detail(mask),
        }


@dataclass(slots=True)
class CallContent:
    """A REST call; `path` has its query, `short` is what follows the hub."""

    kind: ClassVar[str] = "call"
    method: str
    path: str
    short: str
    headers: Headers
    body: Body | None = None
    status: int | None = None
    error: str | None = None

    @property
    def summary(self) -> str:
        return f"{self.method} {self.short}"

    @property
    def size(self) -> int:
        return len(self.path) + _length(self.headers) + (len(self.body.data) if self.body else 0)

    def detail(self, mask: Mask) -> dict[str, Any]:
        return {
            "method": self.method,
            "path": mask(self.path),
            "headers": _by_name(self.headers, mask),
            **(self.body or Body()).shown(mask),
            "status": self.status,
            "error": None if self.error is None else mask(self.error),
        }


@dataclass(slots=True)
class DeliveryContent:
    """A message on its way to `receivers` clients. Only its beginning is kept."""

    kind: ClassVar[str] = "delivery"
    group: str | None
    receivers: int
    data_type: str
    data: Body
    from_user_id: str | None = None

    @property
    def summary(self) -> str:
        where = "" if self.group is None else f"group {self.group}: "
        return where + (self.data.text(str) or f"{self.data.length} bytes")

    @property
    def size(self) -> int:
        return len(self.data.data)

    def preview(self, mask: Mask) -> str:
        text = self.data.text(mask)
        return (self.data.base64(mask) if text is None else text)[:PREVIEW_CHARACTERS]

    def detail(self, mask: Mask) -> dict[str, Any]:
        origin = {"group": self.group, "fromUserId": self.from_user_id}
        about = {"receivers": self.receivers, "dataType": self.data_type, "preview": self.preview(mask)}
        return {**masked(origin, mask), **about}


@dataclass(eq=False, slots=True)
class Record:
    """`cause` is the id of another one; without `exact` it is the probable one. `at` counts milliseconds.

    `began` is by the clock that `took_ms` is taken from.
    """

    id: int
    at: int
    began: float
    hub: str
    connection_id: str | None
    user_id: str | None
    content: Content
    cause: int | None = None
    exact: bool = True
    status: int | None = None
    took_ms: float | None = None
    size: int = 0

    def shown(self, mask: Mask) -> dict[str, Any]:
        return {
            "id": self.id,
            "cause": self.cause,
            "exact": self.exact,
            "at": self.at,
            "kind": self.content.kind,
            "hub": self.hub,
            "connectionId": self.connection_id,
            "userId": self.user_id,
            "summary": mask(self.content.summary[: SUMMARY_CHARACTERS + MARGIN])[:SUMMARY_CHARACTERS],
            "status": self.status,
            "tookMs": self.took_ms,
            "detail": self.content.detail(mask),
        }


def _by_name(headers: Headers, mask: Mask) -> dict[str, str | list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(mask(value))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _length(headers: Headers) -> int:
    return sum(len(name) + len(value) for name, value in headers)
