"""A stand-in for the service: it feeds one page with a whole fleet, as fast as it is told to."""

import asyncio
import json
import math
import time
from typing import Any

from playwright.async_api import Page, WebSocketRoute

PAGE = 200
PLACES = [[52.5, 13.4], [48.9, 2.4], [50.1, 14.4], [53.6, 10.0], [45.5, 9.2], [48.2, 16.4]]
STATES = ("departed", "departed", "departed", "delayed", "arrived", "exception", "loaded", "created")


class Feed:
    """Everything there is is in the snapshot; `beat` moves every vehicle."""

    def __init__(self, vehicles: int) -> None:
        self.vehicles = vehicles
        self.beats = 0
        self._socket: WebSocketRoute | None = None
        self._shipments = [_shipment(number) for number in range(vehicles)]

    async def take_over(self, page: Page) -> None:
        await page.route_web_socket(lambda _: True, self._open)

    async def beat_for_ever(self, seconds: float) -> None:
        while True:
            self.beat()
            await asyncio.sleep(seconds)

    def beat(self) -> None:
        self.beats += 1
        self._say({"type": "positions", "at": time.time(), "events": self.vehicles, "rows": self._rows()})

    def change(self, number: int, **members: Any) -> None:
        self._shipments[number] = _shipment(number) | {"number": self.beats + 2} | members
        self._say({"type": "shipment", "shipment": self._shipments[number]})

    def _open(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        socket.on_message(self._answer)
        self._send({"type": "system", "event": "connected", "userId": "tower:main", "connectionId": "c1"})

    def _answer(self, text: str | bytes) -> None:
        frame = json.loads(text)
        if frame["type"] != "event":
            return
        match frame["event"]:
            case "snapshot":
                self._say(self._page(frame["data"]))
            case "shipment":
                self._say(self._detail(frame["data"]))
        self._send({"type": "ack", "ackId": frame["ackId"], "success": True})

    def _page(self, data: dict[str, Any]) -> dict[str, Any]:
        after = data.get("after", "")
        following = [one for one in self._shipments if one["id"] > after]
        return {
            "type": "snapshot",
            "id": data["id"],
            "at": time.time(),
            "next": following[PAGE - 1]["id"] if len(following) > PAGE else None,
            "shipments": following[:PAGE],
            "positions": [] if after else self._rows(),
            "alerts": [],
            "messages": [],
            "charts": None,
        }

    def _detail(self, data: dict[str, Any]) -> dict[str, Any]:
        shipment = next(one for one in self._shipments if one["id"] == data["shipment"])
        ends = [_place(shipment["origin"]), _place(shipment["destination"])]
        created = {"number": 1, "event": "created", "by": "tower:main", "at": time.time()}
        return {
            "type": "detail",
            "id": data["id"],
            "shipment": shipment,
            "route": ends,
            "trail": [created],
            "track": [],
        }

    def _rows(self) -> list[list[Any]]:
        now = time.time()
        return [
            [f"V{number:04}", *self._where(number), 80.0, number % 360, None, now] for number in range(self.vehicles)
        ]

    def _where(self, number: int) -> tuple[float, float]:
        angle = number + self.beats / 10
        return 49 + 4 * math.sin(angle), 10 + 8 * math.cos(angle * 1.3)

    def _say(self, data: dict[str, Any]) -> None:
        self._send({"type": "message", "from": "server", "dataType": "json", "data": data})

    def _send(self, frame: dict[str, Any]) -> None:
        if self._socket is not None:
            self._socket.send(json.dumps(frame))


def _place(party: str) -> list[float]:
    return PLACES[int(party[-1])]


def _shipment(number: int) -> dict[str, Any]:
    now = round(time.time())
    state = STATES[number % len(STATES)]
    return {
        "id": f"S-{number:04}",
        "number": 1,
        "state": state,
        "changedAt": now,
        "origin": f"warehouse:W{number % 6}",
        "destination": f"warehouse:W{(number + 1 + number // 6 % 5) % 6}",
        "customer": f"customer:C{number % 50}",
        "transporter": f"transporter:T{number % 7}",
        "vehicle": None if state == "created" else f"vehicle:V{number:04}",
        "goods": "tea",
        "cold": None,
        "departAt": now - 600,
        "arriveAt": now + 60 * (number % 240),
        "departedAt": now - 600 if state in ("departed", "delayed", "arrived") else None,
        "arrivedAt": now if state == "arrived" else None,
        "deliveredAt": None,
        "delaySeconds": 900 if state == "delayed" else 0,
        "reason": None,
    }
