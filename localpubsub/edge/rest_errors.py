"""The errors of the REST data plane (spec/service.md 8.2)."""

import json

from aiohttp import web


class RestError(Exception):
    """Becomes a flat JSON object and the header `x-ms-error-code`."""

    def __init__(self, status: int, code: str, message: str, target: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = f"Error.{code}"
        self.message = message
        self.target = target

    def response(self) -> web.Response:
        members = {"code": self.code, "message": self.message}
        if self.target:
            members["target"] = self.target
        return web.Response(
            status=self.status,
            body=json.dumps(members).encode(),
            content_type="application/json",
            headers={"x-ms-error-code": self.code},
        )


def bad_request(message: str, target: str | None = None) -> RestError:
    return RestError(400, "BadRequest", message, target)
