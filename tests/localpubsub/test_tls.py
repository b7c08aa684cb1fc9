"""TLS on this machine, and callers with Entra tokens (spec/service.md 8.1, 13)."""

import logging
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import jwt
import pytest
from cryptography import x509

from localpubsub.config import ConfigError, ServiceConfig
from localpubsub.config_file import load_config
from localpubsub.edge import tls
from localpubsub.flags import Flags
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import JSON, client_token, config
from tests.localpubsub.rest_calls import HUB, TEXT, call


async def test_rest_and_clients_go_through_tls(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    async with LocalPubSub(config(tls_folder=tmp_path)) as service:
        trust = ssl.create_default_context(cafile=tmp_path / tls.CERTIFICATE)
        url = f"wss://localhost:{service.port}/client/hubs/open?access_token={client_token(service, 'open')}"
        async with session.ws_connect(url, protocols=[JSON], ssl=trust) as socket:
            await socket.receive_json(timeout=5)
            sent = await call(session, service, "POST", f"{HUB}/:send", headers=TEXT, data=b"x", ssl=trust)
            assert (sent.status, (await socket.receive_json(timeout=5))["data"]) == (202, "x")
        made = await call(session, service, "POST", f"{HUB}/:generateToken", ssl=trust)
        claims = jwt.decode((await made.json())["token"], options={"verify_signature": False})

        assert service.connection_string.startswith(f"Endpoint=https://localhost:{service.port};")
        assert claims["aud"].startswith(f"https://localhost:{service.port}/")
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await call(session, service, "HEAD", f"{HUB}/users/u", ssl=ssl.create_default_context())


def test_a_certificate_is_kept_and_its_key_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    tls.server_context(folder)
    first = (folder / tls.CERTIFICATE).read_bytes()
    tls.server_context(folder)

    assert (folder / tls.CERTIFICATE).read_bytes() == first
    assert stat.S_IMODE((folder / tls.KEY).stat().st_mode) == 0o600


def test_a_certificate_names_every_address_of_this_machine(tmp_path: Path) -> None:
    tls.server_context(tmp_path)
    certificate = x509.load_pem_x509_certificate((tmp_path / tls.CERTIFICATE).read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert certificate.not_valid_after_utc - datetime.now(UTC) > timedelta(days=300)


def test_a_certificate_that_runs_out_or_cannot_be_read_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "LIFETIME", timedelta(days=6))
    tls.server_context(tmp_path)
    monkeypatch.undo()
    short = (tmp_path / tls.CERTIFICATE).read_bytes()
    tls.server_context(tmp_path)
    long = (tmp_path / tls.CERTIFICATE).read_bytes()
    (tmp_path / tls.CERTIFICATE).write_bytes(b"broken")
    tls.server_context(tmp_path)

    assert len({short, long, (tmp_path / tls.CERTIFICATE).read_bytes(), b"broken"}) == 4


async def test_accepting_entra_tokens_is_said_aloud(caplog: pytest.LogCaptureFixture) -> None:
    async with LocalPubSub(config(accept_entra_tokens=True)):
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    async with LocalPubSub(config()):
        pass

    assert any("signature, issuer, tenant, roles and identity are NOT" in text for text in warnings)
    assert "Entra" not in caplog.text


def test_entra_tokens_are_never_accepted_from_outside() -> None:
    with pytest.raises(ConfigError, match="accept_entra_tokens"):
        ServiceConfig(host="0.0.0.0", access_keys=("x" * 40,), accept_entra_tokens=True)


def test_file_and_flags_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "localpubsub.toml"
    file.write_text('tls_folder = "certificates"\naccept_entra_tokens = true\n', encoding="utf-8")
    from_file = load_config(file)
    from_flags = Flags(tls=tmp_path / "certificates", accept_entra_tokens=True).lay_over(ServiceConfig())
    kept = Flags().lay_over(from_file)

    for one in (from_file, from_flags, kept):
        assert (one.tls_folder, one.accept_entra_tokens) == (tmp_path / "certificates", True)
    assert (ServiceConfig().tls_folder, ServiceConfig().accept_entra_tokens) == (None, False)
