"""Before there is HTTP: names, ports, certificates, silence; and how fast and how private it is."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.doctor.examination import examine
from app.doctor.exchange import Answer, Request, Trouble
from app.doctor.http import HttpWire
from app.doctor.report import Finding
from app.doctor.target import MADE_UP_ORIGIN
from app.doctor.upstream.groups import GROUPS
from app.doctor.upstream.visit import Visit
from app.doctor.verdicts import Grade
from tests.app.doctor.defects_at_the_door import ChecksNothing
from tests.app.doctor.sound_upstream import ORIGIN, FixedWire, SoundUpstream, serving, target, visiting

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """A port where something else than HTTP is spoken."""
    tasks: list[asyncio.Task[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except OSError:
            pass  # the doctor hung up
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(handle(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    async with asyncio.timeout(10):
        await asyncio.gather(*tasks)


async def finding(check: str, url: str, *, timeout_seconds: float = 10, **changes: object) -> Finding:
    async with visiting(url, timeout_seconds=timeout_seconds, **changes) as visit:
        found = await examine(GROUPS, visit, visit, only=[check])
    return next(one for one in found if one.check == check)


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"220 mail.example ESMTP\r\n\r\n")


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1024):
        pass


async def test_a_port_where_nobody_listens() -> None:
    async with serving(SoundUpstream()) as url:
        pass

    assert (await finding("reach.answers", url)).problem == "unreachable"


async def test_a_host_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    assert (await finding("reach.answers", "http://doctor.invalid/eventhandler")).problem == "unknown-host"


@pytest.mark.parametrize("serve", [hang_up, babble])
async def test_something_that_is_not_http(serve: Serve) -> None:
    async with listening(serve) as port:
        assert (await finding("reach.answers", f"http://127.0.0.1:{port}/")).problem == "not-http"


async def test_something_that_never_answers() -> None:
    async with listening(say_nothing) as port:
        found = await finding("reach.answers", f"http://127.0.0.1:{port}/", timeout_seconds=0.05)

    assert found.problem == "silent"


async def test_a_certificate_of_nobody(tmp_path: Path) -> None:
    async with serving(SoundUpstream(), ssl_context=self_signed(tmp_path)) as url:
        found = await finding("reach.answers", url)

    assert found.problem == "bad-certificate"
    assert "self-signed" in found.found


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "doctor.example")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    (folder / "certificate").write_bytes(certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate", folder / "key")
    return context


@pytest.mark.parametrize("trouble", list(Trouble))
async def test_where_nothing_answers_nothing_else_is_tried(trouble: Trouble) -> None:
    visit = Visit(target("http://localhost/"), FixedWire(Answer(trouble=trouble)))

    findings = await examine(GROUPS, visit, visit)

    assert [one.check for one in findings if one.grade is Grade.FAIL] == ["reach.answers"]
    assert {one.grade for one in findings[1:]} == {Grade.SKIPPED}
    assert len(visit.exchanges) == 1


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://app.example/eventhandler", "plain-http"),
        ("https://app.example/eventhandler", None),
        ("http://localhost:8080/eventhandler", None),
        ("http://127.0.0.2/eventhandler", None),
        ("http://[::1]:8080/eventhandler", None),
        ("http://localhost.example/eventhandler", "plain-http"),
    ],
)
async def test_plain_http_is_for_one_machine(url: str, problem: str | None) -> None:
    visit = Visit(target(url), FixedWire(Answer(200)))

    findings = {one.check: one for one in await examine(GROUPS, visit, visit, only=["reach.encrypted"])}

    assert findings["reach.encrypted"].problem == problem


async def test_an_answer_that_takes_long_is_named() -> None:
    class Slow(FixedWire):
        async def ask(self, request: Request) -> Answer:
            return Answer(204, seconds=6 if request.header("ce-eventName") == "connected" else 0)

    visit = Visit(target("http://localhost/"), Slow(Answer(204)))

    findings = {one.check: one for one in await examine(GROUPS, visit, visit, only=["load.time"])}

    assert findings["load.time"].problem == "slow"
    assert "sys.connected" in findings["load.time"].found


async def test_without_a_key_the_doctor_cannot_be_sure() -> None:
    async with serving(ChecksNothing()) as url:
        found = await finding("signature.checked", url, access_key=None)

    assert (found.problem, found.grade) == ("maybe-unchecked", Grade.WARNING)


async def test_without_a_key_an_upstream_that_checks_cannot_be_examined() -> None:
    async with serving(SoundUpstream()) as url, visiting(url, access_key=None) as visit:
        findings = {one.check: one for one in await examine(GROUPS, visit, visit)}

    assert findings["validation.allowed"].grade is Grade.PASS
    assert findings["signature.right"].grade is Grade.SKIPPED
    assert findings["signature.right"].problem == "no-key"
    assert findings["signature.right"].exchanges
    assert findings["messages.text"].found == "needs signature.right"
    assert Grade.FAIL not in {one.grade for one in findings.values()}


class WantsEntra(SoundUpstream):
    async def receive(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})


async def test_an_upstream_that_wants_entra_cannot_be_examined() -> None:
    async with serving(WantsEntra()) as url:
        found = await finding("signature.right", url)

    assert (found.problem, found.grade) == ("entra", Grade.SKIPPED)


class OneService(SoundUpstream):
    """As those do that choose the key by the origin."""

    def is_signed(self, request: web.Request) -> bool:
        return request.headers["WebHook-Request-Origin"] == ORIGIN and super().is_signed(request)


async def test_without_an_origin_an_upstream_that_knows_its_service_cannot_be_examined() -> None:
    async with serving(OneService()) as url, visiting(url, origin=MADE_UP_ORIGIN) as visit:
        findings = {one.check: one for one in await examine(GROUPS, visit, visit)}

    assert findings["validation.allowed"].problem == "unknown-origin"
    assert findings["signature.right"].problem == "unknown-origin"
    assert {one.grade for name, one in findings.items() if not name.startswith("reach.")} == {Grade.SKIPPED}


async def test_a_redirect_is_not_followed() -> None:
    seen: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    upstream = SoundUpstream()
    upstream.handle = handle  # type: ignore[method-assign]
    async with serving(upstream) as url, visiting(url) as visit:
        await examine(GROUPS, visit, visit)

    assert set(seen) == {"/eventhandler", "/eventhandler/"}


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(say_nothing) as port, serving(SoundUpstream()) as url:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")

        assert (await finding("reach.answers", url)).grade is Grade.PASS


async def test_a_connection_that_was_closed_while_idle_is_tried_again() -> None:
    """The service does it too; and servers close idle connections without a word."""
    asked = 0

    async def one_answer_a_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await reader.read(1)

    async with listening(one_answer_a_connection) as port, HttpWire(timeout_seconds=5) as wire:
        request = Request("POST", f"http://127.0.0.1:{port}/", ())
        answers = [await wire.ask(request) for _ in range(3)]

    assert [answer.status for answer in answers] == [204, 204, 204]
    assert asked == 3


async def test_of_an_endless_answer_a_beginning_is_read() -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with listening(pour) as port, HttpWire(timeout_seconds=5) as wire:
        answer = await wire.ask(Request("POST", f"http://127.0.0.1:{port}/", ()))

    assert (answer.status, len(answer.body)) == (200, 1024 * 1024 + 1)
