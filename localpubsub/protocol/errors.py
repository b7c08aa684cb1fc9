"""Two ways a client's frame can go wrong.

ProtocolError
├── CommandError    answers one command with a negative ack; the connection lives
└── Disconnect      ends the connection with a close code
"""


class ProtocolError(Exception):
    """Base of what a client can cause."""


class CommandError(ProtocolError):
    """`name` is one the clients know: Forbidden, BadRequest, InternalServerError, Duplicate."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message


class Disconnect(ProtocolError):
    """`reason` goes into the close frame, cut to what fits."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"{code} {reason}".rstrip())
        self.code = code
        self.reason = reason


def malformed(protocol: str = "JSON") -> Disconnect:
    return Disconnect(1007, f"The client message is not a valid {protocol} protocol message.")


def forbidden(action: str, group: str) -> CommandError:
    return CommandError("Forbidden", f"The client does not have permission to {action} group '{group}'.")


def internal_error() -> CommandError:
    return CommandError("InternalServerError", "Internal server error")
