"""A small map: twelve cities, the roads between them, and the way from one to another."""

from collections.abc import Mapping
from heapq import heappop, heappush
from itertools import pairwise

from app.hubs.control_tower.geometry import Line

Place = tuple[float, float]

CITIES: Mapping[str, Place] = {
    "Amsterdam": (52.37, 4.90),
    "Berlin": (52.52, 13.41),
    "Cologne": (50.94, 6.96),
    "Frankfurt": (50.11, 8.68),
    "Hamburg": (53.55, 9.99),
    "Milan": (45.46, 9.19),
    "Munich": (48.14, 11.58),
    "Paris": (48.86, 2.35),
    "Prague": (50.08, 14.44),
    "Vienna": (48.21, 16.37),
    "Warsaw": (52.23, 21.01),
    "Zurich": (47.38, 8.54),
}

_ROADS = (
    ("Amsterdam", "Cologne"),
    ("Amsterdam", "Hamburg"),
    ("Amsterdam", "Paris"),
    ("Berlin", "Frankfurt"),
    ("Berlin", "Hamburg"),
    ("Berlin", "Prague"),
    ("Berlin", "Warsaw"),
    ("Cologne", "Frankfurt"),
    ("Cologne", "Hamburg"),
    ("Cologne", "Paris"),
    ("Frankfurt", "Munich"),
    ("Frankfurt", "Paris"),
    ("Frankfurt", "Prague"),
    ("Frankfurt", "Zurich"),
    ("Milan", "Munich"),
    ("Milan", "Zurich"),
    ("Munich", "Prague"),
    ("Munich", "Vienna"),
    ("Munich", "Zurich"),
    ("Paris", "Zurich"),
    ("Prague", "Vienna"),
    ("Prague", "Warsaw"),
    ("Vienna", "Warsaw"),
)
_BENDS = (0.0, 0.03, 0.045, 0.02, -0.025, -0.04, -0.02)
"""How far a road swings out on its way, as a share of its length: nobody drives as the crow flies."""


def route(origin: str, destination: str) -> tuple[Place, ...]:
    """The shortest way by road."""
    waiting: list[tuple[float, str, tuple[str, ...]]] = [(0.0, origin, ())]
    known: set[str] = set()
    while waiting:
        metres, city, before = heappop(waiting)
        if city == destination:
            return _along((*before, city))
        if city in known:
            continue
        known.add(city)
        for other in _neighbours(city) - known:
            heappush(waiting, (metres + Line([CITIES[city], CITIES[other]]).metres, other, (*before, city)))
    raise ValueError(f"there is no road from {origin} to {destination}")


def _neighbours(city: str) -> set[str]:
    return {other for road in _ROADS if city in road for other in road} - {city}


def _along(cities: tuple[str, ...]) -> tuple[Place, ...]:
    places: list[Place] = []
    for city, following in pairwise(cities):
        # The same road whichever way it is driven.
        ends = sorted((city, following))
        road = [_bent(CITIES[ends[0]], CITIES[ends[1]], step) for step in range(len(_BENDS))]
        places += road if ends[0] == city else [CITIES[city], *reversed(road[1:])]
    return (*places, CITIES[cities[-1]])


def _bent(start: Place, end: Place, step: int) -> Place:
    share = step / len(_BENDS)
    north, east = end[0] - start[0], end[1] - start[1]
    swing = _BENDS[step]
    return start[0] + share * north - swing * east * 0.6, start[1] + share * east + swing * north
