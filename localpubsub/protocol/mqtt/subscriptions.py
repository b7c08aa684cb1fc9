"""Which groups a session is in, and how it wants to hear of each (spec/service.md 7.2, 7.4)."""

from dataclasses import dataclass

from localpubsub.protocol.mqtt.packets import Subscription

GIVEN_QOS = 1
"""Of the groups that a token, the upstream or the REST API put a client in."""


@dataclass(frozen=True, slots=True)
class Options:
    """`identifier` is 0 where the client gave none."""

    qos: int = GIVEN_QOS
    no_local: bool = False
    identifier: int = 0


GIVEN = Options()


class Subscriptions(set[str]):
    """The groups of a connection. Who leaves one loses the options with it."""

    def __init__(self) -> None:
        super().__init__()
        self._options: dict[str, Options] = {}

    def subscribe(self, wanted: Subscription, identifier: int = 0) -> None:
        """Replaces what was agreed before."""
        self.add(wanted.topic_filter)
        self._options[wanted.topic_filter] = Options(wanted.qos, wanted.no_local, identifier)

    def options(self, group: str) -> Options:
        return self._options.get(group, GIVEN)

    def discard(self, element: object, /) -> None:
        super().discard(element)
        self._options.pop(str(element), None)
