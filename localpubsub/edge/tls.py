"""TLS on this machine, for SDKs that send Entra tokens over nothing else (spec/service.md 8.1, 13)."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CERTIFICATE = "localhost.pem"
KEY = "localhost-key.pem"
CLIENT_AUTHORITY = "client-ca.pem"
LIFETIME = timedelta(days=365)
RENEW_BEFORE = timedelta(days=7)


def server_context(folder: Path) -> ssl.SSLContext:
    """With the folder's certificate; a new one is made where there is none or its time is nearly up.

    Where there is a `client-ca.pem`, clients are asked for a certificate of that authority, and may show none.
    Clients must be told to trust `localhost.pem`; nothing on this machine is changed for it. Raises `OSError`.
    """
    certificate, key = folder / CERTIFICATE, folder / KEY
    if not key.exists() or not _is_good(certificate):
        folder.mkdir(parents=True, exist_ok=True)
        _make(certificate, key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    authority = folder / CLIENT_AUTHORITY
    if authority.exists():
        context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _is_good(certificate: Path) -> bool:
    try:
        expires = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except (FileNotFoundError, ValueError):
        return False
    return expires - datetime.now(UTC) > RENEW_BEFORE


def _make(certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    usage = {"digital_signature": True} | dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
         "encipher_only", "decipher_only"), False
    )  # fmt: skip
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), *addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key.unlink(missing_ok=True)
    key.touch(mode=0o600)
    key.write_bytes(pem)
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
