"""What can go wrong, and which status it is.

A status is an instruction to the service: 4xx is final, 5xx and 408 are delivered again after 1, 3 and 5 seconds.

    UpstreamError
    ├── Refused                    we do not take this request; the hub never sees it
    │   ├── MalformedEvent         400
    │   ├── NotAuthentic           401
    │   ├── WrongCaller            403
    │   ├── NotFound               404  unknown hub
    │   │   └── UnknownEventType        an event of a newer service
    │   ├── BodyTooSlow            408  delivered again by the service
    │   ├── BodyTooLarge           413
    │   ├── UnsupportedMedia       415
    │   ├── HeadersTooLarge        431
    │   └── Overloaded             503  delivered again by the service
    ├── Rejected                   raised by a hub: this client may not, with a status of the hub's choice
    │   └── MqttRejected           the same with a CONNACK code
    ├── Declined                   raised by a hub: an answer that says no, with 200
    ├── HandlerError               a hub's answer cannot go over the wire: 500
    │   └── StateTooLarge
    └── ServiceError               the service refused or did not answer a call of ours
"""

from collections.abc import Iterable

from pydantic import JsonValue

from app.models.mqtt import UserProperty, status_for


class UpstreamError(Exception):
    """Base of everything this package raises on purpose."""


class Refused(UpstreamError):
    """A request we answer without running a hub.

    `reason` is for the operator's log; `public` is the short text the caller sees and names no secret.
    """

    status = 400

    def __init__(self, public: str, reason: str | None = None) -> None:
        super().__init__(reason or public)
        self.public = public
        self.reason = reason or public


class MalformedEvent(Refused):
    status = 400


class NotAuthentic(Refused):
    """`challenge` becomes `WWW-Authenticate`."""

    status = 401

    def __init__(self, reason: str, *, challenge: str | None = None) -> None:
        super().__init__("not authenticated", reason)
        self.challenge = challenge


class WrongCaller(Refused):
    status = 403

    def __init__(self, reason: str) -> None:
        super().__init__("not allowed", reason)


class NotFound(Refused):
    status = 404


class UnknownEventType(NotFound):
    """The service may send what we do not know yet; it is never our failure."""


class BodyTooSlow(Refused):
    status = 408


class BodyTooLarge(Refused):
    status = 413


class UnsupportedMedia(Refused):
    status = 415


class HeadersTooLarge(Refused):
    status = 431


class Overloaded(Refused):
    status = 503

    def __init__(self, reason: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__("busy, try again", reason)
        self.retry_after_seconds = retry_after_seconds


class Rejected(UpstreamError):
    """Raise it in a hub to refuse a client or an event. `reason` is sent to the service: put nothing secret there.

    401 says "sign in first", 403 "not for you", 400 "not like this". A 5xx asks the service to deliver again.
    """

    def __init__(self, reason: str = "rejected", *, status: int = 401) -> None:
        if not 400 <= status <= 599 or status == 408:
            raise ValueError(f"a rejection is a 4xx or 5xx other than 408, not {status}")
        super().__init__(reason)
        self.reason = reason
        self.status = status


class MqttRejected(Rejected):
    """Refuses an MQTT CONNECT with a code of the client's protocol version.

    A code of the other version is replaced by the nearest one through its HTTP status.
    """

    def __init__(
        self,
        code: int,
        reason: str = "rejected",
        *,
        status: int | None = None,
        user_properties: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(reason, status=status_for(code) if status is None else status)
        self.code = int(code)
        self.user_properties = tuple(UserProperty(name=name, value=value) for name, value in user_properties)


class Declined(UpstreamError):
    """Raise it for a user event to say no and end nothing: its sender is answered, and the connection lives on.

    The answer is `{"type": "error", "event", "code", "message", ...}`: `code` is for programs, `message` a sentence to
    show. A raw client whose event is rejected would lose its connection instead.
    """

    def __init__(self, code: str, message: str, **members: JsonValue) -> None:
        super().__init__(message)
        self.code = code
        self.members = members

    def answer(self, event_name: str) -> dict[str, JsonValue]:
        return {"type": "error", "event": event_name, "code": self.code, "message": str(self), **self.members}


class HandlerError(UpstreamError):
    """A hub answered what the wire cannot carry."""


class StateTooLarge(HandlerError):
    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"the connection state is {size} bytes encoded, at most {limit} fit a header")
        self.size = size
        self.limit = limit


class ServiceError(UpstreamError):
    """A call to the service failed. `status` is its answer, `None` when there was none."""

    def __init__(self, operation: str, status: int | None, detail: str = "") -> None:
        super().__init__(f"{operation} failed: {status if status is not None else 'no answer'} {detail}".rstrip())
        self.operation = operation
        self.status = status
