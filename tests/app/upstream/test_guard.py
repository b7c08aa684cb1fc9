"""A hub behind a policy."""

from collections import Counter

import pytest

from app.models.actions import CloseClientConnection
from app.models.events import ConnectEvent, UserEvent
from app.models.payloads import JsonData
from app.models.responses import ConnectResponse
from app.upstream.errors import Rejected
from app.upstream.guard import GuardedHub
from app.upstream.hub import Hub, on_event
from app.upstream.policy import Limit, Policy
from app.upstream.testing import HubClient

POLICY = Policy.model_validate(
    {
        "rule": [
            {
                "name": "people",
                "who": ["signed-in"],
                "groups": ["lobby"],
                "join": ["room.*"],
                "events": ["say"],
                "rates": [{"event": "say", "limit": "2 per minute"}],
            },
            {"name": "staff", "who": ["role:admin"], "events": ["*"], "send": ["**"]},
            {
                "name": "robots",
                "who": ["user:robot"],
                "events": ["beep"],
                "rates": [{"limit": "1 per minute", "per": "connection"}],
                "excess": "disconnect",
            },
        ]
    }
)


class Counting:
    """Admits the first `count`, for ever."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, ...]] = Counter()

    async def admit(self, limit: Limit, *key: str) -> float | None:
        self.seen[key] += 1
        return None if self.seen[key] <= limit.count else 7.2


class OpenHub(Hub):
    """Knows nothing of the policy; `?as=` signs in lazily."""

    name = "open"

    async def on_connect(self, event: ConnectEvent) -> ConnectResponse | None:
        name = event.query_value("as")
        return ConnectResponse(user_id=name, groups=("own",)) if name else None

    @on_event("say")
    async def say(self, event: UserEvent) -> str:
        """Stores what its client wrote, under the client's own names."""
        if isinstance(event.data, JsonData) and isinstance(event.value, dict):
            event.state.update(event.value)
        return f"{event.name} done"

    @on_event("*")
    async def anything(self, event: UserEvent) -> str:
        return f"{event.name} done"


@pytest.fixture
def limiter() -> Counting:
    return Counting()


@pytest.fixture
def hub(limiter: Counting) -> GuardedHub:
    return GuardedHub(OpenHub(), POLICY, limiter)


async def test_the_answer_to_connect_grants_what_the_rules_say(hub: GuardedHub) -> None:
    client = HubClient(hub)

    reply = await client.connect(query={"as": "mia"})

    answer = ConnectResponse.model_validate_json(reply.body)
    assert (answer.user_id, answer.groups) == ("mia", ("own", "lobby"))
    assert answer.roles == ("webpubsub.joinLeaveGroups.room.*", "webpubsub.policy.people")


async def test_what_the_token_had_stays(hub: GuardedHub) -> None:
    client = HubClient(hub)
    token = {"role": ["webpubsub.sendToGroup.a", "webpubsub.policy.staff"], "webpubsub.group": ["a"]}

    reply = await client.connect(user_id="mia", claims=token)

    answer = ConnectResponse.model_validate_json(reply.body)
    assert answer.groups == ("a", "lobby")
    assert answer.roles is not None
    assert set(answer.roles) >= {"webpubsub.sendToGroup.a", "webpubsub.sendToGroup", "webpubsub.joinLeaveGroups.room.*"}
    # The claim that made a member of the staff is not in later events; what it led to is.
    assert (await client.send("shout", "")).body == b"shout done"


async def test_whom_no_rule_fits_stays_outside(hub: GuardedHub) -> None:
    with pytest.raises(Rejected, match="sign in first"):
        await HubClient(hub).connect()


async def test_what_no_rule_allows_never_reaches_the_hub(hub: GuardedHub) -> None:
    client = HubClient(hub)
    await client.connect(user_id="mia")

    reply = await client.send("shout", "")

    assert (reply.status, reply.body) == (
        200,
        b'{"type":"error","event":"shout","code":"not-allowed","message":"you may not do this here"}',
    )
    assert (await client.send("SAY", "")).body == b"SAY done"


async def test_too_many_are_answered_and_the_connection_stays(hub: GuardedHub) -> None:
    tabs = [HubClient(hub, connection_id=name) for name in ("c1", "c2", "c3")]
    for tab in tabs:
        await tab.connect(user_id="mia")

    replies = [await tab.send("say", "hi") for tab in tabs]

    assert [reply.body for reply in replies[:2]] == [b"say done", b"say done"]
    assert replies[2].body == (
        b'{"type":"error","event":"say","code":"too-many","message":"too many at once; wait a little","retryAfter":8}'
    )
    assert all(tab.returned == [] for tab in tabs)


async def test_a_rule_may_end_the_connection_instead(hub: GuardedHub) -> None:
    robot, other = HubClient(hub, connection_id="r1"), HubClient(hub, connection_id="r2")
    await robot.connect(user_id="robot")
    await other.connect(user_id="robot")

    await robot.send("beep", "")
    assert (await other.send("beep", "")).body == b"beep done"  # counted for itself
    reply = await robot.send("beep", "")

    assert b'"too-many"' in reply.body
    assert robot.returned == [CloseClientConnection(connection_id="r1", reason="too many events")]


async def test_everything_else_passes(limiter: Counting) -> None:
    heard: list[str] = []

    class Listening(Hub):
        name = "open"

        async def on_connected(self, event: object) -> None:
            heard.append("connected")

        async def on_disconnected(self, event: object) -> None:
            heard.append("disconnected")

        async def on_group_joined(self, event: object) -> None:
            heard.append("joined")

        async def on_group_left(self, event: object) -> None:
            heard.append("left")

        async def run(self) -> None:
            heard.append("run")

    hub = GuardedHub(Listening(), POLICY, limiter)
    client = HubClient(hub)
    await client.connected()
    await client.joined("a")
    await client.left("a")
    await client.disconnected()
    await hub.run()

    assert heard == ["connected", "joined", "left", "disconnected", "run"]


@pytest.mark.parametrize("marks", [["staff"], ["people", "staff"], [], None, "staff"])
async def test_what_a_hub_stores_for_its_client_changes_no_right(hub: GuardedHub, marks: object) -> None:
    client = HubClient(hub)
    await client.connect(user_id="mia")

    await client.send("say", {"policy": marks, "colour": "red"})
    answer = await client.send("reboot", "now")

    assert b'"code":"not-allowed"' in answer.body
    assert client.state == {"policy": ["people"], "colour": "red"}
