"""Client certificates in the `connect` event."""

import hashlib
import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from localpubsub.edge import tls
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import RecordingUpstream, client_token, config


def write_certificate(folder: Path) -> bytes:
    """A client's key and certificate, which is its own authority; returns the certificate as DER."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ivy")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / tls.CLIENT_AUTHORITY).write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "client.pem").write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return made.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("shown", [True, False])
async def test_the_upstream_sees_the_certificate_a_client_shows(
    session: aiohttp.ClientSession, upstream: RecordingUpstream, tmp_path: Path, *, shown: bool
) -> None:
    der = write_certificate(tmp_path)
    async with LocalPubSub(config(upstream, tls_folder=tmp_path)) as service:
        context = ssl.create_default_context(cafile=str(tmp_path / tls.CERTIFICATE))
        if shown:
            context.load_cert_chain(tmp_path / "client.pem")
        url = f"{service.endpoint}/client/hubs/den?access_token={client_token(service)}"
        async with session.ws_connect(url, ssl=context):
            pass

    (connect,) = await upstream.wait_for("connect")
    certificates = json.loads(connect.body)["clientCertificates"]
    assert len(certificates) == int(shown)
    for certificate in certificates:
        assert certificate["thumbprint"] == hashlib.sha1(der).hexdigest().upper()
        assert ssl.PEM_cert_to_DER_cert(certificate["content"].replace("\r\n", "\n")) == der
        assert certificate["content"].startswith("-----BEGIN CERTIFICATE-----\r\n")
