"""What the members of a group tell about themselves (spec/service.md 3.9, a preview)."""

import time
from collections.abc import Callable

from localpubsub.engine.hub import Connection
from localpubsub.engine.telling import publish_states
from localpubsub.protocol.errors import forbidden
from localpubsub.protocol.messages import SetGroupState
from localpubsub.protocol.notices import GroupStates, StateItem

Place = tuple[str, str]  # hub and group


class GroupStateBoard:
    """A state lasts as long as the membership; subscriptions last as long as the connection."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._states: dict[Place, dict[Connection, StateItem]] = {}
        self._subscribers: dict[Place, dict[Connection, None]] = {}
        self._updated_at = 0

    def set(self, connection: Connection, command: SetGroupState) -> None:
        """Raises `CommandError` for who is no member."""
        if command.group not in connection.groups:
            raise forbidden("set its state in", command.group)
        place = (connection.hub, command.group)
        if command.state is None:
            self._clear(connection, place)
            return
        item = StateItem(connection.id, connection.user_id, command.state, self._now())
        self._states.setdefault(place, {})[connection] = item
        self._publish(place, item)

    def _clear(self, connection: Connection, place: Place) -> None:
        states = self._states.get(place, {})
        if states.pop(connection, None) is not None:
            self._publish(place, StateItem(connection.id, connection.user_id, None, self._now()))
        if not states:
            self._states.pop(place, None)

    def _now(self) -> int:
        """Milliseconds, never the same twice."""
        self._updated_at = max(self._updated_at + 1, int(self._clock() * 1000))
        return self._updated_at

    def _publish(self, place: Place, item: StateItem) -> None:
        publish_states(self._subscribers.get(place, ()), GroupStates(place[1], (item,)))

    def subscribe(self, connection: Connection, group: str) -> None:
        """`send_snapshot` follows, behind the ack."""
        self._subscribers.setdefault((connection.hub, group), {})[connection] = None

    def send_snapshot(self, connection: Connection, group: str) -> None:
        items = tuple(self._states.get((connection.hub, group), {}).values())
        publish_states([connection], GroupStates(group, items, is_snapshot=True))

    def unsubscribe(self, connection: Connection, group: str) -> None:
        self._forget(connection, (connection.hub, group))

    def _forget(self, connection: Connection, place: Place) -> None:
        subscribers = self._subscribers.get(place)
        if subscribers is not None:
            subscribers.pop(connection, None)
            if not subscribers:
                del self._subscribers[place]

    def left(self, connection: Connection, group: str) -> None:
        """Who is no member has no state."""
        self._clear(connection, (connection.hub, group))

    def unsubscribe_all(self, connection: Connection) -> None:
        """The connection is over."""
        for place in [one for one, subscribers in self._subscribers.items() if connection in subscribers]:
            self._forget(connection, place)
