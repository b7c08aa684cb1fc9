"""The chat, without HTTP: what is answered, and what is sent to whom."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hubs.chat import ChatHub
from app.models.actions import Action
from app.models.payloads import JsonData, Message
from app.upstream.errors import Rejected, ServiceError
from app.upstream.history import History
from app.upstream.hub import Environment
from app.upstream.memory_storage import MemoryStorage
from app.upstream.roster import Roster
from app.upstream.running import running
from app.upstream.service import GroupConnection
from app.upstream.storage import Keep
from app.upstream.testing import HubClient, RecordingPublisher, Sent

Value = dict[str, Any]


class Service(RecordingPublisher):
    """Down when it is told so; lists no connections until it is told so. `heard` has what was sent, by target."""

    def __init__(self) -> None:
        super().__init__()
        self.is_down = False
        self.lists = False
        self.heard: defaultdict[str | None, asyncio.Queue[Value]] = defaultdict(asyncio.Queue)

    async def publish(self, action: Action) -> None:
        before = len(self.sent)
        await super().publish(action)
        for sent in self.sent[before:]:
            assert isinstance(sent.value, dict)
            self.heard[sent.target].put_nowait(sent.value)

    async def add_connection_to_group(self, group: str, connection_id: str) -> None:
        if self.is_down:
            raise ServiceError("add_connection_to_group", 503)
        await super().add_connection_to_group(group, connection_id)

    async def connections_in_group(self, group: str) -> AsyncIterator[GroupConnection]:
        if not self.lists:
            raise ServiceError("connections_in_group", 503)
        async for one in super().connections_in_group(group):
            yield one


class Stage:
    """A chat, its clients, and what they were sent."""

    def __init__(self) -> None:
        self.service = Service()
        self.storage = MemoryStorage()
        self.history = History(self.storage)
        self.roster = Roster(self.storage, settle_seconds=0)
        self.hub = self.restarted()

    def restarted(self, **environment: bool) -> ChatHub:
        self.hub = ChatHub(self.service, self.service, self.roster, self.history, Environment(**environment))
        return self.hub

    async def client(self, user_id: str, connection_id: str | None = None) -> HubClient:
        """Connected, and heard of."""
        client = HubClient(self.hub, connection_id=connection_id or f"{user_id}-1")
        await client.connect(user_id=user_id)
        await client.connected()
        return client

    def told(self, target: str) -> list[Value]:
        """What was sent to a group or user since it was last asked, without `at` and the ids that are new each time."""
        return [self._plain(sent) for sent in self.sent(target)]

    def sent(self, target: str) -> list[Sent]:
        found = [one for one in self.service.sent if one.target == target]
        self.service.sent = [one for one in self.service.sent if one.target != target]
        return found

    def groups_of(self, client: HubClient) -> set[str]:
        """Where the hub put the connection."""
        groups: set[str] = set()
        for call in self.service.calls:
            if call.arguments.get("connection_id") == client.connection_id:
                change = groups.add if call.verb.startswith("add") else groups.discard
                change(call.arguments["group"])
        return groups

    def _plain(self, sent: Sent) -> Value:
        assert isinstance(sent.value, dict)
        assert sent.value.get("id", "x")
        return {name: one for name, one in sent.value.items() if name not in ("at", "id")}


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_a_bare_client_talks_as_in_the_tutorial(stage: Stage) -> None:
    mia = await stage.client("mia")
    reply = await mia.send("message", "hi <b>")
    await mia.disconnected()

    assert reply.status == 204
    assert stage.told("lobby") == [
        {"type": "system", "message": "mia joined"},
        {"type": "message", "room": "lobby", "number": 1, "from": "mia", "message": "hi <b>"},
        {"type": "system", "message": "mia left"},
    ]
    assert {one.target for one in stage.service.sent} == {"lobby.signals"}
    assert stage.groups_of(mia) == set()


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" \n", None),
        ("", None),
        ("x" * 4_001, {"type": "system", "message": "A message has at most 4,000 characters."}),
        (b"\xff", {"type": "system", "message": "A message is text."}),
    ],
)
async def test_a_bare_client_is_told_in_words_it_knows(stage: Stage, text: str | bytes, answer: object) -> None:
    mia = await stage.client("mia")
    stage.told("lobby")

    assert await mia.ask("message", text) == answer
    assert stage.told("lobby") == []


async def test_the_token_says_who_it_is_and_the_query_does_not(stage: Stage) -> None:
    client = HubClient(stage.hub)
    await client.connect(user_id="mia", query={"id": "mallory"})

    assert client.user_id == "mia"


async def test_without_a_token_the_query_says_who_it_is_where_negotiate_believes_it_too(stage: Stage) -> None:
    client = HubClient(stage.restarted(believes_query=True))
    await client.connect(query={"id": " zoë "})

    assert client.user_id == "zoë"


async def test_elsewhere_who_has_no_token_is_nobody(stage: Stage) -> None:
    with pytest.raises(Rejected) as caught:
        await HubClient(stage.hub).connect(query={"id": "boss"})

    assert caught.value.status == 401


async def test_nobody_is_refused(stage: Stage) -> None:
    with pytest.raises(Rejected) as caught:
        await HubClient(stage.restarted(believes_query=True)).connect(query={"id": " "})

    assert caught.value.status == 401


async def test_in_development_nobody_is_a_guest(stage: Stage) -> None:
    first, second = (HubClient(stage.restarted(development=True)) for _ in range(2))
    await first.connect()
    await second.connect()

    assert (first.user_id or "").startswith("guest-")
    assert first.user_id != second.user_id


async def test_everybody_starts_in_the_lobby_and_in_the_groups_of_the_token(stage: Stage) -> None:
    reply = await HubClient(stage.hub).connect(user_id="mia", claims={"webpubsub.group": ["staff", "lobby"]})

    assert b'"groups":["lobby","staff"]' in reply.body


async def test_who_enters_gets_members_and_the_last_lines(stage: Stage) -> None:
    mia, jonas = await stage.client("mia"), await stage.client("jonas")
    first = await mia.ask("enter", {"room": "tea"})
    for number in range(60):
        await mia.ask("say", {"room": "tea", "message": f"line {number}"})

    answer = await jonas.ask("enter", {"room": "tea"})

    assert (first["type"], first["room"], first["number"], first["lines"]) == ("room", "tea", 0, [])
    assert [one["user"] for one in first["members"]] == ["mia"]
    assert [one["user"] for one in answer["members"]] == ["jonas", "mia"]
    assert [one["number"] for one in answer["lines"]] == list(range(11, 61))
    assert answer["number"] == 60
    assert set(answer["lines"][0]) == {"type", "room", "number", "at", "id", "from", "message"}
    assert stage.groups_of(jonas) == {"tea", "tea.signals"}


async def test_a_room_is_joined_before_it_is_read(stage: Stage) -> None:
    """So nothing falls between the lines of the answer and those that come to the group."""
    mia, jonas = await stage.client("mia"), await stage.client("jonas")
    await mia.ask("enter", {"room": "tea"})

    class Eager(Service):
        async def add_connection_to_group(self, group: str, connection_id: str) -> None:
            await mia.ask("say", {"room": "tea", "message": f"while {group} is joined"})

    stage.hub._service = Eager()

    answer = await jonas.ask("enter", {"room": "tea"})

    assert answer["number"] == len(answer["lines"]) == 2


async def test_a_page_that_comes_back_gets_what_it_missed(stage: Stage) -> None:
    mia = await stage.client("mia")
    await mia.ask("enter", {"room": "tea"})
    for number in range(3):
        await mia.ask("say", {"room": "tea", "message": f"line {number}"})

    entered = await mia.ask("enter", {"room": "tea", "since": 1})
    filled = await mia.ask("since", {"room": "tea", "number": 2})

    assert [one["number"] for one in entered["lines"]] == [2, 3]
    assert (filled["type"], filled["number"]) == ("lines", 3)
    assert [one["message"] for one in filled["lines"]] == ["line 2"]


async def test_a_number_of_a_history_that_is_no_more_gets_the_newest_lines(stage: Stage) -> None:
    mia = await stage.client("mia")
    await mia.ask("enter", {"room": "tea"})
    await mia.ask("say", {"room": "tea", "message": "the first of the new"})

    answer = await mia.ask("enter", {"room": "tea", "since": 40})

    assert (answer["number"], len(answer["lines"])) == (1, 1)


async def test_lines_that_are_no_longer_kept_are_left_out(stage: Stage) -> None:
    stage.history = History(stage.storage, Keep(count=2))
    stage.restarted()
    mia = await stage.client("mia")
    await mia.ask("enter", {"room": "tea"})
    for number in range(5):
        await mia.ask("say", {"room": "tea", "message": f"line {number}"})

    answer = await mia.ask("since", {"room": "tea", "number": 0})

    assert (answer["number"], [one["number"] for one in answer["lines"]]) == (5, [4, 5])


async def test_an_answer_stays_below_what_a_message_may_weigh(stage: Stage) -> None:
    mia = await stage.client("mia")
    await mia.ask("enter", {"room": "tea"})
    for number in range(70):
        await mia.ask("say", {"room": "tea", "message": chr(0x1F375) * 3_990 + f" {number}"})

    newest = await mia.send("enter", {"room": "tea"})
    oldest = await mia.ask("since", {"room": "tea", "number": 0})
    answer = await mia.ask("enter", {"room": "tea"})

    assert len(newest.body) < 1_000_000
    assert (answer["number"], answer["lines"][-1]["number"]) == (70, 70)
    assert (oldest["number"], oldest["lines"][0]["number"]) == (70, 1)
    assert len(oldest["lines"]) < 70


async def test_what_is_said_goes_to_the_room_with_a_number(stage: Stage) -> None:
    mia = await stage.client("mia")
    await mia.ask("enter", {"room": "tea"})

    assert await mia.ask("say", {"room": "tea", "message": "hi", "key": "k-1"}) is None

    assert stage.told("tea") == [
        {"type": "message", "room": "tea", "number": 1, "from": "mia", "message": "hi", "key": "k-1"}
    ]


async def test_a_redelivered_message_is_kept_once_and_has_the_number_and_id_it_had(stage: Stage) -> None:
    for connection in ("c-7", "c-7", "c-8"):
        await HubClient(stage.hub, connection_id=connection).send("message", "hi")

    first, again, other = (sent.value for sent in stage.sent("lobby"))
    assert first == again != other
    assert [line.number for line in await stage.history.newest("lobby")] == [1, 2]


async def test_the_same_key_says_it_once_over_a_reconnect(stage: Stage) -> None:
    before, after = await stage.client("mia", "c-1"), await stage.client("mia", "c-2")
    jonas = await stage.client("jonas")
    for client in (before, after, jonas):
        await client.ask("enter", {"room": "tea"})
        await client.ask("say", {"room": "tea", "message": "hi", "key": "k-1"})
    await after.ask("say", {"room": "tea", "message": "something else", "key": "k-1"})

    assert [one["number"] for one in stage.told("tea")] == [1, 1, 2, 3]


async def test_several_tabs_of_one_user_are_announced_once(stage: Stage) -> None:
    first, second = await stage.client("mia", "c-1"), await stage.client("mia", "c-2")
    for tab in (first, second):
        await tab.ask("enter", {"room": "tea"})
    await first.ask("leave", {"room": "tea"})
    await second.disconnected()

    presence = {"type": "presence", "room": "tea", "user": "mia"}
    assert stage.told("tea.signals") == [presence | {"in": True}, presence | {"in": False}]
    assert [one["message"] for one in stage.told("lobby")] == ["mia joined"]
    assert stage.told("lobby.signals") == [presence | {"room": "lobby", "in": True}]
    assert stage.groups_of(first) == set()


async def test_the_service_s_own_word_about_groups_counts(stage: Stage) -> None:
    mia = await stage.client("mia")
    await mia.joined("tea")
    await mia.joined("tea")
    await mia.joined("tea.signals")
    await mia.joined("rooms.changes")
    await mia.left("tea")

    assert [one["in"] for one in stage.told("tea.signals")] == [True, False]
    assert await stage.roster.groups() == ["lobby"]


async def test_typing_is_shown_to_the_others_and_soon_forgotten(stage: Stage) -> None:
    mia = await stage.client("mia")
    await mia.ask("enter", {"room": "tea"})
    stage.sent("tea.signals")

    assert await mia.ask("typing", {"room": "tea"}) is None

    (sent,) = stage.sent("tea.signals")
    assert sent.value == {"type": "typing", "room": "tea", "user": "mia"}
    assert sent.excluded == ("mia-1",)
    assert sent.ttl_seconds == 5


async def test_a_private_message_reaches_every_tab_of_both_and_is_not_kept(stage: Stage) -> None:
    mia = await stage.client("mia")
    stage.service.existing = {"jonas", "mia"}

    assert await mia.ask("private", {"to": "jonas", "message": "psst", "key": "k-1"}) is None
    assert await mia.ask("private", {"to": "mia", "message": "note to self"}) is None

    private = {"type": "private", "from": "mia", "to": "jonas", "message": "psst", "key": "k-1"}
    assert stage.told("jonas") == [private]
    assert stage.told("mia") == [private, {"type": "private", "from": "mia", "to": "mia", "message": "note to self"}]
    assert await stage.storage.logs("history/") == []


async def test_a_private_message_to_nobody_is_refused(stage: Stage) -> None:
    mia = await stage.client("mia")

    answer = await mia.ask("private", {"to": "jonas", "message": "psst", "key": "k-1"})

    assert answer == {
        "type": "error", "event": "private", "code": "nobody", "message": "jonas is not here.", "key": "k-1",
    }  # fmt: skip


async def test_rooms_are_listed_fullest_first(stage: Stage) -> None:
    mia = await stage.client("mia")
    await stage.client("jonas")
    await mia.ask("enter", {"room": "tea"})

    answer = await mia.ask("rooms", {})

    assert answer == {"type": "rooms", "rooms": [{"room": "lobby", "members": 2}, {"room": "tea", "members": 1}]}
    assert "rooms.changes" in stage.groups_of(mia)


async def test_how_full_rooms_are_is_told_but_not_for_each_who_comes(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.hubs.chat.COUNT_SECONDS", 0)
    clients = [await stage.client(f"user-{number}") for number in range(5)]
    await clients[0].ask("enter", {"room": "tea"})

    async with running([stage.hub]), asyncio.timeout(5):
        told = [await stage.service.heard["rooms.changes"].get() for _ in range(2)]
        await clients[0].ask("leave", {"room": "tea"})
        told.append(await stage.service.heard["rooms.changes"].get())

    assert [(one["type"], one["room"], one["members"]) for one in told] == [
        ("rooms-changed", "lobby", 5),
        ("rooms-changed", "tea", 1),
        ("rooms-changed", "tea", 0),
    ]


async def test_a_page_is_in_so_many_rooms_and_no_more(stage: Stage) -> None:
    mia = await stage.client("mia")
    for number in range(49):
        await mia.ask("enter", {"room": f"room-{number}"})

    over = await mia.ask("enter", {"room": "one-too-many"})
    again = await mia.ask("enter", {"room": "room-7"})
    await mia.ask("leave", {"room": "lobby"})
    after = await mia.ask("enter", {"room": "one-too-many"})

    assert (over["code"], again["type"], after["type"]) == ("too-many-rooms", "room", "room")


TOO_LONG = "x" * 4_001
REFUSALS: list[tuple[str, Message, str]] = [
    ("enter", {"room": "no such name"}, "bad-room"),
    ("enter", {"room": ""}, "bad-room"),
    ("enter", {"room": "-tea"}, "bad-room"),
    ("enter", {"room": "tea.signals"}, "bad-room"),
    ("enter", {"room": "x" * 65}, "bad-room"),
    ("enter", {"room": "tea\n"}, "bad-room"),
    ("enter", {"room": 5}, "malformed"),
    ("enter", {"room": "tea", "since": -1}, "malformed"),
    ("enter", {"room": "tea", "since": "1"}, "malformed"),
    ("enter", {}, "malformed"),
    ("enter", [], "malformed"),
    ("enter", None, "malformed"),
    ("enter", "tea", "malformed"),
    ("enter", b"tea", "malformed"),
    ("leave", {"room": "a b"}, "bad-room"),
    ("say", {"room": "tea", "message": " \t"}, "empty"),
    ("say", {"room": "tea", "message": TOO_LONG}, "too-long"),
    ("say", {"room": "tea", "message": "hi", "key": "x" * 65}, "too-long"),
    ("say", {"room": "tea", "message": "hi", "key": 1}, "malformed"),
    ("say", {"room": "tea"}, "malformed"),
    ("say", {"room": "cake", "message": "hi"}, "not-in-room"),
    ("typing", {"room": "cake"}, "not-in-room"),
    ("since", {"room": "cake", "number": 0}, "not-in-room"),
    ("since", {"room": "tea", "number": 2**60}, "malformed"),
    ("private", {"to": "", "message": "hi"}, "malformed"),
    ("private", {"to": "jonas", "message": ""}, "empty"),
    ("dance", {}, "unknown-event"),
]


@pytest.mark.parametrize(("event", "data", "code"), REFUSALS)
async def test_what_cannot_be_done_is_answered_and_changes_nothing(
    stage: Stage, event: str, data: Message, code: str
) -> None:
    mia = await stage.client("mia")
    await mia.ask("enter", {"room": "tea"})
    stage.service.sent.clear()
    calls = list(stage.service.calls)

    answer = await mia.ask(event, data)

    assert (answer["type"], answer["event"], answer["code"]) == ("error", event, code)
    assert answer["message"].endswith(".")
    texts = {name for name, value in data.items() if isinstance(value, str)} if isinstance(data, dict) else set()
    assert {"room", "key"} & set(answer) == {"room", "key"} & texts
    assert (stage.service.sent, stage.service.calls) == ([], calls)


@pytest.mark.parametrize("room", ["tea", "Büro-7", "茶室", "9_lives", "x" * 64])
async def test_a_room_is_named_in_any_script(stage: Stage, room: str) -> None:
    mia = await stage.client("mia")

    assert (await mia.ask("enter", {"room": room}))["room"] == room


async def test_a_service_that_does_not_answer_is_no_failure_of_the_event(stage: Stage) -> None:
    mia = await stage.client("mia")
    stage.service.is_down = True

    answer = await mia.ask("enter", {"room": "tea"})

    assert (answer["code"], answer["room"]) == ("unavailable", "tea")
    assert await stage.roster.groups() == ["lobby"]


async def test_lost_events_are_made_good_while_it_runs(stage: Stage) -> None:
    await stage.client("mia")
    stage.service.listing["lobby"] = {"c-2": "jonas"}

    stage.service.lists = True

    async with running([stage.hub]), asyncio.timeout(5):
        said = [(await stage.service.heard["lobby"].get())["message"] for _ in range(3)]

    assert (said[0], sorted(said[1:])) == ("mia joined", ["jonas joined", "mia left"])


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ("room", "message", "key", "since", "number", "to")
requests = anything | st.dictionaries(
    st.sampled_from(MEMBERS), anything | st.sampled_from(("tea", "cake", "mia", "hi")) | st.integers(0, 3)
)
EVENTS = ("message", "enter", "leave", "say", "private", "typing", "since", "rooms", "Enter", "dance")


@given(steps=st.lists(st.tuples(st.sampled_from(EVENTS), requests), max_size=8))
async def test_whatever_a_page_sends_is_answered_or_done(steps: list[tuple[str, Any]]) -> None:
    stage = Stage()
    mia = await stage.client("mia")
    for event, value in steps:
        answer = await mia.ask(event, JsonData(value=value))
        assert answer is None or answer["type"] in ("room", "lines", "rooms", "error", "system")
