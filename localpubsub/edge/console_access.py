"""Who may open the console: this machine, or whoever knows the password."""

import base64
import binascii
import hmac
import ipaddress
import re
from urllib.parse import urlsplit

from aiohttp import web

_THIS_MACHINE = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.IGNORECASE)


class Denied(Exception):
    """The text is for the person at the browser."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = {"WWW-Authenticate": 'Basic realm="console", charset="UTF-8"'} if status == 401 else {}


def admit(request: web.Request, password: str) -> None:
    """Raises `Denied`.

    A page from elsewhere whose name was made to point at this machine comes from a loopback address, but cannot
    change the `Host` it is fetched by.
    """
    if password:
        if not _knows(request.headers.get("Authorization", ""), password):
            raise Denied(401, "The console of this service asks for its password.")
    elif not is_this_machine(request.remote or ""):
        raise Denied(
            403,
            "The console is open to this machine only. Start the service with --console-password to open it from "
            "another.",
        )
    elif not _THIS_MACHINE.fullmatch(request.headers.get("Host", "")):
        raise Denied(
            403,
            "The console answers at localhost, 127.0.0.1 and [::1] only. Start the service with --console-password to "
            "open it by another name.",
        )


def is_this_machine(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def _knows(authorization: str, password: str) -> bool:
    """HTTP Basic, whatever the user name. The comparison takes as long for one password as for another."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(given, password.encode())


def demand_same_origin(request: web.Request) -> None:
    """A browser lets any page open a WebSocket, and says which page it was. Raises `Denied`."""
    try:
        origin = urlsplit(request.headers.get("Origin", ""))
    except ValueError:
        origin = urlsplit("")
    if origin.scheme != request.scheme or origin.netloc.lower() != request.headers.get("Host", "").lower():
        raise Denied(403, "The feed is for the console's own page.")


def demand_own_page(request: web.Request) -> None:
    """A page from elsewhere cannot set the header without asking first, and is not answered. Raises `Denied`."""
    if request.headers.get("X-Console") != "1":
        raise Denied(403, "A command of the console carries the header X-Console: 1.")
