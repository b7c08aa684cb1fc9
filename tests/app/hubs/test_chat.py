"""The tutorial's chat."""

import pytest

from app.hubs.chat import ChatHub
from app.upstream.errors import Rejected
from app.upstream.hub import Environment
from app.upstream.testing import HubClient, RecordingPublisher


@pytest.fixture
def publisher() -> RecordingPublisher:
    return RecordingPublisher()


@pytest.fixture
def client(publisher: RecordingPublisher) -> HubClient:
    return HubClient(ChatHub(publisher, Environment()))


async def test_everybody_hears_of_everybody(client: HubClient, publisher: RecordingPublisher) -> None:
    await client.connect(user_id="mia")
    await client.connected()
    reply = await client.send("message", "hi <b>")
    await client.disconnected()

    assert reply.status == 204
    said = [dict(sent.value) for sent in publisher.sent if isinstance(sent.value, dict)]
    assert len({str(one.pop("id")) for one in said}) == 3
    assert {sent.verb for sent in publisher.sent} == {"send_to_all"}
    assert said == [
        {"type": "system", "message": "mia joined"},
        {"from": "mia", "message": "hi <b>"},
        {"type": "system", "message": "mia left"},
    ]


async def test_a_redelivered_message_has_the_id_it_had_before(publisher: RecordingPublisher) -> None:
    for _ in range(2):
        await HubClient(ChatHub(publisher, Environment()), connection_id="c-7").send("message", "hi")
    await HubClient(ChatHub(publisher, Environment()), connection_id="c-8").send("message", "hi")

    first, again, other = (sent.value["id"] for sent in publisher.sent if isinstance(sent.value, dict))
    assert first == again != other


async def test_the_token_says_who_it_is_and_the_query_does_not(client: HubClient) -> None:
    await client.connect(user_id="mia", query={"id": "mallory"})

    assert client.user_id == "mia"


async def test_without_a_token_the_query_says_who_it_is(client: HubClient) -> None:
    await client.connect(query={"id": " zoë "})

    assert client.user_id == "zoë"


async def test_nobody_is_refused(client: HubClient) -> None:
    with pytest.raises(Rejected) as caught:
        await client.connect(query={"id": " "})

    assert caught.value.status == 401


async def test_in_development_nobody_is_a_guest(publisher: RecordingPublisher) -> None:
    first, second = (HubClient(ChatHub(publisher, Environment(development=True))) for _ in range(2))
    await first.connect()
    await second.connect()

    assert (first.user_id or "").startswith("guest-")
    assert first.user_id != second.user_id
