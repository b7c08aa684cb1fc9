"""What is simulated."""

from dataclasses import dataclass

from app.simulation.journey import Mishap
from app.simulation.roads import CITIES

WAREHOUSES = tuple(f"warehouse:{city}" for city in CITIES)
TOWER = "tower:simulator"


@dataclass(frozen=True)
class Config:
    """`rate` is positions per second and vehicle; of 120 seconds on the road one passes, by default."""

    vehicles: int = 200
    rate: float = 1.0
    mqtt_share: float = 0.2
    transporters: int = 5
    customers: int = 20
    speedup: float = 120.0
    cold_share: float = 0.4
    docks: int = 8
    """So many vehicles a warehouse loads at a time."""
    pause_seconds: float = 1.0
    """What a step at a warehouse takes, about."""
    help_seconds: float = 8.0
    """Until the tower resolves an exception."""
    seed: int = 1

    def vehicle(self, number: int) -> str:
        return f"vehicle:V{number:04}"

    def transporter(self, number: int) -> str:
        return f"transporter:T{number % self.transporters + 1}"

    def customer(self, number: int) -> str:
        return f"customer:C{number % self.customers + 1}"

    def is_mqtt(self, number: int) -> bool:
        """Spread evenly over the vehicles."""
        return int((number + 1) * self.mqtt_share) > int(number * self.mqtt_share)


MISHAPS: tuple[tuple[Mishap, float], ...] = (
    ("none", 0.66),
    ("slow", 0.1),
    ("stray", 0.07),
    ("cooler", 0.07),
    ("silent", 0.06),
    ("breakdown", 0.04),
)
"""What happens on a journey, and how often."""

GOODS = ("bicycles", "books", "coffee", "flour", "furniture", "paint", "shoes", "toys")
COLD_GOODS = ("cheese", "fish", "flowers", "ice cream", "vaccines", "yoghurt")
