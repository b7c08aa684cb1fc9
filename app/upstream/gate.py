"""What is asked of a caller before its request is read: where it comes from, and a secret in the URL.

Both add to the signature, which covers the connection id alone (spec/upstream.md 2.1, 3.3).
"""

from collections.abc import Sequence
from hmac import compare_digest
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import parse_qs

from app.upstream.errors import NotAuthentic, WrongCaller

Network = IPv4Network | IPv6Network

CODE = "code"
MOST_PARAMETERS = 100
"""Of a query; to take tens of thousands apart costs more than all the rest of a request."""


def parse_network(text: str) -> Network:
    """`20.0.0.0/8`, `2603::/24` or one address. Raises `ValueError`."""
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an address or a network as 20.0.0.0/8") from None


def subscriber(address: str) -> str:
    """Whom a limit counts: an address, and of IPv6 the network of 64 bits that one subscriber has at least."""
    try:
        own = ip_address(address)
    except ValueError:
        return address
    if isinstance(own, IPv6Address):
        return str(own.ipv4_mapped or IPv6Network((own.packed[:8] + bytes(8), 64)))
    return str(own)


class Caller(NamedTuple):
    """Whoever sends a request: the address it comes from, and the query of the URL it uses."""

    address: str | None = None
    query: bytes = b""


UNKNOWN = Caller()


class Gate:
    """Without networks every address may call, and without a code none is asked for."""

    def __init__(self, networks: Sequence[Network] = (), code: str | None = None) -> None:
        self._networks = networks
        self._code = code.encode() if code is not None else None

    def check(self, caller: Caller) -> None:
        """Raises `WrongCaller` or `NotAuthentic`."""
        self.check_address(caller.address)
        self.check_code(caller.query)

    def check_address(self, address: str | None) -> None:
        """Raises `WrongCaller` for an address outside the networks."""
        if self._networks and not self._is_inside(address):
            raise WrongCaller(f"the address {address} is in none of WEBHOOK_ALLOWED_NETWORKS")

    def check_code(self, query: bytes) -> None:
        """Raises `NotAuthentic` where the URL of the event handler lacks `?code=` or has another one."""
        if self._code is None:
            return
        try:
            members = parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
        except ValueError:
            members = {}
        given = members.get(CODE, [""])[-1]
        if not compare_digest(given.encode(), self._code):
            raise NotAuthentic("the URL of the event handler needs ?code= with the value of WEBHOOK_CODE")

    def _is_inside(self, address: str | None) -> bool:
        try:
            own = ip_address(address or "")
        except ValueError:
            return False
        if isinstance(own, IPv6Address) and own.ipv4_mapped is not None:
            own = own.ipv4_mapped
        return any(own in network for network in self._networks if network.version == own.version)
