"""Requests that are made to hurt: bombs, absurd JSON, forged headers, wrong paths. Nothing gives, nothing grows."""

import asyncio
import base64
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.routers.pages import PAGES
from app.upstream.signature import _expected
from app.upstream.testing import RecordingPublisher
from tests.app.conftest import KEY, MakeClient, event, settings

JSON = "application/json"
ABSURD = {
    "open lists": b"[" * 100_000,
    "lists": b"[" * 100_000 + b"]" * 100_000,
    "objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "digits": b"1" * 100_000,
    "half a character": b'"\\ud800"',
    "no number": b"NaN",
}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def app() -> FastAPI:
    return create_app(settings(), publisher_for=lambda _: RecordingPublisher())


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://upstream") as client:
        yield client


@pytest.mark.parametrize("body", ABSURD.values(), ids=ABSURD)
@pytest.mark.parametrize(("kind", "name"), [("user", "echo"), ("sys", "connect"), ("gp", "joined")])
async def test_absurd_json_is_a_bad_request(client: httpx.AsyncClient, kind: str, name: str, body: bytes) -> None:
    bodies = [body] if kind == "user" else [body, b'{"claims":' + body + b"}"]
    for one in bodies:
        response = await client.post("/eventhandler", headers=event(kind, name, Content_Type=JSON), content=one)

        assert response.status_code == 400
        assert len(response.text) < 200


@pytest.mark.parametrize("state", ABSURD.values(), ids=ABSURD)
async def test_an_absurd_state_is_no_state(connect_to: MakeClient, state: bytes) -> None:
    client = connect_to(max_header_bytes=128 * 1024)
    cut = base64.b64encode(state[:60_000]).decode()
    response = await client.post("/eventhandler", headers=event("user", "echo", ce_connectionState=cut), content=b"x")

    assert (response.status_code, response.content) == (200, b"x")


async def test_a_body_is_never_unpacked(client: httpx.AsyncClient) -> None:
    packed = gzip.compress(b'{"a":1}')
    text = event("user", "echo", Content_Type="application/octet-stream", Content_Encoding="gzip")

    as_json = event("user", "echo", Content_Type=JSON, Content_Encoding="gzip")

    assert (await client.post("/eventhandler", headers=as_json, content=packed)).status_code == 400
    assert (await client.post("/eventhandler", headers=text, content=packed)).content == packed


@pytest.mark.parametrize("header", ["ce-id", "ce-connectionId", "ce-userId", "ce-physicalConnectionId", "ce-hub"])
async def test_what_is_kept_of_a_request_is_short(client: httpx.AsyncClient, header: str) -> None:
    """Ids are kept for as long as a redelivery may come, signatures for as long as there is room."""
    before = _expected.cache_info().currsize
    response = await client.post("/eventhandler", headers=event("user", "echo") | {header: "x" * 5000}, content=b"x")

    assert response.status_code in (400, 404)
    assert _expected.cache_info().currsize == before


@pytest.mark.parametrize("control", ["%0d%0aset-cookie:%20a", "%00", "%1b[2J", "%0a", "%7f"])
async def test_nobody_is_negotiated_for_by_a_name_no_header_carries(client: httpx.AsyncClient, control: str) -> None:
    response = await client.get(f"/negotiate?id=mia{control}")

    assert response.status_code == 400
    assert "control" in response.text


async def test_no_route_but_the_event_handler_reads_a_body(app: FastAPI) -> None:
    for path in [*_paths(app), "/negotiate", "/nowhere"]:
        for method in ("GET", "POST", "PUT"):
            scope = _scope(method, path, (b"content-length", b"1000000000000"))
            sent: list[dict[str, Any]] = []
            await asyncio.wait_for(app(scope, _never, _into(sent)), 10)

            assert sent[0]["status"] < 500 or path in ("/negotiate", "/readyz"), (method, path)


def _scope(method: str, path: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"host", b"upstream"), *headers], "root_path": "", "scheme": "http",
        "server": ("upstream", 80), "client": ("1.2.3.4", 5), "http_version": "1.1",
    }  # fmt: skip


async def _never() -> dict[str, Any]:
    """Nobody may wait for the body, except for a hang-up."""
    return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]


def _into(sent: list[dict[str, Any]]) -> Any:
    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    return send


def _paths(app: FastAPI) -> list[str]:
    """Of everything outside of the hot paths that answers once."""
    described = {path for path in app.openapi()["paths"] if "{" not in path} - {"/eventhandler", "/negotiate"}
    assert described >= {"/healthz", "/metrics", "/readyz", "/hubs", "/client-endpoint"}
    files = ("/web/style.css", "/web/nothing", "/docs/assets/swagger-ui.css")
    return [*PAGES, *described, *files, "/docs", "/openapi.json", "/hubs/chat/groups/a/members"]


async def test_every_answer_tells_browsers_how_to_treat_it(app: FastAPI, browser: httpx.AsyncClient) -> None:
    files = [f"/web/{file.relative_to(ROOT / 'app/web').as_posix()}" for file in (ROOT / "app/web").rglob("*.*")]
    assert len(files) > 20
    for path in [*_paths(app), *files, "/nowhere"]:
        headers = (await browser.get(path)).headers
        policy = headers["content-security-policy"]

        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer", path
        assert policy.startswith(("default-src 'self'; ", "default-src 'none'; ")), path
        assert "frame-ancestors 'none'" in policy, path
        assert "base-uri 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert "*" not in policy, path


@pytest.mark.parametrize("root", ["/web", "/docs/assets"])
@pytest.mark.parametrize(
    "path",
    [
        "/../main.py",
        "/..%2fmain.py",
        "/%2e%2e/main.py",
        "/....//main.py",
        "/..\\main.py",
        "/%5c..%5cmain.py",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/style.css%00.py",
        "/chat/../../main.py",
        "/",
        "",
    ],
)
async def test_only_what_is_in_the_folder_is_served(app: FastAPI, root: str, path: str) -> None:
    """As it stands: client libraries would tidy the path up."""
    raw = f"{root}{path}"
    scope = _scope("GET", unquote(raw)) | {"raw_path": raw.encode()}
    sent: list[dict[str, Any]] = []
    await asyncio.wait_for(app(scope, _never, _into(sent)), 10)

    assert sent[0]["status"] in (307, 404)
    assert all(b"import" not in one.get("body", b"") and b"root:" not in one.get("body", b"") for one in sent)


@pytest.mark.parametrize(
    "path", ["//evil.example/", "//evil.example/chat/", "/chat//evil.example", "/chat/", "/hubs/", "/\\evil.example/"]
)
async def test_nobody_is_sent_elsewhere(browser: httpx.AsyncClient, path: str) -> None:
    response = await browser.get(httpx.URL(f"http://upstream{path}"), follow_redirects=False)

    target = response.headers.get("location", "http://upstream/")
    assert httpx.URL(target).host == "upstream"
    assert target.startswith("http://upstream/")


async def test_no_secret_is_in_an_answer(browser: httpx.AsyncClient, app: FastAPI) -> None:
    for path in _paths(app):
        text = (await browser.get(path)).text

        assert KEY not in text, path
        assert "AccessKey" not in text or path == "/openapi.json", path


def test_no_secret_is_in_what_an_application_is_shown_as(app: FastAPI) -> None:
    services = app.state.services
    shown = [services.settings, *services.settings.endpoints, services.issuer, services.webhook, services.identity]

    for one in shown:
        assert KEY not in repr(one)
        assert KEY not in str(one)
