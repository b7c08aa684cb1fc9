"""Which connections a filter means (spec/service.md 8.5)."""

from collections.abc import Iterable

from localpubsub.engine.hub import Connection
from localpubsub.protocol.odata import Filter, Subject


def select(connections: Iterable[Connection], wanted: Filter | None) -> list[Connection]:
    """All of them without a filter. Raises `FilterError`; then nothing has been done to any of them."""
    if wanted is None:
        return list(connections)
    return [one for one in connections if wanted.matches(Subject(one.user_id, one.id, one.groups, one.subprotocol))]
