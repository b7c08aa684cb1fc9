"""A no that is an answer: the connection lives on."""

from typing import Literal

Code = Literal[
    "bad_request",
    "unknown_event",
    "not_allowed",
    "unknown_shipment",
    "unknown_alert",
    "wrong_state",
    "exists",
    "id_reused",
    "trail_full",
    "busy",
]


class Refusal(Exception):
    """`message` is for the one who asked."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
