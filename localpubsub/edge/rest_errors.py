"""What the REST data plane answers, and the errors among it (spec/service.md 8.2)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RestAnswer:
    """Whatever carries it: an HTTP response, or a frame of a tunnel."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> RestAnswer:
    body = json.dumps(value, ensure_ascii=False).encode()
    return RestAnswer(status, body, {"Content-Type": "application/json"} | dict(headers or {}))


class RestError(Exception):
    """Becomes a flat JSON object and the header `x-ms-error-code`."""

    def __init__(self, status: int, code: str, message: str, target: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = f"Error.{code}"
        self.message = message
        self.target = target

    def answer(self) -> RestAnswer:
        members = {"code": self.code, "message": self.message} | ({"target": self.target} if self.target else {})
        return json_answer(members, self.status, {"x-ms-error-code": self.code})


class MethodNotAllowed(RestError):
    """The path is known, with `allowed` methods."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self.allowed = ", ".join(allowed)
        super().__init__(405, "MethodNotAllowed", f"Use {self.allowed}.")

    def answer(self) -> RestAnswer:
        answer = super().answer()
        return RestAnswer(answer.status, answer.body, {**answer.headers, "Allow": self.allowed})


def bad_request(message: str, target: str | None = None) -> RestError:
    return RestError(400, "BadRequest", message, target)


def not_found(message: str) -> RestError:
    return RestError(404, "NotFound", message)
