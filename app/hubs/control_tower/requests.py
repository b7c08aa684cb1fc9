"""What clients send: the data of each user event."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from app.hubs.control_tower.parties import Addressee, Customer, Destination, Transporter, Vehicle, Warehouse
from app.hubs.control_tower.refusal import Refusal

ShipmentId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Place = tuple[Latitude, Longitude]
Seconds = Annotated[int, Field(ge=0, le=30 * 24 * 3600)]
UnixTime = Annotated[float, Field(ge=0, le=1e11)]
Celsius = Annotated[float, Field(ge=-273.15, le=1_000)]
Reason = Annotated[str, Field(min_length=1, max_length=500)]


class Part(BaseModel):
    """Strict: a member nobody knows is a mistake somebody should hear of."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, extra="forbid", strict=True)

    @classmethod
    def read(cls, body: bytes) -> Self:
        """From JSON. Raises `Refusal`."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(str(step) for step in first["loc"])
            raise Refusal("bad_request", f"{place}: {first['msg']}" if place else first["msg"]) from None


class Request(Part):
    """`id` is the sender's name for the event."""

    id: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class Cold(Part):
    """What the goods bear, °C."""

    min: Celsius
    max: Celsius

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min >= self.max:
            raise ValueError("min must be below max")
        return self


class Limits(Part):
    """When somebody should look."""

    late_seconds: Annotated[int, Field(ge=1)] = 900
    off_route_metres: Annotated[int, Field(ge=1)] = 2_000
    silent_seconds: Annotated[int, Field(ge=1)] = 60
    hold_seconds: Annotated[int, Field(ge=0)] = 10
    """So long a condition has to last."""


class Plan(Part):
    """What a shipment is to be. `depart_at` and `arrive_at` are Unix seconds."""

    origin: Warehouse
    destination: Destination
    customer: Customer | None = None
    transporter: Transporter
    goods: Annotated[str, Field(min_length=1, max_length=200)]
    depart_at: UnixTime
    arrive_at: UnixTime
    route: Annotated[tuple[Place, ...], Field(min_length=2, max_length=200)]
    cold: Cold | None = None
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.arrive_at <= self.depart_at:
            raise ValueError("arriveAt must be after departAt")
        if self.destination == self.origin:
            raise ValueError("destination must not be the origin")
        return self


class Step(Request):
    """`picked`, `departed`, `arrived`, `delivered`."""

    shipment: ShipmentId


class Create(Step, Plan):
    """`created`."""

    def plan(self) -> Plan:
        return Plan.model_construct(**{name: getattr(self, name) for name in Plan.model_fields})


class Load(Step):
    """`loaded`."""

    vehicle: Vehicle


class Delay(Step):
    """`delayed`; `seconds` behind the plan."""

    seconds: Seconds
    reason: Reason


class Trouble(Step):
    """`exception`."""

    reason: Reason


class Resolution(Step):
    """`resolved`."""

    reason: Reason | None = None


class PositionReport(Part):
    """`position`. `at` is the vehicle's clock."""

    # Sent far more often than anything else: no `id`, and what a newer vehicle adds is ignored.
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    lat: Latitude
    lon: Longitude
    speed: Annotated[FiniteFloat, Field(ge=0, le=1_000)] | None = None
    heading: Annotated[FiniteFloat, Field(ge=0, le=360)] | None = None
    temperature: Celsius | None = None
    at: UnixTime | None = None


class Tell(Request):
    """`tell`."""

    to: Addressee
    shipment: ShipmentId | None = None
    message: Annotated[str, Field(min_length=1, max_length=2_000)]


class Acknowledge(Request):
    """`acknowledge`."""

    alert: Annotated[str, Field(min_length=1, max_length=200)]


class SnapshotRequest(Request):
    """`snapshot`."""

    after: ShipmentId | None = None


class DetailRequest(Request):
    """`shipment`."""

    shipment: ShipmentId
