"""The roster against the service's truth, whatever is lost, late, doubled, or happens at the same time."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from app.upstream.roster import Change, Roster
from app.upstream.service import GroupConnection
from app.upstream.testing import RecordingPublisher
from tests.app.upstream.unhurried import Unhurried

GROUPS = ("tea", "cake")
USERS = {"c-1": "mia", "c-2": "mia", "c-3": "jonas", "c-4": "jonas", "c-5": None}

connections = st.sampled_from(sorted(USERS))
groups = st.sampled_from(GROUPS)
FATES = st.sampled_from(("heard", "heard", "heard twice", "lost"))
Event = tuple[str, str, str]


class Service(RecordingPublisher):
    """Lists what is so when it is asked; answers a little later."""

    def __init__(self, pauses: list[int]) -> None:
        super().__init__()
        self.listing = {group: {} for group in GROUPS}
        self._pauses = pauses

    async def connections_in_group(self, group: str) -> AsyncIterator[GroupConnection]:
        listed = [one async for one in super().connections_in_group(group)]
        for _ in range(self._pauses.pop(0) if self._pauses else 1):
            await asyncio.sleep(0)
        for one in listed:
            yield one


class RosterMachine(RuleBasedStateMachine):
    """Two replicas share a store. A rule is what happens at one time; between rules everything comes to rest."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.pauses: list[int] = []
        self.service = Service(self.pauses)
        storage = Unhurried(self._next_pauses)
        self.replicas = [Roster(storage, settle_seconds=0) for _ in range(2)]
        self.shown: dict[str, set[str]] = {group: set() for group in GROUPS}
        """What somebody shows who is told every change and asks for nothing."""
        self.misinformed: set[tuple[str, str]] = set()
        """Where the last event about a connection and a group was lost, or came far too late."""

    def _next_pauses(self) -> Any:
        while True:
            yield self.pauses.pop(0) if self.pauses else 1

    @rule(
        what=st.lists(
            st.tuples(st.sampled_from(("joins", "leaves", "closes")), connections, groups, FATES), max_size=4
        ),
        reconciled=st.lists(groups, max_size=2),
        pauses=st.lists(st.integers(0, 4), max_size=24),
    )
    def at_one_time(self, what: list[tuple[str, str, str, str]], reconciled: list[str], pauses: list[int]) -> None:
        """On one replica; events of one connection are heard in their order, as the application does."""
        self.pauses[:] = pauses
        roster = self.replicas[0]

        async def all_of_it() -> list[Change]:
            lanes: dict[str, list[Event]] = {}
            runs = [asyncio.create_task(roster.reconcile(self.service, group)) for group in reconciled]
            for verb, connection, group, fate in what:
                await asyncio.sleep(0)
                self._happens(verb, connection, group, is_heard=fate != "lost")
                for _ in range({"lost": 0, "heard": 1, "heard twice": 2}[fate]):
                    lanes.setdefault(connection, []).append((verb, connection, group))
            heard = [asyncio.create_task(self._hear(roster, events)) for events in lanes.values()]
            return [change for run in (*heard, *runs) for change in await run]

        self._run(all_of_it())
        self._is_what_was_heard()

    @rule(verb=st.sampled_from(("joins", "leaves", "closes")), connection=connections, group=groups)
    def the_other_replica_hears(self, verb: str, connection: str, group: str) -> None:
        self._happens(verb, connection, group, is_heard=True)
        self._run(self._hear(self.replicas[1], [(verb, connection, group)]))

    @rule(connection=connections, group=groups)
    def an_event_of_long_ago_arrives(self, connection: str, group: str) -> None:
        self.misinformed.add((connection, group))
        self._run(self._hear(self.replicas[0], [("joins", connection, group)]))

    @rule(replica=st.integers(0, 1))
    def it_is_reconciled_in_peace(self, replica: int) -> None:
        for group in GROUPS:
            self._run(self.replicas[replica].reconcile(self.service, group))
        self._is_the_truth()

    def teardown(self) -> None:
        with self.runner:
            self.it_is_reconciled_in_peace(0)
            for one in USERS:
                assert not any(change.is_in for change in self.runner.run(self.replicas[0].gone(one)))
            assert self.runner.run(self.replicas[0].groups()) == []

    def _happens(self, verb: str, connection: str, group: str, *, is_heard: bool) -> None:
        """In the service."""
        for one in GROUPS if verb == "closes" else (group,):
            if verb == "joins":
                self.service.listing[one][connection] = USERS[connection]
            else:
                self.service.listing[one].pop(connection, None)
            (self.misinformed.discard if is_heard else self.misinformed.add)((connection, one))

    async def _hear(self, roster: Roster, events: list[Event]) -> list[Change]:
        changes: list[Change] = []
        for verb, connection, group in events:
            if verb == "closes":
                changes += await roster.gone(connection)
                continue
            heard = roster.joined(group, connection, USERS[connection], at=1.0) if verb == "joins" else None
            change = await (heard or roster.left(group, connection))
            changes += [change] if change else []
        return changes

    def _run(self, what: Coroutine[Any, Any, list[Change]]) -> None:
        async def told() -> None:
            async with self.replicas[1].changes(GROUPS[0]) as tea, self.replicas[1].changes(GROUPS[1]) as cake:
                changes = await what
                for group, heard in zip(GROUPS, (tea, cake), strict=True):
                    for _ in [one for one in changes if one.group == group]:
                        self._show(await asyncio.wait_for(anext(heard), 5))

        self.runner.run(told())

    def _show(self, change: Change) -> None:
        assert (change.user_id in self.shown[change.group]) is not change.is_in, "told what was known"
        (self.shown[change.group].add if change.is_in else self.shown[change.group].discard)(change.user_id)

    def _is_what_was_heard(self) -> None:
        """No listing undoes an event."""
        for group in GROUPS:
            for connection, user in USERS.items():
                if (connection, group) not in self.misinformed:
                    is_in = connection in self.service.listing[group] and user is not None
                    assert (group in self.runner.run(self.replicas[1].groups_of(connection))) is is_in

    def _is_the_truth(self) -> None:
        self.misinformed.clear()
        self._is_what_was_heard()
        for group in GROUPS:
            truth = {user for user in self.service.listing[group].values() if user is not None}
            members = {one.user_id for one in self.runner.run(self.replicas[0].members(group))}
            assert members == truth
            assert self.shown[group] == truth


TestRoster = RosterMachine.TestCase
TestRoster.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
