"""Nobody gets what is not theirs: over random lives of shipments, everything that is sent and answered is looked at."""

from collections import defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.hubs.control_tower.shipment import VISIBLE
from tests.app.hubs.control_tower.stage import Message, Stage, plan

WAREHOUSES = ("warehouse:A", "warehouse:B", "warehouse:C")
TRANSPORTERS = ("transporter:A", "transporter:B")
VEHICLES = ("vehicle:A", "vehicle:B", "vehicle:C")
CUSTOMERS = ("customer:A", "customer:B")
PARTIES = (*WAREHOUSES, *TRANSPORTERS, *VEHICLES, *CUSTOMERS)
SHIPMENTS = ("S-1", "S-2", "S-3")
HERE = {"lat": 60.0, "lon": 20.0, "temperature": 20.0}

plans = st.builds(
    lambda ends, transporter, customer: {
        "origin": ends[0],
        "destination": ends[1],
        "transporter": transporter,
        "customer": customer,
        "limits": {"holdSeconds": 0},
    },
    st.permutations(WAREHOUSES),
    st.sampled_from(TRANSPORTERS),
    st.sampled_from(CUSTOMERS),
)
steps = st.one_of(
    st.tuples(st.just("next"), st.sampled_from(SHIPMENTS), st.sampled_from(VEHICLES)),
    st.tuples(st.just("position"), st.just(""), st.sampled_from(VEHICLES)),
    st.tuples(
        st.just("tell"), st.sampled_from(SHIPMENTS), st.tuples(st.sampled_from(PARTIES), st.sampled_from(PARTIES))
    ),
    st.tuples(st.just("tick"), st.just(""), st.just("")),
)


class Truth:
    """Who may see what, kept apart from the hub, from what it accepted."""

    def __init__(self) -> None:
        self.parties: defaultdict[str, set[str]] = defaultdict(set)
        self.states: dict[str, tuple[str, str | None]] = {}
        self.transporters: dict[str, str] = {}

    def take(self, told: Message) -> None:
        one = told["shipment"]
        members = ("origin", "destination", "customer", "transporter", "vehicle")
        self.parties[one["id"]] = {one[name] for name in members if one[name]}
        self.states[one["id"]] = one["state"], one["vehicle"]
        self.transporters[one["id"]] = one["transporter"]

    def sees_vehicle(self, party: str, vehicle: str) -> bool:
        return any(
            party in self.parties[one] and name == f"vehicle:{vehicle}" and state in VISIBLE
            for one, (state, name) in self.states.items()
        )

    def check(self, party: str, value: Any) -> None:
        """One message for one party."""
        match value["type"]:
            case "shipment":
                assert party in self.parties[value["shipment"]["id"]]
            case "positions":
                assert all(self.sees_vehicle(party, row[0]) for row in value["rows"])
            case "message":
                assert party in (value["from"], value["to"])
            case "alert":
                assert party == self.transporters[value["alert"]["shipment"]]
            case "snapshot":
                assert all(party in self.parties[one["id"]] for one in value["shipments"])
                assert all(self.sees_vehicle(party, row[0]) for row in value["positions"])
                assert all(party in (one["from"], one["to"]) for one in value["messages"])
                assert all(party == self.transporters[one["shipment"]] for one in value["alerts"])
                assert value["charts"] is None
            case "detail":
                assert party in self.parties[value["shipment"]["id"]]
                assert all(party in (one["by"], one["to"]) for one in value["trail"] if one["event"] == "told")
            case _:
                raise AssertionError(f"{party} got {value['type']}")


async def next_step(stage: Stage, shipment: str, vehicle: str) -> None:
    """Whatever comes next for the shipment, or nothing where it is delivered."""
    detail = await stage.send("tower:x", "shipment", {"shipment": shipment})
    assert detail is not None
    one = detail["shipment"]
    moves: dict[str, tuple[str, str, Message]] = {
        "created": (one["origin"], "picked", {}),
        "picked": (one["origin"], "loaded", {"vehicle": vehicle}),
        "loaded": (one["vehicle"], "departed", {}),
        "departed": (one["transporter"], "delayed", {"seconds": 9_000, "reason": "fog"}),
        "delayed": (one["vehicle"], "arrived", {}),
        "arrived": (one["destination"], "delivered", {}),
        "delivered": ("tower:x", "snapshot", {}),
    }
    party, event, more = moves[one["state"]]
    about = {} if event == "snapshot" else {"shipment": shipment}
    answer = await stage.send(party, event, {**about, **more})
    assert answer is not None
    assert answer["type"] != "error", answer


async def live(stage: Stage, kind: str, shipment: str, who: Any) -> None:
    """One step of a random life."""
    match kind:
        case "next":
            await next_step(stage, shipment, who)
        case "position":
            await stage.send(who, "position", HERE)
        case "tell":
            await stage.send(who[0], "tell", {"to": who[1], "shipment": shipment, "message": "psst"})
        case _:
            await stage.pass_seconds(2)


def check_sent(stage: Stage, truth: Truth, since: int) -> None:
    """What was published from the one numbered `since` on."""
    fresh = stage.publisher.sent[since:]
    for sent in fresh:
        if isinstance(sent.value, dict) and sent.value["type"] == "shipment":
            truth.take(sent.value)
    for sent in fresh:
        assert sent.verb == "send_to_group"
        if sent.target != "tower":
            truth.check(str(sent.target), sent.value)


async def check_asked(stage: Stage, truth: Truth) -> None:
    """What each party gets when it asks for all it can think of."""
    for party in PARTIES:
        truth.check(party, await stage.send(party, "snapshot"))
        for shipment in SHIPMENTS:
            detail = await stage.send(party, "shipment", {"shipment": shipment})
            assert detail is not None
            if detail["type"] == "error":
                assert party not in truth.parties[shipment]
            else:
                truth.check(party, detail)


@settings(max_examples=60, deadline=None)
@given(st.tuples(plans, plans, plans), st.lists(steps, max_size=40))
async def test_everything_a_party_gets_is_its_own(
    routes: tuple[Message, ...], life: list[tuple[str, str, Any]]
) -> None:
    stage, truth = Stage(), Truth()
    for party in PARTIES:
        await stage.client(party)
    for shipment, route in zip(SHIPMENTS, routes, strict=True):
        await stage.send("tower:x", "created", plan(shipment, **route))
    check_sent(stage, truth, 0)
    for step in life:
        since = len(stage.publisher.sent)
        await live(stage, *step)
        check_sent(stage, truth, since)
    await check_asked(stage, truth)
