"""Who gets in, and as what."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from app.hubs.control_tower.parties import is_party
from app.upstream.errors import Rejected
from app.upstream.testing import HubClient
from tests.app.hubs.control_tower.stage import CUSTOMER, TOWER, VEHICLE, WAREHOUSE, Stage


@pytest.mark.parametrize(
    ("party", "group"),
    [(WAREHOUSE, WAREHOUSE), (CUSTOMER, CUSTOMER), (VEHICLE, VEHICLE), (TOWER, "tower"), ("tower:night", "tower")],
)
async def test_a_party_joins_its_own_group_and_gets_no_roles(stage: Stage, party: str, group: str) -> None:
    reply = await HubClient(stage.hub).connect(user_id=party)

    assert from_json(reply.body) == {"userId": party, "groups": [group], "roles": []}


@pytest.mark.parametrize("query", [{"id": "warehouse:WH1"}, {"role": "warehouse", "id": "WH1"}])
async def test_in_development_the_query_says_who_it_is(query: dict[str, str]) -> None:
    client = HubClient(Stage(development=True).hub)

    await client.connect(query=query)

    assert client.user_id == WAREHOUSE


async def test_in_production_only_the_token_does(stage: Stage) -> None:
    for believing in (stage, Stage(development=True, believes_query=False)):
        with pytest.raises(Rejected) as caught:
            await HubClient(believing.hub).connect(query={"id": TOWER})

        assert caught.value.status == 401


async def test_the_token_goes_before_the_query() -> None:
    client = HubClient(Stage(development=True).hub)

    await client.connect(user_id=CUSTOMER, query={"id": TOWER})

    assert client.user_id == CUSTOMER


@settings(deadline=None)
@given(st.text(max_size=80).filter(lambda text: not is_party(text) and text.strip() == text != ""))
async def test_who_is_no_party_is_refused(user_id: str) -> None:
    with pytest.raises(Rejected) as caught:
        await HubClient(Stage().hub).connect(user_id=user_id)

    assert caught.value.status == 403


@pytest.mark.parametrize("user_id", ["tower:", "king:x", "warehouse:WH 1", "warehouse:WH1\n", "Tower:x", "tower"])
def test_names_are_exact(user_id: str) -> None:
    assert not is_party(user_id)


async def test_an_event_of_somebody_the_hub_never_let_in_is_refused(stage: Stage) -> None:
    client = HubClient(stage.hub)
    client.user_id = "mallory"

    reply = await client.send("snapshot", {})

    assert from_json(reply.body)["code"] == "not_allowed"
