"""The keep-alive client over TLS: whom it believes, and that connections end there as well."""

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.clients.http1 import NoAnswer
from tests.app.clients.conftest import ACCEPTED, REQUEST, Link, MakeClient, Serve, accept_all

Key = ec.EllipticCurvePrivateKey
Tls = Callable[..., ssl.SSLContext]


def certificate(
    key: Key, name: x509.GeneralName, *, ends: datetime, issuer: tuple[x509.Name, Key] | None = None
) -> x509.Certificate:
    """A server's; without an issuer signed by itself, and an authority."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server" if issuer else "authority")])
    issuer_name, issuer_key = issuer or (subject, key)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=2))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


LOOPBACK = x509.IPAddress(ip_address("127.0.0.1"))


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tls:
    """Makes a server's TLS context; `trusted` puts the certificate's authority into `SSL_CERT_FILE`."""

    def make(*, trusted: bool = True, name: x509.GeneralName = LOOPBACK, days: int = 1) -> ssl.SSLContext:
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        authority = certificate(authority_key, name, ends=tomorrow)
        served = certificate(
            key, name, ends=datetime.now(UTC) + timedelta(days=days), issuer=(authority.subject, authority_key)
        )
        if trusted:
            (tmp_path / "authority.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        else:
            key, served = authority_key, authority
        (tmp_path / "server.pem").write_bytes(
            served.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "server.pem")
        return context

    return make


async def test_a_server_of_a_trusted_authority_is_believed_and_its_connection_kept(
    serve: Serve, client_of: MakeClient, tls: Tls
) -> None:
    peer = await serve(accept_all, tls=tls())
    client = client_of(peer.url)

    for _ in range(3):
        assert (await client.request(REQUEST)).status == 202

    assert len(peer.links) == 1


async def test_a_server_that_signed_for_itself_is_refused(serve: Serve, client_of: MakeClient, tls: Tls) -> None:
    peer = await serve(accept_all, tls=tls(trusted=False))

    with pytest.raises(NoAnswer, match=r"^TLS failed: self.signed certificate"):
        await client_of(peer.url).request(REQUEST)


async def test_a_server_of_another_name_is_refused_and_not_named(serve: Serve, client_of: MakeClient, tls: Tls) -> None:
    peer = await serve(accept_all, tls=tls(name=x509.DNSName("contoso.webpubsub.azure.com")))

    with pytest.raises(NoAnswer, match=r"^TLS failed: [^,]*mismatch$"):
        await client_of(peer.url).request(REQUEST)
    with pytest.raises(NoAnswer, match=r"^TLS failed: [^,]*mismatch$"):
        await client_of(peer.url.replace("127.0.0.1", "localhost")).request(REQUEST)


async def test_a_server_whose_certificate_ran_out_is_refused(serve: Serve, client_of: MakeClient, tls: Tls) -> None:
    peer = await serve(accept_all, tls=tls(days=-1))

    with pytest.raises(NoAnswer, match=r"^TLS failed: certificate has expired$"):
        await client_of(peer.url).request(REQUEST)


async def test_a_server_that_does_not_speak_tls_is_refused(serve: Serve, client_of: MakeClient) -> None:
    async def script(link: Link) -> None:
        link.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await link.gone()

    peer = await serve(script)

    with pytest.raises(NoAnswer, match=r"^TLS failed: "):
        await client_of(peer.url.replace("http", "https")).request(REQUEST)


async def test_a_handshake_that_takes_too_long_is_no_connection(serve: Serve, client_of: MakeClient) -> None:
    peer = await serve(Link.gone)

    with pytest.raises(NoAnswer, match=r"^no connection in time$"):
        await client_of(peer.url.replace("http", "https"), timeout_seconds=0.05).request(REQUEST)

    await peer.links[0].gone()


async def test_a_peer_that_closes_after_the_handshake_gives_no_answer(
    serve: Serve, client_of: MakeClient, tls: Tls
) -> None:
    async def script(link: Link) -> None:
        link.end()

    peer = await serve(script, tls=tls())

    with pytest.raises(NoAnswer, match=r"^the connection "):
        await client_of(peer.url).request(REQUEST)


@pytest.mark.parametrize("by", ["closing", "cancelling"])
async def test_a_connection_not_made_yet_can_be_given_up(serve: Serve, client_of: MakeClient, by: str) -> None:
    accepted = asyncio.Event()

    async def script(link: Link) -> None:
        accepted.set()
        await link.gone()

    peer = await serve(script)
    client = client_of(peer.url.replace("http", "https"))
    request = asyncio.create_task(client.request(REQUEST))
    await accepted.wait()

    if by == "closing":
        await client.close()
        assert request.done()
        with pytest.raises(NoAnswer, match=r"^the client was closed$"):
            await request
    else:
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
    await peer.links[0].gone()


async def test_a_stale_connection_is_replaced(serve: Serve, client_of: MakeClient, tls: Tls) -> None:
    async def script(link: Link) -> None:
        await link.request()
        link.send(ACCEPTED)

    peer = await serve(script, tls=tls())
    client = client_of(peer.url)

    for _ in range(3):
        assert (await client.request(REQUEST)).status == 202

    assert len(peer.links) == 3


async def test_an_answer_without_a_length_ends_with_the_connection(
    serve: Serve, client_of: MakeClient, tls: Tls
) -> None:
    async def script(link: Link) -> None:
        await link.request()
        link.send(b"HTTP/1.1 200 OK\r\n\r\nbody")

    peer = await serve(script, tls=tls())

    assert (await client_of(peer.url).request(REQUEST)).status == 200


async def test_closing_ends_kept_connections_and_fails_the_others(
    serve: Serve, client_of: MakeClient, tls: Tls
) -> None:
    arrived = asyncio.Event()

    async def script(link: Link) -> None:
        await link.request()
        arrived.set()
        await link.gone()

    peer = await serve(script, tls=tls())
    client = client_of(peer.url)
    request = asyncio.create_task(client.request(REQUEST))
    await arrived.wait()

    await client.close()

    assert client._alive == set()
    with pytest.raises(NoAnswer, match=r"^the client was closed$"):
        await request
    await peer.links[0].gone()
