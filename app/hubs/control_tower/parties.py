"""Who takes part. A party is a user id, `role:name`."""

import re
from typing import Annotated, Literal, get_args

from pydantic import Field

Role = Literal["tower", "warehouse", "transporter", "vehicle", "customer"]
ROLES: tuple[Role, ...] = get_args(Role)

TOWER = "tower"
"""The group of every tower, and how the others call it."""

_NAME = r"[A-Za-z0-9._-]{1,64}"
_PARTY = re.compile(rf"({'|'.join(ROLES)}):{_NAME}")

Warehouse = Annotated[str, Field(pattern=f"^warehouse:{_NAME}$")]
Transporter = Annotated[str, Field(pattern=f"^transporter:{_NAME}$")]
Vehicle = Annotated[str, Field(pattern=f"^vehicle:{_NAME}$")]
Customer = Annotated[str, Field(pattern=f"^customer:{_NAME}$")]
Destination = Annotated[str, Field(pattern=f"^(warehouse|customer):{_NAME}$")]
Addressee = Annotated[str, Field(pattern=f"^(tower|(tower|warehouse|transporter|vehicle|customer):{_NAME})$")]

MAY_TELL: dict[Role, frozenset[Role]] = {
    "tower": frozenset({"warehouse", "transporter", "vehicle", "customer"}),
    "warehouse": frozenset({"tower", "warehouse", "transporter"}),
    "transporter": frozenset({"tower", "warehouse", "vehicle", "customer"}),
    "vehicle": frozenset({"tower", "transporter"}),
    "customer": frozenset({"tower", "transporter"}),
}


def is_party(user_id: str) -> bool:
    return _PARTY.fullmatch(user_id) is not None


def role_of(party: str) -> Role:
    """Of a party, or of `TOWER`."""
    role = party.partition(":")[0]
    return next(one for one in ROLES if one == role)


def name_of(party: str) -> str:
    """What follows the role."""
    return party.partition(":")[2]


def group_of(party: str) -> str:
    """The group of its connections, and the name of what is kept for it. Towers share one."""
    return TOWER if role_of(party) == TOWER else party
