"""Pages from elsewhere, while anybody can make a token: the access key is the default one, or Entra's go unchecked.

A page of any site could come with such a token in the browser of whoever develops here: a browser lets every page open
the tunnel's WebSocket, and a name that its owner points at this machine makes the whole REST API the page's own.
Browsers say which page it is, and by which name they were sent here. Clients are not asked: spec/service.md 1.4 lets
them come from any page.
"""

import ipaddress
import logging
from urllib.parse import SplitResult, urlsplit

from aiohttp import web

from localpubsub.config import DEFAULT_ACCESS_KEY, ServiceConfig, is_loopback

log = logging.getLogger(__name__)

REFUSAL = (
    "Pages from elsewhere may not come in while anybody can make a token: choose an access key of your own, and accept "
    "no Entra tokens that nobody checks."
)

# Of the names that nobody can register (RFC 2606, 6761, 6762, 8375 and ICANN's `internal`).
_NOBODYS_DOMAINS = (".localhost", ".test", ".local", ".internal", ".home.arpa")


def turned_away(request: web.Request, config: ServiceConfig) -> web.Response | None:
    """The refusal of what a page from elsewhere asks; `None` for everybody else, and where it needs a real token."""
    if DEFAULT_ACCESS_KEY not in config.access_keys and not config.accept_entra_tokens:
        return None
    ours = {urlsplit(endpoint).hostname for endpoint in config.public_endpoints}
    origin, host = request.headers.get("Origin", ""), request.headers.get("Host", "")
    if (not origin or _is_own_page(origin, ours)) and (not host or _is_own_name(host, ours)):
        return None
    log.warning("a page of %r, sent to %r, was refused: anybody can make a token for this service", origin, host)
    return web.Response(status=403, text=REFUSAL)


def _is_own_page(origin: str, ours: set[str | None]) -> bool:
    """A page without an address, as `null`, may be anybody's; what is neither http nor https is no page of a site."""
    parts = _split(origin)
    if parts is None or not parts.scheme:
        return False
    name = parts.hostname or ""
    return parts.scheme not in ("http", "https") or is_loopback(name) or name.endswith(".localhost") or name in ours


def _is_own_name(host: str, ours: set[str | None]) -> bool:
    """A name that the owner of a site cannot have made point here: an address, or one that nobody can register."""
    parts = _split(f"//{host}")
    name = (parts.hostname or "").rstrip(".") if parts is not None else ""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(_NOBODYS_DOMAINS) or name in ours
    return True


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None
