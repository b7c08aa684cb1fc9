"""Why there is no connection, in plain words."""

from collections.abc import Mapping
from dataclasses import dataclass

NORMAL, VIOLATION = 1000, 1008

_CODES: Mapping[int, str] = {
    1000: "the service ended the connection",
    1001: "the service is going away, perhaps to restart",
    1002: "the service and this client disagree about the WebSocket protocol",
    1003: "the service got a kind of frame that the subprotocol does not allow",
    1005: "the connection was closed without a code",
    1006: "the connection was cut off; the network or the service may be down",
    1007: "the service could not read what this client sent",
    1008: "the connection broke a rule of the service, or cannot be recovered",
    1009: "a message was too large",
    1010: "the service lacks an extension",
    1011: "the service, or the upstream behind it, ran into an error",
    1012: "the service is restarting",
    1013: "the service is too busy",
    1014: "a gateway on the way to the service got a bad answer",
    1015: "TLS could not be set up",
}
_STATUSES: Mapping[int, str] = {
    400: "the service did not understand the request: is the name of the hub right?",
    401: "no token, one that is expired or for another hub, or the upstream wants a sign-in",
    403: "the upstream does not let this user in",
    404: "there is no such hub or path",
    429: "there are too many connections",
    500: "the upstream failed while the service asked it about this client",
    501: "the service does not offer this",
    503: "the service is not available at the moment",
}
# What only another token, other rights or another client would change.
_FINAL = frozenset({1002, 1003, 1007, 1009, 1010, 1015})


@dataclass(frozen=True, slots=True)
class Closed:
    """The socket was open and is closed. `said` is the service's reason, if it gave one."""

    code: int
    said: str = ""

    @property
    def sentence(self) -> str:
        words = _CODES.get(self.code) or (
            "the upstream closed the connection with a code of its own"
            if 4000 <= self.code <= 4999
            else "the connection was closed for an unusual reason"
        )
        return f"closed with {self.code}: {words}{f' ({self.said})' if self.said else ''}"

    @property
    def is_clean(self) -> bool:
        return self.code == NORMAL

    @property
    def is_final(self) -> bool:
        """Trying again unasked would only end the same way."""
        return self.code in _FINAL

    @property
    def ends_session(self) -> bool:
        """The service has forgotten the connection: there is nothing to recover."""
        return self.code in (NORMAL, VIOLATION)


@dataclass(frozen=True, slots=True)
class Refused:
    """The handshake, or what hands out the address for it, was answered with an HTTP status."""

    status: int
    said: str = ""
    is_clean = False
    ends_session = False

    @property
    def sentence(self) -> str:
        words = self.said or _STATUSES.get(self.status) or "the service gave an unusual answer"
        return f"refused with {self.status}: {words}"

    @property
    def is_final(self) -> bool:
        return 400 <= self.status < 500 and self.status not in (408, 425, 429)


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Nobody answered, or nobody who speaks the protocol. The sentence names no address: it may hold a token."""

    sentence: str
    is_clean = False
    is_final = False
    ends_session = False


Ending = Closed | Refused | Unreachable
