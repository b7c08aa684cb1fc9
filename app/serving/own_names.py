"""An upstream for development, whose access key everybody knows."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from app.serving.direct import ASGIApp, Receive, Scope, Send, send_reply
from app.upstream.reply import text

# Of the names that nobody can register.
_NOBODYS_DOMAINS = (".localhost", ".test", ".local", ".internal", ".home.arpa")
_REFUSAL = text(421, "in development the upstream answers to names of this machine only")


class OwnNames:
    """Turns away whoever comes by a name that may be somebody else's.

    The owner of a site can point its name at this machine: to a browser the upstream is that site's then, and its
    scripts could sign events with the known key.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not all(_is_own(value) for name, value in scope["headers"] if name == b"host"):
            await send_reply(send, _REFUSAL)
        else:
            await self.app(scope, receive, send)


def _is_own(host: bytes) -> bool:
    """An address, or a name that nobody can register."""
    try:
        name = (urlsplit(f"//{host.decode('latin-1')}").hostname or "").rstrip(".")
    except ValueError:
        return False
    try:
        ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(_NOBODYS_DOMAINS)
    return True
