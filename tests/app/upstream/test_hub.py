"""Hubs: which method gets which event, how they are found and built, and how they are tested."""

from pathlib import Path
from typing import Any

import pytest

from app.models.events import ConnectEvent, DisconnectedEvent, GroupJoinedEvent, GroupLeftEvent, UserEvent
from app.models.payloads import JsonData
from app.models.responses import ConnectResponse
from app.upstream.errors import Rejected
from app.upstream.hub import Environment, Hub, on_event
from app.upstream.publisher import Publisher
from app.upstream.registry import HubError, HubRegistry, build_hub, load_hub_class
from app.upstream.testing import HubClient, RecordingPublisher


class Base(Hub):
    name = "base"

    @on_event("Ping", "pong")
    async def ping(self, event: UserEvent) -> str:
        return f"base {event.name}"

    @on_event("gone")
    async def gone(self, event: UserEvent) -> str:
        return "still here"


class Derived(Base):
    name = "Derived"

    async def ping(self, event: UserEvent) -> str:
        return "derived"

    @on_event("*")
    async def rest(self, event: UserEvent) -> Any:
        return JsonData(value=None)


async def body(hub: Hub, name: str) -> tuple[int, bytes]:
    reply = await HubClient(hub).send(name, "x")
    return reply.status, reply.body


async def test_events_are_found_by_name_without_case() -> None:
    assert await body(Base(), "PING") == (200, b"base PING")
    assert await body(Base(), "pong") == (200, b"base pong")


async def test_an_event_nobody_handles_is_accepted_and_ignored() -> None:
    assert await body(Base(), "other") == (204, b"")


async def test_a_derived_hub_overrides_and_adds() -> None:
    assert await body(Derived(), "ping") == (200, b"derived")
    assert await body(Derived(), "gone") == (200, b"still here")
    assert await body(Derived(), "anything") == (200, b"null")


async def test_the_defaults_harm_nobody() -> None:
    client = HubClient(Base())

    assert (await client.connect(user_id="mia")).status == 204
    await client.connected()
    await client.joined("g")
    await client.left("g")
    await client.disconnected("bye")


async def test_marks_of_one_handler_add_up() -> None:
    class Stacked(Hub):
        name = "stacked"

        @on_event("over")
        @on_event("Under")
        async def either(self, event: UserEvent) -> str:
            return event.name

    assert [await body(Stacked(), name) for name in ("over", "under")] == [(200, b"over"), (200, b"under")]


def test_a_handler_needs_a_name() -> None:
    with pytest.raises(TypeError):
        on_event()


class Stateful(Hub):
    name = "stateful"

    def __init__(self, publisher: Publisher, environment: Environment) -> None:
        self.publisher = publisher
        self.environment = environment
        self.heard: list[str] = []

    async def on_connect(self, event: ConnectEvent) -> None:
        if event.query_value("room") == "closed":
            raise Rejected("closed", status=403)
        event.state["room"] = event.query_value("room")

    async def on_disconnected(self, event: DisconnectedEvent) -> None:
        self.heard.append(f"{event.user_id} {event.reason} {event.state['room']}")

    async def on_group_joined(self, event: GroupJoinedEvent) -> None:
        await self.publisher.send_to_group(event.group, f"{event.user_id} in", excluded=[event.connection_id])

    async def on_group_left(self, event: GroupLeftEvent) -> None:
        await self.publisher.close_connection(event.connection_id, reason="left")


async def test_a_hub_is_tested_without_http() -> None:
    publisher = RecordingPublisher()
    hub = Stateful(publisher, Environment())
    client = HubClient(hub, connection_id="c1")

    await client.connect(user_id="mia", query={"room": "attic"})
    await client.joined("g")
    await client.left("g")
    await client.disconnected("bye")

    assert client.state == {"room": "attic"}
    assert [(sent.target, sent.value, sent.excluded) for sent in publisher.sent] == [("g", "mia in", ("c1",))]
    assert publisher.calls[0].arguments == {"connection_id": "c1", "reason": "left"}
    assert hub.heard == ["mia bye attic"]


async def test_a_refusal_reaches_the_test() -> None:
    with pytest.raises(Rejected, match="closed") as caught:
        await HubClient(Stateful(RecordingPublisher(), Environment())).connect(query={"room": "closed"})

    assert caught.value.status == 403


def test_collaborators_are_handed_in_by_type() -> None:
    publisher, environment = RecordingPublisher(), Environment(development=True)

    hub = build_hub(Stateful, {Publisher: publisher, Environment: environment})

    assert isinstance(hub, Stateful)
    assert (hub.publisher, hub.environment) == (publisher, environment)


def test_what_a_hub_has_a_default_for_is_left_to_it() -> None:
    class Greeter(Hub):
        name = "greeter"

        def __init__(self, publisher: Publisher, greeting: str = "hi", *, limit: int = 3) -> None:
            self.built = (publisher, greeting, limit)

    publisher = RecordingPublisher()
    hub = build_hub(Greeter, {Publisher: publisher})

    assert isinstance(hub, Greeter)
    assert hub.built == (publisher, "hi", 3)


def test_a_collaborator_nobody_has_is_named() -> None:
    class Greedy(Hub):
        name = "greedy"

        def __init__(self, database: dict[str, str]) -> None: ...

    with pytest.raises(HubError, match="database"):
        build_hub(Greedy, {Publisher: RecordingPublisher()})


def test_a_collaborator_without_a_type_is_named() -> None:
    class Vague(Hub):
        name = "vague"

        def __init__(self, database) -> None: ...  # type: ignore[no-untyped-def]

    with pytest.raises(HubError, match="database"):
        build_hub(Vague, {Publisher: RecordingPublisher()})


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("app.hubs.chat", "package.module:ClassName"),
        ("nowhere.at_all:Hub", "cannot import 'nowhere'"),
        ("app.hubs.chat:Nothing", "no class 'Nothing'"),
        ("app.hubs.chat:Rejected", "inherits from Hub"),
        ("app.upstream.hub:Hub", "needs a class attribute `name`"),
    ],
)
def test_a_hub_that_cannot_be_loaded_is_explained(path: str, complaint: str) -> None:
    with pytest.raises(HubError, match=complaint):
        load_hub_class(path)


@pytest.mark.parametrize(
    ("source", "complaint"), [("class Half(", "SyntaxError"), ("raise OSError('no disk')", "OSError: no disk")]
)
def test_a_module_that_cannot_be_read_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, complaint: str
) -> None:
    (tmp_path / "half_a_hub.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(HubError, match=f"importing 'half_a_hub' failed: {complaint}"):
        load_hub_class("half_a_hub:Half")


def test_hubs_are_found_without_case_and_named_once() -> None:
    registry = HubRegistry([Base(), Derived()])

    assert registry.get("DERIVED") is not None
    assert registry.get("other") is None
    with pytest.raises(HubError, match="two hubs"):
        HubRegistry([Base(), Base()])


async def knock(environment: Environment, **claims: Any) -> str | None:
    """Whom a client that says `?id=boss` is taken for."""

    class Door(Hub):
        name = "door"

        async def on_connect(self, event: ConnectEvent) -> ConnectResponse:
            return ConnectResponse(user_id=environment.who(event))

    client = HubClient(Door())
    await client.connect(query={"id": "boss"}, **claims)
    return client.user_id


async def test_the_token_says_who_it_is_and_the_query_only_where_it_is_believed() -> None:
    assert await knock(Environment(believes_query=True), user_id="mia") == "mia"
    assert await knock(Environment(believes_query=True), claims={"sub": ["mia"]}) == "mia"
    assert await knock(Environment(believes_query=True, development=True)) == "boss"
    assert (await knock(Environment(development=True)) or "").startswith("guest-")
    with pytest.raises(Rejected) as refusal:
        await knock(Environment())
    assert refusal.value.status == 401
