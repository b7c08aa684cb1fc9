"""REST requests that fail on purpose."""

from collections.abc import Sequence
from http import HTTPStatus

from localpubsub.edge.rest_errors import RestAnswer, RestError
from localpubsub.engine.chaos import Chaos


class AskedFor(RestError):
    """`Retry-After` is there where a client may come again."""

    def __init__(self, status: int, retry_after: int) -> None:
        try:
            name = HTTPStatus(status).phrase.replace(" ", "").replace("-", "")
        except ValueError:
            name = "Failure"
        super().__init__(status, name, "A fault was asked for.")
        self._retry_after = str(retry_after)

    def answer(self) -> RestAnswer:
        answer = super().answer()
        again = {"Retry-After": self._retry_after} if self.status in (429, 503) else {}
        return RestAnswer(answer.status, answer.body, {**answer.headers, **again})


def fail_on_purpose(chaos: Chaos, hub: str, segments: Sequence[str]) -> None:
    """`segments` is the path behind the hub, decoded. Raises `AskedFor` where a rule strikes."""
    named = dict(zip(segments[::2], segments[1::2], strict=False))
    rule = chaos.request(hub, named.get("groups"), named.get("users"))
    if rule is not None:
        raise AskedFor(rule.status, rule.retry_after)
