"""The control tower for real: pages, and parties that have none."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from playwright.async_api import Locator, Page, expect

from localpubsub.testing import JSON_SUBPROTOCOL, Client
from tests.browser.conftest import Chat

HUB = "tower"
HUB_PATH = "app.hubs.control_tower.hub:ControlTowerHub"
WH1, WH2, T1, V1, C1, TOWER = (
    "warehouse:WH1",
    "warehouse:WH2",
    "transporter:T1",
    "vehicle:V1",
    "customer:C1",
    "tower:ops",
)
ROUTE = [[52.52, 13.41], [51.05, 13.74], [50.08, 14.44]]


@dataclass(frozen=True)
class Watcher:
    """One person at the page."""

    page: Page

    @property
    def state(self) -> Locator:
        return self.page.get_by_role("status")

    @property
    def table(self) -> Locator:
        return self.page.get_by_role("table", name="Shipments")

    @property
    def rows(self) -> Locator:
        return self.page.locator("#rows").get_by_role("row")

    @property
    def alerts(self) -> Locator:
        return self.panel("Alerts").get_by_role("listitem")

    @property
    def map(self) -> Locator:
        return self.page.get_by_role("application", name="Live map")

    @property
    def trail(self) -> Locator:
        return self.page.get_by_role("list", name="What happened").get_by_role("listitem")

    def panel(self, name: str) -> Locator:
        return self.page.get_by_role("region", name=name, exact=True)

    def row(self, shipment: str) -> Locator:
        return self.rows.filter(has=self.page.get_by_role("button", name=shipment, exact=True))

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def knock(self, party: str) -> None:
        role, _, name = party.partition(":")
        await self.page.get_by_role("radio", name=role.capitalize(), exact=True).check()
        await self.page.locator("#name").fill(name)
        await self.page.locator("#name").press("Enter")

    async def enter(self, party: str) -> None:
        await self.knock(party)
        await self.is_live()

    async def is_live(self) -> None:
        await expect(self.state).to_contain_text("Live as")

    async def spot_of(self, lat: float, lon: float) -> tuple[float, float]:
        """Where this place is on the screen, reckoned from two warehouses."""
        spot = await self.page.evaluate(
            """async ([lat, lon, ends]) => {
              const { project } = await import("/web/tower/viewport.js");
              const { left, top } = document.getElementById("map").getBoundingClientRect();
              const named = (one, other) => one.textContent.localeCompare(other.textContent);
              const spotOf = (place) => place.getAttribute("transform").match(/-?[0-9.]+/g).map(Number);
              const [[x1, y1], [x2, y2]] = [...document.querySelectorAll(".place")].sort(named).map(spotOf);
              const [[u1, v1], [u2, v2]] = ends.map((end) => project(...end));
              const [u, v] = project(lat, lon);
              return [left + x1 + ((x2 - x1) * (u - u1)) / (u2 - u1), top + y1 + ((y2 - y1) * (v - v1)) / (v2 - v1)];
            }""",
            [lat, lon, [ROUTE[0], ROUTE[-1]]],
        )
        return spot[0], spot[1]

    async def select(self, shipment: str) -> None:
        await self.row(shipment).get_by_role("button").click()
        await expect(self.panel(shipment)).to_be_visible()

    async def hurry_back(self) -> None:
        """As when the browser notices that there is a network again: no pause is waited for."""
        await self.page.evaluate("dispatchEvent(new Event('online'))")


async def watch(tower: Chat, party: str = "", *, width: int = 1440, height: int = 900) -> Watcher:
    """At the page, and in, as this party."""
    watcher = Watcher((await tower.visit("/tower", width=width, height=height)).page)
    if party:
        await watcher.enter(party)
    return watcher


@dataclass(frozen=True)
class Party:
    """Somebody without a page."""

    client: Client

    async def send(self, event: str, data: Mapping[str, Any]) -> None:
        """Returns when the hub has accepted it; fails when it has not."""
        await self.client.send_event(event, data)
        if event != "position":
            answer = await self.client.expect(type="message", data=_is_answer)
            assert answer["data"]["type"] == "accepted", answer["data"]["message"]


def _is_answer(data: object) -> bool:
    return isinstance(data, dict) and data.get("type") in ("accepted", "error")


@asynccontextmanager
async def party(tower: Chat, user_id: str) -> AsyncIterator[Party]:
    async with service_client(tower) as service:
        access = await service.get_client_access_token(user_id=user_id)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(access["url"], protocols=[JSON_SUBPROTOCOL]) as socket,
    ):
        yield Party(Client(socket))


def service_client(tower: Chat) -> WebPubSubServiceClient:
    return WebPubSubServiceClient.from_connection_string(tower.service.connection_string, hub=HUB)


def plan(shipment: str, **changes: Any) -> dict[str, Any]:
    """The data of `created`: an hour on the road, from now on."""
    now = round(time.time())
    return {
        "shipment": shipment,
        "origin": WH1,
        "destination": WH2,
        "customer": C1,
        "transporter": T1,
        "goods": "vaccines",
        "departAt": now,
        "arriveAt": now + 3600,
        "route": ROUTE,
        "cold": {"min": 2, "max": 8},
        "limits": {"holdSeconds": 0, "silentSeconds": 3600},
        **changes,
    }


async def carry(tower: Chat, shipment: str, *, until: str = "departed", vehicle: str = V1, **changes: Any) -> None:
    """Brings a new shipment as far as the event `until`."""
    made = plan(shipment, **changes)
    steps: list[tuple[str, str, dict[str, Any]]] = [
        (made["origin"], "created", made),
        (made["origin"], "picked", {"shipment": shipment}),
        (made["origin"], "loaded", {"shipment": shipment, "vehicle": vehicle}),
        (vehicle, "departed", {"shipment": shipment}),
        (vehicle, "arrived", {"shipment": shipment}),
        (vehicle, "delivered", {"shipment": shipment}),
    ]
    last = next(place for place, (_, event, _) in enumerate(steps) if event == until)
    async with party(tower, made["origin"]) as origin, party(tower, vehicle) as driver:
        for by, event, data in steps[: last + 1]:
            await (driver if by == vehicle else origin).send(event, data)


async def drive(tower: Chat, vehicle: str = V1, **position: Any) -> None:
    """One position."""
    async with party(tower, vehicle) as driver:
        await driver.send("position", {"lat": 51.05, "lon": 13.74, "speed": 80, "heading": 90, **position})
