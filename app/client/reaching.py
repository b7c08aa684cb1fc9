"""Why nobody could be reached."""

import os

import aiohttp

from app.client.endings import Unreachable


def unreachable(error: BaseException) -> Unreachable:
    """Says what happened without the address, which may hold a token."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return Unreachable(f"there is no host {error.host}")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return Unreachable(f"the certificate of {error.host}:{error.port} is not trusted")
        case aiohttp.ClientConnectorError():
            number = error.os_error.errno
            why = os.strerror(number).lower() if number else "no answer"
            return Unreachable(f"cannot connect to {error.host}:{error.port}: {why}")
        case TimeoutError():
            return Unreachable("nobody answered in time")
        case _:
            return Unreachable("the connection broke before it was open")
