"""Client certificates, for the `connect` event (spec/upstream.md 4.1)."""

import hashlib
import ssl
from collections.abc import Mapping

from aiohttp import web


def client_certificates(request: web.Request) -> tuple[Mapping[str, str], ...]:
    """The certificate the client showed, with its SHA-1 thumbprint; none without TLS, or where it showed none."""
    tls = request.transport and request.transport.get_extra_info("ssl_object")
    shown = tls.getpeercert(binary_form=True) if tls else None
    if not shown:
        return ()
    content = ssl.DER_cert_to_PEM_cert(shown).replace("\n", "\r\n")
    thumbprint = hashlib.sha1(shown, usedforsecurity=False).hexdigest().upper()
    return ({"thumbprint": thumbprint, "content": content},)
