"""How long a reliable connection waits for its client (spec/service.md 4.3)."""

from localpubsub.engine.hub import Connection
from localpubsub.engine.outbound import Close, Outbound
from localpubsub.engine.sessions import Sessions
from localpubsub.protocol.messages import Frame
from tests.localpubsub.engine_parts import RELIABLE_JSON, VirtualTime, connection


class Ended:
    def __init__(self) -> None:
        self.time = VirtualTime()
        self.told: list[tuple[str, str | None]] = []
        self.sessions = Sessions(self._end, self.time.later)
        self.connection = connection("ivy", RELIABLE_JSON)

    def _end(self, one: Connection, reason: str | None) -> None:
        self.told.append((one.id, reason))

    def suspend(self) -> None:
        assert self.connection.sequences is not None
        self.sessions.suspend(self.connection, self.connection.sequences)

    def resume(self) -> Outbound:
        outbound = Outbound(lambda: None)
        self.sessions.resume(self.connection, outbound)
        return outbound


def test_it_waits_thirty_seconds() -> None:
    ended = Ended()
    ended.suspend()

    ended.time.pass_by(29.9)
    assert ended.told == []
    ended.time.pass_by(0.2)
    assert ended.told == [("ivy", "The connection recovery timeout expired.")]


def test_every_absence_has_its_own_thirty_seconds() -> None:
    ended = Ended()
    ended.suspend()
    ended.time.pass_by(20)
    ended.resume()
    ended.suspend()

    ended.time.pass_by(20)
    assert ended.told == []
    ended.time.pass_by(10)
    assert len(ended.told) == 1


def test_one_that_came_back_is_not_ended() -> None:
    ended = Ended()
    ended.suspend()
    ended.resume()

    ended.time.pass_by(100)

    assert ended.told == []


def test_one_that_is_closed_while_away_ends_at_once_and_once() -> None:
    ended = Ended()
    ended.suspend()
    ended.connection.outbound.put(Frame(b"{}", is_text=True))
    assert ended.told == []

    ended.connection.outbound.close(Close(1000, "enough"))
    ended.time.pass_by(100)

    assert ended.told == [("ivy", "enough")]


def test_a_socket_that_was_still_there_is_abandoned() -> None:
    ended = Ended()
    before = ended.connection.outbound

    after = ended.resume()

    assert before.abandoned
    assert ended.connection.outbound is after
