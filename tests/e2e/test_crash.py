"""What was answered arrives though the process that answered is killed. In full: `python -m tests.e2e.crash`."""

from pathlib import Path

from tests.app.fanout.redis.server import RedisServer
from tests.e2e.crash import Report, survive


def is_whole(report: Report) -> None:
    assert sum(map(len, report.accepted.values())) > 0
    assert (report.missing, report.out_of_order) == ([], [])


async def test_a_killed_upstream_loses_nothing_it_answered(tmp_path: Path) -> None:
    is_whole(await survive(f"sqlite:///{tmp_path}/outbox.db", events=800, senders=20, kills=2))


async def test_a_killed_replica_s_messages_are_sent_by_the_other(redis_server: RedisServer) -> None:
    is_whole(await survive(redis_server.url, events=800, senders=20, replicas=2, kills=1))
